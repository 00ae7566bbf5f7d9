/**
 * The storage drivers of this node: each announces itself by a socket in the plugins' registry folder, is asked who it is
 * and noted in the node's CSINode object; it is gone when its socket is. Upstream's plugin manager and node info manager.
 */
import { watch } from 'node:fs'
import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { nodes } from '../../api/kinds/core/v1.ts'
import { csinodes, type CSINode, type CSINodeDriver } from '../../api/kinds/storage/v1.ts'
import type { Draft } from '../../api/resource.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../../api/status.ts'
import { aborted } from '../../base/abort.ts'
import { Backoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import { Socket, type DriverNode } from './driver.ts'

export interface CsiPluginsOptions {
  client: Client
  clock: Clock
  log: Logger
  signal: AbortSignal
  nodeName: string
  /** `plugins_registry` of the kubelet's folder. */
  registryDirectory: string
}

interface Plugin {
  name: string
  socket: Socket
  /** Of the file: a driver that starts anew makes another one. */
  identity: string
}

const DRIVER_TYPE = 'CSIPlugin'
const RETRY = { baseMs: 500, maxMs: 30_000 }
const MAX_CONFLICTS = 10

export class CsiPlugins {
  readonly #options: CsiPluginsOptions
  /** By the file name of the socket that announced it. */
  readonly #plugins = new Map<string, Plugin>()
  readonly #retries = new Map<string, Backoff>()
  #looking: Promise<void> = Promise.resolve()

  constructor(options: CsiPluginsOptions) {
    this.#options = options
  }

  /** The driver of that name. Throws an Error in upstream's words when there is none. */
  driver(name: string): Socket {
    const found = [...this.#plugins.values()].find((plugin) => plugin.name === name)
    if (!found) throw new Error(`kubernetes.io/csi: driver name ${name} not found in the list of registered CSI drivers`)
    return found.socket
  }

  async run(): Promise<void> {
    const { registryDirectory, signal } = this.#options
    await mkdir(registryDirectory, { recursive: true, mode: 0o750 })
    const watcher = watch(registryDirectory, { persistent: false }, () => this.#look())
    watcher.on('error', () => {})
    this.#look()
    await aborted(signal)
    watcher.close()
    await this.#looking
    for (const { socket } of this.#plugins.values()) socket.close()
  }

  #look(): void {
    const { clock, log, signal } = this.#options
    this.#looking = this.#looking
      .then(() => this.#compare())
      .catch((error: unknown) => {
        if (signal.aborted) return
        log.warn('the registry of storage drivers cannot be followed', { error: String(error) })
        clock.after(RETRY.maxMs, () => this.#look())
      })
  }

  async #compare(): Promise<void> {
    const { registryDirectory, signal } = this.#options
    if (signal.aborted) return
    const found = new Map<string, string>()
    for (const name of await readdir(registryDirectory)) {
      const info = await stat(join(registryDirectory, name)).catch(() => undefined)
      if (info?.isSocket() && !name.startsWith('.')) found.set(name, `${info.ino} ${info.ctimeMs}`)
    }
    for (const [file, plugin] of this.#plugins) if (!found.has(file)) await this.#remove(file, plugin)
    for (const [file, identity] of found) if (this.#plugins.get(file)?.identity !== identity) await this.#add(file, identity)
  }

  async #add(file: string, identity: string): Promise<void> {
    const { registryDirectory, clock, log } = this.#options
    const path = join(registryDirectory, file)
    const registration = new Socket(path)
    try {
      const { type, name, endpoint } = await registration.pluginInfo()
      if (type !== DRIVER_TYPE) throw new Error(`plugins of type ${type} are not supported`)
      const socket = new Socket(endpoint || path)
      try {
        await this.#noteInApi(name, await socket.nodeInfo())
      } catch (error) {
        socket.close()
        await registration.notifyRegistration(error instanceof Error ? error.message : String(error)).catch(() => {})
        throw error
      }
      this.#plugins.get(file)?.socket.close()
      this.#plugins.set(file, { name, socket, identity })
      this.#retries.delete(file)
      await registration.notifyRegistration(undefined)
      log.info('a storage driver is registered', { driver: name })
    } catch (error) {
      const backoff = this.#retries.get(file) ?? new Backoff(RETRY)
      this.#retries.set(file, backoff)
      log.warn('a storage driver could not be registered', { socket: file, error: String(error) })
      clock.after(backoff.next(), () => this.#look())
    } finally {
      registration.close()
    }
  }

  async #remove(file: string, { name, socket }: Plugin): Promise<void> {
    await this.#changeDrivers((drivers) => drivers.filter((driver) => driver.name !== name))
    this.#plugins.delete(file)
    socket.close()
    this.#options.log.info('a storage driver is gone', { driver: name })
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
