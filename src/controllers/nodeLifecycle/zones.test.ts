import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '../../api/kinds/core/v1.ts'
import { FakeClock } from '../../base/clock.ts'
import { DEFAULT_EVICTION_RATES, EvictionZones, evictionRate, zoneOf, zoneState } from './zones.ts'

function node(name: string, status: string | undefined, labels: Record<string, string> = {}): Node {
  return {
    metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z', labels },
    spec: {},
    ...(status && { status: { conditions: [{ type: 'Ready', status }] } }),
  }
}

test('the state and the rate of a zone', () => {
  const cases: [ready: number, notReady: number, state: string, rate: number][] = [
    [0, 0, 'Normal', 0.1],
    [1, 0, 'Normal', 0.1],
    [0, 1, 'FullDisruption', 0.1],
    [0, 90, 'FullDisruption', 0.1],
    [1, 2, 'Normal', 0.1],
    [1, 3, 'PartialDisruption', 0],
    [5, 6, 'Normal', 0.1],
    [9, 11, 'PartialDisruption', 0],
    [22, 28, 'PartialDisruption', 0],
    [22, 29, 'PartialDisruption', 0.01],
  ]
  for (const [ready, notReady, state, rate] of cases) {
    const census = { ready, notReady }
    assert.equal(zoneState(census, DEFAULT_EVICTION_RATES.unhealthyShare), state, `${ready}:${notReady}`)
    assert.equal(evictionRate(census, DEFAULT_EVICTION_RATES), rate, `${ready}:${notReady}`)
  }
})

test('zones by their labels, those from before first', () => {
  const zone = { 'topology.kubernetes.io/zone': 'z' }
  assert.equal(zoneOf(node('n', undefined)), zoneOf(node('m', undefined)))
  assert.notEqual(zoneOf(node('n', undefined, zone)), zoneOf(node('n', undefined, { ...zone, 'topology.kubernetes.io/region': 'r' })))
  const former = { 'failure-domain.beta.kubernetes.io/zone': 'z', 'topology.kubernetes.io/zone': 'y' }
  assert.equal(zoneOf(node('n', undefined, former)), zoneOf(node('n', undefined, zone)))
})

function setUp() {
  const clock = new FakeClock()
  const zones = new EvictionZones(DEFAULT_EVICTION_RATES, clock)
  const see = (name: string, status?: string, labels?: Record<string, string>) => zones.observe(name, node(name, status, labels))
  return { clock, zones, see }
}

test('nodes of a zone take turns, those of another zone have their own', async () => {
  const { clock, zones, see } = setUp()
  for (const name of ['a', 'b', 'c']) see(name, 'True')
  see('d', 'True', { 'topology.kubernetes.io/zone': 'z' })
  for (const name of ['a', 'b', 'd']) see(name, 'False', name === 'd' ? { 'topology.kubernetes.io/zone': 'z' } : {})
  assert.deepEqual([zones.waitMs('a'), zones.waitMs('b'), zones.waitMs('d')], [0, 10_000, 0])
  zones.took('a')
  assert.equal(zones.waitMs('b'), 10_000)
  await clock.advance(9_000)
  assert.equal(zones.waitMs('b'), 1_000)
  await clock.advance(1_000)
  assert.equal(zones.waitMs('b'), 0)
  see('b', 'True')
  zones.leave('b')
  assert.equal(zones.waitMs('c'), 0)
})

test('in a zone that is unwell nobody has a turn; those that wait are told when it is better', async () => {
  const { clock, zones, see } = setUp()
  for (const name of ['a', 'b', 'c', 'd']) see(name, 'True')
  see('a', 'Unknown')
  assert.equal(zones.waitMs('a'), 0)
  zones.took('a')
  see('b', 'Unknown')
  assert.equal(zones.waitMs('b'), 10_000)
  assert.deepEqual(see('c', 'Unknown'), ['c', 'b'])
  assert.equal(zones.waitMs('b'), undefined)
  await clock.advance(60_000)
  assert.equal(zones.waitMs('b'), undefined)
  assert.deepEqual(see('c', 'True'), ['c', 'b'])
  assert.equal(zones.waitMs('b'), 10_000)
})

test('while no node at all is ready none drives its pods away; the first that is concerns all', () => {
  const { zones, see } = setUp()
  assert.equal(zones.isDisrupted, false)
  see('a', 'Unknown')
  see('b')
  assert.equal(zones.isDisrupted, true)
  assert.deepEqual(new Set(see('b', 'True')), new Set(['a', 'b']))
  assert.equal(zones.isDisrupted, false)
  assert.deepEqual(new Set(zones.observe('b', undefined)), new Set(['b', 'a']))
  assert.equal(zones.isDisrupted, true)
})

test('nodes that are excluded say nothing of their zone', () => {
  const { zones, see } = setUp()
  const excluded = { 'node.kubernetes.io/exclude-disruption': '' }
  see('a', 'Unknown', excluded)
  assert.equal(zones.isDisrupted, false)
  assert.equal(zones.waitMs('a'), 0)
  see('b', 'Unknown')
  assert.equal(zones.isDisrupted, true)
})
