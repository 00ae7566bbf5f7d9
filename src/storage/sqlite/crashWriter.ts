/**
 * The child process of `crash.test.ts`: writes without pause to the database named on its command line and prints one
 * line, `key revision round`, for each acknowledged write, until it is killed. `compacting` forgets history all the time meanwhile.
 */
import { writeSync } from 'node:fs'
import { systemClock } from '../../base/clock.ts'
import { openSqliteStore } from './sqliteStore.ts'

const KEYS = 40

const [path = '', round = '', mode = ''] = process.argv.slice(2)
const store = openSqliteStore({ path, clock: systemClock })
const { entries } = await store.list('/k/')
const revisions = new Map(entries.map(({ key, modRevision }) => [key, modRevision]))

async function writeOnAndOn(key: string): Promise<void> {
  for (let i = 0; ; i++) {
    const value = new TextEncoder().encode(`${round}-${i}`.padEnd(500, '.'))
    const revision = revisions.get(key)
    const entry = revision === undefined ? await store.create(key, value) : await store.update(key, value, revision)
    revisions.set(key, entry.modRevision)
    writeSync(1, `${key} ${entry.modRevision} ${round}-${i}\n`)
  }
}

async function compactOnAndOn(): Promise<void> {
  for (;;) {
    await store.compact(await store.revision())
    await new Promise((resolve) => setImmediate(resolve))
  }
}

if (mode === 'compacting') void compactOnAndOn()
await Promise.all(Array.from({ length: KEYS }, (_, n) => writeOnAndOn(`/k/${n}`)))
