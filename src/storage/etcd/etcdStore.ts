/**
 * The store on etcd v3: for a control plane of several API servers, or one that shall outlive its machine. Each object is a
 * key as upstream's API server lays them out; a write is one transaction that compares the key's mod_revision, so that etcd
 * itself decides between servers. Revisions are etcd's own.
 */
import type { Clock } from '../../base/clock.ts'
import { silentLogger, type Logger } from '../../base/logger.ts'
import { prefixEnd } from '../keyOrder.ts'
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
import { SharedCompaction } from './compaction.ts'
import { EtcdConnection, type EtcdTls } from './connection.ts'
import { COMPACTED, FUTURE, says, translateEtcdError } from './errors.ts'
import {
  COMPACT,
  COMPARE_EQUAL,
  COMPARE_MOD,
  RANGE,
  STATUS,
  TXN,
  type KeyValue,
  type RangeRequest,
  type RangeResponse,
  type RequestOp,
  type StatusResponse,
  type TxnRequest,
  type TxnResponse,
} from './messages.ts'
import { bytesOf, END_OF_KEYS, toEntry } from './keys.ts'
import { watchEtcd } from './watch.ts'

/** Entries that one request asks for; lists without a limit are read in pages of it, all at one revision. */
const RANGE_LIMIT = 2_000
/** Writes beyond this many without an answer are refused. */
const WAITING_WRITES_MAX = 20_000
/** Etcd refuses what exceeds a few thousand proposals; beyond this many they wait here, which costs no throughput. */
const SENT_WRITES_MAX = 512

export interface EtcdStoreOptions {
  /** `http://127.0.0.1:2379`, one for each member that may be asked. */
  endpoints: readonly string[]
  tls?: EtcdTls
  clock: Clock
  log?: Logger
  /** Before every key; none unless given, the keys are `/registry/…` then. */
  keyPrefix?: string
}

class EtcdStore implements Store {
  readonly shared = true
  readonly #connection: EtcdConnection
  readonly #keyPrefix: string
  readonly #log: Logger
  readonly #compaction: SharedCompaction
  readonly #writing = new Set<Promise<unknown>>()
  #sent = 0
  readonly #queue: (() => void)[] = []
  readonly #stop = new AbortController()
  /** One read of the revision is on its way, another waits for it and serves everybody who has come since. */
  #nextRevision: Promise<number> | undefined
  #revisionUnderway: Promise<unknown> = Promise.resolve()

  constructor({ endpoints, tls = {}, keyPrefix = '', clock, log = silentLogger }: EtcdStoreOptions) {
    this.#connection = new EtcdConnection(endpoints, tls)
    this.#keyPrefix = keyPrefix
    this.#log = log
    this.#compaction = new SharedCompaction({
      clock,
      log,
      compact: (revision) => this.compact(revision),
      read: (key) => this.#get(bytesOf(key)),
      write: (key, value, expected) => this.#put(bytesOf(key), value, expected),
    })
  }

  /** Throws where etcd does not answer, or has raised an alarm. */
  async status(): Promise<StatusResponse> {
    this.#assertOpen()
    return this.#connection.call<StatusResponse>(STATUS, {}, 'read')
  }

  revision(): Promise<number> {
    if (this.#stop.signal.aborted) return Promise.reject(new StoreUnavailableError('the store is closed'))
    this.#nextRevision ??= this.#revisionUnderway
      .finally(() => (this.#nextRevision = undefined))
      .then(
        () => {
          const asked = this.#read(async () => (await this.#range({ key: bytesOf('\0'), count_only: true })).header.revision)
          this.#revisionUnderway = asked
          asked.catch(() => {})
          return asked
        },
        (error: unknown) => {
          // It was asked in vain for as long as a call may take: those who came meanwhile need not wait as long again.
          this.#revisionUnderway = Promise.resolve()
          throw error
        },
      )
    return this.#nextRevision
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#read(async () => {
      const { kv } = await this.#get(bytesOf(this.#keyPrefix + key))
      return kv && this.#entry(kv)
    })
  }

  list(prefix: string, { revision, limit, after }: ListOptions = {}): Promise<ListResult> {
    return this.#read(async () => {
      const from = this.#keyPrefix + (after === undefined || after < prefix ? prefix : `${after}\0`)
      const end = prefixEnd(this.#keyPrefix + prefix)
      const range_end = end === undefined ? END_OF_KEYS : bytesOf(end)
      const entries: Entry[] = []
      // An etcd that nothing was written to is at revision 1.
      let at = revision === undefined ? undefined : Math.max(1, revision)
      let key = bytesOf(from || '\0')
      for (;;) {
        const wanted = limit === undefined ? RANGE_LIMIT : Math.min(RANGE_LIMIT, limit - entries.length)
        const page = await this.#rangeAt({ key, range_end, limit: wanted }, at)
        at ??= page.header.revision
        const kvs = page.kvs ?? []
        for (const kv of kvs) entries.push(this.#entry(kv))
        const remaining = (page.count ?? 0) - kvs.length
        const last = kvs.at(-1)
        if (!last || remaining === 0 || entries.length === limit) return { entries, revision: at, remaining }
        key = Buffer.concat([last.key, Buffer.of(0)])
      }
    })
  }

  async assertReadable(revision: number): Promise<void> {
    try {
      await this.#range({ key: bytesOf('\0'), count_only: true, revision: Math.max(1, revision) })
    } catch (error) {
      if (!says(error, FUTURE)) throw await this.#refineRevisionError(error, revision)
    }
  }

  create(key: string, value: Uint8Array): Promise<Entry> {
    return this.#write(async () => {
      const { modRevision } = await this.#put(bytesOf(this.#keyPrefix + key), value, 0, () => new KeyExistsError(key))
      return { key, value, createRevision: modRevision, modRevision }
    })
  }

  update(key: string, value: Uint8Array, expected: number): Promise<Entry> {
    return this.#write(async () => {
      const mismatch = (kv: KeyValue | undefined): Error => new RevisionMismatchError(key, expected, kv && this.#entry(kv))
      // A key that is not there has the mod_revision 0.
      if (expected === 0) throw mismatch((await this.#get(bytesOf(this.#keyPrefix + key))).kv)
      const { createRevision, modRevision } = await this.#put(bytesOf(this.#keyPrefix + key), value, expected, mismatch)
      return { key, value, createRevision, modRevision }
    })
  }

  delete(key: string, expected: number): Promise<number> {
    const bytes = bytesOf(this.#keyPrefix + key)
    return this.#write(async () => {
      const { header, failed, kv } = await this.#txn(bytes, expected, [{ request_delete_range: { key: bytes } }])
      if (failed) throw new RevisionMismatchError(key, expected, kv && this.#entry(kv))
      return header.revision
    })
  }

  watch(prefix: string, options: WatchOptions): AsyncIterable<readonly StoreEvent[]> {
    this.#assertOpen()
    return watchEtcd({
      connection: this.#connection,
      prefix: this.#keyPrefix + prefix,
      keyPrefix: this.#keyPrefix,
      afterRevision: options.afterRevision,
      signal: options.signal,
      closed: this.#stop.signal,
      log: this.#log,
      assertReadable: (revision) => this.assertReadable(revision),
    })
  }

  async compact(revision: number): Promise<void> {
    this.#assertOpen()
    if (revision <= 0) return
    try {
      await this.#connection.call(COMPACT, { revision }, 'write')
    } catch (error) {
      if (says(error, COMPACTED)) return
      if (says(error, FUTURE)) throw new FutureRevisionError(revision, await this.revision())
      throw translateEtcdError(error)
    }
  }

  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return
    this.#compaction.stop()
    this.#stop.abort()
    await Promise.allSettled(this.#writing)
    this.#connection.close()
  }

  #assertOpen(): void {
    if (this.#stop.signal.aborted) throw new StoreUnavailableError('the store is closed')
  }

  #entry(kv: KeyValue): Entry {
    return toEntry(kv, this.#keyPrefix.length)
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    this.#assertOpen()
    try {
      return await read()
    } catch (error) {
      if (error instanceof CompactedError || error instanceof FutureRevisionError) throw error
      throw translateEtcdError(error)
    }
  }

  async #write<T>(write: () => Promise<T>): Promise<T> {
    this.#assertOpen()
    if (this.#writing.size >= WAITING_WRITES_MAX) throw new StoreUnavailableError('too many writes are waiting for etcd')
    const running = this.#inTurn(write)
    this.#writing.add(running)
    try {
      return await running
    } catch (error) {
      if (error instanceof KeyExistsError || error instanceof RevisionMismatchError) throw error
      throw translateEtcdError(error)
    } finally {
      this.#writing.delete(running)
    }
  }

  async #inTurn<T>(write: () => Promise<T>): Promise<T> {
    if (this.#sent >= SENT_WRITES_MAX) await new Promise<void>((resolve) => this.#queue.push(resolve))
    this.#sent++
    try {
      return await write()
    } finally {
      this.#sent--
      this.#queue.shift()?.()
    }
  }

  #range(request: RangeRequest): Promise<RangeResponse> {
    return this.#connection.call<RangeResponse>(RANGE, request, 'read')
  }

  async #rangeAt(request: RangeRequest, revision: number | undefined): Promise<RangeResponse> {
    if (revision === undefined) return this.#range(request)
    try {
      return await this.#range({ ...request, revision })
    } catch (error) {
      throw await this.#refineRevisionError(error, revision)
    }
  }

  async #refineRevisionError(error: unknown, revision: number): Promise<unknown> {
    if (says(error, FUTURE)) return new FutureRevisionError(revision, await this.revision())
    if (says(error, COMPACTED)) return new CompactedError(revision, await this.#oldestRevision(revision))
    return error
  }

  /** Etcd tells how far it has compacted only by refusing; reading at a revision in between finds the border. */
  async #oldestRevision(compacted: number): Promise<number> {
    let low = compacted
    let high = await this.revision()
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      const gone = await this.#range({ key: bytesOf('\0'), count_only: true, revision: middle }).then(
        () => false,
        (error: unknown) => says(error, COMPACTED),
      )
      if (gone) low = middle
      else high = middle
    }
    return high
  }

  async #get(key: Uint8Array): Promise<{ kv: KeyValue | undefined; revision: number }> {
    const { header, kvs } = await this.#range({ key })
    return { kv: kvs?.[0], revision: header.revision }
  }

  async #txn(key: Uint8Array, expected: number, success: RequestOp[]): Promise<TxnResult> {
    const request: TxnRequest = {
      compare: [{ result: COMPARE_EQUAL, target: COMPARE_MOD, key, mod_revision: expected }],
      success,
      failure: [{ request_range: { key } }],
    }
    const { header, succeeded, responses } = await this.#connection.call<TxnResponse>(TXN, request, 'write')
    return { header, failed: succeeded !== true, kv: responses?.at(-1)?.response_range?.kvs?.[0] }
  }

  /** Puts the value if the key is at `expected` (0: not there); otherwise throws what `mismatch` makes of what is there. */
  async #put(
    key: Uint8Array,
    value: Uint8Array,
    expected: number,
    mismatch: (current: KeyValue | undefined) => Error = () => new KeyExistsError(String(key)),
  ): Promise<{ createRevision: number; modRevision: number }> {
    const put: RequestOp[] = [{ request_put: { key, value } }]
    if (expected > 0) put.push({ request_range: { key, keys_only: true } })
    const { header, failed, kv } = await this.#txn(key, expected, put)
    if (failed) throw mismatch(kv)
    return { createRevision: kv?.create_revision ?? header.revision, modRevision: header.revision }
  }
}

interface TxnResult {
  header: { revision: number }
  failed: boolean
  kv: KeyValue | undefined
}

/** Resolves once etcd answers; StoreUnavailableError if it does not. */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<EtcdStore> {
  const store = new EtcdStore(options)
  try {
    await store.revision()
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}
