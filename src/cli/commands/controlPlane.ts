import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ensureDescriptions } from '../../cluster/nodeImage/descriptions.ts'
import type { CliContext } from '../context.ts'

/** The node half runs as a program of its own: this half knows nothing of it but its name. */
const ENTRY = fileURLToPath(new URL('../../node/controlPlane.ts', import.meta.url))

export async function controlPlane(args: readonly string[], context: CliContext): Promise<void> {
  // Comfort only: a checkout that cannot be written to serves without.
  const descriptions = await ensureDescriptions(context.signal).catch(() => undefined)
  const given = descriptions ? ['--descriptions', descriptions] : []
  const child = spawn(process.execPath, [ENTRY, ...given, ...args], { stdio: 'inherit', env: context.env })
  const stop = (): void => void child.kill('SIGTERM')
  context.signal.addEventListener('abort', stop, { once: true })
  const [code] = (await once(child, 'close')) as [number | null]
  context.exitCode = code ?? 1
}
