/** `minicube tree`: the containers in the container, from the engine down to each pod's containers. */
import type Docker from 'dockerode'
import { innerEngine, openNodeStream } from './nodeStream.ts'
import { type ClusterOptions, openNode } from './runningNode.ts'

export interface TreeNode {
  text: string
  children: readonly TreeNode[]
}

interface ComponentHealth {
  name: string
  state: string
  restarts: number
  lastError?: string
}

/** The node process tells it on this socket (node/componentHealth.ts). */
const HEALTH_SOCKET = '/run/minicube/health.sock'
const LABEL = 'io.minicube.'

async function componentHealth(container: Docker.Container): Promise<ComponentHealth[]> {
  const stream = await openNodeStream(container, ['nc', '-N', '-U', HEALTH_SOCKET])
  stream.write('GET / HTTP/1.0\r\n\r\n')
  let answer = ''
  for await (const chunk of stream) answer += String(chunk)
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4)
  return body.startsWith('[') ? (JSON.parse(body) as ComponentHealth[]) : []
}

interface ListedContainer {
  Id: string
  State: string
  Status: string
  Image: string
  Labels: Record<string, string>
}

/** Pure: pods in order of namespace and name, each with the containers that the engine has for it. */
export function podTrees(containers: readonly ListedContainer[]): TreeNode[] {
  const label = (c: ListedContainer, name: string): string => c.Labels[`${LABEL}${name}`] ?? ''
  const ours = containers.filter((c) => label(c, 'pod.uid'))
  const pods = Map.groupBy(ours, (c) => `${label(c, 'pod.namespace')}/${label(c, 'pod.name')} ${label(c, 'pod.uid')}`)
  return [...pods]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, members]) => ({
      text: `pod ${key.split(' ')[0]}`,
      children: members
        .map((c) => ({ name: label(c, 'container.name') || 'sandbox', c }))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        // Containers are made from an image's ID; its name is in the kubelet's label.
        .map(({ name, c }) => ({ text: `${name}  ${label(c, 'image') || c.Image}  ${c.Status}`, children: [] })),
    }))
}

export async function clusterTree(options: ClusterOptions): Promise<TreeNode> {
  const { profile, engine, container, state } = await openNode(options)
  const inner = await innerEngine(container)
  const [health, containers, version] = await Promise.all([
    componentHealth(container).catch((): ComponentHealth[] => []),
    inner.listContainers({ all: true }),
    inner.version(),
  ])
  const components = health.map(({ name, state: at, restarts, lastError }) => ({
    text: `${name}  ${at}${restarts > 0 ? `, restarted ${restarts} times${lastError ? `: ${lastError}` : ''}` : ''}`,
    children: [],
  }))
  const apiServer = { text: `kube-apiserver  ${health.length > 0 ? 'Running' : 'Stopped'}`, children: [] }
  return {
    text: `engine ${engine.address.host} (${engine.address.source})`,
    children: [
      {
        text: `node container ${profile.name}  ${state.image}  ${state.nodeIP}  ${state.status}`,
        children: [
          { text: 'control plane', children: [apiServer, ...components] },
          { text: `engine docker ${version.Version}`, children: podTrees(containers as unknown as ListedContainer[]) },
        ],
      },
    ],
  }
}
