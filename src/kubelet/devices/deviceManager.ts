/**
 * Devices that plugins offer (upstream's device manager): a plugin announces its resource at the kubelet's socket, tells its
 * devices and their health for as long as it lives, and says what a container gets that is given some of them. The node's
 * capacity tells how many there are. Which container has which is kept on disk, where others look for it, too.
 */
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Container, Pod, ResourceStatus } from '../../api/kinds/core/v1.ts'
import { isExtendedResource } from '../../api/validation/resourceNames.ts'
import { aborted } from '../../base/abort.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { replaceFile } from '../../base/replaceFile.ts'
import type { Rejection } from '../pods/rejection.ts'
import { quantityValue } from '../pods/amounts.ts'
import { serveGrpc } from '../grpc/server.ts'
import { RPC, RpcError } from '../grpc/socket.ts'
import type { Decoded, Message } from '../grpc/wire.ts'
import { isSidecar } from '../pods/podSpec.ts'
import { DeviceClaims, type DeviceClaim } from './deviceClaims.ts'
import { DevicePlugin, pluginOptions, type Device, type DeviceGrant, type DevicePluginOptions } from './devicePlugin.ts'

export interface DeviceManagerOptions {
  clock: Clock
  log: Logger
  signal: AbortSignal
  /** `device-plugins` of the kubelet's folder. */
  directory: string
  /** The node has more or fewer devices than before, or some are in another state; pods that have devices may have one of them. */
  onChange(podUids: readonly string[]): void
}

interface Resource {
  devices: readonly Device[]
  /** Undefined while none is connected. */
  plugin: DevicePlugin | undefined
  options: DevicePluginOptions
  /** Ends what follows the plugin. */
  stop: AbortController
}

/** Of the node, by resource. */
export interface DeviceAmounts {
  capacity: Record<string, string>
  allocatable: Record<string, string>
}

const SOCKET = 'kubelet.sock'
const RECORD = 'kubelet_internal_checkpoint'
const VERSION = 'v1beta1'
/** A plugin that is being replaced comes back; until then its devices are there, but nobody gets one. */
const GONE_AFTER_MS = 5 * 60_000

export class DeviceManager {
  readonly #options: DeviceManagerOptions
  readonly #resources = new Map<string, Resource>()
  /** Resources that the node had, and that are told as none. */
  readonly #gone = new Set<string>()
  readonly #claims = new DeviceClaims()
  /** Pods are given devices one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: DeviceManagerOptions) {
    this.#options = options
  }

  /** Reads what was given before. To be called before any pod is looked at. */
  async begin(): Promise<void> {
    const { directory } = this.#options
    await mkdir(directory, { recursive: true, mode: 0o750 })
    for (const name of await readdir(directory))
      if ((await stat(join(directory, name)).catch(() => undefined))?.isSocket()) await rm(join(directory, name), { force: true })
    const text = await readFile(join(directory, RECORD), 'utf8').catch(() => undefined)
    if (text === undefined) return
    try {
      for (const resource of this.#claims.restore(text)) this.#gone.add(resource)
    } catch (error) {
      this.#options.log.warn('the record of given devices cannot be read', { error: String(error) })
    }
  }

  /** Serves the socket at which plugins announce themselves; they see that it is a new one and come again. */
  async run(): Promise<void> {
    const { directory, signal } = this.#options
    const path = join(directory, SOCKET)
    const server = await serveGrpc(path, { '/v1beta1.Registration/Register': (request) => this.#register(request) })
    await aborted(signal)
    server.close()
    for (const { stop } of this.#resources.values()) stop.abort()
  }

  get amounts(): DeviceAmounts {
    const none = Object.fromEntries([...this.#gone].map((name) => [name, '0']))
    const count = (of: (resource: Resource) => number): Record<string, string> =>
      Object.fromEntries([...this.#resources].map(([name, resource]) => [name, String(of(resource))]))
    return {
      capacity: { ...none, ...count(({ devices }) => devices.length) },
      allocatable: { ...none, ...count(({ devices }) => devices.filter(({ healthy }) => healthy).length) },
    }
  }

  /** All that can be given, by resource. */
  *allocatable(): Iterable<readonly [resource: string, ids: readonly string[]]> {
    for (const [name, { devices }] of this.#resources) yield [name, devices.filter(({ healthy }) => healthy).map(({ id }) => id)]
  }

  claimsOf(podUid: string): readonly DeviceClaim[] {
    return this.#claims.of(podUid)
  }

  /** How the container's devices are. */
  statusOf(podUid: string, container: string): ResourceStatus[] {
    return this.#claims
      .of(podUid)
      .filter((claim) => claim.container === container)
      .map(({ resource, ids }) => ({
        name: resource,
        resources: ids.map((resourceID) => ({ resourceID, health: this.#isHealthy(resource, resourceID) ? 'Healthy' : 'Unhealthy' })),
      }))
  }

  /** Of what was there before this kubelet nobody has said that it is not. */
  #isHealthy(resource: string, id: string): boolean {
    return this.#resources.get(resource)?.devices.find((device) => device.id === id)?.healthy ?? true
  }

  async #register(request: Decoded): Promise<Message> {
    const { directory, log } = this.#options
    const [version, endpoint, name] = [request.text(1), request.text(2), request.text(3)]
    if (version !== VERSION)
      throw new RpcError(RPC.Unknown, `requested API version "${version}" is not supported by kubelet. Supported version is ["${VERSION}"]`)
    if (!isExtendedResource(name)) throw new RpcError(RPC.Unknown, `the ResourceName "${name}" is invalid`)
    if (endpoint !== basename(endpoint)) throw new RpcError(RPC.InvalidArgument, `the endpoint "${endpoint}" is not a file of ${directory}`)
    this.#resources.get(name)?.stop.abort()
    const plugin = new DevicePlugin(join(directory, endpoint))
    const resource: Resource = {
      devices: [],
      plugin,
      options: pluginOptions(request.messages(4)[0]),
      stop: new AbortController(),
    }
    this.#resources.set(name, resource)
    this.#gone.delete(name)
    log.info('a device plugin is registered', { resource: name })
    void this.#follow(name, resource, plugin)
    return {}
  }

  async #follow(name: string, resource: Resource, plugin: DevicePlugin): Promise<void> {
    const { log, onChange, signal } = this.#options
    const until = AbortSignal.any([signal, resource.stop.signal])
    const tell = (devices: readonly Device[]): void => {
      resource.devices = devices
      onChange(this.#claims.pods())
    }
    const ended = await plugin.follow(tell, until).catch((error: unknown) => error)
    plugin.close()
    resource.plugin = undefined
    if (until.aborted) return
    log.warn('a device plugin is gone', { resource: name, error: String(ended) })
    tell(resource.devices.map((device) => ({ ...device, healthy: false })))
    const forget = this.#options.clock.after(GONE_AFTER_MS, () => {
      this.#resources.delete(name)
      this.#gone.add(name)
      onChange(this.#claims.pods())
    })
    until.addEventListener('abort', forget, { once: true })
  }

  /** Gives the pod's containers what they ask for, all or nothing. Why not is told in upstream's words. */
  allocate(pod: Pod): Promise<Rejection | undefined> {
    const asks = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].some(
      (container) => this.#asked(container).length > 0,
    )
    if (!asks) return Promise.resolve(undefined)
    const mine = this.#turn.then(() => this.#allocate(pod))
    this.#turn = mine
    return mine
  }

  #asked({ resources }: Container): [resource: string, count: number][] {
    return Object.entries(resources?.limits ?? {}).flatMap(([name, amount]): [string, number][] => {
      const count = this.#resources.has(name) || this.#gone.has(name) ? quantityValue(amount) : 0
      return count > 0 ? [[name, count]] : []
    })
  }

  async #allocate(pod: Pod): Promise<Rejection | undefined> {
    const { uid } = pod.metadata
    /** What init containers leave to those after them. */
    const left = new Map<string, Set<string>>()
    const leftOf = (resource: string): Set<string> => {
      const ids = left.get(resource) ?? new Set()
      left.set(resource, ids)
      return ids
    }
    try {
      for (const container of [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]) {
        const passesOn = pod.spec?.initContainers?.includes(container) === true && !isSidecar(container)
        for (const [name, count] of this.#asked(container)) {
          const reusable = leftOf(name)
          const ids = await this.#give({ uid, container: container.name, name, count, reusable })
          for (const id of ids)
            if (passesOn) reusable.add(id)
            else reusable.delete(id)
        }
      }
      await this.#save()
      return undefined
    } catch (error) {
      this.#claims.release(uid)
      return { reason: 'UnexpectedAdmissionError', message: `Allocate failed due to ${(error as Error).message}, which is unexpected` }
    }
  }

  async #give(ask: {
    uid: string
    container: string
    name: string
    count: number
    reusable: ReadonlySet<string>
  }): Promise<readonly string[]> {
    const { uid, container, name, count, reusable } = ask
    const had = this.#claims.of(uid).find((claim) => claim.container === container && claim.resource === name)
    if (had) return had.ids
    const resource = this.#resources.get(name)
    if (!resource?.plugin) throw new Error(`no healthy devices present; cannot allocate unhealthy devices ${name}`)
    const taken = this.#claims.taken(name)
    const healthy = resource.devices.filter((device) => device.healthy).map(({ id }) => id)
    const again = healthy.filter((id) => reusable.has(id)).slice(0, count)
    const free = healthy.filter((id) => !taken.has(id))
    const needed = count - again.length
    if (free.length < needed)
      throw new Error(`requested number of devices unavailable for ${name}. Requested: ${needed}, Available: ${free.length}`)
    const chosen = await this.#choose(resource, { again, free, needed })
    const grant = await resource.plugin.allocate(chosen)
    this.#claims.add(uid, { container, resource: name, ids: chosen, grant })
    return chosen
  }

  async #choose(
    { plugin, options }: Resource,
    { again, free, needed }: { again: readonly string[]; free: readonly string[]; needed: number },
  ): Promise<string[]> {
    if (needed === 0) return [...again]
    const wished =
      options.preferredAllocationAvailable && plugin ? await plugin.preferred([...again, ...free], again, again.length + needed) : []
    const first = wished.filter((id) => free.includes(id))
    return [...again, ...new Set([...first, ...free])].slice(0, again.length + needed)
  }

  /** What the container gets with its devices; the plugins are told first that it starts. */
  async grants(podUid: string, container: string): Promise<readonly DeviceGrant[]> {
    const claims = this.#claims.of(podUid).filter((claim) => claim.container === container)
    for (const { resource, ids } of claims) {
      const known = this.#resources.get(resource)
      if (known?.options.preStartRequired) await known.plugin?.preStart(ids)
    }
    return claims.map(({ grant }) => grant)
  }

  /** Nothing of the pod runs any more. */
  async release(podUid: string): Promise<void> {
    if (this.#claims.release(podUid)) await this.#save()
  }

  /** Pods that are no more, and that nobody saw going. */
  async releaseAllBut(podUids: ReadonlySet<string>): Promise<void> {
    for (const uid of this.#claims.pods()) if (!podUids.has(uid)) await this.release(uid)
  }

  async #save(): Promise<void> {
    const file = join(this.#options.directory, RECORD)
    const registered = [...this.allocatable()]
    try {
      await replaceFile(file, this.#claims.text(new Map(registered)))
    } catch (error) {
      this.#options.log.warn('the record of given devices cannot be written', { error: String(error) })
    }
  }
}
