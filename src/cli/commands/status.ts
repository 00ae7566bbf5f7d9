import { getStatus, statusExitCode, type ClusterStatus } from '../../cluster/status.ts'
import type { CliContext } from '../context.ts'

const block = ({ Name, Host, Kubelet, APIServer, Kubeconfig }: ClusterStatus): string =>
  `${Name}\ntype: Control Plane\nhost: ${Host}\nkubelet: ${Kubelet}\napiserver: ${APIServer}\nkubeconfig: ${Kubeconfig}\n\n`

export async function status(options: { output: 'text' | 'json' }, context: CliContext): Promise<void> {
  const found = await getStatus({ profile: await context.profile(), env: context.env, signal: context.signal })
  context.stdout.write(options.output === 'json' ? `${JSON.stringify(found)}\n` : block(found))
  context.exitCode = statusExitCode(found)
}
