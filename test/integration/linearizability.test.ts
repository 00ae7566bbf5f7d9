/**
 * What clients see of a few objects that many of them write at once, with preconditions, is what they would see one after the
 * other; and every watcher sees every change once and in order. While the API server, or etcd under two of them, is killed.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import * as fc from 'fast-check'
import { systemClock } from '../../src/base/clock.ts'
import { openEtcdStore } from '../../src/storage/etcd/etcdStore.ts'
import { createEtcd, findEtcd } from '../../src/storage/etcd/testing/server.ts'
import { Connection } from '../bench/apiLoad.ts'
import { ControlPlaneProcess } from './controlPlaneProcess.ts'
import { findViolation, type Operation, type Outcome, type Recorded, type Value } from './linearizable.ts'

const KEYS = ['a', 'b', 'c']
const CLIENTS = 6
const WATCHERS = 4
const RECONNECT_MS = 20
/** Fewer tell nothing; a slow machine between kills manages no more than some dozens. */
const ACKNOWLEDGED_MIN = 25
const PATH = '/api/v1/namespaces/default/configmaps'

const folder = mkdtempSync(join(tmpdir(), 'minicube-linearizability-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** A connection that is made anew when it breaks. */
class Reconnecting {
  readonly #server: ControlPlaneProcess
  #connection: Connection | undefined

  constructor(server: ControlPlaneProcess) {
    this.#server = server
  }

  get connection(): Connection {
    this.#connection ??= new Connection(this.#server.target)
    return this.#connection
  }

  broke(): void {
    this.#connection?.close()
    this.#connection = undefined
  }
}

interface StoredConfigMap {
  metadata: { name: string; resourceVersion: string }
  data?: { value: string }
}

/** Everything that was done and seen. */
class History {
  readonly byKey = new Map<string, Recorded[]>(KEYS.map((key) => [key, []]))
  /** The resourceVersion of each value, as answers told it. */
  readonly revisions = new Map<string, number>()
  /** Revisions of deletions that were answered. */
  acknowledged = 0

  record(key: string, recorded: Recorded): void {
    this.byKey.get(key)?.push(recorded)
    if (recorded.outcome === 'ok') this.acknowledged++
  }

  saw({ metadata, data }: StoredConfigMap): void {
    const value = data?.value as string
    const revision = Number(metadata.resourceVersion)
    const known = this.revisions.get(value)
    assert.ok(known === undefined || known === revision, `${value} was at revision ${known} and at ${revision}`)
    this.revisions.set(value, revision)
  }
}

const body = (name: string, value: string, resourceVersion?: number): Buffer =>
  Buffer.from(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, ...(resourceVersion && { resourceVersion: String(resourceVersion) }) },
      data: { value },
    }),
  )

function outcomeOf(error: unknown): Outcome {
  const [, status, text = ''] = /: (\d{3}) (.*)/s.exec((error as Error).message) ?? []
  if (status === '409') return 'conflict'
  if (status === '404' && text.includes('not found')) return 'missing'
  // Refused or broken off: whether it happened is not known.
  return 'unknown'
}

async function client(id: number, history: History, servers: readonly ControlPlaneProcess[], stop: AbortSignal): Promise<void> {
  const via = servers.map((server) => new Reconnecting(server))
  const known = new Map<string, Value>()
  let random = id * 7919 + 17
  const pick = (limit: number): number => (random = (random * 48_271) % 2_147_483_647) % limit
  for (let i = 0; !stop.aborted; i++) {
    const key = KEYS[pick(KEYS.length)] as string
    const link = via[pick(via.length)] as Reconnecting
    const expected = known.get(key)
    const value = `${key}-${id}-${i}`
    const choice = pick(10)
    const calledMs = performance.now()
    let operation: Operation = { type: 'get', read: undefined }
    let outcome: Outcome = 'ok'
    try {
      const { connection } = link
      if (choice < 4) {
        const read = JSON.parse((await connection.request('GET', `${PATH}/${key}`)).toString()) as StoredConfigMap
        history.saw(read)
        operation = { type: 'get', read: read.data?.value }
        known.set(key, read.data?.value)
      } else if (expected === undefined) {
        operation = { type: 'create', value }
        history.saw(JSON.parse((await connection.request('POST', PATH, body(key, value))).toString()) as StoredConfigMap)
        known.set(key, value)
      } else if (choice < 9) {
        operation = { type: 'update', value, expected }
        const revision = history.revisions.get(expected)
        history.saw(
          JSON.parse((await connection.request('PUT', `${PATH}/${key}`, body(key, value, revision))).toString()) as StoredConfigMap,
        )
        known.set(key, value)
      } else {
        operation = { type: 'delete', expected }
        const preconditions = { preconditions: { resourceVersion: String(history.revisions.get(expected)) } }
        await connection.request('DELETE', `${PATH}/${key}`, Buffer.from(JSON.stringify(preconditions)))
        known.delete(key)
      }
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
      outcome = outcomeOf(error)
      if (operation.type === 'get' && outcome === 'missing') outcome = 'ok'
      known.delete(key)
      if (outcome === 'unknown') {
        link.broke()
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS))
      }
    }
    // A read without an answer says nothing.
    if (operation.type === 'get' && outcome === 'unknown') continue
    history.record(key, { operation, outcome, calledMs, answeredMs: outcome === 'unknown' ? Infinity : performance.now() })
  }
  for (const link of via) link.broke()
}

interface Seen {
  type: string
  name: string
  revision: number
}

/** Follows the objects from `revision` on until it has seen `last()`; reads slowly where `slowMs` says so. */
async function watcher(
  server: ControlPlaneProcess,
  revision: number,
  slowMs: number,
  until: () => number | undefined,
  stop: AbortSignal,
): Promise<Seen[]> {
  const seen: Seen[] = []
  let position = revision
  while (!stop.aborted && position < (until() ?? Infinity)) {
    const connection = new Connection(server.target)
    try {
      for await (const line of connection.lines(`${PATH}?watch=1&allowWatchBookmarks=true&resourceVersion=${position}`, stop)) {
        const { type, object } = JSON.parse(line) as { type: string; object: StoredConfigMap & { message?: string } }
        assert.notEqual(type, 'ERROR', `the watch after ${position} was told: ${object.message}`)
        position = Number(object.metadata.resourceVersion)
        if (type !== 'BOOKMARK' && KEYS.includes(object.metadata.name)) seen.push({ type, name: object.metadata.name, revision: position })
        if (position >= (until() ?? Infinity)) break
        if (slowMs > 0) await new Promise((resolve) => setTimeout(resolve, slowMs))
      }
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
    } finally {
      connection.close()
    }
    await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS))
  }
  return seen
}

function checkHistory(history: History, watched: readonly (readonly Seen[])[]): void {
  assert.ok(history.acknowledged > ACKNOWLEDGED_MIN, `only ${history.acknowledged} operations succeeded`)
  for (const [key, recorded] of history.byKey) {
    const violation = findViolation(recorded, undefined)
    assert.equal(violation, undefined, `the history of ${key} cannot have happened: ${JSON.stringify(violation?.slice(0, 10))}`)
  }
  const [first = [], ...others] = watched
  for (const seen of watched) {
    for (const [i, { revision }] of seen.entries())
      if (i > 0) assert.ok(revision > (seen[i - 1] as Seen).revision, 'a change came twice or late')
  }
  for (const seen of others) assert.deepEqual(seen, first, 'two watchers saw different things')
  const revisions = new Set(first.map(({ revision }) => revision))
  for (const [value, revision] of history.revisions)
    if (KEYS.some((key) => value.startsWith(`${key}-`))) assert.ok(revisions.has(revision), `no watcher saw ${value}`)
}

/** `disturb` is given while clients work; they stop when it is over. */
async function play(servers: readonly ControlPlaneProcess[], disturb: () => Promise<void>): Promise<void> {
  const [first] = servers as [ControlPlaneProcess]
  const connection = new Connection(first.target)
  const { metadata } = JSON.parse((await connection.request('GET', PATH)).toString()) as { metadata: { resourceVersion: string } }
  connection.close()
  const history = new History()
  const working = new AbortController()
  const limit = AbortSignal.timeout(90_000)
  let last: number | undefined
  const start = Number(metadata.resourceVersion)
  const watching = Array.from({ length: WATCHERS }, (_, i) =>
    watcher(servers[i % servers.length] as ControlPlaneProcess, start, i === 1 ? 2 : 0, () => last, limit),
  )
  const clients = Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(i, history, servers, working.signal)))
  try {
    await disturb()
  } finally {
    working.abort()
    await clients
  }
  const end = new Connection(first.target)
  // The last change tells the watchers that they have seen everything.
  const mark = JSON.parse((await end.request('POST', PATH, body(`end-${Date.now()}`, 'end'))).toString()) as StoredConfigMap
  last = Number(mark.metadata.resourceVersion)
  // Who has read that one before the line above looks again with this one.
  await end.request('POST', PATH, body(`over-${Date.now()}`, 'over'))
  end.close()
  checkHistory(history, await Promise.all(watching))
  assert.ok(!limit.aborted, 'the watchers did not see the end')
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('the checker', () => {
  const at = (calledMs: number, answeredMs: number, operation: Operation, outcome: Outcome = 'ok'): Recorded => ({
    operation,
    outcome,
    calledMs,
    answeredMs,
  })

  it('accepts what can have happened, and nothing else', () => {
    const created = at(0, 10, { type: 'create', value: 'x' })
    assert.equal(findViolation([created, at(5, 6, { type: 'get', read: undefined })], undefined), undefined)
    assert.equal(findViolation([created, at(5, 6, { type: 'get', read: 'x' })], undefined), undefined)
    assert.ok(findViolation([created, at(11, 12, { type: 'get', read: undefined })], undefined), 'a stale read')
    assert.ok(
      findViolation([created, at(5, 6, { type: 'get', read: 'x' }), at(7, 8, { type: 'get', read: undefined })], undefined),
      'back in time',
    )
    const lost = at(20, Infinity, { type: 'update', value: 'y', expected: 'x' }, 'unknown')
    assert.equal(
      findViolation([created, lost, at(30, 31, { type: 'get', read: 'x' }), at(40, 41, { type: 'get', read: 'y' })], undefined),
      undefined,
    )
    assert.ok(findViolation([created, lost, at(30, 31, { type: 'get', read: 'y' }), at(40, 41, { type: 'get', read: 'x' })], undefined))
    const both = [at(20, 25, { type: 'update', value: 'y', expected: 'x' }), at(20, 25, { type: 'update', value: 'z', expected: 'x' })]
    assert.ok(findViolation([created, ...both], undefined), 'two updates of one version')
  })

  it('accepts whatever was made one after the other, whenever it was answered', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ kind: fc.nat(3), before: fc.nat(30), late: fc.nat(30) }), { maxLength: 40 }), (steps) => {
        let state: Value
        const recorded = steps.map(({ kind, before, late }, i): Recorded => {
          const value = `v${i}`
          const expected = state ?? 'gone'
          const operation: Operation =
            kind === 0
              ? { type: 'get', read: state }
              : kind === 1
                ? { type: 'create', value }
                : kind === 2
                  ? { type: 'update', value, expected }
                  : { type: 'delete', expected }
          const outcome: Outcome =
            kind === 0 ? 'ok' : kind === 1 ? (state === undefined ? 'ok' : 'conflict') : state === undefined ? 'missing' : 'ok'
          if (kind > 0 && outcome === 'ok') state = kind === 3 ? undefined : value
          return at(10 * i - before, 10 * i + late, operation, outcome)
        })
        assert.equal(findViolation(recorded, undefined), undefined)
      }),
      { numRuns: 200 },
    )
  })
})

describe('with SQLite', () => {
  it('histories are linearizable and watches complete while the server is killed', { timeout: 120_000 }, async () => {
    const server = new ControlPlaneProcess(join(folder, 'sqlite.kubeconfig'), ['--data', join(folder, 'sqlite'), '--controllers='])
    await server.start()
    try {
      await play([server], async () => {
        for (let round = 0; round < 3; round++) {
          await pause(700)
          await server.kill()
          await server.start()
        }
        await pause(300)
      })
    } finally {
      await server.kill()
    }
  })
})

const found = await findEtcd(AbortSignal.timeout(300_000))

describe('with etcd', { skip: 'missing' in found ? found.missing : false }, () => {
  it('so they are on two servers, while etcd and one server are killed and history is compacted', { timeout: 120_000 }, async () => {
    if ('missing' in found) return
    const etcd = await createEtcd(found.program)
    await etcd.start()
    const keys = join(folder, 'etcd-keys')
    const args = ['--data', keys, '--controllers=', '--datastore-endpoint', etcd.endpoint]
    const servers = [
      new ControlPlaneProcess(join(folder, '1.kubeconfig'), args),
      new ControlPlaneProcess(join(folder, '2.kubeconfig'), args),
    ] as const
    try {
      for (const server of servers) await server.start()
      await play(servers, async () => {
        await pause(700)
        await etcd.stop('SIGKILL')
        await etcd.start()
        await pause(1_500)
        const store = await openEtcdStore({ endpoints: [etcd.endpoint], clock: systemClock })
        const revision = await store.revision()
        await pause(300)
        await store.compact(revision)
        await store.close()
        await servers[1].kill()
        await servers[1].start()
        await pause(700)
      })
    } finally {
      for (const server of servers) await server.kill()
      await etcd.remove()
    }
  })
})
