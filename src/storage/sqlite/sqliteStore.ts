/**
 * The embedded store: one SQLite file in WAL mode, fsynced before a write is acknowledged.
 *
 * Group commit: SQLite runs inside the event loop, so writes that arrive while one commit is being fsynced wait in the
 * queue and share the next transaction. Each write's precondition is checked inside the transaction and fails that write
 * alone. Only after COMMIT are watchers told and callers answered, so nothing unacknowledged is ever seen.
 *
 * It keeps etcd's promises towards the API server: revisions per change, reads at older revisions, watch from a revision.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../base/clock.ts'
import { silentLogger, type Logger } from '../../base/logger.ts'
import {
  CompactedError,
  FutureRevisionError,
  KeyExistsError,
  RevisionMismatchError,
  StoreUnavailableError,
  type Entry,
  type ListOptions,
  type ListResult,
  type Store,
  type StoreEvent,
  type WatchOptions,
} from '../store.ts'
import { WatchHub } from '../watchHub.ts'
import { CompactionSchedule } from './compaction.ts'
import { backupDatabase, describeFull, freePages, isDiskFull, openDatabase, unavailable } from './database.ts'
import { SpaceReserve } from './spaceReserve.ts'
import { Statements } from './statements.ts'

/** Most writes in one transaction. */
const COMMIT_WRITES_MAX = 500
/** Writes beyond this many waiting ones are refused. */
const WAITING_WRITES_MAX = 20_000
/** History is forgotten in transactions of this many revisions, so that other work gets its turn. */
const COMPACT_REVISIONS_PER_STEP = 1_000
/** Room on the disk is taken when a start is over. */
const RESERVE_DELAY_MS = 2_000
/** Free pages given back to the file system in one step. */
const VACUUM_PAGES_PER_STEP = 1_000
/** The database's size limit unless another is given; a store that reaches it refuses writes as on a full disk. */
export const DATABASE_BYTES_MAX = 8 * 1024 ** 3

export interface SqliteStoreOptions {
  /** The database file; `-wal` lies beside it. */
  path: string
  clock: Clock
  log?: Logger
  maxSizeBytes?: number
}

interface Write<T = unknown> {
  /** Runs inside the transaction; a throw fails this write alone. */
  apply(revision: number): { event: StoreEvent; answer: T }
  resolve(answer: T): void
  reject(error: unknown): void
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync
  readonly #statements: Statements
  readonly #log: Logger
  readonly #reserve: SpaceReserve
  readonly #hub: WatchHub
  readonly #schedule: CompactionSchedule
  #revision: number
  #compacted: number
  #writes: Write[] = []
  #commitPlanned = false
  #held = false
  #compaction: Promise<void> | undefined
  readonly #cancelReserve: () => void
  #closed = false

  constructor({ path, clock, log = silentLogger, maxSizeBytes = DATABASE_BYTES_MAX }: SqliteStoreOptions) {
    this.#log = log
    this.#reserve = new SpaceReserve(`${path}-reserve`)
    this.#database = openDatabase(path, maxSizeBytes)
    try {
      this.#statements = new Statements(this.#database)
      this.#compacted = this.#statements.compacted()
      this.#revision = Math.max(this.#statements.newestInHistory(), this.#compacted)
    } catch (error) {
      this.#database.close()
      throw unavailable(`the database ${path} cannot be read`, error)
    }
    this.#hub = new WatchHub((prefix, after, limit) => this.#replay(prefix, after, limit))
    this.#schedule = new CompactionSchedule({
      clock,
      state: () => ({ revision: this.#revision, compacted: this.#compacted }),
      compact: (revision) => {
        this.compact(revision).catch((error: unknown) => this.#log.error('history was not compacted', error))
      },
    })
    this.#cancelReserve = clock.after(RESERVE_DELAY_MS, () => void this.#reserve.keep())
  }

  async revision(): Promise<number> {
    this.#assertOpen()
    return this.#revision
  }

  async get(key: string): Promise<Entry | undefined> {
    return this.#read(() => this.#statements.get(key))
  }

  async list(prefix: string, { revision = this.#revision, limit, after }: ListOptions = {}): Promise<ListResult> {
    return this.#read(() => {
      this.#assertReadable(revision)
      const old = revision < this.#revision
      const range = { prefix, after }
      const entries = old ? this.#statements.listAt(revision, range, limit) : this.#statements.list(range, limit)
      const last = entries.at(-1)
      if (!last || entries.length !== limit) return { entries, revision, remaining: 0 }
      const rest = { prefix, after: last.key }
      return { entries, revision, remaining: old ? this.#statements.countAt(revision, rest) : this.#statements.count(rest) }
    })
  }

  create(key: string, value: Uint8Array): Promise<Entry> {
    return this.#write((revision) => {
      if (this.#statements.get(key)) throw new KeyExistsError(key)
      return this.#put({ key, value, createRevision: revision, modRevision: revision }, undefined)
    })
  }

  update(key: string, value: Uint8Array, expected: number): Promise<Entry> {
    return this.#write((revision) => {
      const previous = this.#expect(key, expected)
      return this.#put({ key, value, createRevision: previous.createRevision, modRevision: revision }, previous)
    })
  }

  delete(key: string, expected: number): Promise<number> {
    return this.#write((revision) => {
      const previous = this.#expect(key, expected)
      this.#statements.delete(revision, previous)
      return { event: { type: 'delete', key, revision, previous }, answer: revision }
    })
  }

  watch(prefix: string, options: WatchOptions): AsyncIterable<readonly StoreEvent[]> {
    this.#assertOpen()
    return this.#hub.watch(prefix, options)
  }

  async compact(revision: number): Promise<void> {
    this.#assertOpen()
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision)
    while (this.#compaction) await this.#compaction
    if (this.#closed || revision <= this.#compacted) return
    this.#compaction = this.#forget(revision).finally(() => (this.#compaction = undefined))
    await this.#compaction
  }

  async backup(path: string): Promise<void> {
    this.#assertOpen()
    while (this.#compaction) await this.#compaction.catch(() => {})
    this.#assertOpen()
    // Writes wait: the copy is made beside the event loop, and SQLite gives up on one whose source is being written to.
    this.#held = true
    this.#compaction = backupDatabase(this.#database, path).finally(() => {
      this.#compaction = undefined
      this.#held = false
      this.#planCommit()
    })
    await this.#compaction
  }

  async close(): Promise<void> {
    if (this.#closed) return
    while (this.#held) await this.#compaction?.catch(() => {})
    if (this.#closed) return
    while (this.#writes.length > 0) this.#commit()
    this.#closed = true
    this.#schedule.stop()
    this.#cancelReserve()
    await this.#reserve.settled()
    this.#hub.close()
    await this.#compaction?.catch(() => {})
    this.#database.close()
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreUnavailableError('the store is closed')
  }

  #assertReadable(revision: number): void {
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision)
    if (revision < this.#compacted) throw new CompactedError(revision, this.#compacted)
  }

  #read<T>(read: () => T): T {
    this.#assertOpen()
    try {
      return read()
    } catch (error) {
      if (error instanceof FutureRevisionError || error instanceof CompactedError) throw error
      throw unavailable('the database cannot be read', error)
    }
  }

  #replay(prefix: string, after: number, limit: number): readonly StoreEvent[] {
    return this.#read(() => {
      if (after < this.#compacted) throw new CompactedError(after, this.#compacted)
      return after >= this.#revision ? [] : this.#statements.events(prefix, after, limit)
    })
  }

  #expect(key: string, expected: number): Entry {
    const current = this.#statements.get(key)
    if (current?.modRevision !== expected) throw new RevisionMismatchError(key, expected, current)
    return current
  }

  #put(entry: Entry, previous: Entry | undefined): { event: StoreEvent; answer: Entry } {
    this.#statements.put(entry, previous)
    return { event: { type: 'put', entry, previous }, answer: entry }
  }

  async #write<T>(apply: Write<T>['apply']): Promise<T> {
    this.#assertOpen()
    if (this.#writes.length >= WAITING_WRITES_MAX) throw new StoreUnavailableError('too many writes are waiting for the disk')
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#writes.push({ apply, resolve: resolve, reject })
    this.#planCommit()
    return promise
  }

  #planCommit(): void {
    if (this.#commitPlanned || this.#held) return
    this.#commitPlanned = true
    setImmediate(() => {
      this.#commitPlanned = false
      if (!this.#closed && !this.#held) this.#commit()
    })
  }

  /** One transaction for what is waiting. */
  #commit(): void {
    const writes = this.#writes.splice(0, COMMIT_WRITES_MAX)
    if (this.#writes.length > 0) this.#planCommit()
    if (writes.length === 0) return
    const settle: (() => void)[] = []
    const events: StoreEvent[] = []
    try {
      this.#transaction(() => {
        for (const write of writes) settle.push(this.#applyOne(write, events))
      })
    } catch (error) {
      const reason = unavailable('the change was not written', isDiskFull(error) ? describeFull(this.#database, error) : error)
      for (const write of writes) write.reject(reason)
      if (isDiskFull(error)) this.#makeRoom()
      return
    }
    this.#revision += events.length
    this.#hub.publish(events)
    for (const answer of settle) answer()
    if (events.length > 0) this.#schedule.committed()
  }

  #applyOne(write: Write, events: StoreEvent[]): () => void {
    try {
      const { event, answer } = write.apply(this.#revision + events.length + 1)
      events.push(event)
      return () => write.resolve(answer)
    } catch (error) {
      if (error instanceof KeyExistsError || error instanceof RevisionMismatchError) return () => write.reject(error)
      throw error
    }
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#database.exec('COMMIT')
    } catch (error) {
      // SQLite has rolled back by itself after some errors.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  /** On a full disk history is what can be spared; objects can then be deleted again. */
  #makeRoom(): void {
    if (this.#compaction) return
    this.#log.warn('the database is full, forgetting all history', { revision: this.#revision })
    this.#reserve.release()
    this.#compaction = this.#forget(this.#revision)
      .catch((error: unknown) => this.#log.error('history was not compacted', error))
      .finally(() => (this.#compaction = undefined))
  }

  async #forget(revision: number): Promise<void> {
    try {
      await this.#forgetAndShrink(revision).catch((error: unknown) => {
        if (!isDiskFull(error)) throw error
        this.#reserve.release()
        return this.#forgetAndShrink(revision)
      })
    } catch (error) {
      throw unavailable('history was not compacted', error)
    }
    if (!this.#closed) void this.#reserve.keep()
  }

  async #forgetAndShrink(revision: number): Promise<void> {
    while (this.#compacted < revision && !this.#closed) {
      const to = Math.min(revision, this.#compacted + COMPACT_REVISIONS_PER_STEP)
      this.#transaction(() => this.#statements.forget(this.#compacted, to))
      this.#compacted = to
      await new Promise((resolve) => setImmediate(resolve))
    }
    while (!this.#closed && freePages(this.#database) > 0) {
      this.#database.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES_PER_STEP})`)
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (!this.#closed) this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }
}

/** Throws StoreUnavailableError when the file is not one of ours, damaged, from a newer version, or in use. */
export function openSqliteStore(options: SqliteStoreOptions): Store {
  return new SqliteStore(options)
}
