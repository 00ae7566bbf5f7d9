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
import { CompactionSchedule } from '../historyAge.ts'
import { backupDatabase, freePages, isDiskFull, openDatabase, unavailable } from './database.ts'
import { closeKeepingLog } from './keptLog.ts'
import { RESERVE_PAGES, SpaceReserve } from './spaceReserve.ts'
import { Statements } from './statements.ts'

/** Most writes in one transaction. */
const COMMIT_WRITES_MAX = 500
/** Writes beyond this many waiting ones are refused. */
const WAITING_WRITES_MAX = 20_000
/** History is forgotten in transactions of this many revisions, so that other work gets its turn. */
const COMPACT_REVISIONS_PER_STEP = 1_000
/** Of so many where the log has no room for more. */
const COMPACT_REVISIONS_PER_SMALL_STEP = 50
/** Room on the disk is taken when a start is about over. */
const RESERVE_DELAY_MS = 1_000
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
  /** The disk has no room for a change: whoever can make some is to begin at once. */
  onDiskFull?(): void
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
  readonly #path: string
  readonly #hub: WatchHub
  readonly #schedule: CompactionSchedule
  #revision: number
  #compacted: number
  #writes: Write[] = []
  #commitPlanned = false
  #held = false
  readonly #onDiskFull: () => void
  /** Writes that the disk had no room for, while room is made. */
  readonly #saving = new Set<Promise<void>>()
  #compaction: Promise<void> | undefined
  readonly #cancelReserve: () => void
  #closed = false

  constructor({ path, clock, log = silentLogger, maxSizeBytes = DATABASE_BYTES_MAX, onDiskFull = () => {} }: SqliteStoreOptions) {
    this.#log = log
    this.#onDiskFull = onDiskFull
    this.#path = path
    this.#database = openDatabase(path, maxSizeBytes)
    try {
      this.#reserve = new SpaceReserve(this.#database, path, clock)
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
    this.#cancelReserve = clock.after(RESERVE_DELAY_MS, () => void this.#keepReserve())
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
      if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision)
      this.#assertKept(revision)
      const old = revision < this.#revision
      const range = { prefix, after }
      const entries = old ? this.#statements.listAt(revision, range, limit) : this.#statements.list(range, limit)
      const last = entries.at(-1)
      if (!last || entries.length !== limit) return { entries, revision, remaining: 0 }
      const rest = { prefix, after: last.key }
      return { entries, revision, remaining: old ? this.#statements.countAt(revision, rest) : this.#statements.count(rest) }
    })
  }

  async assertReadable(revision: number): Promise<void> {
    this.#assertOpen()
    this.#assertKept(revision)
  }

  create(key: string, value: Uint8Array): Promise<Entry> {
    return this.#write((revision) => {
      if (this.#statements.get(key)) throw new KeyExistsError(key)
      this.#reserve.assertRoom(value.length, true)
      return this.#put({ key, value, createRevision: revision, modRevision: revision }, undefined)
    })
  }

  update(key: string, value: Uint8Array, expected: number): Promise<Entry> {
    return this.#write((revision) => {
      const previous = this.#expect(key, expected)
      this.#reserve.assertRoom(value.length, false)
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
    await Promise.all(this.#saving)
    if (this.#closed) return
    this.#closed = true
    this.#schedule.stop()
    this.#cancelReserve()
    await this.#reserve.settled()
    this.#hub.close()
    await this.#compaction?.catch(() => {})
    closeKeepingLog(this.#database, this.#path)
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreUnavailableError('the store is closed')
  }

  #assertKept(revision: number): void {
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
      this.#assertKept(after)
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
    const error = this.#commitTogether(writes)
    if (error === undefined) return
    if (!isDiskFull(error)) return this.#refuse(writes, error)
    const saving = this.#commitWhatFits(writes).finally(() => this.#saving.delete(saving))
    this.#saving.add(saving)
  }

  /** Answers why nothing of it was written; undefined when it was. */
  #commitTogether(writes: readonly Write[]): unknown {
    const settle: (() => void)[] = []
    const events: StoreEvent[] = []
    try {
      this.#transaction(() => {
        for (const write of writes) settle.push(this.#applyOne(write, events))
      })
    } catch (error) {
      return error
    }
    this.#revision += events.length
    this.#hub.publish(events)
    for (const answer of settle) answer()
    if (events.length > 0) this.#schedule.committed()
    if (this.#reserve.isToBeLookedAfter) void this.#keepReserve()
    return undefined
  }

  /** On a full disk: makes room, and then lets no large change take the small ones with it. */
  async #commitWhatFits(writes: readonly Write[]): Promise<void> {
    this.#onDiskFull()
    await this.#makeRoom()
    for (const write of writes) {
      while (this.#held) await this.#compaction?.catch(() => {})
      const error = this.#closed ? new StoreUnavailableError('the store is closed') : this.#commitTogether([write])
      if (error !== undefined) this.#refuse([write], error)
    }
  }

  #refuse(writes: readonly Write[], error: unknown): void {
    const reason = unavailable('the change was not written', isDiskFull(error) ? this.#reserve.describeFull(error) : error)
    for (const write of writes) write.reject(reason)
  }

  #applyOne(write: Write, events: StoreEvent[]): () => void {
    try {
      const { event, answer } = write.apply(this.#revision + events.length + 1)
      events.push(event)
      return () => write.resolve(answer)
    } catch (error) {
      if (error instanceof StoreUnavailableError) this.#onDiskFull()
      else if (!(error instanceof KeyExistsError || error instanceof RevisionMismatchError)) throw error
      return () => write.reject(error)
    }
  }

  #transaction(work: () => void): void {
    this.#reserve.limitGrowth()
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

  /** On a full disk history is what can be spared; its pages then hold what is written next. */
  async #makeRoom(): Promise<void> {
    while (this.#compaction) await this.#compaction.catch(() => {})
    if (this.#closed || this.#compacted >= this.#revision) return
    this.#log.warn('the database is full, forgetting all history', { revision: this.#revision })
    this.#compaction = this.#forget(this.#revision)
      .catch((error: unknown) => this.#log.error('history was not compacted', error))
      .finally(() => (this.#compaction = undefined))
    await this.#compaction
  }

  async #forget(revision: number): Promise<void> {
    try {
      await this.#forgetAndShrink(revision, COMPACT_REVISIONS_PER_STEP).catch((error: unknown) => {
        if (!isDiskFull(error)) throw error
        return this.#forgetAndShrink(revision, COMPACT_REVISIONS_PER_SMALL_STEP)
      })
    } catch (error) {
      throw unavailable('history was not compacted', error)
    }
    void this.#keepReserve()
  }

  async #forgetAndShrink(revision: number, revisionsPerStep: number): Promise<void> {
    while (this.#compacted < revision && !this.#closed) {
      const to = Math.min(revision, this.#compacted + revisionsPerStep)
      this.#transaction(() => this.#statements.forget(this.#compacted, to))
      this.#compacted = to
      await new Promise((resolve) => setImmediate(resolve))
    }
    while (!this.#closed && freePages(this.#database) > RESERVE_PAGES) {
      const pages = Math.min(VACUUM_PAGES_PER_STEP, freePages(this.#database) - RESERVE_PAGES)
      this.#database.exec(`PRAGMA incremental_vacuum(${pages})`)
      await new Promise((resolve) => setImmediate(resolve))
    }
    // The log keeps its length: on a full disk it could not grow again.
    if (!this.#closed) this.#database.exec('PRAGMA wal_checkpoint(PASSIVE)')
  }

  async #keepReserve(): Promise<void> {
    await this.#reserve.keep(() => !this.#closed && !this.#held)
  }
}

/** Throws StoreUnavailableError when the file is not one of ours, damaged, from a newer version, or in use. */
export function openSqliteStore(options: SqliteStoreOptions): Store {
  return new SqliteStore(options)
}
