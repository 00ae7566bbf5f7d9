import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../../api/resource.ts'
import { FakeClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { createMemoryStore } from '../../storage/memory/memoryStore.ts'
import { loadCatalog } from '../../api/catalog/load.ts'
import { StoredValues } from '../cache/storedValues.ts'
import { WatchCache } from '../cache/watchCache.ts'
import { expireEvents, planExpiry } from './eventExpiry.ts'

const TTL_MS = 3_600_000
const MINUTE_MS = 60_000
const NOW_MS = Date.UTC(2026, 0, 1, 12)
const ago = (ms: number): string => new Date(NOW_MS - ms).toISOString()

function event(name: string, createdMs: number, ...writtenMs: number[]): KubeObject {
  const managedFields = writtenMs.map((ms) => ({ manager: 'm', operation: 'Update', time: ago(ms) }))
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace: 'n', uid: name, creationTimestamp: ago(createdMs), managedFields },
  } as unknown as KubeObject
}

test('events go an hour after they were last written, and the next look is when the next one is due', () => {
  const cases: [events: KubeObject[], expired: string[], waitMs: number][] = [
    [[], [], TTL_MS],
    [[event('new', MINUTE_MS)], [], TTL_MS - MINUTE_MS],
    [[event('old', TTL_MS), event('older', 2 * TTL_MS)], ['old', 'older'], TTL_MS],
    [[event('told again', 5 * TTL_MS, 2 * TTL_MS, 20 * MINUTE_MS)], [], 40 * MINUTE_MS],
    [[event('nearly', TTL_MS - 5)], [], 30_000],
    [[{ metadata: { name: 'timeless' } } as unknown as KubeObject], ['timeless'], TTL_MS],
  ]
  for (const [objects, names, waitMs] of cases) {
    const stored = objects.map((object, i) => ({ key: object.metadata.name, revision: i + 1, object }))
    const plan = planExpiry(stored, NOW_MS, TTL_MS)
    assert.deepEqual([plan.expired.map(({ key }) => key), plan.waitMs], [names, waitMs])
  }
})

test('they go from the store, others stay', async () => {
  const clock = new FakeClock(NOW_MS)
  const store = createMemoryStore()
  const bytes = (object: KubeObject): Uint8Array => Buffer.from(JSON.stringify(object))
  await store.create('/registry/events/n/old', bytes(event('old', 2 * TTL_MS)))
  await store.create('/registry/events/n/new', bytes(event('new', 0)))
  await store.create('/registry/pods/n/old', bytes(event('old', 2 * TTL_MS)))
  const cache = new WatchCache({ store, values: new StoredValues({ catalog: loadCatalog() }), clock, log: silentLogger })
  await cache.start()
  const stop = expireEvents({ store, cache, clock, log: silentLogger, ttlMs: TTL_MS })
  const keys = async (): Promise<string[]> => (await store.list('/registry/')).entries.map(({ key }) => key)
  await clock.advance(0)
  assert.deepEqual(await keys(), ['/registry/events/n/new', '/registry/pods/n/old'])
  await clock.advance(TTL_MS)
  assert.deepEqual(await keys(), ['/registry/pods/n/old'])
  await stop()
  await cache.close()
  await store.close()
})
