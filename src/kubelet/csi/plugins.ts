/**
 * The storage drivers of this node, as they announce themselves: each is asked who it is and noted in the node's CSINode
 * object, for as long as it is there. Upstream's registration handler and node info manager.
 */
import { nodes } from '../../api/kinds/core/v1.ts'
import { csinodes, type CSINode, type CSINodeDriver } from '../../api/kinds/storage/v1.ts'
import type { Draft } from '../../api/resource.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'
import type { PluginKind, RegisteredPlugin } from '../plugins/pluginRegistry.ts'
import type { PluginInfo } from '../plugins/registration.ts'
import { Socket, type DriverNode } from './driver.ts'

export interface CsiPluginsOptions {
  client: Client
  signal: AbortSignal
  nodeName: string
}

export const CSI_PLUGIN_TYPE = 'CSIPlugin'
const MAX_CONFLICTS = 10

export class CsiPlugins implements PluginKind {
  readonly #options: CsiPluginsOptions
  /** By the driver's name. */
  readonly #sockets = new Map<string, Socket>()

  constructor(options: CsiPluginsOptions) {
    this.#options = options
  }

  /** The driver of that name. Throws an Error in upstream's words when there is none. */
  driver(name: string): Socket {
    const found = this.#sockets.get(name)
    if (!found) throw new Error(`driver name ${name} not found in the list of registered CSI drivers`)
    return found
  }

  async register({ name, endpoint }: PluginInfo): Promise<RegisteredPlugin> {
    const socket = new Socket(endpoint)
    try {
      await this.#noteInApi(name, await socket.nodeInfo())
    } catch (error) {
      socket.close()
      throw error
    }
    this.#sockets.set(name, socket)
    return {
      unregister: async () => {
        await this.#changeDrivers((drivers) => drivers.filter((driver) => driver.name !== name))
        if (this.#sockets.get(name) === socket) this.#sockets.delete(name)
      },
      close: () => socket.close(),
    }
  }

  async #noteInApi(name: string, { nodeId, maxVolumesPerNode, topology }: DriverNode): Promise<void> {
    const { client, nodeName, signal } = this.#options
    const entry: CSINodeDriver = {
      name,
      nodeID: nodeId,
      topologyKeys: [...topology.keys()],
      ...(maxVolumesPerNode > 0 && { allocatable: { count: maxVolumesPerNode } }),
    }
    await this.#changeDrivers((drivers) => [...drivers.filter((driver) => driver.name !== name), entry])
    const annotations = { 'csi.volume.kubernetes.io/nodeid': JSON.stringify({ [name]: nodeId }) }
    const labels = Object.fromEntries(topology)
    await client.patch(nodes, { name: nodeName, type: 'application/merge-patch+json', signal }, { metadata: { annotations, labels } })
  }

  async #changeDrivers(change: (drivers: readonly CSINodeDriver[]) => CSINodeDriver[]): Promise<void> {
    const { client, nodeName, signal } = this.#options
    for (let tries = 1; ; tries++) {
      try {
        const found = await client.get(csinodes, { name: nodeName, signal }).catch((error: unknown) => {
          if (isNotFound(error)) return undefined
          throw error
        })
        if (found) await client.update(csinodes, { ...found, spec: { drivers: change(found.spec.drivers ?? []) } }, { signal })
        else await client.create(csinodes, await this.#newObject(change([])), { signal })
        return
      } catch (error) {
        if ((!isConflict(error) && !isAlreadyExists(error)) || tries >= MAX_CONFLICTS) throw error
      }
    }
  }

  async #newObject(drivers: CSINodeDriver[]): Promise<Draft<CSINode>> {
    const { client, nodeName, signal } = this.#options
    const { uid } = (await client.get(nodes, { name: nodeName, signal })).metadata
    return { metadata: { name: nodeName, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid }] }, spec: { drivers } }
  }
}
