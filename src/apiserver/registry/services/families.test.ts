import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StatusError } from '../../../api/status.ts'
import type { Service, ServiceSpec } from '../../../api/kinds/core/v1.ts'
import { initFamilies } from './families.ts'
import { Services } from './services.ts'

const V4 = '10.96.0.0/16'
const V6 = 'fd00:10:96::/112'

const service = (spec: Partial<ServiceSpec>): Service =>
  ({
    metadata: { name: 'web', namespace: 'default' },
    spec: { type: 'ClusterIP', selector: { app: 'web' }, ...spec },
  }) as unknown as Service

function families(ranges: string, spec: Partial<ServiceSpec>, old?: Partial<ServiceSpec>): unknown {
  const services = new Services({ serviceClusterIpRange: ranges, nodePortRange: { first: 30_000, last: 32_767 } })
  const next = service(spec)
  try {
    initFamilies(next, old && service(old), services.families)
  } catch (error) {
    assert.ok(error instanceof StatusError)
    return error.message.replace('Service "web" is invalid: ', '')
  }
  return `${next.spec.ipFamilyPolicy} ${next.spec.ipFamilies?.join(',')}`
}

const CASES: [what: string, ranges: string, spec: Partial<ServiceSpec>, wanted: string][] = [
  ['nothing said', V4, {}, 'SingleStack IPv4'],
  ['nothing said with two families', `${V4},${V6}`, {}, 'SingleStack IPv4'],
  ['the first range is the default', `${V6},${V4}`, {}, 'SingleStack IPv6'],
  ['prefers two, has one', V4, { ipFamilyPolicy: 'PreferDualStack' }, 'PreferDualStack IPv4'],
  ['prefers two, has two', `${V4},${V6}`, { ipFamilyPolicy: 'PreferDualStack' }, 'PreferDualStack IPv4,IPv6'],
  [
    'needs two in an order',
    `${V4},${V6}`,
    { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv4'] },
    'RequireDualStack IPv6,IPv4',
  ],
  ['prefers two, one named', `${V4},${V6}`, { ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv6'] }, 'PreferDualStack IPv6,IPv4'],
  ['headless without selector', V4, { clusterIP: 'None', clusterIPs: ['None'], selector: {} }, 'RequireDualStack IPv4,IPv6'],
  [
    'headless with selector',
    `${V4},${V6}`,
    { clusterIP: 'None', clusterIPs: ['None'], ipFamilyPolicy: 'PreferDualStack' },
    'PreferDualStack IPv4,IPv6',
  ],
  ['a family by address', `${V4},${V6}`, { clusterIP: 'fd00:10:96::7', clusterIPs: ['fd00:10:96::7'] }, 'SingleStack IPv6'],
  [
    'needs two, has one',
    V4,
    { ipFamilyPolicy: 'RequireDualStack' },
    'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
  ],
  ['a family that is not there', V4, { ipFamilies: ['IPv6'] }, 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'],
  [
    'an address of such a family',
    V4,
    { clusterIP: 'fd00::1', clusterIPs: ['fd00::1'] },
    'spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster',
  ],
  [
    'two families without a policy',
    `${V4},${V6}`,
    { ipFamilies: ['IPv4', 'IPv6'] },
    "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified",
  ],
]

for (const [what, ranges, spec, wanted] of CASES) test(`families: ${what}`, () => assert.equal(families(ranges, spec), wanted))

const TWO: Partial<ServiceSpec> = {
  ipFamilyPolicy: 'RequireDualStack',
  ipFamilies: ['IPv4', 'IPv6'],
  clusterIP: '10.96.0.9',
  clusterIPs: ['10.96.0.9', 'fd00:10:96::9'],
}

test('to SingleStack: the second of everything goes', () => {
  const next = service({ ...TWO, ipFamilyPolicy: 'SingleStack' })
  initFamilies(next, service(TWO), ['IPv4', 'IPv6'])
  assert.deepEqual([next.spec.clusterIPs, next.spec.ipFamilies], [['10.96.0.9'], ['IPv4']])
})

test('taking the second address away needs the policy', () => {
  assert.match(
    String(families(`${V4},${V6}`, { ...TWO, clusterIPs: ['10.96.0.9'] }, TWO)),
    /spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be 'SingleStack' to release the secondary cluster IP/,
  )
})

test('a PreferDualStack service is left alone when the cluster gets a second family', () => {
  const one: Partial<ServiceSpec> = {
    ipFamilyPolicy: 'PreferDualStack',
    ipFamilies: ['IPv4'],
    clusterIP: '10.96.0.9',
    clusterIPs: ['10.96.0.9'],
  }
  assert.equal(families(`${V4},${V6}`, one, one), 'PreferDualStack IPv4')
})

test('addresses of both families are given out, kept, added and given back', () => {
  const services = new Services({ serviceClusterIpRange: `${V4},${V6}`, nodePortRange: { first: 30_000, last: 32_767 } })
  assert.deepEqual([services.firstAddress, services.cidrs, services.families], ['10.96.0.1', [V4, V6], ['IPv4', 'IPv6']])
  const next = service({ ipFamilies: ['IPv6', 'IPv4'], ipFamilyPolicy: 'RequireDualStack' })
  services.allocate(next, undefined)
  const [first = '', second = ''] = next.spec.clusterIPs ?? []
  assert.match(first, /^fd00:10:96::[0-9a-f]{1,4}$/)
  assert.match(second, /^10\.96\./)
  assert.equal(next.spec.clusterIP, first)
  const one = service({ ipFamilies: ['IPv4'], clusterIPs: ['10.96.0.9'], clusterIP: '10.96.0.9' })
  services.allocate(one, undefined)
  const both = service({ ...one.spec, ipFamilies: ['IPv4', 'IPv6'], clusterIPs: ['10.96.0.9'] })
  const giveBack = services.allocate(both, one)
  assert.match(both.spec.clusterIPs?.[1] ?? '', /^fd00:10:96::/)
  const named = (ip: string): Service => service({ ipFamilies: ['IPv6'], clusterIPs: [ip], clusterIP: ip })
  assert.throws(() => services.allocate(named(both.spec.clusterIPs?.[1] ?? ''), undefined), /provided IP is already allocated/)
  giveBack()
  services.allocate(named(both.spec.clusterIPs?.[1] ?? ''), undefined)
  assert.throws(() => services.allocate(named('fd00:10:97::1'), undefined), /the provided network does not match the current range/)
})

test('a dry run looks whether what is asked for is free, and keeps nothing', () => {
  const services = new Services({ serviceClusterIpRange: V4, nodePortRange: { first: 30_000, last: 32_767 } })
  const ports = (nodePort?: number): object => ({ type: 'NodePort', ports: [{ port: 80, protocol: 'TCP', ...(nodePort && { nodePort }) }] })
  const of = (spec: object): Service => service({ ipFamilies: ['IPv4'], ...spec })
  for (let i = 0; i < 2; i++)
    services.allocate(of({ ...ports(30_200), clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9'] }), undefined, { dryRun: true })
  const shown = of(ports())
  services.allocate(shown, undefined, { dryRun: true })
  assert.deepEqual([shown.spec.clusterIP, shown.spec.ports?.[0]?.nodePort], ['10.96.0.0', 32_769])
  services.allocate(of(ports(30_200)), undefined)
  assert.throws(() => services.allocate(of(ports(30_200)), undefined, { dryRun: true }), /provided port is already allocated/)
})
