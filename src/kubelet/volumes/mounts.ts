/** What is mounted on the node. */
import { readFile } from 'node:fs/promises'

const unescaped = (path: string): string => path.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/** Mount points below a directory, the deepest first. */
export async function mountsBelow(directory: string): Promise<string[]> {
  const mounts = await readFile('/proc/self/mounts', 'utf8').catch(() => '')
  return mounts
    .split('\n')
    .map((line) => unescaped(line.split(' ')[1] ?? ''))
    .filter((path) => path.startsWith(`${directory}/`))
    .toSorted((a, b) => b.length - a.length)
}
