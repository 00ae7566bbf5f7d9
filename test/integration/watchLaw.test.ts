/**
 * The law of list and watch: whatever is written, and however often the connection breaks, an informer's copy comes to be what
 * a list answers, and its changes, replayed, are that copy: in order, no gap, no double. Real registry, the client's informers.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { configmaps, namespaces } from '../../src/api/kinds/core/v1.ts'
import { keyOf } from '../../src/api/resource.ts'
import { newExpired } from '../../src/api/status.ts'
import { startTestServer } from '../../src/apiserver/testServer.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { Client } from '../../src/client/client.ts'
import { createInformers } from '../../src/client/sharedInformer.ts'
import type { ConfigMap } from '../../src/api/kinds/core/v1.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { Transport, WatchEvent, WatchRequest } from '../../src/client/client.ts'
import type { Informer, InformerOptions } from '../../src/client/informer.ts'

const NAMES = ['a', 'b', 'c', 'd']
const USER = { name: 'law', groups: ['system:masters'], extra: {} }
/** Retries that would wait come at once. */
const hurriedClock: Clock = { ...systemClock, now: () => systemClock.now(), after: (_, work) => systemClock.after(0, work) }

type Step =
  | { type: 'write'; name: string; on: boolean; value: number }
  | { type: 'delete'; name: string }
  | { type: 'finalizer'; name: string; present: boolean }
  /** Breaks every watch after so many more events; `gone` makes the client list anew. */
  | { type: 'break'; after: number; gone: boolean }
  | { type: 'breathe' }

const name = fc.constantFrom(...NAMES)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('write' as const), name, on: fc.boolean(), value: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), name }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('finalizer' as const), name, present: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('break' as const), after: fc.nat(2), gone: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('breathe' as const) }) },
)

/** A transport whose watches break when told to. */
class FragileTransport implements Transport {
  readonly #inner: Transport
  #breaks: { left: number; gone: boolean } | undefined

  constructor(inner: Transport) {
    this.#inner = inner
  }

  breakAfter(events: number, gone: boolean): void {
    this.#breaks = { left: events, gone }
  }

  request(...args: Parameters<Transport['request']>): Promise<unknown> {
    return this.#inner.request(...args)
  }

  async *watch(request: WatchRequest): AsyncGenerator<WatchEvent> {
    for await (const event of this.#inner.watch(request)) {
      yield event
      const breaks = this.#breaks
      if (!breaks || breaks.left-- > 0) continue
      this.#breaks = undefined
      if (breaks.gone) throw newExpired('too old resource version')
      throw new Error('connection reset by peer')
    }
  }
}

const brief = (objects: readonly ConfigMap[]): string[] =>
  objects.map((object) => `${keyOf(object)} ${object.metadata.resourceVersion} ${JSON.stringify(object.data)}`).toSorted()

/** Replays the informer's changes, and checks each against what came before it. */
class Replay {
  readonly #state = new Map<string, ConfigMap>()
  /** An informer survives listeners that throw: what they found is kept here. */
  readonly faults: string[] = []

  constructor(informer: Informer<ConfigMap>) {
    informer.onChange(({ key, before, after }) => {
      const known = this.#state.get(key)
      const revision = (object: ConfigMap | undefined): number => Number(object?.metadata.resourceVersion ?? 0)
      if (before?.metadata.uid !== known?.metadata.uid) this.faults.push(`${key}: a change of something that was never told`)
      if (after && revision(before) !== revision(known))
        this.faults.push(`${key}: a gap between ${revision(known)} and ${revision(before)}`)
      if (after && revision(after) <= revision(before)) this.faults.push(`${key}: ${revision(after)} after ${revision(before)}`)
      if (!after && revision(before) < revision(known))
        this.faults.push(`${key}: deleted at ${revision(before)}, before ${revision(known)}`)
      if (after) this.#state.set(key, after)
      else this.#state.delete(key)
    })
  }

  get objects(): ConfigMap[] {
    return [...this.#state.values()]
  }
}

async function apply(client: Client, transport: FragileTransport, namespace: string, current: Step): Promise<void> {
  const ignore = (): void => {}
  switch (current.type) {
    case 'write': {
      const { on, value } = current
      const object = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: current.name, namespace, labels: { on: String(on) } },
        data: { value: String(value) },
      }
      const at = { namespace, name: current.name, type: 'application/apply-patch+yaml' as const, fieldManager: 'law', force: true }
      await client.patch(configmaps, at, object).catch(ignore)
      return
    }
    case 'delete':
      await client.delete(configmaps, { namespace, name: current.name }).catch(ignore)
      return
    case 'finalizer': {
      const at = { namespace, name: current.name, type: 'application/merge-patch+json' as const }
      await client.patch(configmaps, at, { metadata: { finalizers: current.present ? ['example.com/hold'] : null } }).catch(ignore)
      return
    }
    case 'break':
      transport.breakAfter(current.after, current.gone)
      return
    case 'breathe':
      await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Waits for events, not for time: until the copy shows the last of the writes. */
async function caughtUp(informer: Informer<ConfigMap>, revision: string, signal: AbortSignal): Promise<void> {
  while (Number(informer.resourceVersion) < Number(revision)) {
    signal.throwIfAborted()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const SELECTIONS: readonly InformerOptions[] = [{}, { labelSelector: 'on=true' }, { fieldSelector: 'metadata.name=a' }]
const CATCH_UP_LIMIT_MS = 10_000

test('list + watch = state, through any number of reconnects', async () => {
  const cluster = await startTestServer()
  const direct = cluster.server.directTransport(USER)
  const admin = new Client(direct)
  let run = 0
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        const namespace = `law-${run++}`
        await admin.create(namespaces, { metadata: { name: namespace }, spec: {} })
        const stop = new AbortController()
        const transport = new FragileTransport(direct)
        const informers = createInformers({ client: new Client(transport), signal: stop.signal, log: silentLogger, clock: hurriedClock })
        const followers = SELECTIONS.map((selection) => {
          const informer = informers.for(configmaps, { ...selection, namespace })
          return { informer, selection, replay: new Replay(informer) }
        })
        try {
          await Promise.all(followers.map(({ informer }) => informer.synced()))
          for (const current of steps) await apply(admin, transport, namespace, current)
          transport.breakAfter(0, false)
          for (const end of NAMES) await apply(admin, transport, namespace, { type: 'write', name: end, on: true, value: 9 })
          const signal = AbortSignal.timeout(CATCH_UP_LIMIT_MS)
          for (const { informer, selection, replay } of followers) {
            const { items } = await admin.list(configmaps, { namespace, ...selection })
            const last = String(Math.max(...items.map(({ metadata }) => Number(metadata.resourceVersion))))
            await caughtUp(informer, last, signal)
            assert.deepEqual(replay.faults, [])
            assert.deepEqual(brief(informer.list()), brief(items))
            assert.deepEqual(brief(replay.objects), brief(items))
          }
        } finally {
          stop.abort()
        }
      }),
      { numRuns: 60 },
    )
  } finally {
    await cluster.stop()
  }
})
