import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { configmaps } from '../api/kinds/core/v1.ts'
import { leases, type Lease } from '../api/kinds/coordination/v1.ts'
import type { KubeObject } from '../api/resource.ts'
import { newAlreadyExists, newConflict, newNotFound } from '../api/status.ts'
import { FakeClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { Client, type ResourceRequest, type Transport } from '../client/client.ts'
import { underLease } from './leaderElection.ts'
import { LeaseFence, LeaseLostError, type Moment } from './leaseFence.ts'

const LEASE = { namespace: 'kube-system', name: 'kube-controller-manager' }

/** Keeps one object, as a server would; answers nothing any more once it hangs. */
class OneObject implements Transport {
  stored: KubeObject | undefined
  hangs = false
  #revision = 0

  async request({ verb, body, resource }: ResourceRequest): Promise<unknown> {
    if (this.hangs) return new Promise(() => {})
    const name = LEASE.name
    if (verb === 'create' && this.stored) throw newAlreadyExists(resource, name)
    if (verb !== 'create' && !this.stored) throw newNotFound(resource, name)
    if (verb === 'get') return this.stored
    const given = body as KubeObject
    if (verb === 'update' && given.metadata.resourceVersion !== this.stored?.metadata.resourceVersion)
      throw newConflict(resource, name, 'changed')
    this.stored = { ...given, metadata: { ...given.metadata, resourceVersion: String(++this.#revision) } }
    return this.stored
  }

  watch(): never {
    throw new Error('unused')
  }
}

/** A process with timers of its own, which stand still while it is paused. */
function startProcess(t: TestContext, identity: string, server: OneObject, now: () => Moment) {
  const clock = new FakeClock()
  const stop = new AbortController()
  t.after(() => stop.abort())
  const fence = new LeaseFence(now)
  const told: string[] = []
  const state = { leads: false, ended: undefined as unknown }
  const component = underLease(
    {
      name: 'test',
      run: ({ signal }) =>
        new Promise((resolve) => {
          state.leads = true
          signal.addEventListener('abort', () => {
            state.leads = false
            resolve()
          })
        }),
    },
    {
      client: new Client(server),
      lease: LEASE,
      identity,
      fence,
      now,
      events: { record: (about, { reason, message }) => void told.push(`${about.kind} ${reason} ${message}`) },
    },
  )
  component.run({ signal: stop.signal, log: silentLogger, clock, ready: () => {} }).catch((error: unknown) => (state.ended = error))
  return { clock, fence, state, told, own: new Client(fence.guard(server)) }
}

function setUp(t: TestContext) {
  const server = new OneObject()
  const time = { ms: 1_000_000 }
  const now = (): Moment => ({ wallMs: time.ms, steadyMs: time.ms })
  type Process = ReturnType<typeof startProcess>
  /** Time passes for the world, and for the processes that run. */
  const pass = async (ms: number, ...running: Process[]): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      time.ms += 500
      for (const { clock } of running) await clock.advance(500)
    }
  }
  const holder = (): string | undefined => (server.stored as Lease | undefined)?.spec.holderIdentity
  return { server, time, now, pass, holder, start: (identity: string, by = now) => startProcess(t, identity, server, by) }
}

test('one leads; the other one takes over once the lease has run out', async (t) => {
  const { start, pass, holder } = setUp(t)
  const a = start('a')
  await pass(500, a)
  const b = start('b')
  await pass(60_000, a, b)
  assert.deepEqual([holder(), a.state.leads, b.state.leads], ['a', true, false])
  assert.deepEqual(a.told, ['Lease LeaderElection a became leader'])
  await pass(14_000, b)
  assert.equal(holder(), 'a')
  await pass(6_000, b)
  assert.deepEqual([holder(), b.state.leads], ['b', true])
})

test('a leader that was paused for too long writes nothing when it wakes, and ends', async (t) => {
  const { start, pass, holder } = setUp(t)
  const a = start('a')
  await pass(500, a)
  const b = start('b')
  await pass(5_000, a, b)
  await pass(30_000, b)
  assert.deepEqual([holder(), a.state.leads, a.fence.isOpen], ['b', true, false])
  await assert.rejects(a.own.create(configmaps, { metadata: { name: 'c', namespace: 'default' } }), LeaseLostError)
  assert.equal((await a.own.get(leases, LEASE)).spec.holderIdentity, 'b', 'reading is allowed')
  await a.clock.advance(2_000)
  assert.equal(a.state.leads, false)
  assert.match(String(a.state.ended), /the lease kube-controller-manager was lost/)
  assert.equal(holder(), 'b', 'what is not its own it does not give away')
})

test('a server that does not answer costs the lease in time', async (t) => {
  const { server, start, pass } = setUp(t)
  const a = start('a')
  await pass(3_000, a)
  server.hangs = true
  await pass(8_000, a)
  assert.equal(a.state.leads, true)
  await pass(3_500, a)
  assert.equal(a.state.leads, false)
})

test('a lease that somebody else has taken is lost at once', async (t) => {
  const { server, start, pass } = setUp(t)
  const a = start('a')
  await pass(500, a)
  const stored = server.stored as Lease
  server.stored = {
    ...stored,
    metadata: { ...stored.metadata, resourceVersion: 'other' },
    spec: { ...stored.spec, holderIdentity: 'b' },
  } as Lease
  await pass(2_500, a)
  assert.equal(a.state.leads, false)
})

test('a clock that is set neither keeps a lease nor takes one', async (t) => {
  const { server, time, start, pass, holder } = setUp(t)
  const wall = { aheadMs: 0 }
  const set = (): Moment => ({ wallMs: time.ms + wall.aheadMs, steadyMs: time.ms })
  const a = start('a', set)
  await pass(500, a)
  const b = start('b', set)
  await pass(4_000, a, b)
  wall.aheadMs = 3_600_000
  await pass(1_000, b)
  assert.equal(holder(), 'a', 'not taken by a clock set forward')
  wall.aheadMs = -3_600_000
  server.hangs = true
  await pass(14_000, a)
  assert.equal(a.state.leads, false, 'not kept by a clock set back')
})

test('one that ends lets the next one begin at once', async (t) => {
  const { server, start, pass, holder } = setUp(t)
  const a = start('a')
  await pass(500, a)
  const b = start('b')
  await pass(500, a, b)
  a.fence.close()
  await assert.rejects(a.own.delete(configmaps, { name: 'c', namespace: 'default' }), LeaseLostError)
  server.stored = { ...server.stored, spec: { ...(server.stored as Lease).spec, holderIdentity: '' } } as unknown as Lease
  await pass(2_500, b)
  assert.equal(holder(), 'b')
})
