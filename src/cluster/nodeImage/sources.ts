/** Where the files of this checkout (or of the installed npm package) are, and a key of everything that goes into an image. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const PROJECT_ROOT = fileURLToPath(new URL('../../..', import.meta.url))
export const imageFolder = (name: string): string => join(PROJECT_ROOT, 'images', name)

export async function projectVersion(): Promise<string> {
  return (JSON.parse(await readFile(join(PROJECT_ROOT, 'package.json'), 'utf8')) as { version: string }).version
}

/** Rooms of the host's side: a change there makes no other node image. */
const HOST_ROOMS = ['cli', 'cluster']
const KEY_LENGTH = 12

// Synchronously: every start reads these hundreds of small files, and as many promises take three times as long.
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** Names, modes and contents, in an order that does not depend on the file system. */
export function contentKey(files: readonly string[], more: readonly string[] = []): string {
  const hash = createHash('sha256')
  for (const file of [...files].sort()) {
    const content = readFileSync(file)
    const { mode } = statSync(file)
    hash.update(`${relative(PROJECT_ROOT, file)}\0${mode & 0o111 ? 'x' : '-'}\0${content.length}\0`).update(content)
  }
  for (const text of more) hash.update(`\0${text}`)
  return hash.digest('hex').slice(0, KEY_LENGTH)
}

export function baseImageKey(facts: readonly string[]): string {
  return contentKey(filesBelow(imageFolder('node-base')), facts)
}

/** What the node image is made of, besides its base: so that it is found again without bundling anything. */
export function nodeImageKey(facts: readonly string[]): string {
  const source = join(PROJECT_ROOT, 'src')
  const rooms = readdirSync(source).filter((room) => !HOST_ROOMS.includes(room))
  const folders = [...rooms.map((room) => join(source, room)), ...['node', 'pause', 'busybox'].map(imageFolder)]
  const files = folders.flatMap(filesBelow).filter((file) => !file.endsWith('.test.ts'))
  // Dependencies are bundled too; their versions stand in the manifest exactly.
  return contentKey([...files, join(PROJECT_ROOT, 'package.json'), join(import.meta.dirname, 'bundle.ts')], facts)
}
