/**
 * ResourceClaims of pods on this node (upstream's DRA manager): their drivers make them ready before the pod begins, name the
 * devices of the Container Device Interface that its containers get, and take them back when its last pod has ended.
 */
import { readFile } from 'node:fs/promises'
import type { Container, Pod, ResourceHealth, ResourceStatus } from '../../api/kinds/core/v1.ts'
import { resourceclaims, type ResourceClaim } from '../../api/kinds/resource/v1.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { replaceFile } from '../../base/replaceFile.ts'
import type { Client } from '../../client/client.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import type { ClaimReference, DeviceHealth, PreparedDevice } from './draDriver.ts'
import type { DraDrivers } from './draDrivers.ts'
import { checkClaim, claimsOf, driversOf, requestsOf, type ContainerRequest } from './podClaims.ts'
import { PreparedClaims, type PreparedClaim } from './preparedClaims.ts'

export interface DynamicResourcesOptions {
  client: Client
  clock: Clock
  log: Logger
  signal: AbortSignal
  measures: KubeletMeasures
  drivers: Pick<DraDrivers, 'get'>
  recordFile: string
  /** Whether the pod may still run here. */
  isActive(podUid: string): boolean
  /** Devices of these pods are in another state. */
  onChange(podUids: Iterable<string>): void
}

/** What one device is, and who gave it. */
export interface ClaimedDevice extends PreparedDevice {
  driver: string
}

const RECONCILE_MS = 60_000
const ANY_DRIVER = '<any>'

const referenceOf = ({ metadata: { namespace, name, uid } }: ResourceClaim): ClaimReference => ({ namespace, name, uid })

export class DynamicResources {
  readonly #options: DynamicResourcesOptions
  readonly #claims = new PreparedClaims()
  /** By driver, then by pool and device. */
  readonly #health = new Map<string, ReadonlyMap<string, DeviceHealth & { toldMs: number }>>()
  /** Drivers whose claims were counted. */
  readonly #counted = new Set<string>()
  #saving: Promise<void> = Promise.resolve()
  /** What is being done about a claim, by its uid. */
  readonly #turns = new Map<string, Promise<void>>()

  constructor(options: DynamicResourcesOptions) {
    this.#options = options
  }

  /** Reads what was made ready before. To be called before any pod is looked at. */
  async begin(): Promise<void> {
    const text = await readFile(this.#options.recordFile, 'utf8').catch(() => undefined)
    if (text === undefined) return
    try {
      this.#claims.restore(text)
    } catch (error) {
      this.#options.log.warn('the record of prepared claims cannot be read', { error: String(error) })
    }
  }

  /** Takes back what pods have that nobody saw going. */
  async run(): Promise<void> {
    const { clock, isActive, log, signal } = this.#options
    while (!signal.aborted) {
      for (const uid of this.#claims.pods())
        if (!isActive(uid))
          await this.unprepare(uid).catch((error: unknown) => log.info('claims wait to be taken back', { error: String(error) }))
      await clock.sleep(RECONCILE_MS, signal).catch(() => {})
    }
  }

  /** Throws an Error in upstream's words when the pod cannot have its claims. */
  async prepare(pod: Pod, signal: AbortSignal): Promise<void> {
    if (!pod.spec?.resourceClaims?.length && !pod.status?.extendedResourceClaimStatus) return
    await this.#timed('PrepareResources', 'prepare dynamic resources', () => this.#prepare(pod, signal))
  }

  async #timed(operation: string, what: string, work: () => Promise<void>): Promise<void> {
    const { clock, measures } = this.#options
    const beganMs = clock.now()
    const told = (isError: boolean): void =>
      measures.observeSince('dra_operations_duration_seconds', beganMs, { operation_name: operation, is_error: String(isError) })
    try {
      await work()
      told(false)
    } catch (error) {
      told(true)
      throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }

  async #prepare(pod: Pod, signal: AbortSignal): Promise<void> {
    const found: ResourceClaim[] = []
    for (const { claimName, own } of claimsOf(pod)) {
      const claim = await this.#claim(pod, claimName, signal)
      checkClaim(pod, claim, own)
      // Before anything is noted: a driver that was never here could never take it back.
      for (const driver of driversOf(claim)) this.#options.drivers.get(driver)
      found.push(claim)
    }
    const used = found.map((claim) => this.#claims.use(referenceOf(claim), driversOf(claim), pod.metadata.uid))
    await this.#save()
    await this.#inTurn(used, async () => {
      const due = this.#claims.of(pod.metadata.uid).filter(({ prepared }) => !prepared)
      for (const [driver, claims] of byDriver(due)) {
        const given = await this.#options.drivers.get(driver).prepare(claims)
        for (const claim of claims) this.#claims.give(claim, driver, given.get(claim.uid) ?? [])
      }
      for (const claim of due) this.#claims.prepared(claim)
      await this.#save()
    })
  }

  /** Pods that share a claim do not ask for it and give it back at the same time. */
  async #inTurn(claims: readonly ClaimReference[], work: () => Promise<void>): Promise<void> {
    const before = claims.flatMap(({ uid }) => this.#turns.get(uid) ?? [])
    const mine = Promise.allSettled(before).then(work)
    for (const { uid } of claims) this.#turns.set(uid, mine)
    try {
      await mine
    } finally {
      for (const { uid } of claims) if (this.#turns.get(uid) === mine) this.#turns.delete(uid)
    }
  }

  #claim({ metadata: { namespace } }: Pod, name: string, signal: AbortSignal): Promise<ResourceClaim> {
    return this.#options.client.get(resourceclaims, { namespace, name, signal }).catch((error: unknown) => {
      throw new Error(`fetch ResourceClaim ${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    })
  }

  /** Nothing of the pod runs any more. Throws an Error in upstream's words when a driver does not take back what is its. */
  async unprepare(podUid: string): Promise<void> {
    const used = this.#claims.of(podUid)
    if (used.length === 0) return
    const giveBack = async (): Promise<void> => {
      const mine = this.#claims.of(podUid)
      const last = mine.filter(({ podUids }) => podUids.size === 1)
      for (const claim of last) this.#claims.prepared(claim, false)
      for (const [driver, claims] of byDriver(last)) await this.#options.drivers.get(driver).unprepare(claims)
      for (const claim of mine) this.#claims.release(claim, podUid)
      await this.#save()
    }
    await this.#timed('UnprepareResources', 'unprepare dynamic resources', () => this.#inTurn(used, giveBack))
  }

  /** What the container gets of the pod's claims. */
  cdiDevices(pod: Pod, container: Container): string[] {
    const requests = requestsOf(pod, container)
    return [...new Set(requests.flatMap((request) => this.#devicesOf(pod, request).flatMap(({ cdiDevices }) => cdiDevices)))]
  }

  /** By claim. */
  devicesByClaim(pod: Pod, container: Container): Map<string, ClaimedDevice[]> {
    const devices = new Map<string, ClaimedDevice[]>()
    for (const request of requestsOf(pod, container)) {
      const known = devices.get(request.claimName) ?? []
      const more = this.#devicesOf(pod, request).filter((device) => !known.some((one) => isSame(one, device)))
      devices.set(request.claimName, [...known, ...more])
    }
    return devices
  }

  #devicesOf({ metadata: { namespace } }: Pod, { claimName, request }: ContainerRequest): ClaimedDevice[] {
    const claim = this.#claims.get(namespace ?? '', claimName)
    const all = [...(claim?.devices ?? [])].flatMap(([driver, devices]) => devices.map((device) => ({ ...device, driver })))
    return all.filter(({ requests }) => request === '' || requests.length === 0 || requests.includes(request))
  }

  /** How the devices are that the container has by its claims. */
  statusOf(pod: Pod, container: Container): ResourceStatus[] {
    return requestsOf(pod, container).flatMap((request): ResourceStatus[] => {
      const { statusName } = request
      if (statusName === undefined) return []
      // A request with alternatives is known to drivers by its own name.
      const [base = ''] = request.request.split('/')
      const byId = new Map(this.#devicesOf(pod, { ...request, request: base }).map((device) => [idOf(device), this.#healthOf(device)]))
      return byId.size > 0 ? [{ name: statusName, resources: [...byId.values()] }] : []
    })
  }

  #healthOf(device: ClaimedDevice): ResourceHealth {
    const told = this.#health.get(device.driver)?.get(`${device.pool}/${device.device}`)
    const holds = told !== undefined && this.#options.clock.now() - told.toldMs <= told.validMs
    return { resourceID: idOf(device), health: holds ? told.health : 'Unknown', ...(holds && told.message && { message: told.message }) }
  }

  /** A driver tells how its devices are; undefined: it tells no more. */
  told(driver: string, devices: readonly DeviceHealth[] | undefined): void {
    const toldMs = this.#options.clock.now()
    const before = this.#health.get(driver)
    if (devices) this.#health.set(driver, new Map(devices.map((one) => [`${one.pool}/${one.device}`, { ...one, toldMs }])))
    else if (!this.#health.delete(driver)) return
    const now = this.#health.get(driver)
    const hasChanged = ({ pool, device }: PreparedDevice): boolean => {
      const [was, is] = [before?.get(`${pool}/${device}`), now?.get(`${pool}/${device}`)]
      return was?.health !== is?.health || was?.message !== is?.message
    }
    const concerned = this.#claims.all().filter((claim) => claim.devices.get(driver)?.some(hasChanged))
    this.#options.onChange(new Set(concerned.flatMap(({ podUids }) => [...podUids])))
  }

  /** How many claims are ready, by driver; of one that was there once none is told as well. */
  #count(): void {
    const ready = this.#claims.all().filter(({ prepared }) => prepared)
    for (const { devices } of ready) for (const driver of devices.keys()) this.#counted.add(driver)
    const told = (driver_name: string, count: number): void =>
      this.#options.measures.set('dra_resource_claims_in_use', count, { driver_name })
    told(ANY_DRIVER, ready.length)
    for (const driver of this.#counted) told(driver, ready.filter(({ devices }) => devices.has(driver)).length)
  }

  /** Throws when it cannot be written: what is not on record could never be taken back. */
  #save(): Promise<void> {
    this.#count()
    const saved = this.#saving.then(() => replaceFile(this.#options.recordFile, this.#claims.text()))
    this.#saving = saved.catch(() => {})
    return saved
  }
}

const isSame = (a: ClaimedDevice, b: ClaimedDevice): boolean =>
  a.driver === b.driver && a.pool === b.pool && a.device === b.device && a.shareId === b.shareId

const idOf = ({ driver, pool, device, cdiDevices }: ClaimedDevice): string => cdiDevices[0] ?? `${driver}/${pool}/${device}`

function byDriver(claims: readonly PreparedClaim[]): Map<string, PreparedClaim[]> {
  const drivers = new Set(claims.flatMap(({ devices }) => [...devices.keys()]))
  return new Map([...drivers].map((driver) => [driver, claims.filter(({ devices }) => devices.has(driver))]))
}
