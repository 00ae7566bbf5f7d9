import { getStatus, statusExitCode, type ClusterStatus, type WorkerStatus } from '../../cluster/status.ts'
import type { CliContext } from '../context.ts'

function block(node: ClusterStatus | WorkerStatus): string {
  const { Name, Host, Kubelet } = node
  const lines = [Name, `type: ${node.Worker ? 'Worker' : 'Control Plane'}`, `host: ${Host}`, `kubelet: ${Kubelet}`]
  if (!node.Worker) lines.push(`apiserver: ${node.APIServer}`, `kubeconfig: ${node.Kubeconfig}`)
  return `${lines.join('\n')}\n\n`
}

export async function status(options: { output: 'text' | 'json' }, context: CliContext): Promise<void> {
  const found = await getStatus({ profile: await context.profile(), env: context.env, signal: context.signal })
  const json = JSON.stringify(found.length > 1 ? found : found[0])
  context.stdout.write(options.output === 'json' ? `${json}\n` : found.map(block).join(''))
  context.exitCode = statusExitCode(found)
}
