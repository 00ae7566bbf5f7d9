import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Node } from '../api/kinds/core/v1.ts'
import { FakeClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { IPV4 } from '../base/ipFamily.ts'
import { ProxyMetrics } from './proxyMetrics.ts'
import { StatusServer, type ProxyHealth } from './statusServer.ts'

const ANYWHERE = { host: '127.0.0.1', port: 0 }
const NOW_MS = Date.parse('2026-01-01T00:00:00Z')
const META = { name: 'n', uid: 'u', resourceVersion: '1', creationTimestamp: '' }
const node = (more: { metadata?: object; spec?: object } = {}): Node => ({
  metadata: { ...META, ...more.metadata },
  spec: { ...more.spec },
})

async function asked(t: TestContext, health: ProxyHealth): Promise<(path: string, which?: number) => Promise<[number, string]>> {
  const clock = new FakeClock(NOW_MS)
  const metrics = new ProxyMetrics('n', [IPV4], clock)
  const server = new StatusServer({ clock, log: silentLogger, health: () => health, healthz: ANYWHERE, status: ANYWHERE, metrics })
  t.after(() => server.close())
  await server.listening()
  return async (path, which = 0) => {
    const response = await fetch(`http://127.0.0.1:${server.ports[which]}${path}`)
    return [response.status, await response.text()]
  }
}

const CASES: { name: string; health: ProxyHealth; healthz: number; livez: number }[] = [
  { name: 'nothing waits', health: { waitingSinceMs: undefined, node: node() }, healthz: 200, livez: 200 },
  { name: 'the node is not known yet', health: { waitingSinceMs: undefined, node: undefined }, healthz: 200, livez: 200 },
  { name: 'changes wait for a moment', health: { waitingSinceMs: NOW_MS - 59_000, node: node() }, healthz: 200, livez: 200 },
  { name: 'changes wait for too long', health: { waitingSinceMs: NOW_MS - 60_000, node: node() }, healthz: 503, livez: 503 },
  {
    name: 'the node goes',
    health: { waitingSinceMs: undefined, node: node({ metadata: { deletionTimestamp: 'now' } }) },
    healthz: 503,
    livez: 200,
  },
  {
    name: 'the node is to be removed',
    health: {
      waitingSinceMs: undefined,
      node: node({ spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] } }),
    },
    healthz: 503,
    livez: 200,
  },
]
for (const { name, health, healthz, livez } of CASES) {
  test(`health: ${name}`, async (t) => {
    const get = await asked(t, health)
    assert.deepEqual([(await get('/healthz'))[0], (await get('/livez'))[0]], [healthz, livez])
  })
}

test('what the answers say', async (t) => {
  const get = await asked(t, { waitingSinceMs: NOW_MS - 90_000, node: node() })
  const body = JSON.parse((await get('/healthz'))[1]) as object
  assert.deepEqual(body, { lastUpdated: '2025-12-31T23:58:30.000Z', currentTime: '2026-01-01T00:00:00.000Z', nodeEligible: true })
  assert.deepEqual(await get('/proxyMode', 1), [200, 'nftables'])
  assert.deepEqual(await get('/healthz', 1), [200, 'ok'])
  assert.equal((await get('/else'))[0], 404)
  assert.equal((await get('/else', 1))[0], 404)
})

test('metrics tell of rules, changes and health', async (t) => {
  const get = await asked(t, { waitingSinceMs: undefined, node: node() })
  await get('/healthz')
  const [status, text] = await get('/metrics', 1)
  assert.equal(status, 200)
  assert.match(text, /^kubeproxy_proxy_healthz_total\{code="200"\} 1$/m)
  assert.match(text, /^process_cpu_seconds_total /m)
})

test('how long rules take, from the change that they follow', async () => {
  const clock = new FakeClock(NOW_MS)
  const metrics = new ProxyMetrics('n', [IPV4], clock)
  const line = async (name: string): Promise<string | undefined> => {
    const text = await metrics.component.registry.metrics()
    return text.split('\n').find((one) => one.startsWith(`kubeproxy_${name}`))
  }
  metrics.changed('service')
  metrics.changed('endpoint', NOW_MS - 2000)
  assert.equal(await line('sync_proxy_rules_service_changes_pending'), 'kubeproxy_sync_proxy_rules_service_changes_pending 1')
  const applied = metrics.applying()
  await clock.advance(500)
  applied()
  assert.equal(await line('sync_proxy_rules_service_changes_pending'), 'kubeproxy_sync_proxy_rules_service_changes_pending 0')
  assert.equal(await line('sync_proxy_rules_endpoint_changes_total'), 'kubeproxy_sync_proxy_rules_endpoint_changes_total 1')
  assert.equal(
    await line('network_programming_duration_seconds_sum'),
    'kubeproxy_network_programming_duration_seconds_sum{ip_family="IPv4"} 2.5',
  )
  assert.equal(
    await line('sync_full_proxy_rules_duration_seconds_sum'),
    'kubeproxy_sync_full_proxy_rules_duration_seconds_sum{ip_family="IPv4"} 0.5',
  )
  metrics.applying()()
  assert.equal(
    await line('sync_partial_proxy_rules_duration_seconds_count'),
    'kubeproxy_sync_partial_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1',
  )
  metrics.applying()(new Error('refused'))
  assert.equal(
    await line('sync_proxy_rules_nftables_sync_failures_total'),
    'kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family="IPv4"} 1',
  )
})
