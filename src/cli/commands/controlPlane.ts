import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { CliContext } from '../context.ts'

/** The node half runs as a program of its own: this half knows nothing of it but its name. */
const ENTRY = fileURLToPath(new URL('../controlPlane.ts', import.meta.url))

export async function controlPlane(args: readonly string[], context: CliContext): Promise<void> {
  const child = spawn(process.execPath, [...process.execArgv, ENTRY, ...args], { stdio: 'inherit', env: context.env })
  const stop = (): void => void child.kill('SIGTERM')
  context.signal.addEventListener('abort', stop, { once: true })
  const [code] = (await once(child, 'close')) as [number | null]
  context.exitCode = code ?? 1
}
