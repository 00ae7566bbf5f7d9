/** The horizontal pod autoscaler with a metrics adapter behind the aggregation layer: metrics of pods, of objects, from outside. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { apiservices } from '../../src/api/kinds/apiregistration/v1.ts'
import { deployments } from '../../src/api/kinds/apps/v1.ts'
import { horizontalpodautoscalers, type HorizontalPodAutoscaler, type MetricSpec } from '../../src/api/kinds/autoscaling/v2.ts'
import { events, pods, serviceaccounts, services } from '../../src/api/kinds/core/v1.ts'
import { endpointslices } from '../../src/api/kinds/discovery/v1.ts'
import { findCondition } from '../../src/api/meta.ts'
import { startTestServer, TestAuthority, type TestApiServer } from '../../src/apiserver/testServer.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { Client } from '../../src/client/client.ts'
import { createEventRecorder } from '../../src/client/events.ts'
import { createInformers } from '../../src/client/sharedInformer.ts'
import { horizontalPodAutoscalerController } from '../../src/controllers/podautoscaler/horizontal.ts'
import { runController } from '../../src/reconcile/runController.ts'
import { ownAddress } from './extensionServer.ts'
import { CUSTOM, EXTERNAL, startMetricsAdapter, type MetricsAdapter } from './metricsAdapter.ts'

const WAIT_MS = 10_000
const namespace = 'default'
const address = ownAddress()
const skip = address ? false : 'this machine has no address but the loopback'
const stop = new AbortController()
let main: TestApiServer
let adapter: MetricsAdapter
let client: Client

async function eventually<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  const untilMs = Date.now() + WAIT_MS
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (Date.now() > untilMs) throw new Error(`not within ${WAIT_MS} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function serveMetrics(): Promise<void> {
  const ca = await TestAuthority.create('adapter-ca')
  const serving = await ca.issue('CN=adapter', { server: true, names: ['adapter.default.svc'] })
  adapter = await startMetricsAdapter({ ...serving, address: address as string })
  const { port } = adapter
  await client.create(services, { metadata: { name: 'adapter', namespace }, spec: { ports: [{ port: 443, targetPort: port }] } })
  await client.create(endpointslices, {
    metadata: { name: 'adapter-1', namespace, labels: { 'kubernetes.io/service-name': 'adapter' } },
    addressType: 'IPv4',
    ports: [{ name: '', port, protocol: 'TCP' }],
    endpoints: [{ addresses: [adapter.address], conditions: { ready: true } }],
  })
  for (const { group, version } of [CUSTOM, EXTERNAL]) {
    const name = `${version}.${group}`
    const caBundle = Buffer.from(ca.cert).toString('base64')
    const spec = {
      group,
      version,
      groupPriorityMinimum: 100,
      versionPriority: 100,
      caBundle,
      service: { namespace, name: 'adapter', port: 443 },
    }
    await client.create(apiservices, { metadata: { name }, spec })
    await eventually(`${name} to be available`, async () => {
      const { status } = await client.get(apiservices, { name })
      return findCondition(status?.conditions, 'Available')?.status === 'True'
    })
  }
}

async function deploy(name: string): Promise<void> {
  const labels = { app: name }
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } }
  const made = await client.create(deployments, {
    metadata: { name, namespace },
    spec: { replicas: 1, selector: { matchLabels: labels }, template },
  })
  await client.update(deployments, { ...made, status: { ...made.status, replicas: 1 } }, { subresource: 'status' })
  const pod = await client.create(pods, { metadata: { name, namespace, labels }, spec: template.spec })
  const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }]
  await client.update(
    pods,
    { ...pod, status: { phase: 'Running', startTime: '2026-01-01T00:00:00Z', conditions } },
    { subresource: 'status' },
  )
}

async function autoscale(name: string, ...metrics: MetricSpec[]): Promise<void> {
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name }
  await client.create(horizontalpodautoscalers, { metadata: { name, namespace }, spec: { scaleTargetRef, maxReplicas: 10, metrics } })
}

const replicasOf = async (name: string): Promise<number | undefined> => (await client.get(deployments, { namespace, name })).spec.replicas
const becomes = (name: string, wanted: number): Promise<true> =>
  eventually(`${name} to have ${wanted} replicas`, async () => ((await replicasOf(name)) === wanted ? true : undefined))
const statusOf = async (name: string): Promise<HorizontalPodAutoscaler['status']> =>
  (await client.get(horizontalpodautoscalers, { namespace, name })).status

before(async () => {
  if (skip) return
  main = await startTestServer()
  client = new Client(main.server.directTransport({ name: 'system:kube-controller-manager', groups: ['system:masters'], extra: {} }))
  await client.create(serviceaccounts, { metadata: { name: 'default', namespace } })
  await serveMetrics()
  const via = { client, signal: stop.signal, log: silentLogger, clock: systemClock }
  const recorder = createEventRecorder({ ...via, component: 'horizontal-pod-autoscaler' })
  const context = { ...via, informers: createInformers(via), events: recorder }
  void runController(horizontalPodAutoscalerController(context, { syncPeriodMs: 50, downscaleStabilizationMs: 200 }), context)
})

after(async () => {
  if (skip) return
  stop.abort()
  await adapter.close()
  await main.stop()
})

test('by a metric of the pods, up and down', { skip }, async () => {
  await deploy('web')
  adapter.pods = { web: '3' }
  const selector = { matchLabels: { verb: 'GET' } }
  await autoscale('web', { type: 'Pods', pods: { metric: { name: 'qps', selector }, target: { type: 'AverageValue', averageValue: '1' } } })
  await becomes('web', 3)
  assert.ok(adapter.asked.some((path) => path.endsWith('/pods/*/qps?labelSelector=app=web&metricLabelSelector=verb=GET')))
  const told = await eventually('an event', async () =>
    (await client.list(events, { namespace })).items.find(({ reason }) => reason === 'SuccessfulRescale'),
  )
  assert.equal(told.message, 'New size: 3; reason: pods metric qps above target')
  adapter.pods = { web: '100m' }
  await becomes('web', 1)
  assert.deepEqual((await statusOf('web'))?.currentMetrics?.[0]?.pods?.current, { averageValue: '100m' })
})

test('by a metric of another object', { skip }, async () => {
  await deploy('front')
  adapter.objects = { 'services/main/hits': '40' }
  const describedObject = { apiVersion: 'v1', kind: 'Service', name: 'main' }
  await autoscale('front', {
    type: 'Object',
    object: { describedObject, metric: { name: 'hits' }, target: { type: 'AverageValue', averageValue: '10' } },
  })
  await becomes('front', 4)
})

test('by a metric from outside; one that nobody has is told', { skip }, async () => {
  await deploy('worker')
  adapter.external = {}
  const external = { metric: { name: 'queue' }, target: { type: 'Value', value: '10' } }
  await autoscale('worker', { type: 'External', external })
  const failed = await eventually('a condition', async () => {
    const active = findCondition((await statusOf('worker'))?.conditions, 'ScalingActive')
    return active?.status === 'False' && active
  })
  assert.equal(failed.reason, 'FailedGetExternalMetric')
  assert.match(
    failed.message ?? '',
    /unable to get external metric default\/queue\/nil: unable to fetch metrics from external metrics API: no such metric$/,
  )
  adapter.external = { queue: '20' }
  await becomes('worker', 2)
})
