/**
 * The DRA drivers of this node (upstream's DRAPluginManager), as they announce themselves; of one driver there may be two for a
 * while, when it is updated. What a driver that is gone offered is withdrawn after a while: nobody is to wait for it here.
 */
import { resourceslices } from '../../api/kinds/resource/v1.ts'
import { isNotFound } from '../../api/status.ts'
import { Backoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import { codeName, RPC, RpcError } from '../grpc/socket.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import type { PluginKind, RegisteredPlugin } from '../plugins/pluginRegistry.ts'
import type { PluginInfo } from '../plugins/registration.ts'
import { DraDriver, serviceOf, type DeviceHealth } from './draDriver.ts'

export interface DraDriversOptions {
  client: Client
  clock: Clock
  log: Logger
  signal: AbortSignal
  nodeName: string
  measures: KubeletMeasures
  /** A driver tells of its devices; undefined: it tells no more. */
  onHealth(driver: string, devices: readonly DeviceHealth[] | undefined): void
}

interface Registered {
  driver: DraDriver
  connected: boolean
  /** Ends what follows it. */
  stop: AbortController
}

export const DRA_PLUGIN_TYPE = 'DRAPlugin'
/** So long a driver may be away, while its pod is replaced for instance. */
const WIPE_AFTER_MS = 30_000
const LOOK_AGAIN_MS = 5_000
const RETRY = { baseMs: 1000, maxMs: 300_000 }

export class DraDrivers implements PluginKind {
  readonly #options: DraDriversOptions
  /** By the driver's name, in the order in which they came. */
  readonly #byName = new Map<string, Registered[]>()
  /** Ends the wait for the withdrawal of a driver's devices. */
  readonly #wipes = new Map<string, () => void>()

  constructor(options: DraDriversOptions) {
    this.#options = options
  }

  /** The driver of that name. Throws an Error in upstream's words when there is none. */
  get(name: string): DraDriver {
    const all = this.#byName.get(name) ?? []
    const chosen = all.findLast(({ connected }) => connected) ?? all.at(-1)
    if (!chosen) throw new Error(`DRA driver ${name} is not registered`)
    return chosen.driver
  }

  async register({ name, endpoint, supportedVersions }: PluginInfo): Promise<RegisteredPlugin> {
    const where = `DRA driver plugin ${name} at endpoint ${endpoint}`
    let service: string
    try {
      service = serviceOf(supportedVersions)
    } catch (error) {
      throw new Error(`invalid supported gRPC versions of ${where}: ${(error as Error).message}`, { cause: error })
    }
    const { measures } = this.#options
    const measure = (method: string, code: number, seconds: number): void =>
      measures.observe('dra_grpc_operations_duration_seconds', seconds, {
        driver_name: name,
        method_name: method,
        grpc_status_code: codeName(code),
      })
    const registered = { driver: new DraDriver({ name, endpoint, service, measure }), connected: true, stop: new AbortController() }
    // One that starts anew at its endpoint takes the place of the former.
    for (const former of this.#byName.get(name)?.filter(({ driver }) => driver.endpoint === endpoint) ?? []) this.#remove(former)
    this.#byName.set(name, [...(this.#byName.get(name) ?? []), registered])
    this.#review(name)
    void this.#follow(registered)
    return {
      unregister: async () => this.#remove(registered),
      close: () => this.#remove(registered),
    }
  }

  /** Nothing is offered by drivers that have not come (back) yet. */
  async begin(): Promise<void> {
    await this.#wipe()
  }

  #remove(registered: Registered): void {
    const { name } = registered.driver
    const rest = (this.#byName.get(name) ?? []).filter((one) => one !== registered)
    if (rest.length > 0) this.#byName.set(name, rest)
    else this.#byName.delete(name)
    registered.stop.abort()
    registered.driver.close()
    this.#review(name)
  }

  /** Whether it answers is seen by what tells of the devices' health, which drivers need not do. */
  async #follow(registered: Registered): Promise<void> {
    const { clock, onHealth, signal } = this.#options
    const { driver, stop } = registered
    const until = AbortSignal.any([signal, stop.signal])
    const connected = (is: boolean): void => {
      registered.connected = is
      this.#review(driver.name)
    }
    while (!until.aborted) {
      try {
        await driver.watchHealth((devices) => {
          connected(true)
          onHealth(driver.name, devices)
        }, until)
      } catch (error) {
        onHealth(driver.name, undefined)
        if (!until.aborted) connected(error instanceof RpcError && error.code === RPC.Unimplemented)
      }
      await clock.sleep(LOOK_AGAIN_MS, until).catch(() => {})
    }
  }

  #review(name: string): void {
    const { clock, signal } = this.#options
    const isUsable = this.#byName.get(name)?.some(({ connected }) => connected) === true
    if (isUsable || signal.aborted) {
      this.#wipes.get(name)?.()
      this.#wipes.delete(name)
      return
    }
    if (this.#wipes.has(name)) return
    const cancel = clock.after(WIPE_AFTER_MS, () => {
      this.#wipes.delete(name)
      void this.#wipe(name)
    })
    this.#wipes.set(name, cancel)
  }

  async #wipe(driver?: string): Promise<void> {
    const { client, clock, log, nodeName, signal } = this.#options
    const fieldSelector = `spec.nodeName=${nodeName}${driver === undefined ? '' : `,spec.driver=${driver}`}`
    const backoff = new Backoff(RETRY)
    while (!signal.aborted) {
      try {
        await client.deleteCollection(resourceslices, { fieldSelector, signal })
        return
      } catch (error) {
        if (isNotFound(error)) return
        if (!signal.aborted && backoff.failures === 0) log.warn('ResourceSlices could not be deleted', { driver, error: String(error) })
        await clock.sleep(backoff.next(), signal).catch(() => {})
      }
    }
  }
}
