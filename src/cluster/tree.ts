/** `minicube tree`: the containers in the container, from the engine down to each pod's containers. */
import type Docker from 'dockerode'
import { inspectNode } from './nodeContainer.ts'
import { innerEngine, openNodeStream } from './nodeStream.ts'
import { workerNames } from './names.ts'
import { type ClusterOptions, openNode } from './runningNode.ts'

export interface ClusterTree {
  /** The engine that the nodes' containers are in. */
  engine: { host: string; source: string }
  nodes: readonly NodeTree[]
}

export interface NodeTree {
  name: string
  image: string
  ip: string
  status: string
  components: readonly ComponentHealth[]
  /** The version of the engine inside; undefined where the node does not run. */
  engineVersion?: string
  pods: readonly PodTree[]
}

export interface ComponentHealth {
  name: string
  state: string
  restarts: number
  lastError?: string
}

export interface PodTree {
  namespace: string
  name: string
  uid: string
  containers: readonly { name: string; image: string; status: string }[]
}

/** The node process tells it on this socket (node/componentHealth.ts). */
const HEALTH_SOCKET = '/run/minicube/health.sock'
const LABEL = 'io.minicube.'

/** None where the node process does not answer. */
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
export function podTrees(containers: readonly ListedContainer[]): PodTree[] {
  const label = (c: ListedContainer, name: string): string => c.Labels[`${LABEL}${name}`] ?? ''
  const ours = containers.filter((c) => label(c, 'pod.uid'))
  const pods = Map.groupBy(ours, (c) => `${label(c, 'pod.namespace')}/${label(c, 'pod.name')} ${label(c, 'pod.uid')}`)
  return [...pods]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, members]) => ({
      namespace: label(members[0] as ListedContainer, 'pod.namespace'),
      name: label(members[0] as ListedContainer, 'pod.name'),
      uid: label(members[0] as ListedContainer, 'pod.uid'),
      containers: members
        // Containers are made from an image's ID; its name is in the kubelet's label.
        .map((c) => ({ name: label(c, 'container.name') || 'sandbox', image: label(c, 'image') || c.Image, status: c.Status }))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    }))
}

export async function clusterTree(options: ClusterOptions): Promise<ClusterTree> {
  const { profile, engine } = await openNode(options)
  const names = [profile.name, ...workerNames(profile)]
  const nodes = await Promise.all(
    names.map(async (name, index) => {
      const state = await inspectNode(engine.address, name, options.signal)
      const facts = {
        name,
        image: state?.image ?? '',
        ip: state?.nodeIP ?? '',
        status: state?.status ?? 'missing',
        components: [],
        pods: [],
      }
      return state?.running ? { ...facts, ...(await insideNode(engine.docker.getContainer(name), index === 0)) } : facts
    }),
  )
  const { host, source } = engine.address
  return { engine: { host, source }, nodes }
}

async function insideNode(
  container: Docker.Container,
  hasControlPlane: boolean,
): Promise<Pick<NodeTree, 'components' | 'engineVersion' | 'pods'>> {
  const inner = await innerEngine(container)
  const [health, containers, version] = await Promise.all([
    componentHealth(container).catch((): ComponentHealth[] => []),
    inner.listContainers({ all: true }),
    inner.version(),
  ])
  // It is what the others run beside: they are told of by it, or not at all.
  const apiServer = { name: 'kube-apiserver', state: health.length > 0 ? 'Running' : 'Stopped', restarts: 0 }
  return {
    components: hasControlPlane ? [apiServer, ...health] : health,
    engineVersion: version.Version,
    pods: podTrees(containers as unknown as ListedContainer[]),
  }
}
