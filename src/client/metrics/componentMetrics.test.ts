import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configmaps } from '../../api/kinds/core/v1.ts'
import { newNotFound } from '../../api/status.ts'
import { FakeClock } from '../../base/clock.ts'
import type { Transport } from '../client.ts'
import { WorkQueue } from '../workQueue.ts'
import { ComponentMetrics } from './componentMetrics.ts'

const NOWHERE: Transport = {
  request: async ({ verb, resource }) => {
    if (verb === 'get') throw newNotFound(resource, 'x')
  },
  // eslint-disable-next-line require-yield
  async *watch() {},
}

async function samples(metrics: ComponentMetrics, name: string): Promise<string[]> {
  const text = await metrics.registry.metrics()
  return text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
}

test('a queue tells what was added, waits, is in work and failed', async () => {
  const metrics = new ComponentMetrics('host')
  const queue = new WorkQueue({ clock: new FakeClock(), backoff: { baseMs: 5, maxMs: 20 }, name: 'job', metrics: metrics.queues })
  for (const key of ['a', 'b', 'a']) queue.add(key)
  assert.equal(await queue.next(), 'a')
  assert.deepEqual(await samples(metrics, 'workqueue_adds_total'), ['workqueue_adds_total{name="job"} 2'])
  assert.deepEqual(await samples(metrics, 'workqueue_depth'), ['workqueue_depth{name="job"} 1'])
  assert.deepEqual(await samples(metrics, 'workqueue_queue_duration_seconds_count'), [
    'workqueue_queue_duration_seconds_count{name="job"} 1',
  ])
  assert.doesNotMatch((await samples(metrics, 'workqueue_unfinished_work_seconds')).join(), / 0$/)
  queue.addRateLimited('a')
  queue.done('a')
  assert.deepEqual(await samples(metrics, 'workqueue_retries_total'), ['workqueue_retries_total{name="job"} 1'])
  assert.deepEqual(await samples(metrics, 'workqueue_work_duration_seconds_count'), ['workqueue_work_duration_seconds_count{name="job"} 1'])
  assert.deepEqual(await samples(metrics, 'workqueue_longest_running_processor_seconds'), [
    'workqueue_longest_running_processor_seconds{name="job"} 0',
  ])
})

test('a client tells how its requests ended', async () => {
  const { requests, registry } = new ComponentMetrics('host')
  const transport = requests.counted(NOWHERE)
  await transport.request({ verb: 'create', resource: configmaps, body: {} })
  await assert.rejects(transport.request({ verb: 'get', resource: configmaps, name: 'x' }))
  const text = await registry.metrics()
  assert.match(text, /^rest_client_requests_total\{code="201",method="POST",host="host"\} 1$/m)
  assert.match(text, /^rest_client_requests_total\{code="404",method="GET",host="host"\} 1$/m)
  assert.match(text, /^rest_client_request_duration_seconds_count\{verb="GET",host="host"\} 1$/m)
})
