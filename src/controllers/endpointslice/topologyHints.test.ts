import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '../../api/kinds/core/v1.ts'
import type { Endpoint } from '../../api/kinds/discovery/v1.ts'
import { planHints, zoneShares } from './topologyHints.ts'

const node = (zone: string | undefined, cpu: string, labels = {}): Node =>
  ({
    metadata: { name: 'n', labels: { ...labels, ...(zone && { 'topology.kubernetes.io/zone': zone }) } },
    status: { allocatable: { cpu }, conditions: [{ type: 'Ready', status: 'True' }] },
  }) as unknown as Node
const at = (zone: string): Endpoint => ({ addresses: [], conditions: { ready: true }, zone })

test('zones count by their CPUs; a node that does not tell enough ends it', () => {
  assert.deepEqual(
    [...(zoneShares([node('a', '1'), node('b', '3')]) ?? [])],
    [
      ['a', 0.25],
      ['b', 0.75],
    ],
  )
  assert.equal(zoneShares([node('a', '1')]), undefined)
  assert.equal(zoneShares([node('a', '1'), node('b', '1'), node(undefined, '1')]), undefined)
  assert.equal(zoneShares([node('a', '1'), node('b', '1'), node(undefined, '1', { 'node-role.kubernetes.io/control-plane': '' })])?.size, 2)
})

test('endpoints are for their zones, and for others that have too few', () => {
  const shares = new Map([
    ['a', 0.5],
    ['b', 0.5],
  ])
  const zonesOf = (endpoints: Endpoint[]): string => {
    const plan = planHints(endpoints, shares)
    return 'problem' in plan ? plan.problem : endpoints.map((endpoint) => plan.zones.get(endpoint) ?? '-').join('')
  }
  assert.equal(zonesOf([at('a'), at('b')]), 'ab')
  assert.equal(zonesOf([at('a'), at('a'), at('a'), at('b')]), 'baab')
  assert.equal(zonesOf([at('a'), at('b'), { ...at('b'), conditions: { ready: false } }]), 'ab-')
  assert.equal(zonesOf([at('a')]), 'Insufficient number of endpoints (1 endpoints, 2 zones)')
  assert.match(zonesOf([at('a'), { addresses: [], conditions: { ready: true } }]), /do not have a zone/)
  assert.match(zonesOf([]), /^Insufficient number/)
  const uneven = planHints(
    [at('a'), at('b')],
    new Map([
      ['a', 0.9],
      ['b', 0.1],
    ]),
  )
  assert.match('problem' in uneven ? uneven.problem : '', /exceeding overload threshold \(2 endpoints, 2 zones\)$/)
  assert.match(JSON.stringify(planHints([at('a')], undefined)), /Insufficient Node information/)
})
