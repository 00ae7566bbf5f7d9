import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, it } from 'node:test'
import { FakeClock, systemClock } from '../../base/clock.ts'
import { storeContract } from '../contract.ts'
import { CompactedError, StoreUnavailableError } from '../store.ts'
import { HISTORY_AGE_MAX_MS } from '../historyAge.ts'
import { openSqliteStore } from './sqliteStore.ts'

const folder = mkdtempSync(join(tmpdir(), 'sqlite-store-'))
after(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
const newPath = (): string => join(folder, `${files++}.db`)
const clock = systemClock

storeContract('the SQLite store', async () => {
  const path = newPath()
  let store = openSqliteStore({ path, clock })
  const reopen = async () => {
    await store.close()
    store = openSqliteStore({ path, clock })
    return store
  }
  return { store, reopen }
})

/** Room that is kept for the day when the disk is full. */
const RESERVE_BYTES = 4 * 1024 ** 2

describe('the file of a SQLite store', () => {
  const refusals: { name: string; make: (path: string) => void; why: RegExp }[] = [
    { name: 'is no database', make: (path) => writeFileSync(path, 'precious text, long enough. '.repeat(200)), why: /not a database/ },
    { name: 'belongs to another program', make: (path) => sql(path, 'CREATE TABLE precious (x)'), why: /not a minicube database/ },
    { name: 'is newer', make: (path) => void createThen(path, 'PRAGMA user_version = 3'), why: /has format 3/ },
    { name: 'is damaged', make: damage, why: /damaged|malformed/ },
    { name: 'is empty beside a log', make: logAlone, why: /is gone, but its log/ },
  ]

  function sql(path: string, statements: string): void {
    const database = new DatabaseSync(path)
    database.exec(statements)
    database.close()
  }

  function createThen(path: string, statements: string): void {
    const database = new DatabaseSync(path)
    database.exec(`PRAGMA application_id = 0x6d637562; CREATE TABLE history (x); ${statements}`)
    database.close()
  }

  function logAlone(path: string): void {
    writeFileSync(path, '')
    writeFileSync(`${path}-wal`, 'changes of a database')
  }

  function damage(path: string): void {
    createThen(path, `PRAGMA user_version = 1; INSERT INTO history SELECT zeroblob(1000) FROM json_each('[${'1,'.repeat(99)}1]')`)
    const content = readFileSync(path)
    content.fill(0xa5, 4096 * 3, 4096 * 5)
    writeFileSync(path, content)
  }

  for (const { name, make, why } of refusals) {
    it(`is refused and left alone if it ${name}`, () => {
      const path = newPath()
      make(path)
      const before = readFileSync(path)
      assert.throws(
        () => openSqliteStore({ path, clock }),
        (error: unknown) => error instanceof StoreUnavailableError && why.test(error.message),
      )
      assert.deepEqual(readFileSync(path), before)
    })
  }

  it('of format 1 goes on as one of today, with its history', async () => {
    const path = newPath()
    const store = openSqliteStore({ path, clock })
    const { modRevision } = await store.create('/a', new Uint8Array([1]))
    await store.update('/a', new Uint8Array([2]), modRevision)
    await store.close()
    sql(path, 'CREATE INDEX history_by_key ON history (key, revision); PRAGMA user_version = 1')
    const again = openSqliteStore({ path, clock })
    const valueAt = async (revision: number) => (await again.list('/', { revision })).entries.map(({ value }) => [...value])
    assert.deepEqual([await valueAt(1), await valueAt(2)], [[[1]], [[2]]])
    await again.close()
    const database = new DatabaseSync(path)
    const indices = database.prepare("SELECT name FROM sqlite_schema WHERE name = 'history_by_key'").all()
    assert.deepEqual([indices, database.prepare('PRAGMA user_version').get()?.['user_version']], [[], 2])
    database.close()
  })

  it('is refused while another store has it open', async () => {
    const path = newPath()
    const store = openSqliteStore({ path, clock })
    assert.throws(() => openSqliteStore({ path, clock }), /in use by another process/)
    await store.close()
    await openSqliteStore({ path, clock }).close()
  })

  it('can be read by its owner alone', async () => {
    const path = newPath()
    const store = openSqliteStore({ path, clock })
    await store.create('/a', new Uint8Array(10))
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.equal(statSync(`${path}-wal`).mode & 0o777, 0o600)
    await store.close()
  })

  it('shrinks after churn', async () => {
    const path = newPath()
    const store = openSqliteStore({ path, clock })
    let { modRevision } = await store.create('/a', new Uint8Array(20_000))
    for (let i = 0; i < 300; i++) ({ modRevision } = await store.update('/a', new Uint8Array(20_000), modRevision))
    await store.compact(modRevision)
    assert.ok(statSync(path).size < RESERVE_BYTES + 200_000, `the file has ${statSync(path).size} bytes`)
    await store.close()
  })

  it('stays small through 50,000 objects of churn', { timeout: 120_000 }, async () => {
    const path = newPath()
    const store = openSqliteStore({ path, clock })
    const [rounds, atOnce] = [125, 400]
    let largest = 0
    for (let round = 0; round < rounds; round++) {
      const names = Array.from({ length: atOnce }, (_, i) => `/registry/pods/x/p${round}-${i}`)
      const created = await Promise.all(names.map((name) => store.create(name, new Uint8Array(700))))
      await Promise.all(created.map(({ key, modRevision }) => store.delete(key, modRevision)))
      largest = Math.max(largest, statSync(path).size)
    }
    assert.equal(await store.revision(), 2 * rounds * atOnce)
    // History has its limit while all this happens, and is forgotten in the end.
    assert.ok(largest < 120 * 1024 ** 2, `the file had ${largest} bytes`)
    await store.compact(await store.revision())
    assert.ok(statSync(path).size < RESERVE_BYTES + 200_000, `the file has ${statSync(path).size} bytes`)
    await store.close()
  })

  it('says so when it has reached its limit', async () => {
    const store = openSqliteStore({ path: newPath(), clock, maxSizeBytes: 8 * 1024 ** 2 })
    await assert.rejects(async () => {
      for (let i = 0; ; i++) await store.create(`/${i}`, new Uint8Array(50_000))
    }, /database space exceeded: its limit is 8 MiB/)
    await store.close()
  })

  it('can be copied while it is written to, and the copy is a state that was', async () => {
    const path = newPath()
    const store = openSqliteStore({ path, clock })
    for (let i = 0; i < 2_000; i++) void store.create(`/before/${i}`, new Uint8Array(1_000))
    await store.create('/before', new Uint8Array(1))
    const copied = new AbortController()
    const writing = (async () => {
      for (let i = 0; !copied.signal.aborted; i++) await store.create(`/during/${i}`, new Uint8Array(1_000))
    })()
    const copy = newPath()
    await store.backup?.(copy).finally(() => copied.abort())
    await writing
    assert.equal(statSync(copy).mode & 0o777, 0o600)
    const restored = openSqliteStore({ path: copy, clock })
    const revision = await restored.revision()
    assert.ok(revision >= 2_001)
    assert.deepEqual((await restored.list('')).entries, (await store.list('', { revision })).entries)
    await restored.close()
    await assert.rejects(store.backup?.(copy) ?? Promise.resolve(), /exists already/)
    await store.close()
  })

  it('refuses writes when it is full, keeps what it has, and recovers', async () => {
    const path = newPath()
    const store = openSqliteStore({ path, clock, maxSizeBytes: 1_000_000 })
    let written = 0
    await assert.rejects(async () => {
      for (; ; written++) await store.create(`/${written}`, new Uint8Array(50_000))
    }, StoreUnavailableError)
    assert.ok(written > 10)
    assert.equal((await store.list('')).entries.length, written)
    assert.equal(await store.revision(), written)
    for (const { key, modRevision } of (await store.list('', { limit: 5 })).entries) await store.delete(key, modRevision)
    await store.compact(await store.revision())
    assert.equal((await store.create('/again', new Uint8Array(50_000))).modRevision, written + 6)
    await store.close()
  })
})

describe('history', () => {
  it('is forgotten by itself after some minutes', async () => {
    const fake = new FakeClock()
    const store = openSqliteStore({ path: newPath(), clock: fake })
    await store.create('/a', new Uint8Array(1))
    await store.update('/a', new Uint8Array(1), 1)
    await fake.advance(HISTORY_AGE_MAX_MS / 2)
    assert.equal((await store.list('', { revision: 1 })).entries.length, 1)
    await store.update('/a', new Uint8Array(1), 2)
    await fake.advance(HISTORY_AGE_MAX_MS)
    await assert.rejects(store.list('', { revision: 1 }), CompactedError)
    assert.equal((await store.list('', { revision: 3 })).entries[0]?.modRevision, 3)
    await store.close()
  })
})
