import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { findTool } from '../../cluster/kubernetesTools.ts'
import type { CliContext } from '../context.ts'

/** kubectl with the cluster's context; its exit code is ours. */
export async function kubectl(args: readonly string[], context: CliContext): Promise<void> {
  const program = await findTool('kubectl', context.env)
  const child = spawn(program, ['--context', await context.profile(), ...args], { stdio: 'inherit', env: context.env })
  const forward = (): void => void child.kill('SIGINT')
  context.signal.addEventListener('abort', forward, { once: true })
  const [code] = (await once(child, 'close')) as [number | null]
  context.exitCode = code ?? 1
}
