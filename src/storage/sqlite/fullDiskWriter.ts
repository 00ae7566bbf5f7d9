/**
 * The child process of `crash.test.ts` on a small disk, which is the folder named on its command line: fills it, sees that what
 * was acknowledged is there and that small changes still are, deletes, and writes again.
 */
import assert from 'node:assert/strict'
import { appendFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../base/clock.ts'
import { StoreUnavailableError } from '../store.ts'
import { openSqliteStore } from './sqliteStore.ts'

const RESERVE_IS_TAKEN_MS = 300

const path = join(process.argv[2] as string, 'store.db')
const store = openSqliteStore({ path, clock: systemClock })
const value = new Uint8Array(200_000)
await store.create('/first', value)
// With a history that was forgotten, room is taken for the day when there is none.
await store.compact(await store.revision())
await sleep(RESERVE_IS_TAKEN_MS)
// Somebody else takes all the disk, to the last byte. What the kubelet has to say is written still, again and again.
const filler = join(process.argv[2] as string, 'filler')
for (const size of [1_000_000, 4_096]) {
  assert.throws(
    () => {
      for (;;) appendFileSync(filler, Buffer.alloc(size))
    },
    { code: 'ENOSPC' },
  )
}
let status = await store.create('/status', new Uint8Array(4_000))
await assert.rejects(async () => {
  for (let i = 0; i < 20; i++) await store.create(`/large-${i}`, value)
}, /the disk is full/)
for (let i = 0; i < 3_000; i++) status = await store.update(status.key, new Uint8Array(4_000), status.modRevision)
await store.delete(status.key, status.modRevision)
rmSync(filler)
const before = (await store.list('')).entries.length
let written = 0
try {
  for (; written < 1_000; written++) await store.create(`/${written}`, value)
} catch (error) {
  assert.ok(error instanceof StoreUnavailableError)
  console.log(`refused: ${error.message}`)
}
const { entries } = await store.list('')
assert.equal(entries.length, before + written)
for (const { key, modRevision } of entries) {
  // What the store makes room for by itself takes a moment.
  for (let tries = 0; ; tries++) {
    try {
      await store.delete(key, modRevision)
      break
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) || tries > 20) throw error
      await sleep(50)
    }
  }
}
await store.compact(await store.revision())
await store.create('/again', value)
await store.close()
// Somebody else takes all the disk while the store is closed: the next one starts, and small changes are written.
for (const size of [1_000_000, 4_096, 1]) {
  assert.throws(
    () => {
      for (;;) appendFileSync(filler, Buffer.alloc(size))
    },
    { code: 'ENOSPC' },
  )
}
const again = openSqliteStore({ path, clock: systemClock })
assert.ok(await again.get('/again'))
let lease = await again.create('/lease', new Uint8Array(400))
for (let i = 0; i < 1_000; i++) lease = await again.update(lease.key, new Uint8Array(400), lease.modRevision)
await again.close()
console.log('recovered')
