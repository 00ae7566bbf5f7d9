/** What runs beside the requests as long as the server does: everything that follows the cluster's objects and acts on them. */
import type { Catalog } from '../api/catalog/catalog.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { QueueMetrics } from '../client/metrics/queueMetrics.ts'
import { Aggregation } from './aggregation/aggregator.ts'
import { Registration } from './aggregation/registration.ts'
import type { ProxyClient } from './aggregation/remoteServer.ts'
import type { Authorization } from './authorization/authorization.ts'
import type { Loopback } from './bootstrap/bootstrap.ts'
import type { WatchCache } from './cache/watchCache.ts'
import type { CustomResources } from './customResources/customResources.ts'
import { FlowControl } from './flowcontrol/flowControl.ts'
import { Maintenance } from './flowcontrol/maintenance.ts'
import type { ObjectReader } from './registry/reader.ts'
import type { Registry } from './request.ts'
import type { StartChecks } from './transport/startChecks.ts'
import { WebhookClient } from './webhooks/client.ts'
import { createServiceResolver } from './webhooks/serviceResolver.ts'

/** A registry with what its server looks up in its caches. */
export interface ServedRegistry extends Registry {
  readonly reader: ObjectReader
  readonly cache: WatchCache
}

export interface FollowingOptions {
  catalog: Catalog
  registry: ServedRegistry
  loopback: Loopback
  authorization: Authorization
  customResources: CustomResources
  serverSeats?: number
  /** Without it no APIService leads to another server. */
  proxyClient?: ProxyClient
  starting: StartChecks
  signal: AbortSignal
  log: Logger
  clock: Clock
}

export interface Following {
  readonly flowControl: FlowControl
  readonly aggregation: Aggregation | undefined
  readonly queueMetrics: QueueMetrics
  /** What requests are decided on is there. */
  readonly synced: Promise<void>
  /** To be called when the signal has aborted; resolves when all is over. */
  stopped(): Promise<void>
}

export function startFollowing(options: FollowingOptions): Following {
  const { catalog, registry, loopback, authorization, customResources, proxyClient, starting, signal, log, clock } = options
  const queueMetrics = new QueueMetrics()
  const resolve = createServiceResolver(registry.reader)
  const authorizing = authorization.run(registry, signal)
  const aggregation = proxyClient && new Aggregation({ catalog, registry, loopback, resolve, proxyClient, queueMetrics, log, clock })
  const aggregating = aggregation?.run(signal)
  const webhooks = new WebhookClient({ resolver: resolve, clock })
  const serving = customResources.run({ registry, cache: registry.cache, webhooks, signal })
  const registration = aggregation && new Registration({ registry, loopback, queueMetrics, log, clock })
  const registering = registration?.run(signal)
  void registration?.registered.then(() => starting.finish('registered'))
  const seats = options.serverSeats === undefined ? {} : { serverSeats: options.serverSeats }
  const flowControl: FlowControl = new FlowControl({ registry, loopback, onChange: () => maintenance.wake(), log, clock, ...seats })
  const maintenance = new Maintenance({ flowControl, loopback, signal, log, clock })
  const controlling = flowControl.run(signal)
  return {
    flowControl,
    aggregation,
    queueMetrics,
    synced: Promise.all([authorizing.synced, aggregating?.synced, controlling.synced]).then(() => {}),
    async stopped() {
      await Promise.all([authorizing.done, serving.done, aggregating?.done, registering, controlling.done, maintenance.stop()])
    },
  }
}
