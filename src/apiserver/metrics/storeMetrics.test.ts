import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { createMemoryStore } from '../../storage/memory/memoryStore.ts'
import { StoreMetrics } from './storeMetrics.ts'

test('requests to the store are counted by what they are about', async () => {
  const metrics = new StoreMetrics()
  const registry = new Registry()
  metrics.register(registry)
  const store = metrics.timed(createMemoryStore())
  await store.create('/registry/pods/default/a', Buffer.from('{}'))
  await store.create('/registry/example.com/widgets/default/a', Buffer.from('{}'))
  await assert.rejects(store.create('/registry/pods/default/a', Buffer.from('{}')))
  await store.get('/registry/pods/default/a')
  const text = await registry.metrics()
  assert.match(text, /etcd_requests_total\{operation="create",group="",resource="pods"\} 2/)
  assert.match(text, /etcd_requests_total\{operation="create",group="example.com",resource="widgets"\} 1/)
  assert.match(text, /etcd_request_errors_total\{operation="create",group="",resource="pods"\} 1/)
  assert.match(text, /etcd_request_duration_seconds_count\{operation="get",group="",resource="pods"\} 1/)
  await store.close()
})
