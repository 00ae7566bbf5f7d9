import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { AddressPool, AddressesExhaustedError } from './addressPool.ts'

describe('AddressPool', () => {
  test('gives out in order, then what was given back longest ago', () => {
    const pool = new AddressPool('10.0.0.0/29')
    const all = Array.from({ length: 6 }, () => pool.allocate())
    assert.deepEqual(
      all,
      [1, 2, 3, 4, 5, 6].map((n) => `10.0.0.${n}`),
    )
    assert.throws(() => pool.allocate(), AddressesExhaustedError)
    pool.release('10.0.0.4')
    pool.release('10.0.0.2')
    assert.deepEqual([pool.allocate(), pool.allocate()], ['10.0.0.4', '10.0.0.2'])
  })
  test('what was given back waits for the untouched ones', () => {
    const pool = new AddressPool('10.0.0.0/29')
    pool.release(pool.allocate())
    assert.equal(pool.allocate(), '10.0.0.2')
  })
  test('what the runtime has is not given out, and is free again after its release', () => {
    const pool = new AddressPool('10.0.0.0/30')
    assert.deepEqual([pool.take('10.0.0.1'), pool.take('10.0.0.1'), pool.take('10.9.9.9')], [true, false, false])
    assert.equal(pool.allocate(), '10.0.0.2')
    pool.release('10.0.0.1')
    assert.equal(pool.allocate(), '10.0.0.1')
  })
  test('a range of IPv6', () => {
    const pool = new AddressPool('fd00:10:244::/64')
    assert.deepEqual([pool.take('fd00:10:244::1'), pool.take('10.244.0.1'), pool.allocate()], [true, false, 'fd00:10:244::2'])
    pool.release('fd00:10:244:0::1')
    assert.equal(pool.used, 1)
  })
  test('never gives one address to two', () => {
    const steps = fc.array(fc.oneof(fc.constant('allocate' as const), fc.nat(20)), { maxLength: 80 })
    fc.assert(
      fc.property(steps, (plan) => {
        const pool = new AddressPool('10.0.0.0/28')
        const held: string[] = []
        for (const step of plan) {
          if (step !== 'allocate') {
            const [released] = held.splice(step % Math.max(1, held.length), 1)
            if (released) pool.release(released)
          } else if (held.length < 14) {
            const ip = pool.allocate()
            assert.ok(!held.includes(ip))
            held.push(ip)
          } else {
            assert.throws(() => pool.allocate(), AddressesExhaustedError)
          }
          assert.equal(pool.used, held.length)
        }
      }),
    )
  })
})
