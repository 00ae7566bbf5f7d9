/**
 * kube-proxy: makes the addresses and node ports of Services lead to their endpoints, by nftables rules on the node
 * (the contract of kube-proxy's nftables mode). It follows Services and EndpointSlices and applies what a changed service
 * changes, everything that changed at once as one transaction.
 */
import { runApplyLoop } from '../base/applyLoop.ts'
import type { ComponentContext } from '../base/component.ts'
import { applyScript } from '../base/nftables.ts'
import { keyOf } from '../api/resource.ts'
import { familiesOf, type IpFamily } from '../base/ipFamily.ts'
import { nodes, services, type Service } from '../api/kinds/core/v1.ts'
import { endpointslices } from '../api/kinds/discovery/v1.ts'
import type { EndpointSlice } from '../api/kinds/discovery/v1.ts'
import type { Client } from '../client/client.ts'
import { createEventRecorder } from '../client/events.ts'
import type { Change, Informers } from '../client/informer.ts'
import { ChangedServices } from './changedServices.ts'
import type { NodePlace } from './endpoints.ts'
import { HealthChecks, localEndpointCount } from './healthChecks.ts'
import { isOfAnotherProxy, isProxied, serviceRules } from './serviceRules.ts'
import type { ServiceRules } from './serviceRules.ts'
import { ServiceTable } from './serviceTable.ts'
import { ProxyMetrics } from './proxyMetrics.ts'
import { followsCluster, HEALTHZ_PORT, STATUS_PORT, StatusServer } from './statusServer.ts'
import { deleteFlows, staleFlows } from './staleFlows.ts'
import type { FlowFilter } from './staleFlows.ts'
import { setTrackingTimeouts } from './trackingTimeouts.ts'

export interface ProxyOptions {
  informers: Informers
  nodeName: string
  /** Ranges of the cluster's pods: of each IP family that there is. */
  podCidrs: readonly string[]
  /** Tells of events; without it nobody is told. */
  client?: Client
  /** Where health checks listen. */
  healthCheckHost?: string
  /** Hands a script to the kernel; `nft -f -` unless given. */
  apply?: (script: string, signal: AbortSignal) => Promise<void>
  /** Makes connection tracking forget flows; the program `conntrack` unless given. */
  forget?: (filter: FlowFilter, signal: AbortSignal) => Promise<number>
  /** Sets for how long connection tracking remembers. */
  remember?: () => Promise<void>
}

/** A health check whose port was taken is tried again after this time. */
const HEALTH_CHECK_RETRY_MS = 30_000
const SERVICE_NAME = 'kubernetes.io/service-name'
const ZONE = 'topology.kubernetes.io/zone'
const BY_SERVICE = 'proxy/service'
/** Of an EndpointSlice: when that which made it change happened. */
const TRIGGERED = 'endpoints.kubernetes.io/last-change-trigger-time'

/** When the change of a slice was triggered, if it says so of this change. */
function triggeredMs({ before, after }: Change<EndpointSlice>): number | undefined {
  const triggered = after?.metadata.annotations?.[TRIGGERED]
  return triggered === undefined || triggered === before?.metadata.annotations?.[TRIGGERED] ? undefined : Date.parse(triggered)
}

function serviceKeyOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[SERVICE_NAME]
  return name && !isOfAnotherProxy(metadata.labels) ? `${metadata.namespace}/${name}` : undefined
}

export async function runProxy(options: ProxyOptions, context: ComponentContext): Promise<void> {
  const { informers, nodeName, client, apply = applyScript, remember = setTrackingTimeouts } = options
  const serviceInformer = informers.for(services)
  const sliceInformer = informers.for(endpointslices)
  const nodeInformer = informers.for(nodes)
  sliceInformer.addIndex(BY_SERVICE, (slice) => [serviceKeyOf(slice)].filter((key) => key !== undefined))
  const changed = new ChangedServices(context.clock)
  const addAll = (): void => {
    for (const service of serviceInformer.list()) changed.add(keyOf(service))
  }
  let place: NodePlace = { nodeName }
  const tables = familiesOf(options.podCidrs).map((family) => ({ family, table: new ServiceTable(family) }))
  const metrics = new ProxyMetrics(
    nodeName,
    tables.map(({ family }) => family),
    context.clock,
  )
  for (const { family, table } of tables) metrics.countWithoutLocal(family, (traffic) => table.withoutLocal(traffic))
  const startedMs = context.clock.now()
  const stops = [
    serviceInformer.onChange(({ key }) => {
      metrics.changed('service')
      changed.add(key)
    }),
    sliceInformer.onChange((change) => {
      const atMs = triggeredMs(change)
      // What happened before this process was there says nothing of how fast it is.
      metrics.changed('endpoint', atMs !== undefined && atMs >= startedMs ? atMs : undefined)
      for (const slice of [change.before, change.after]) if (slice) changed.add(serviceKeyOf(slice))
    }),
    nodeInformer.onChange(({ key, after }) => {
      const zone = after?.metadata.labels?.[ZONE]
      if (key !== nodeName || zone === place.zone) return
      place = { nodeName, ...(zone && { zone }) }
      addAll()
    }),
  ]
  const host = options.healthCheckHost ?? (tables.length > 1 ? '::' : '0.0.0.0')
  const events = client && createEventRecorder({ client, component: 'kube-proxy', host: nodeName, log: context.log, clock: context.clock })
  const healthChecks = new HealthChecks({
    host,
    log: context.log,
    isHealthy: () => followsCluster(changed.waitingSinceMs, context.clock.now()),
    onFailure(key, message) {
      const service = serviceInformer.get(key)
      if (service)
        events?.record(service, { type: 'Warning', reason: 'FailedToStartServiceHealthcheck', message: `node ${nodeName} ${message}` })
      context.clock.after(HEALTH_CHECK_RETRY_MS, () => changed.add(key))
    },
  })
  const status = new StatusServer({
    clock: context.clock,
    log: context.log,
    health: () => ({ waitingSinceMs: changed.waitingSinceMs, node: nodeInformer.get(nodeName) }),
    healthz: { host, port: HEALTHZ_PORT },
    status: { host: '127.0.0.1', port: STATUS_PORT },
    metrics,
  })
  let tracking: Promise<void> | undefined
  const unset = (error: unknown): void => context.log.warn('the timeouts of connection tracking could not be set', { error: String(error) })

  async function applyChanges(signal: AbortSignal): Promise<void> {
    const applied = metrics.applying()
    const all = changed.take().map((key) => ({ key, service: serviceInformer.get(key), slices: sliceInformer.byIndex(BY_SERVICE, key) }))
    for (const { key, service, slices } of all) healthChecks.set(key, service, localEndpointCount(slices, nodeName))
    const wanted = tables.map(({ family, table }) => ({
      table,
      ...changesOf(all, { family, place, podCidrs: options.podCidrs, table }),
    }))
    const script = wanted.map((one) => one.table.change(one.changes)).join('')
    try {
      if (script) await apply(script, signal)
    } catch (error) {
      applied(error)
      throw error
    }
    applied()
    changed.applied()
    // The settings are there once something is tracked, which the first rules see to.
    await (tracking ??= remember().catch(unset))
    for (const [index, { stale }] of wanted.entries()) {
      if (stale.length === 0) continue
      const sinceMs = context.clock.now()
      metrics.flowsDeleted(index, await forgetFlows(stale, options, context), sinceMs)
    }
  }

  function forget(): void {
    for (const { table } of tables) table.reset()
    addAll()
  }

  try {
    await Promise.all([serviceInformer, sliceInformer, nodeInformer].map((informer) => informer.synced(context.signal)))
    await runApplyLoop({ failure: 'could not apply the service rules', apply: applyChanges, forget }, changed.changes, context)
  } finally {
    for (const stop of stops) stop()
    healthChecks.close()
    status.close()
  }
}

interface Changed {
  key: string
  service: Service | undefined
  slices: readonly EndpointSlice[]
}

interface FamilyChanges {
  changes: Map<string, ServiceRules | undefined>
  stale: FlowFilter[]
}

/** What changed services want of one family's table, and the flows that this makes wrong. */
function changesOf(
  changed: readonly Changed[],
  { family, place, podCidrs, table }: { family: IpFamily; place: NodePlace; podCidrs: readonly string[]; table: ServiceTable },
): FamilyChanges {
  const changes = new Map<string, ServiceRules | undefined>()
  for (const { key, service, slices } of changed)
    changes.set(key, service && isProxied(service, family) ? serviceRules(service, slices, { ...place, podCidrs, family }) : undefined)
  const stale = [...changes].flatMap(([key, rules]) => staleFlows(table.rulesOf(key), rules, family))
  return { changes, stale }
}

/** The rules are in place: a flow that could not be deleted is worth a line, not another try of everything. */
async function forgetFlows(
  stale: readonly FlowFilter[],
  { forget = deleteFlows }: ProxyOptions,
  { signal, log }: ComponentContext,
): Promise<number> {
  let count = 0
  for (const filter of stale) {
    count += await forget(filter, signal).catch((error: unknown) => {
      if (!signal.aborted) log.warn('could not delete stale UDP flows', { filter: filter.join(' '), error: String(error) })
      return 0
    })
  }
  return count
}
