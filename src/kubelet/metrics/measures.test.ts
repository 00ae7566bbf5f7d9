import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod, PodSpec, PodStatus } from '../../api/kinds/core/v1.ts'
import { FakeClock } from '../../base/clock.ts'
import { renderMetrics } from './exposition.ts'
import { FakeRuntime } from '../testing/fakeRuntime.ts'
import { measuredRuntime } from './measuredRuntime.ts'
import { KubeletMeasures } from './measures.ts'
import { PodStartTimes, pullingMs } from './podStartTimes.ts'

function lines(measures: KubeletMeasures, about: string): string[] {
  const text = renderMetrics(measures.metrics()).split('\n')
  return text.filter((line) => line.includes(about) && !line.startsWith('#') && !line.includes('_bucket'))
}

test('what is counted and timed stands under the names that dashboards ask for', () => {
  const clock = new FakeClock()
  const measures = new KubeletMeasures(clock)
  for (const eviction_signal of ['memory.available', 'memory.available', 'pid.available'])
    measures.count('kubelet_evictions', { eviction_signal })
  measures.observe('kubelet_pod_worker_duration_seconds', 0.007, { operation_type: 'sync' })
  measures.observe('kubelet_pod_worker_duration_seconds', 60, { operation_type: 'sync' })
  const text = renderMetrics(measures.metrics())
  for (const line of [
    'kubelet_evictions{eviction_signal="memory.available"} 2',
    'kubelet_evictions{eviction_signal="pid.available"} 1',
    'kubelet_started_pods_total 0',
    '# TYPE kubelet_pod_worker_duration_seconds histogram',
    'kubelet_pod_worker_duration_seconds_bucket{le="0.005",operation_type="sync"} 0',
    'kubelet_pod_worker_duration_seconds_bucket{le="0.01",operation_type="sync"} 1',
    'kubelet_pod_worker_duration_seconds_bucket{le="+Inf",operation_type="sync"} 2',
    'kubelet_pod_worker_duration_seconds_sum{operation_type="sync"} 60.007',
    'kubelet_pod_worker_duration_seconds_count{operation_type="sync"} 2',
  ])
    assert.ok(text.split('\n').includes(line), `${line} in\n${text}`)
})

test('operations of the runtime are counted by their names in the container runtime interface, errors too', async () => {
  const clock = new FakeClock()
  const measures = new KubeletMeasures(clock)
  const runtime = new FakeRuntime(clock)
  const measured = measuredRuntime(runtime, measures, clock)
  await measured.images()
  await assert.rejects(measured.pullImage('nowhere', undefined, new AbortController().signal))
  assert.deepEqual(lines(measures, 'runtime_operations').toSorted(), [
    'kubelet_runtime_operations_duration_seconds_count{operation_type="list_images"} 1',
    'kubelet_runtime_operations_duration_seconds_count{operation_type="pull_image"} 1',
    'kubelet_runtime_operations_duration_seconds_sum{operation_type="list_images"} 0',
    'kubelet_runtime_operations_duration_seconds_sum{operation_type="pull_image"} 0',
    'kubelet_runtime_operations_errors_total{operation_type="pull_image"} 1',
    'kubelet_runtime_operations_total{operation_type="list_images"} 1',
    'kubelet_runtime_operations_total{operation_type="pull_image"} 1',
  ])
})

const pullCases: [string, [number, number][], number][] = [
  ['none', [], 0],
  [
    'one after the other',
    [
      [0, 10],
      [20, 25],
    ],
    15,
  ],
  [
    'side by side',
    [
      [0, 10],
      [5, 12],
    ],
    12,
  ],
  [
    'one within another, told later',
    [
      [2, 4],
      [0, 10],
    ],
    10,
  ],
]
for (const [name, pulls, want] of pullCases)
  test(`time in which images are pulled: ${name}`, () =>
    assert.equal(pullingMs(pulls.map(([startMs, endMs]) => ({ startMs, endMs }))), want))

const at = (seconds: number): string => new Date(seconds * 1000).toISOString()
const running = (seconds: number) => ({ name: 'c', state: { running: { startedAt: at(seconds) } } })

interface StartCase {
  name: string
  spec?: Partial<PodSpec>
  startTime?: string
  init?: boolean
  pullSeconds?: number
  want: string[]
}
const TOTAL = 'kubelet_pod_start_total_duration_seconds_sum 20'
const startCases: StartCase[] = [
  { name: 'all of it', want: [TOTAL, 'kubelet_pod_start_sli_duration_seconds_sum 20'] },
  { name: 'without pulling', pullSeconds: 5, want: [TOTAL, 'kubelet_pod_start_sli_duration_seconds_sum 15'] },
  { name: 'without init containers', init: true, want: [TOTAL, 'kubelet_pod_start_sli_duration_seconds_sum 17'] },
  { name: 'a pod with a claim is no matter of the indicator', spec: { volumes: [{ name: 'v', hostPath: { path: '/' } }] }, want: [TOTAL] },
  { name: 'a pod that an earlier kubelet began', startTime: at(1), want: [] },
]
for (const { name, spec, startTime, init, pullSeconds, want } of startCases)
  test(`start of a pod: ${name}`, async () => {
    const clock = new FakeClock(10_000)

    const measures = new KubeletMeasures(clock)
    const times = new PodStartTimes(measures, clock)
    const pod = (status: PodStatus): Pod =>
      ({ metadata: { name: 'p', uid: 'u', creationTimestamp: at(0) }, spec: { containers: [], ...spec }, status }) as unknown as Pod
    times.observed(pod({ ...(startTime && { startTime }) }))
    const pulled = times.pulling('u')
    await clock.advance((pullSeconds ?? 0) * 1000)
    if (pullSeconds) pulled()
    await clock.advance((10 - (pullSeconds ?? 0)) * 1000)
    const initContainerStatuses = [{ name: 'i', state: { terminated: { exitCode: 0, startedAt: at(12), finishedAt: at(15) } } }]
    const status = { startTime, containerStatuses: [running(19)], ...(init && { initContainerStatuses }) } as unknown as PodStatus
    times.observed(pod(status))
    times.observed(pod(status))
    const sums = lines(measures, '_sum').filter((line) => line.includes('pod_start_'))
    assert.deepEqual(sums.toSorted(), want.toSorted())
  })
