import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { minicubeHome } from '../../cluster/home.ts'
import { kubeconfigPath, lookUpKubeconfig } from '../../cluster/kubeconfig/file.ts'
import { findTool } from '../../cluster/kubernetesTools.ts'
import { requireProfile } from '../../cluster/profile.ts'
import { UserError } from '../../cluster/userError.ts'
import type { CliContext } from '../context.ts'

/** kubectl with the cluster's context; its exit code is ours. Where that fails and there is no such cluster, or it is not in the kubeconfig, that is told (85, 38). */
export async function kubectl(args: readonly string[], context: CliContext): Promise<void> {
  const program = await findTool('kubectl', context.env)
  const profile = await context.profile()
  const child = spawn(program, ['--context', profile, ...args], { stdio: 'inherit', env: context.env })
  const forward = (): void => void child.kill('SIGINT')
  context.signal.addEventListener('abort', forward, { once: true })
  const [code] = (await once(child, 'close')) as [number | null]
  context.exitCode = code ?? 1
  if (context.exitCode !== 0 && !context.signal.aborted) await requireKnown(profile, context)
}

/** Why kubectl failed, where it knows nothing of the cluster. */
async function requireKnown(profile: string, { env }: CliContext): Promise<void> {
  await requireProfile(minicubeHome(env), profile)
  if (await lookUpKubeconfig(profile, { env })) return
  throw new UserError({
    area: 'HOST',
    sort: 'CONFIG',
    message: `the kubeconfig ${await kubeconfigPath({ env })} has no entry of "${profile}" (any more)`,
    hint: `minicube start --profile ${profile} --keep-context writes it anew`,
  })
}
