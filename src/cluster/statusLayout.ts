/** minikube's other view of a status (`status --layout cluster`): each part with a code, named as HTTP's. Pure. */
import type { ClusterStatus, HostState, WorkerStatus } from './status.ts'

export interface StatusPart {
  Name: string
  StatusCode: number
  StatusName: string
}

export interface ClusterLayout extends StatusPart {
  Components: Record<string, StatusPart>
  Nodes: readonly (StatusPart & { Components: Record<string, StatusPart> })[]
}

const CODES: Record<string, [code: number, name: string]> = {
  Starting: [100, 'Starting'],
  Running: [200, 'OK'],
  Configured: [200, 'OK'],
  Degraded: [204, 'Degraded'],
  Nonexistent: [404, 'NotFound'],
  Stopped: [405, 'Stopped'],
  Paused: [418, 'Paused'],
  Misconfigured: [500, 'Error'],
}

function part(name: string, state: string): StatusPart {
  const [code, text] = CODES[state] ?? [520, 'Unknown']
  return { Name: name, StatusCode: code, StatusName: text }
}

/** A host that runs while something of it does not is degraded. */
const wholeState = (host: HostState, isWhole: boolean): string => (host === 'Running' && !isWhole ? 'Degraded' : host)

export function clusterLayout(status: readonly [ClusterStatus, ...WorkerStatus[]]): ClusterLayout {
  const [first] = status
  const nodes = status.map((node) => {
    const states = { ...(!node.Worker && { apiserver: node.APIServer }), kubelet: node.Kubelet }
    const isWhole = Object.values(states).every((state) => state === 'Running')
    const components = Object.fromEntries(Object.entries(states).map(([name, state]) => [name, part(name, state)]))
    return { ...part(node.Name, wholeState(node.Host, isWhole)), Components: components }
  })
  const isWhole = nodes.every(({ StatusCode }) => StatusCode === 200) && first.Kubeconfig === 'Configured'
  return {
    ...part(first.Name, wholeState(first.Host, isWhole)),
    Components: { kubeconfig: part('kubeconfig', first.Kubeconfig) },
    Nodes: nodes,
  }
}
