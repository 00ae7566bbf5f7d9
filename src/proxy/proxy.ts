/**
 * kube-proxy: makes the addresses and node ports of Services lead to their endpoints, by nftables rules on the node
 * (the contract of kube-proxy's nftables mode). It follows Services and EndpointSlices and applies what a changed service
 * changes, everything that changed at once as one transaction.
 */
import { runApplyLoop } from '../base/applyLoop.ts'
import type { ComponentContext } from '../base/component.ts'
import { familiesOf } from '../base/ipFamily.ts'
import type { Client } from '../client/client.ts'
import { createEventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import { ClusterChanges } from './clusterChanges.ts'
import { HealthChecks, localEndpointCount } from './healthChecks.ts'
import { ProxyMetrics } from './proxyMetrics.ts'
import { RuleWriter, type KernelOptions } from './ruleWriter.ts'
import { followsCluster, HEALTHZ_PORT, STATUS_PORT, StatusServer } from './statusServer.ts'

export interface ProxyOptions extends KernelOptions {
  informers: Informers
  nodeName: string
  /** Ranges of the cluster's pods: of each IP family that there is. */
  podCidrs: readonly string[]
  /** Tells of events; without it nobody is told. */
  client?: Client
  /** Where health checks listen. */
  healthCheckHost?: string
}

/** A health check whose port was taken is tried again after this time. */
const HEALTH_CHECK_RETRY_MS = 30_000

export async function runProxy(options: ProxyOptions, context: ComponentContext): Promise<void> {
  const families = familiesOf(options.podCidrs)
  const { informers, nodeName, podCidrs, healthCheckHost: host = families.length > 1 ? '::' : '0.0.0.0' } = options
  const metrics = new ProxyMetrics(nodeName, families, context.clock)
  const cluster = new ClusterChanges(informers, nodeName, metrics, context.clock)
  const writer = new RuleWriter(podCidrs, metrics, context, options)
  const healthChecks = createHealthChecks(host, cluster, options, context)
  const status = createStatusServer(host, cluster, metrics, context)

  async function apply(signal: AbortSignal): Promise<void> {
    const applied = metrics.applying()
    const changed = cluster.take()
    for (const { key, service, slices } of changed) healthChecks.set(key, service, localEndpointCount(slices, nodeName))
    let stale
    try {
      stale = await writer.write(changed, cluster.surroundings, signal)
    } catch (error) {
      applied(error)
      throw error
    }
    applied()
    cluster.changed.applied()
    await writer.forgetFlows(stale, signal)
  }

  const forget = (): void => {
    writer.reset()
    cluster.addAll()
  }
  try {
    await cluster.synced(context.signal)
    await runApplyLoop({ failure: 'could not apply the service rules', apply, forget }, cluster.changed.changes, context)
  } finally {
    cluster.close()
    healthChecks.close()
    status.close()
  }
}

function createHealthChecks(
  host: string,
  cluster: ClusterChanges,
  { client, nodeName }: ProxyOptions,
  { log, clock }: ComponentContext,
): HealthChecks {
  const events = client && createEventRecorder({ client, component: 'kube-proxy', host: nodeName, log, clock })
  return new HealthChecks({
    host,
    log,
    isHealthy: () => followsCluster(cluster.changed.waitingSinceMs, clock.now()),
    onFailure(key, message) {
      const service = cluster.service(key)
      if (service)
        events?.record(service, { type: 'Warning', reason: 'FailedToStartServiceHealthcheck', message: `node ${nodeName} ${message}` })
      clock.after(HEALTH_CHECK_RETRY_MS, () => cluster.changed.add(key))
    },
  })
}

function createStatusServer(host: string, cluster: ClusterChanges, metrics: ProxyMetrics, { log, clock }: ComponentContext): StatusServer {
  return new StatusServer({
    clock,
    log,
    health: () => ({ waitingSinceMs: cluster.changed.waitingSinceMs, node: cluster.node }),
    healthz: { host, port: HEALTHZ_PORT },
    status: { host: '127.0.0.1', port: STATUS_PORT },
    metrics,
  })
}
