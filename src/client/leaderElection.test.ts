import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimLease, judgeLease, microTime } from './leaderElection.ts'

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
