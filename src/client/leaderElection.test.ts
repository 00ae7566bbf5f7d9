import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { leases, type Lease } from '../api/kinds/coordination/v1.ts'
import { newAlreadyExists, newConflict, newNotFound } from '../api/status.ts'
import { Client, type ResourceRequest, type Transport } from './client.ts'
import { claimLease, judgeLease, microTime, runAsLeader } from './leaderElection.ts'

test('whose lease it is', () => {
  const held = { holderIdentity: 'other', leaseDurationSeconds: 15 }
  const cases: [string, Parameters<typeof judgeLease>, string][] = [
    ['a new lease', [{}, 'me', 0, 0], 'free'],
    ['my own', [{ holderIdentity: 'me' }, 'me', 0, 0], 'ours'],
    ['another’s, just seen', [held, 'me', 1_000, 15_999], 'held'],
    ['another’s, unchanged for its duration', [held, 'me', 1_000, 16_000], 'free'],
    ['another’s, given back', [{ leaseDurationSeconds: 1 }, 'me', 0, 0], 'free'],
  ]
  for (const [name, args, expected] of cases) assert.equal(judgeLease(...args), expected, name)
})

test('taking over counts a transition, renewing does not', () => {
  const nowMs = Date.UTC(2026, 0, 1)
  const taken = claimLease({ holderIdentity: 'other', leaseTransitions: 3, acquireTime: 'x' }, 'me', 15_000, nowMs)
  assert.deepEqual(taken, {
    holderIdentity: 'me',
    leaseDurationSeconds: 15,
    leaseTransitions: 4,
    acquireTime: microTime(nowMs),
    renewTime: '2026-01-01T00:00:00.000000Z',
  })
  const renewed = claimLease(taken, 'me', 15_000, nowMs + 1_000)
  assert.deepEqual(renewed, { ...taken, renewTime: '2026-01-01T00:00:01.000000Z' })
})

/** A server that knows one lease, and can be unreachable. */
class LeaseTransport implements Transport {
  reachable = true
  #lease: Lease | undefined
  #revision = 0

  async request({ verb, body }: ResourceRequest): Promise<unknown> {
    if (!this.reachable) throw new Error('unreachable')
    const written = body as Lease
    if (verb !== 'create' && !this.#lease) throw newNotFound(leases, 'l')
    if (verb === 'create' && this.#lease) throw newAlreadyExists(leases, 'l')
    if (verb === 'update' && written.metadata.resourceVersion !== this.#lease?.metadata.resourceVersion)
      throw newConflict(leases, 'l', 'modified')
    if (verb !== 'get') this.#lease = { ...written, metadata: { ...written.metadata, resourceVersion: String(++this.#revision) } }
    return this.#lease
  }

  watch(): never {
    throw new Error('unused')
  }
}

test('one leads, the other takes over when it ends; who cannot renew stops', async () => {
  const clock = new FakeClock()
  const transport = new LeaseTransport()
  const leading: string[] = []
  const run = (identity: string, stop: AbortController): Promise<void> => {
    const options = { client: new Client(transport), clock, log: silentLogger, namespace: 'ns', name: 'l', identity }
    return runAsLeader(options, stop.signal, async (signal) => {
      leading.push(identity)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    })
  }
  const [stopA, stopB] = [new AbortController(), new AbortController()]
  const a = run('a', stopA)
  await clock.advance(0)
  const b = run('b', stopB)
  await clock.advance(60_000)
  assert.deepEqual(leading, ['a'])
  stopA.abort()
  await clock.advance(5_000)
  await a
  assert.deepEqual(leading, ['a', 'b'])
  transport.reachable = false
  const lost = assert.rejects(b, /lost the lease ns\/l/)
  await clock.advance(15_000)
  await lost
})
