import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { storeContract } from '../contract.ts'
import { HISTORY_AGE_MAX_MS } from '../historyAge.ts'
import { CompactedError } from '../store.ts'
import { createMemoryStore } from './memoryStore.ts'

storeContract('the memory store', async () => ({ store: createMemoryStore() }))

test('given a clock, history is forgotten by itself after some minutes', async () => {
  const clock = new FakeClock()
  const store = createMemoryStore({ clock })
  await store.create('/a', new Uint8Array(1))
  await store.update('/a', new Uint8Array(1), 1)
  await clock.advance(HISTORY_AGE_MAX_MS / 2)
  await store.assertReadable(1)
  await clock.advance(HISTORY_AGE_MAX_MS)
  await assert.rejects(store.assertReadable(1), CompactedError)
  await store.assertReadable(2)
  await store.close()
})
