import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { nodeMetrics, podMetrics } from './documents.ts'
import { askedBy } from './metricsServer.ts'
import { Scraper } from './scraper.ts'
import { parseReading, usageBetween } from './usage.ts'

const START_MS = Date.UTC(2026, 0, 1)

const text = (atMs: number, nodeSeconds: number, containers: readonly [name: string, seconds: number, startedAtMs: number][]): string =>
  [
    '# TYPE node_cpu_usage_seconds_total counter',
    `node_cpu_usage_seconds_total ${nodeSeconds} ${atMs}`,
    `node_memory_working_set_bytes 1.048576e+06 ${atMs}`,
    ...containers.flatMap(([name, seconds, startedAtMs]) => [
      `container_cpu_usage_seconds_total{container="${name}",namespace="ns",pod="p"} ${seconds} ${atMs}`,
      `container_memory_working_set_bytes{container="${name}",namespace="ns",pod="p"} 2048 ${atMs}`,
      `container_start_time_seconds{container="${name}",namespace="ns",pod="p"} ${startedAtMs / 1000}`,
    ]),
    'resource_scrape_error 0',
    '',
  ].join('\n')

test('use is the difference of two readings; a container that is new, or was started again, has used all since its start', () => {
  const before = parseReading(
    text(START_MS, 100, [
      ['old', 5, 0],
      ['again', 9, 0],
    ]),
    0,
  )
  const after = parseReading(
    text(START_MS + 10_000, 105, [
      ['old', 6, 0],
      ['again', 2, START_MS + 6000],
      ['new', 1, START_MS + 8000],
    ]),
    0,
  )
  const usage = usageBetween(before, after)
  assert.deepEqual([usage.windowMs, usage.node], [10_000, { cpuNanoCores: 5e8, memoryBytes: 2 ** 20 }])
  assert.deepEqual(
    [...(usage.pods.get('ns/p') ?? [])].map(([name, { cpuNanoCores }]) => [name, cpuNanoCores]),
    [
      ['old', 1e8],
      ['again', 5e8],
      ['new', 5e8],
    ],
  )
})

test('the objects', () => {
  const usage = usageBetween(parseReading(text(START_MS, 100, []), 0), parseReading(text(START_MS + 2000, 101, [['c', 1, START_MS]]), 0))
  const metadata = { name: 'p', namespace: 'ns', uid: 'u', creationTimestamp: '', resourceVersion: '', labels: { app: 'web' } }
  assert.deepEqual(podMetrics({ metadata, spec: { containers: [] } }, usage), {
    kind: 'PodMetrics',
    apiVersion: 'metrics.k8s.io/v1beta1',
    metadata: { name: 'p', namespace: 'ns', creationTimestamp: '2026-01-01T00:00:02Z', labels: { app: 'web' } },
    timestamp: '2026-01-01T00:00:02Z',
    window: '2.000s',
    containers: [{ name: 'c', usage: { cpu: '500000000n', memory: '2Ki' } }],
  })
  assert.equal(podMetrics({ metadata: { ...metadata, name: 'other' }, spec: { containers: [] } }, usage), undefined)
  const node = nodeMetrics({ metadata: { name: 'n', uid: 'u', creationTimestamp: '', resourceVersion: '' }, spec: {} }, usage)
  assert.deepEqual([node['usage'], node['kind']], [{ cpu: '500000000n', memory: '1024Ki' }, 'NodeMetrics'])
})

test('paths', () => {
  const prefix = '/apis/metrics.k8s.io/v1beta1'
  assert.deepEqual(askedBy(`${prefix}/nodes/%zz`), { kind: 'NodeMetrics', name: '%zz' })
  assert.deepEqual(
    ['/nodes', '/nodes/n', '/pods', '/namespaces/a/pods', '/namespaces/a/pods/p', '/namespaces/a', '/nodes/n/x'].map((path) =>
      askedBy(prefix + path),
    ),
    [
      { kind: 'NodeMetrics' },
      { kind: 'NodeMetrics', name: 'n' },
      { kind: 'PodMetrics' },
      { kind: 'PodMetrics', namespace: 'a' },
      { kind: 'PodMetrics', namespace: 'a', name: 'p' },
      undefined,
      undefined,
    ],
  )
})

test('kubelets are asked when somebody asks, twice for the first answer and once for later ones, not at all soon after', async () => {
  const clock = new FakeClock(START_MS)
  let asked = 0
  const read = async (): Promise<string> => text(clock.now(), ++asked, [])
  const scraper = new Scraper({ clock, read })
  const { signal } = new AbortController()
  const first = scraper.usage('n', signal)
  await new Promise(setImmediate)
  await clock.advance(1000)
  assert.deepEqual([(await first).windowMs, asked], [1000, 2])
  await scraper.usage('n', signal)
  assert.equal(asked, 2)
  await clock.advance(15_000)
  assert.deepEqual([(await scraper.usage('n', signal)).windowMs, asked], [15_000, 3])
})
