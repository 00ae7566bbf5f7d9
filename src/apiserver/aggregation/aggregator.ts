/**
 * The aggregation layer (kube-aggregator): groups and versions that an APIService gives to another API server are proxied
 * there, and appear in discovery and OpenAPI beside the server's own. This file follows the APIServices and what they
 * depend on, and keeps for each remote one the server behind it, whether it is available, and what it serves.
 */
import type { Catalog } from '../../api/catalog/catalog.ts'
import { apiservices } from '../../api/kinds/apiregistration/v1.ts'
import type { APIService } from '../../api/kinds/apiregistration/v1.ts'
import type { Service } from '../../api/kinds/core/v1.ts'
import type { EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import { deepEqual, timestamp, withCondition } from '../../api/meta.ts'
import type { KubeObject } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { TalliedCounter, type Tally } from '../../client/metrics/tallies.ts'
import type { QueueMetrics } from '../../client/metrics/queueMetrics.ts'
import { WorkQueue } from '../../client/workQueue.ts'
import { LiveObjects } from '../authorization/liveObjects.ts'
import type { Loopback } from '../bootstrap/bootstrap.ts'
import type { Registry } from '../request.ts'
import type { ServiceResolver } from '../webhooks/serviceResolver.ts'
import { isAvailable, serviceOf } from './apiServices.ts'
import { discoveryFault, LOCAL, PASSED, serviceFault } from './availability.ts'
import type { Availability } from './availability.ts'
import { discoverVersion } from './remoteDiscovery.ts'
import type { Remote, RemoteVersion } from './remote.ts'
import { RemoteOpenApi } from './remoteOpenApi.ts'
import { RemoteServer } from './remoteServer.ts'
import type { ProxyClient } from './remoteServer.ts'

export interface AggregationOptions {
  catalog: Catalog
  registry: Registry
  loopback: Loopback
  resolve: ServiceResolver
  proxyClient: ProxyClient
  queueMetrics: QueueMetrics
  log: Logger
  clock: Clock
}

interface Dependencies {
  services: LiveObjects<Service>
  slices: LiveObjects<EndpointSlice>
  done: Promise<unknown>
}

/** A server that answers may stop to, without any object telling so. */
const RECHECK_MS = 30_000
const RETRY = { baseMs: 200, maxMs: 30_000 }
const WORKERS = 4
const DISCOVERY_TIMEOUT_MS = 5_000

export class Aggregation {
  readonly #options: AggregationOptions
  readonly #services: LiveObjects<APIService>
  readonly #remotes = new Map<string, Remote>()
  readonly #queue: WorkQueue
  /** How often APIServices became unavailable. */
  readonly faults = new TalliedCounter({
    name: 'aggregator_unavailable_apiservice_total',
    help: 'How often APIServices became unavailable, by reason.',
  })
  readonly #faultTallies = new Map<string, Tally>()
  /** What remote APIServices depend on, followed from the first of them on. */
  #dependencies: Dependencies | undefined
  #generation = 0
  #signal: AbortSignal = AbortSignal.abort()
  readonly openApi: RemoteOpenApi

  constructor(options: AggregationOptions) {
    const { loopback, log, clock } = options
    this.#options = options
    this.openApi = new RemoteOpenApi({ log })
    this.#queue = new WorkQueue({ clock, backoff: RETRY, name: 'AvailableConditionController', metrics: options.queueMetrics })
    const resource = loopback.resource('apiregistration.k8s.io', 'v1', 'apiservices')
    this.#services = new LiveObjects<APIService>({ resource, log, clock, onChange: (before, after) => this.#changed(before, after) })
  }

  /** Follows until the signal aborts. */
  run(signal: AbortSignal): { synced: Promise<void>; done: Promise<void> } {
    this.#signal = signal
    signal.addEventListener('abort', () => this.#queue.close(), { once: true })
    const following = this.#services.run(this.#options.registry, signal)
    const workers = Array.from({ length: WORKERS }, () => this.#work())
    const done = Promise.all([following, ...workers]).then(async () => {
      await this.#dependencies?.done
      for (const { server } of this.#remotes.values()) server.close()
    })
    return { synced: this.#services.synced, done }
  }

  /** Changes with everything that discovery shows of APIServices. */
  get generation(): number {
    return this.#generation
  }

  get apiServices(): Iterable<APIService> {
    return this.#services.values()
  }

  /** The server that answers for a group version, if it is not this one. */
  remote(group: string, version: string): Remote | undefined {
    return this.#remotes.size === 0 ? undefined : this.#remotes.get(`${version}.${group}`)
  }

  /** Of each APIService, this server's own included. */
  availability(): { name: string; available: boolean }[] {
    return [...this.#services.values()].map((service) => ({ name: service.metadata.name, available: isAvailable(service) }))
  }

  get remotes(): ReadonlyMap<string, Remote> {
    return this.#remotes
  }

  #changed(before: APIService | undefined, after: APIService | undefined): void {
    const name = (after ?? before)?.metadata.name as string
    if (before && after && deepEqual(before.spec, after.spec)) {
      const remote = this.#remotes.get(name)
      if (remote) remote.apiService = after
      // Somebody else may have written the status.
      if (isAvailable(before) !== isAvailable(after)) this.#queue.add(name)
      return
    }
    this.#generation++
    const known = this.#remotes.get(name)
    known?.server.close()
    if (!after || !serviceOf(after)) {
      this.#remotes.delete(name)
      this.openApi.forget(name)
    } else {
      const { resolve, proxyClient } = this.#options
      const server = new RemoteServer({ apiService: after, resolve, proxyClient })
      this.#remotes.set(name, { apiService: after, server, discovered: known?.discovered ?? { resources: [], freshness: 'Stale' } })
      this.#follow()
    }
    this.#queue.forget(name)
    if (after) this.#queue.add(name)
  }

  #follow(): void {
    if (this.#dependencies) return
    const { loopback, registry, log, clock } = this.#options
    const wake = (namespace: string | undefined, name: string | undefined): void => {
      for (const [key, { server }] of this.#remotes) {
        if (server.service.namespace === namespace && server.service.name === name) {
          this.#queue.forget(key)
          this.#queue.add(key)
        }
      }
    }
    const services = new LiveObjects<Service>({
      resource: loopback.resource('', 'v1', 'services'),
      log,
      clock,
      onChange: (before, after) => wake((after ?? before)?.metadata.namespace, (after ?? before)?.metadata.name),
    })
    const slices = new LiveObjects<EndpointSlice>({
      resource: loopback.resource('discovery.k8s.io', 'v1', 'endpointslices'),
      log,
      clock,
      onChange: (before, after) => wake((after ?? before)?.metadata.namespace, serviceNameOf(after ?? before)),
    })
    this.#dependencies = { services, slices, done: Promise.all([services, slices].map((live) => live.run(registry, this.#signal))) }
  }

  async #work(): Promise<void> {
    for (;;) {
      const name = await this.#queue.next()
      if (name === undefined) return
      try {
        const again = await this.#check(name)
        if (again === 'retry') this.#queue.addRateLimited(name)
        else this.#queue.forget(name)
        if (again === 'later') this.#queue.addAfter(name, RECHECK_MS)
      } catch (error) {
        if (this.#signal.aborted) return
        this.#options.log.warn('an APIService could not be looked after', { apiService: name, error: String(error) })
        this.#queue.addRateLimited(name)
      } finally {
        this.#queue.done(name)
      }
    }
  }

  async #check(name: string): Promise<'done' | 'later' | 'retry'> {
    const apiService = this.#services.get(name)
    if (!apiService) return 'done'
    const remote = this.#remotes.get(name)
    if (!remote) {
      await this.#report(apiService, LOCAL)
      return 'done'
    }
    const fault = await this.#fault(remote)
    if (!fault) await this.#refresh(name, remote)
    else this.#discovered(remote, { ...remote.discovered, freshness: 'Stale' })
    await this.#report(apiService, fault ?? PASSED)
    return fault?.reason === 'FailedDiscoveryCheck' ? 'retry' : 'later'
  }

  async #fault({ server, apiService }: Remote): Promise<Availability | undefined> {
    const { services, slices } = this.#dependencies as Dependencies
    await Promise.all([services.synced, slices.synced])
    const { namespace, name } = server.service
    const own = [...slices.values()].filter((slice) => slice.metadata.namespace === namespace && serviceNameOf(slice) === name)
    return serviceFault(server.service, services.get(`${namespace}/${name}`), own) ?? discoveryFault(server, apiService, this.#signal)
  }

  /** Reads anew what an available server serves. */
  async #refresh(name: string, remote: Remote): Promise<void> {
    const { group = '', version = '' } = remote.apiService.spec
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(DISCOVERY_TIMEOUT_MS)])
    const documents = this.openApi.refresh(name, remote, this.#signal)
    try {
      this.#discovered(remote, { resources: await discoverVersion(remote.server, group, version, signal), freshness: 'Current' })
    } catch (error) {
      this.#options.log.info('discovery of a remote group version failed', { apiService: name, error: String(error) })
      this.#discovered(remote, { ...remote.discovered, freshness: 'Stale' })
    }
    await documents
  }

  #discovered(remote: Remote, next: RemoteVersion): void {
    if (deepEqual(remote.discovered, next)) return
    remote.discovered = next
    this.#generation++
  }

  #tellFault(name: string, reason: string): void {
    const key = `${name}/${reason}`
    let tally = this.#faultTallies.get(key)
    if (!tally) this.#faultTallies.set(key, (tally = this.faults.row({ name, reason })))
    tally.add()
  }

  async #report(apiService: APIService, availability: Availability): Promise<void> {
    const { loopback, clock } = this.#options
    const known = apiService.status?.conditions
    const conditions = withCondition(known, { type: 'Available', ...availability }, timestamp(clock.now()))
    if (conditions === known) return
    const { name } = apiService.metadata
    if (availability.status !== 'True') this.#tellFault(name, availability.reason ?? '')
    const body: KubeObject & Pick<APIService, 'status'> = { ...apiService, status: { ...apiService.status, conditions: [...conditions] } }
    const resource = loopback.resource(apiservices.group, apiservices.version, apiservices.resource)
    await loopback.send('update', resource, { name, subresource: 'status', body }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
  }
}

function serviceNameOf(slice: EndpointSlice | undefined): string | undefined {
  return slice?.metadata.labels?.['kubernetes.io/service-name']
}
