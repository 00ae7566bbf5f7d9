import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IPV4, IPV6 } from '../base/ipFamily.ts'
import type { Node, Service } from '../api/kinds/core/v1.ts'
import { nodePatch } from './nodeController.ts'
import { assignAddresses } from './serviceController.ts'

const META = { uid: 'u', resourceVersion: '7', creationTimestamp: '2026-01-01T00:00:00Z' }
const POOL = ['172.20.255.1', '172.20.255.2']

function balancer(name: string, ip?: string, wish?: string): Service {
  return {
    metadata: { ...META, name, namespace: 'default' },
    spec: { type: 'LoadBalancer', ...(wish && { loadBalancerIP: wish }) },
    ...(ip && { status: { loadBalancer: { ingress: [{ ip }] } } }),
  }
}

const TABLE: readonly { what: string; services: Service[]; expected: Record<string, string | undefined> }[] = [
  { what: 'the lowest free address', services: [balancer('a')], expected: { a: POOL[0] } },
  { what: 'an address once given stays', services: [balancer('a'), balancer('b', POOL[0])], expected: { a: POOL[1], b: POOL[0] } },
  { what: 'a wish goes before order', services: [balancer('a'), balancer('b', undefined, POOL[0])], expected: { a: POOL[1], b: POOL[0] } },
  { what: 'a wish outside the pool gets nothing', services: [balancer('a', undefined, '1.2.3.4')], expected: { a: undefined } },
  { what: 'a changed wish moves', services: [balancer('a', POOL[0], POOL[1])], expected: { a: POOL[1] } },
  {
    what: 'the pool runs out',
    services: [balancer('a'), balancer('b'), balancer('c')],
    expected: { a: POOL[0], b: POOL[1], c: undefined },
  },
  { what: 'other types get none', services: [{ ...balancer('a'), spec: { type: 'ClusterIP' } }], expected: {} },
]

for (const { what, services, expected } of TABLE)
  test(`load balancers: ${what}`, () => {
    const given = assignAddresses(services, POOL, IPV4).map(({ key, ip }) => [key.replace('default/', ''), ip])
    assert.deepEqual(Object.fromEntries(given), expected)
  })

test('load balancers: an address of each family that the service has', () => {
  const pool = [...POOL, 'fd00::ff00', 'fd00::ff01']
  const both = (name: string): Service => {
    const one = balancer(name, undefined, name === 'c' ? 'fd00::ff01' : undefined)
    return { ...one, spec: { ...one.spec, ipFamilies: ['IPv6', 'IPv4'] } }
  }
  const services = [balancer('a'), both('b'), both('c')]
  const given = (family: typeof IPV4): unknown =>
    assignAddresses(services, pool, family).map(({ key, ip }) => [key.replace('default/', ''), ip])
  assert.deepEqual(given(IPV4), [
    ['a', POOL[0]],
    ['b', POOL[1]],
    ['c', undefined],
  ])
  assert.deepEqual(given(IPV6), [
    ['b', 'fd00::ff00'],
    ['c', 'fd00::ff01'],
  ])
})

const INSTANCE = { providerId: 'minicube://c/n', instanceType: 'minicube', zone: 'z', region: 'r' }

test('a node learns its machine once', () => {
  const node: Node = {
    metadata: { ...META, name: 'n' },
    spec: { taints: [{ key: 'node.cloudprovider.kubernetes.io/uninitialized', effect: 'NoSchedule' }] },
  }
  const patch = nodePatch(node, INSTANCE) as Partial<Node>
  assert.equal(patch.spec?.providerID, 'minicube://c/n')
  assert.deepEqual(patch.spec?.taints, [])
  const labels = {
    'node.kubernetes.io/instance-type': 'minicube',
    'topology.kubernetes.io/region': 'r',
    'topology.kubernetes.io/zone': 'z',
  }
  assert.equal(nodePatch({ metadata: { ...META, name: 'n', labels }, spec: { providerID: 'other://x' } }, INSTANCE), undefined)
  const moved = { ...labels, 'topology.kubernetes.io/zone': 'a' }
  assert.equal(nodePatch({ metadata: { ...META, name: 'n', labels: moved }, spec: { providerID: 'other://x' } }, INSTANCE), undefined)
})
