import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupStats } from '../testing/groupStats.ts'
import { cadvisorMetrics } from './cadvisor.ts'
import { renderMetrics } from '../metrics/exposition.ts'
import { TEST_POD } from './testServer.ts'
import type { NodeUsage, PodUsage } from './usage.ts'

const node: NodeUsage = {
  cpuUsageNs: 4e9,
  memoryUsageBytes: 400,
  memoryWorkingSetBytes: 300,
  memoryRssBytes: 200,
  pageFaults: 1,
  majorPageFaults: 0,
  memoryCapacityBytes: 1000,
  startedAtMs: 0,
  network: undefined,
  pods: groupStats({ memoryWorkingSetBytes: 250 }),
}
const network = { rxBytes: 1, rxPackets: 2, rxErrors: 3, rxDropped: 4, txBytes: 5, txPackets: 6, txErrors: 7, txDropped: 8 }
const containers = TEST_POD.spec?.containers.map((container) => ({
  ...container,
  resources: { limits: { cpu: '250m', memory: '64Mi' }, requests: { cpu: '100m' } },
}))
const pod: PodUsage['pod'] = { ...TEST_POD, spec: { ...TEST_POD.spec, containers: containers ?? [] } }
const stats = groupStats({ cpuUsageNs: 2e9, cpuPeriods: 9, cpuThrottledPeriods: 3, memoryRssBytes: 11, readBytes: 12, pageFaults: 13 })
const usage: PodUsage = { pod, startedAtMs: 0, containers: [{ name: 'main', id: 'c1', startedAtMs: 5000, stats }], network }

const text = renderMetrics(cadvisorMetrics(node, [usage], 1))
const own = 'container="main",id="/kubepods/burstable/poduid-p/c1",image="x",name="c1",namespace="default",pod="p"'
const none = (id: string): string => `container="",image="",name="",namespace="",pod="",id="${id}"`
for (const line of [
  `container_cpu_usage_seconds_total{${own},cpu="total"} 2 1`,
  `container_cpu_usage_seconds_total{${none('/')},cpu="total"} 4 1`,
  `container_cpu_cfs_throttled_periods_total{${own}} 3 1`,
  `container_memory_rss{${own}} 11 1`,
  `container_memory_working_set_bytes{${none('/')}} 300 1`,
  `container_memory_working_set_bytes{${none('/kubepods')}} 250 1`,
  `container_memory_failures_total{${own},failure_type="pgfault",scope="hierarchy"} 13 1`,
  `container_memory_failures_total{${own},failure_type="pgmajfault",scope="hierarchy"} 0 1`,
  `container_fs_reads_bytes_total{${own},device=""} 12 1`,
  `container_spec_cpu_quota{${own}} 25000 1`,
  `container_spec_cpu_shares{${own}} 102 1`,
  `container_spec_memory_limit_bytes{${own}} 67108864 1`,
  `container_start_time_seconds{${own}} 5 1`,
  'container_network_receive_packets_dropped_total{interface="eth0",namespace="default",pod="p"} 4 1',
  'container_network_transmit_packets_total{interface="eth0",namespace="default",pod="p"} 6 1',
])
  test(`/metrics/cadvisor has ${line.split('}')[0]}}`, () => assert.ok(text.split('\n').includes(line), `${line} in\n${text}`))

test('each metric is described once, and what the node does not know is not told', () => {
  const described = text.split('\n').filter((line) => line.startsWith('# TYPE'))
  assert.equal(new Set(described).size, described.length)
  assert.ok(!text.includes(`container_memory_cache{${none('/')}}`))
})
