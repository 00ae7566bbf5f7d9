import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IPAddress, ServiceCIDR } from '../../api/kinds/networking/v1.ts'
import { FINALIZER, overlappingRanges, planServiceCidr, rangesOfAddress } from './plan.ts'

const NOW = Date.UTC(2026, 0, 1)

function range(name: string, cidrs: string[], facts: { deletedAgo?: number; finalizers?: string[] } = {}): ServiceCIDR {
  const { deletedAgo, finalizers } = facts
  const deletionTimestamp = deletedAgo === undefined ? {} : { deletionTimestamp: new Date(NOW - deletedAgo * 1_000).toISOString() }
  return {
    metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: '', ...deletionTimestamp, ...(finalizers && { finalizers }) },
    spec: { cidrs },
  }
}

function address(name: string, managed = true): IPAddress {
  const labels: Record<string, string> = managed ? { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' } : {}
  return {
    metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: '', labels },
    spec: { parentRef: { resource: 'services', name: 's' } },
  }
}

test('what becomes of a range', () => {
  const main = range('kubernetes', ['10.96.0.0/16'])
  const extra = range('extra', ['10.97.0.0/24'], { finalizers: [FINALIZER] })
  const leaving = range('extra', ['10.97.0.0/24'], { deletedAgo: 20 })
  const cases: [string, ServiceCIDR, ServiceCIDR[], IPAddress[], string][] = [
    ['a new one', range('extra', ['10.97.0.0/24']), [main], [], 'keep, finalizer'],
    ['a known one', extra, [main], [], 'keep'],
    ['in use', leaving, [main], [address('10.97.0.7')], 'block'],
    ['used by others', leaving, [main], [address('10.96.0.7')], 'release'],
    ['an address that nobody allocated', leaving, [main], [address('10.97.0.7', false)], 'release'],
    ['held by a larger one', range('small', ['10.96.1.0/24'], { deletedAgo: 20 }), [main], [address('10.96.1.7')], 'release'],
    ['of the same range', leaving, [main, range('twin', ['10.97.0.0/24'])], [address('10.97.0.7')], 'release'],
    ['the other goes as well', leaving, [main, range('twin', ['10.97.0.0/24'], { deletedAgo: 5 })], [address('10.97.0.7')], 'block'],
    ['the address lies in a smaller one', leaving, [main, range('part', ['10.97.0.0/28'])], [address('10.97.0.7')], 'release'],
    ['API servers may not know yet', range('extra', ['10.97.0.0/24'], { deletedAgo: 4 }), [main], [], 'wait 6000'],
    ['the second family counts', range('dual', ['10.98.0.0/24', 'fd00::/112'], { deletedAgo: 20 }), [main], [address('fd00::5')], 'block'],
  ]
  for (const [name, subject, others, taken, expected] of cases) {
    const plan = planServiceCidr(subject, [...others, subject], taken, NOW)
    const text = plan.do === 'keep' && plan.addFinalizer ? 'keep, finalizer' : plan.do === 'wait' ? `wait ${plan.leftMs}` : plan.do
    assert.equal(text, expected, name)
  }
})

test('whom a change concerns', () => {
  const all = [range('a', ['10.96.0.0/16']), range('b', ['10.96.4.0/24']), range('c', ['10.97.0.0/16'])]
  assert.deepEqual(rangesOfAddress(all, address('10.96.4.9')), ['a', 'b'])
  assert.deepEqual(rangesOfAddress(all, address('10.96.4.9', false)), [])
  assert.deepEqual(overlappingRanges(all, range('d', ['10.96.4.0/28'])), ['a', 'b'])
})
