/** The test suite that every store passes: what `store.ts` promises, by example and as laws over random operations. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { compareKeys } from './keyOrder.ts'
import {
  CompactedError,
  FutureRevisionError,
  KeyExistsError,
  RevisionMismatchError,
  SlowWatcherError,
  StoreUnavailableError,
  type Entry,
  type Store,
  type StoreEvent,
} from './store.ts'
import { WATCH_BUFFER_EVENTS_MAX } from './watchHub.ts'

export interface OpenedStore {
  store: Store
  /** Closes the store and opens it again, with what it held. Only for stores that outlive their process. */
  reopen?: () => Promise<Store>
  /** The revision of the empty store; 0 unless given. The suite counts from there. */
  startRevision?: number
  /** Other processes write too: changes of different keys that are asked for at once may be made in any order. */
  shared?: boolean
}

/** The store as if its first revision were 1. */
function countedFrom(start: number, store: Store): Store {
  const entry = (e: Entry): Entry => ({ ...e, createRevision: e.createRevision - start, modRevision: e.modRevision - start })
  const event = (e: StoreEvent): StoreEvent =>
    e.type === 'put'
      ? { ...e, entry: entry(e.entry), previous: e.previous && entry(e.previous) }
      : { ...e, revision: e.revision - start, previous: entry(e.previous) }
  const failure = (error: unknown): unknown => {
    if (error instanceof RevisionMismatchError) return new RevisionMismatchError('', 0, error.current && entry(error.current))
    if (error instanceof CompactedError) return new CompactedError(0, error.oldest - start)
    if (error instanceof FutureRevisionError) return new FutureRevisionError(0, error.current - start)
    return error
  }
  const counted = <T>(promise: Promise<T>): Promise<T> => promise.catch((error: unknown) => Promise.reject(failure(error) as Error))
  return {
    revision: async () => (await counted(store.revision())) - start,
    get: async (key) => {
      const found = await counted(store.get(key))
      return found && entry(found)
    },
    list: async (prefix, options = {}) => {
      const at = options.revision === undefined ? {} : { revision: options.revision + start }
      const { entries, revision, remaining } = await counted(store.list(prefix, { ...options, ...at }))
      return { entries: entries.map(entry), revision: revision - start, remaining }
    },
    create: async (key, value) => entry(await counted(store.create(key, value))),
    update: async (key, value, expected) => entry(await counted(store.update(key, value, expected + start))),
    delete: async (key, expected) => (await counted(store.delete(key, expected + start))) - start,
    async *watch(prefix, { afterRevision, signal }) {
      try {
        for await (const batch of store.watch(prefix, { afterRevision: afterRevision + start, signal })) yield batch.map(event)
      } catch (error) {
        throw failure(error)
      }
    },
    assertReadable: (revision) => counted(store.assertReadable(revision + start)),
    compact: (revision) => counted(store.compact(revision + start)),
    close: () => store.close(),
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array): string => new TextDecoder().decode(value)
const keysOf = (entries: readonly Entry[]): string[] => entries.map(({ key }) => key)

/** `put a=1@3 (was 0@2)`, `delete a@4 (was 1@3)` */
function show(event: StoreEvent): string {
  const was = event.previous ? ` (was ${text(event.previous.value)}@${event.previous.modRevision})` : ''
  if (event.type === 'delete') return `delete ${event.key}@${event.revision}${was}`
  return `put ${event.entry.key}=${text(event.entry.value)}@${event.entry.modRevision}${was}`
}

/** Reads events until there are `count`, then stops watching. */
async function watchEvents(store: Store, prefix: string, afterRevision: number, count: number): Promise<StoreEvent[]> {
  const events: StoreEvent[] = []
  if (count === 0) return events
  const abort = new AbortController()
  for await (const batch of store.watch(prefix, { afterRevision, signal: abort.signal })) {
    assert.ok(batch.length > 0, 'a batch holds at least one event')
    events.push(...batch)
    if (events.length >= count) break
  }
  abort.abort()
  return events
}

type State = Map<string, string>

function replayed(start: readonly Entry[], events: readonly StoreEvent[]): State {
  const state: State = new Map(start.map(({ key, value }) => [key, text(value)]))
  for (const event of events) {
    if (event.type === 'put') state.set(event.entry.key, text(event.entry.value))
    else state.delete(event.key)
  }
  return state
}

const stateOf = (entries: readonly Entry[]): State => replayed(entries, [])
const sorted = (state: State): [string, string][] => [...state].sort(([a], [b]) => compareKeys(a, b))

interface Change {
  op: 'create' | 'update' | 'delete'
  key: string
  value: string
  /** With an expectation that is wrong. */
  stale: boolean
}
type Operation = Change | { op: 'compact'; back: number }

const someKey = fc.constantFrom('/a', '/a/b', '/a/b/c', '/a0', '/b', '/b/\u{1F600}', '/b/\uFFFD', '/c/x')
const someOperation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      op: fc.constantFrom('create', 'update', 'delete'),
      key: someKey,
      value: fc.string({ maxLength: 3 }),
      stale: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('compact' as const), back: fc.nat(5) }) },
)

/** Performs one write as the model says it must end; answers whether it changed anything. */
async function perform(store: Store, model: Map<string, Entry>, operation: Change, newest: number): Promise<boolean> {
  const { op, key, value, stale } = operation
  const current = model.get(key)
  const expected = current && !stale ? current.modRevision : newest + 7
  if (op === 'create') {
    if (current) {
      await assert.rejects(store.create(key, bytes(value)), KeyExistsError)
      return false
    }
    model.set(key, await store.create(key, bytes(value)))
    assert.deepEqual(model.get(key), { key, value: bytes(value), createRevision: newest + 1, modRevision: newest + 1 })
    return true
  }
  const write = op === 'update' ? store.update(key, bytes(value), expected) : store.delete(key, expected)
  if (!current || stale) {
    await assert.rejects(write, RevisionMismatchError)
    return false
  }
  const answer = await write
  if (typeof answer === 'number') {
    assert.equal(answer, newest + 1)
    model.delete(key)
  } else {
    assert.deepEqual(answer, { key, value: bytes(value), createRevision: current.createRevision, modRevision: newest + 1 })
    model.set(key, answer)
  }
  return true
}

function describeReading(open: () => Promise<OpenedStore>): void {
  it('starts at revision 0, empty', async () => {
    const { store } = await open()
    assert.equal(await store.revision(), 0)
    assert.deepEqual(await store.list(''), { entries: [], revision: 0, remaining: 0 })
    assert.equal(await store.get('/a'), undefined)
    await store.close()
  })

  it('lists in byte order, by prefix, in pages', async () => {
    const { store } = await open()
    for (const key of ['/b/2', '/b', '/a/z', '/b/10', '/b/\u{1F600}', '/b/\uFFFD', '/b0']) await store.create(key, bytes(key))
    assert.deepEqual(keysOf((await store.list('/b/')).entries), ['/b/10', '/b/2', '/b/\uFFFD', '/b/\u{1F600}'])
    const first = await store.list('/b/', { limit: 2 })
    assert.deepEqual([keysOf(first.entries), first.remaining], [['/b/10', '/b/2'], 2])
    await store.create('/b/3', bytes('late'))
    const second = await store.list('/b/', { limit: 1, after: '/b/2', revision: first.revision })
    assert.deepEqual([keysOf(second.entries), second.remaining, second.revision], [['/b/\uFFFD'], 1, first.revision])
    const rest = await store.list('/b/', { limit: 5, after: '/b/2' })
    assert.deepEqual([keysOf(rest.entries), rest.remaining], [['/b/3', '/b/\uFFFD', '/b/\u{1F600}'], 0])
    await store.close()
  })

  it('reads at older revisions, until they are compacted', async () => {
    const { store } = await open()
    const one = await store.create('/a', bytes('1'))
    const two = await store.update('/a', bytes('2'), one.modRevision)
    await store.delete('/a', two.modRevision)
    await store.create('/b', bytes('3'))
    const at = async (revision: number): Promise<State> => stateOf((await store.list('/', { revision })).entries)
    assert.deepEqual(await at(1), new Map([['/a', '1']]))
    assert.deepEqual(await at(2), new Map([['/a', '2']]))
    assert.deepEqual(await at(3), new Map())
    assert.deepEqual(await at(0), new Map())
    await assert.rejects(store.list('/', { revision: 5 }), FutureRevisionError)
    await store.assertReadable(1)
    await store.assertReadable(5)
    await store.compact(2)
    await assert.rejects(store.assertReadable(1), (error: unknown) => error instanceof CompactedError && error.oldest === 2)
    await store.assertReadable(2)
    await assert.rejects(store.list('/', { revision: 1 }), (error: unknown) => error instanceof CompactedError && error.oldest === 2)
    assert.deepEqual(await at(2), new Map([['/a', '2']]))
    assert.deepEqual(await at(4), new Map([['/b', '3']]))
    await assert.rejects(store.compact(9), FutureRevisionError)
    await store.close()
  })
}

function describeWriting(open: () => Promise<OpenedStore>): void {
  it('a failing write says what is there, and takes no revision', async () => {
    const { store } = await open()
    const entry = await store.create('/a', bytes('1'))
    await assert.rejects(store.update('/a', bytes('2'), 9), (error: unknown) => {
      assert.ok(error instanceof RevisionMismatchError)
      assert.deepEqual(error.current, entry)
      return true
    })
    await assert.rejects(store.delete('/gone', 1), (e: unknown) => e instanceof RevisionMismatchError && e.current === undefined)
    assert.equal(await store.revision(), 1)
    await store.close()
  })

  it('writes made at once each succeed or fail by themselves, in order', async () => {
    const { store, shared } = await open()
    if (shared) {
      const answers = await Promise.allSettled(['1', '2', '3'].map((value) => store.create('/a', bytes(value))))
      const [created, ...more] = answers.filter(({ status }) => status === 'fulfilled')
      assert.ok(created && more.length === 0, 'one of them')
      const updates = await Promise.allSettled(['4', '5'].map((value) => store.update('/a', bytes(value), 1)))
      assert.deepEqual(updates.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
      assert.equal((await store.get('/a'))?.modRevision, 2)
      await store.close()
      return
    }
    const settled = await Promise.allSettled([
      store.create('/a', bytes('1')),
      store.create('/a', bytes('2')),
      store.update('/a', bytes('3'), 1),
      store.update('/a', bytes('4'), 1),
      store.create('/b', bytes('5')),
      store.delete('/a', 2),
    ])
    assert.deepEqual(
      settled.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
    )
    assert.deepEqual(await store.list(''), {
      entries: [{ key: '/b', value: bytes('5'), createRevision: 3, modRevision: 3 }],
      revision: 4,
      remaining: 0,
    })
    await store.close()
  })

  it('refuses everything once closed', async () => {
    const { store } = await open()
    const written = store.create('/a', bytes('1'))
    await store.close()
    assert.equal((await written).modRevision, 1, 'what was accepted before is written')
    await assert.rejects(store.get('/a'), StoreUnavailableError)
    await assert.rejects(store.create('/b', bytes('')), StoreUnavailableError)
    await store.close()
  })
}

function describeWatching(open: () => Promise<OpenedStore>): void {
  it('replays history, then follows', async () => {
    const { store } = await open()
    await store.create('/a/1', bytes('x'))
    await store.create('/b/1', bytes('x'))
    await store.update('/a/1', bytes('y'), 1)
    const events = watchEvents(store, '/a/', 0, 4)
    await store.delete('/a/1', 3)
    await store.create('/a/1', bytes('z'))
    assert.deepEqual((await events).map(show), ['put /a/1=x@1', 'put /a/1=y@3 (was x@1)', 'delete /a/1@4 (was y@3)', 'put /a/1=z@5'])
    await store.close()
  })

  it('ends quietly when its signal aborts, also while it waits', async () => {
    const { store } = await open()
    const abort = new AbortController()
    const iterator = store.watch('/', { afterRevision: 0, signal: abort.signal })[Symbol.asyncIterator]()
    const next = iterator.next()
    abort.abort()
    assert.deepEqual(await next, { done: true, value: undefined })
    await store.close()
  })

  it('throws CompactedError if its start is gone', async () => {
    const { store } = await open()
    for (const key of ['/a', '/b', '/c']) await store.create(key, bytes(''))
    await store.compact(2)
    await assert.rejects(watchEvents(store, '/', 1, 1), CompactedError)
    assert.deepEqual((await watchEvents(store, '/', 2, 1)).map(show), ['put /c=@3'])
    await store.close()
  })

  it('gives up on a reader that stays behind, and only on that one', async () => {
    const { store } = await open()
    const signal = new AbortController().signal
    const slow = store.watch('/', { afterRevision: 0, signal })[Symbol.asyncIterator]()
    const other = store.watch('/other', { afterRevision: 0, signal })[Symbol.asyncIterator]()
    const [firstSlow, firstOther] = [slow.next(), other.next()]
    await store.create('/other', bytes(''))
    await Promise.all([firstSlow, firstOther])
    // A store over a network tells of its changes a while after they are made, and each reader by itself: when one that keeps up
    // has seen a good deal more than the limit, the other has been told more than it.
    const witness = store.watch('/k', { afterRevision: 0, signal })[Symbol.asyncIterator]()
    const step = WATCH_BUFFER_EVENTS_MAX / 4
    const burst = WATCH_BUFFER_EVENTS_MAX + step
    for (let made = 0, seen = 0; made < burst;) {
      const from = made
      made += step
      await Promise.all(Array.from({ length: step }, (_, i) => store.create(`/k${from + i}`, bytes(''))))
      while (seen < made) seen += (await witness.next()).value?.length ?? 0
    }
    await assert.rejects(slow.next(), SlowWatcherError)
    const more = other.next()
    await store.create('/other2', bytes(''))
    assert.deepEqual((await more).value?.map(show), [`put /other2=@${burst + 2}`])
    await store.close()
  })

  it('fails when the store closes', async () => {
    const { store } = await open()
    const next = store.watch('/', { afterRevision: 0, signal: new AbortController().signal })[Symbol.asyncIterator]().next()
    await store.close()
    await assert.rejects(next, StoreUnavailableError)
  })
}

function describeLaws(open: () => Promise<OpenedStore>): void {
  it('behaves like a map with a history, and list + watch = state', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(someOperation, { maxLength: 40 }), fc.nat(), fc.nat(), async (operations, listAt, reopenAt) => {
        const { store: opened, reopen } = await open()
        let store = opened
        const model = new Map<string, Entry>()
        const states: State[] = [new Map()]
        let compacted = 0
        for (const [i, operation] of operations.entries()) {
          const newest = states.length - 1
          if (operation.op === 'compact') {
            compacted = Math.max(compacted, newest - operation.back)
            await store.compact(Math.max(0, newest - operation.back))
          } else if (await perform(store, model, operation, newest)) {
            states.push(stateOf([...model.values()]))
          }
          if (reopen && i === reopenAt % operations.length) store = await reopen()
        }
        const newest = states.length - 1
        assert.equal(await store.revision(), newest)
        const revision = compacted + (listAt % (newest - compacted + 1))
        const { entries } = await store.list('', { revision })
        assert.deepEqual(
          entries.map(({ key, value }) => [key, text(value)]),
          sorted(states[revision] as State),
        )
        const page = await store.list('', { revision, limit: 2, after: '/' })
        assert.deepEqual([...page.entries, page.remaining], [...entries.slice(0, 2), Math.max(0, entries.length - 2)])
        const events = await watchEvents(store, '', revision, newest - revision)
        assert.deepEqual(sorted(replayed(entries, events)), sorted(states[newest] as State))
        await store.close()
      }),
      { numRuns: 60 },
    )
  })

  it('a watch started in the midst of writes sees each change once, in order', async () => {
    const { store } = await open()
    const stop = new AbortController()
    const writer = (async () => {
      for (let i = 0; !stop.signal.aborted; i++) await Promise.all([0, 1, 2].map((n) => store.create(`/w/${i}-${n}`, bytes(''))))
    })()
    await store.create('/first', bytes(''))
    for (let i = 0; i < 20; i++) {
      const start = await store.revision()
      const seen = await watchEvents(store, '', Math.max(0, start - 20), 60)
      const revisions = seen.map((event) => (event.type === 'put' ? event.entry.modRevision : event.revision))
      assert.deepEqual(
        revisions,
        revisions.map((_, n) => Math.max(0, start - 20) + 1 + n),
      )
    }
    stop.abort()
    await writer
    await store.close()
  })

  it('keeps everything when it is opened again', async (t) => {
    const { store, reopen } = await open()
    if (!reopen) {
      t.skip('this store lives in memory')
      await store.close()
      return
    }
    await store.create('/a', bytes('1'))
    await store.update('/a', bytes('2'), 1)
    await store.delete('/a', 2)
    await store.compact(3)
    const again = await reopen()
    assert.equal(await again.revision(), 3, 'also when nothing is left but the number')
    await assert.rejects(again.list('', { revision: 2 }), CompactedError)
    assert.equal((await again.create('/b', bytes('3'))).modRevision, 4)
    await again.close()
  })
}

export function storeContract(name: string, openRaw: () => Promise<OpenedStore>): void {
  const open = async (): Promise<OpenedStore> => {
    const { store, reopen, startRevision = 0, shared = false } = await openRaw()
    if (startRevision === 0) return { store, ...(reopen && { reopen }), shared }
    return {
      store: countedFrom(startRevision, store),
      ...(reopen && { reopen: async () => countedFrom(startRevision, await reopen()) }),
      shared,
    }
  }
  describe(`${name} keeps the store's contract`, () => {
    describeReading(open)
    describeWriting(open)
    describeWatching(open)
    describeLaws(open)
  })
}
