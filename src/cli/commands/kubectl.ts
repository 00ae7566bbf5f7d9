import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { minicubeHome } from '../../cluster/home.ts'
import { findTool } from '../../cluster/kubernetesTools.ts'
import { requireProfile } from '../../cluster/profile.ts'
import type { CliContext } from '../context.ts'

/** kubectl with the cluster's context; its exit code is ours. Where that fails and there is no such cluster, it is told how to get one (exit code 85). */
export async function kubectl(args: readonly string[], context: CliContext): Promise<void> {
  const program = await findTool('kubectl', context.env)
  const profile = await context.profile()
  const child = spawn(program, ['--context', profile, ...args], { stdio: 'inherit', env: context.env })
  const forward = (): void => void child.kill('SIGINT')
  context.signal.addEventListener('abort', forward, { once: true })
  const [code] = (await once(child, 'close')) as [number | null]
  context.exitCode = code ?? 1
  if (context.exitCode !== 0 && !context.signal.aborted) await requireProfile(minicubeHome(context.env), profile)
}
