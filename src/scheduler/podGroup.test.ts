import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { FakeClock } from '../base/clock.ts'
import { SchedulerCache } from './cache.ts'

const meta = (name: string, labels: Record<string, string> = {}) => ({
  name,
  namespace: 'default',
  uid: name,
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
  labels,
})
const nodeName = fc.constantFrom('n1', 'n2', 'n3')
const step = fc.oneof(
  fc.record({ setNode: nodeName, zone: fc.constantFrom('a', 'b', '') }),
  fc.record({ removeNode: nodeName }),
  fc.record({ setPod: fc.nat(9).map((n) => `p${n}`), on: nodeName }),
  fc.record({ removePod: fc.nat(9).map((n) => `p${n}`) }),
  fc.constant({ ask: true }),
)

test('a group knows how many of its pods are in each domain, whatever nodes and pods do', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const cache = new SchedulerCache(new FakeClock())
      for (const one of [...steps, { ask: true }]) {
        if ('setNode' in one) cache.setNode({ metadata: meta(one.setNode, { zone: one.zone }), spec: {} })
        else if ('removeNode' in one) cache.removeNode(one.removeNode)
        else if ('setPod' in one) cache.setPod({ metadata: meta(one.setPod, { app: 'web' }), spec: { containers: [] } }, one.on)
        else if ('removePod' in one) cache.removePod(one.removePod)
        else {
          const topology = cache.topology('zone')
          for (const group of cache.groups()) {
            const expected = new Map<number, number>()
            for (const [node, count] of group.nodes) {
              const domain = topology.bySlot[node.slot] as number
              if (node.exists) expected.set(domain, (expected.get(domain) ?? 0) + count)
            }
            const counts = group.countsByDomain(topology)
            for (let domain = 0; domain < 4; domain++) assert.equal(counts[domain] ?? 0, expected.get(domain) ?? 0)
          }
        }
      }
    }),
  )
})
