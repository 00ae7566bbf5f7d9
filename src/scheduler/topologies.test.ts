import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { FakeClock } from '../base/clock.ts'
import { SchedulerCache } from './cache.ts'
import { NO_DOMAIN } from './topologies.ts'

const step = fc.record({ node: fc.nat(4), zone: fc.constantFrom('a', 'b', 'c', '', undefined), isGone: fc.boolean() })

const nodeIn = (index: number, zone: string | undefined) => ({
  metadata: {
    name: `n${index}`,
    uid: `n${index}`,
    resourceVersion: '1',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { ...(zone !== undefined && { zone }) },
  },
  spec: {},
})

test('nodes have the same number where they have the same value, whatever came before', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.nat(20), (steps, askedAt) => {
      const cache = new SchedulerCache(new FakeClock())
      const zones = new Map<string, string>()
      for (const [i, { node, zone, isGone }] of steps.entries()) {
        if (i === askedAt) cache.topology('zone')
        if (isGone) cache.removeNode(`n${node}`)
        else cache.setNode(nodeIn(node, zone))
        if (isGone) zones.delete(`n${node}`)
        else zones.set(`n${node}`, zone ?? '')
      }
      const numbers = cache.topology('zone').bySlot
      const numberOf = (name: string): number | undefined => numbers[cache.get(name)?.slot ?? -1]
      for (const [one, zone] of zones) {
        assert.equal(numberOf(one) === NO_DOMAIN, zone === '')
        for (const [other, otherZone] of zones) assert.equal(numberOf(one) === numberOf(other), zone === otherZone)
      }
    }),
  )
})

test('values of nodes that are gone are not kept for ever', () => {
  const cache = new SchedulerCache(new FakeClock())
  for (let i = 0; i < 3_000; i++) {
    cache.setNode(nodeIn(0, `zone-${i}`))
    assert.ok((cache.topology('zone').bySlot[cache.get('n0')?.slot ?? -1] ?? Infinity) <= 1_001)
  }
})
