/** Where a node's kubelet listens, and how the API server shows it who it is. */
import { Agent } from 'node:https'
import { nodes as nodeResource } from '../../api/kinds/core/v1.ts'
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'
import { newBadRequest, newInternalError, newNotFound } from '../../api/status.ts'

/** PEM: the API server's client certificate, and the CA that signed the kubelets'. */
export interface KubeletClient {
  key: string
  cert: string
  ca: string
}

export interface ObjectReader {
  /** Undefined where it is not there. */
  get<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string): Promise<T | undefined>
  list<T extends KubeObject>(resource: Resource<T>, namespace: string, labelSelector: string): Promise<T[]>
}

export interface Target {
  host: string
  port: number
  tls: boolean
  /** The kubelet's: with the server's own certificate. */
  agent?: Agent
}

const KUBELET_PORT = 10250
/** Upstream's --kubelet-preferred-address-types. */
const ADDRESS_TYPES = ['Hostname', 'InternalDNS', 'InternalIP', 'ExternalDNS', 'ExternalIP']
const MAX_IDLE_SOCKETS = 8

/** In one container or one network a node's name need not resolve: its address is what counts. */
function addressOf(node: Node): string | undefined {
  const addresses = node.status?.addresses ?? []
  const internal = addresses.find((a) => a.type === 'InternalIP')
  return (internal ?? ADDRESS_TYPES.map((type) => addresses.find((a) => a.type === type)).find((a) => a !== undefined))?.address
}

export class Kubelets {
  readonly #reader: ObjectReader
  readonly #agent: Agent

  constructor(options: { reader: ObjectReader; client: KubeletClient }) {
    this.#reader = options.reader
    // Kubelets' serving certificates name the node, which is not how it is reached here: the CA is what is checked.
    this.#agent = new Agent({ ...options.client, keepAlive: true, maxFreeSockets: MAX_IDLE_SOCKETS, checkServerIdentity: () => undefined })
  }

  async ofNode(name: string, missing: () => Error = () => newNotFound(nodeResource, name)): Promise<Target> {
    const node = await this.#reader.get(nodeResource, '', name)
    if (!node) throw missing()
    const host = addressOf(node)
    if (!host) throw newInternalError(`no preferred addresses found; known addresses: []`)
    return { host, port: node.status?.daemonEndpoints?.kubeletEndpoint?.Port || KUBELET_PORT, tls: true, agent: this.#agent }
  }

  /** The kubelet that runs a pod. Upstream says "pods" of a node that is not there. */
  async ofPod(pod: Pod): Promise<Target> {
    const nodeName = pod.spec.nodeName ?? ''
    if (nodeName === '') throw newBadRequest(`pod ${pod.metadata.name} does not have a host assigned`)
    return this.ofNode(nodeName, () => newNotFound({ group: '', resource: 'pods' }, nodeName))
  }

  close(): void {
    this.#agent.destroy()
  }
}
