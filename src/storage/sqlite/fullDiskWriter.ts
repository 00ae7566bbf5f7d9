/**
 * The child process of `crash.test.ts` on a small disk, which is the folder named on its command line: fills it, sees that what
 * was acknowledged is there, deletes, and writes again.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { StoreUnavailableError } from '../store.ts'
import { openSqliteStore } from './sqliteStore.ts'

const path = join(process.argv[2] as string, 'store.db')
const store = openSqliteStore({ path, clock: systemClock })
const value = new Uint8Array(200_000)
await store.create('/first', value)
// With a history that was forgotten, room is taken for the day when there is none.
await store.compact(await store.revision())
let written = 0
try {
  for (; written < 1_000; written++) await store.create(`/${written}`, value)
} catch (error) {
  assert.ok(error instanceof StoreUnavailableError)
  console.log(`refused: ${error.message}`)
}
const { entries } = await store.list('')
assert.equal(entries.length, written + 1)
for (const { key, modRevision } of entries) {
  // What the store makes room for by itself takes a moment.
  for (let tries = 0; ; tries++) {
    try {
      await store.delete(key, modRevision)
      break
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) || tries > 20) throw error
      await systemClock.sleep(50)
    }
  }
}
await store.compact(await store.revision())
await store.create('/again', value)
await store.close()
const again = openSqliteStore({ path, clock: systemClock })
assert.ok(await again.get('/again'))
await again.close()
console.log('recovered')
