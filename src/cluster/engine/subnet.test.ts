import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addressIn,
  BRIDGE_SUBNETS,
  formatAddress,
  freeSubnets,
  NETWORK_SUBNETS,
  overlaps,
  parseCidr,
  parseRoutes,
  type Range,
} from './subnet.ts'

const cidr = (text: string): Range => {
  const range = parseCidr(text)
  assert.ok(range, text)
  return range
}

test('a range begins at its network address', () => {
  const { first, last } = cidr('192.168.1.77/24')
  assert.equal(formatAddress(first), '192.168.1.0')
  assert.equal(formatAddress(last), '192.168.1.255')
  assert.deepEqual(cidr('0.0.0.0/0'), { first: 0, last: 2 ** 32 - 1 })
  for (const text of ['', 'fd00::/64', '1.2.3.4', '1.2.3/8']) assert.equal(parseCidr(text), undefined)
})

test('overlap is containment either way', () => {
  assert.equal(overlaps(cidr('10.0.0.0/8'), cidr('10.96.0.0/16')), true)
  assert.equal(overlaps(cidr('10.96.0.0/16'), cidr('10.0.0.0/8')), true)
  assert.equal(overlaps(cidr('192.168.1.0/24'), cidr('192.168.2.0/24')), false)
})

test('addresses are counted from the first', () => {
  assert.equal(addressIn('192.168.201.0/24', 10), '192.168.201.10')
  assert.throws(() => addressIn('192.168.201.0/24', 256), RangeError)
})

test('routes as the kernel writes them', () => {
  const text = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
`
  assert.deepEqual(parseRoutes(text), [cidr('192.0.2.0/24')])
})

test('ranges in use are left out', () => {
  assert.deepEqual(freeSubnets(['10.1.0.0/24', '10.2.0.0/24'], [cidr('10.1.0.128/25')]), ['10.2.0.0/24'])
})

test("our own candidates meet neither each other nor the cluster's ranges", () => {
  const all = [...BRIDGE_SUBNETS, ...NETWORK_SUBNETS, '10.96.0.0/16', '10.244.0.0/16']
  const pairs = all.flatMap((a, index) => all.slice(index + 1).map((b) => [a, b] as const))
  assert.deepEqual(
    pairs.filter(([a, b]) => overlaps(cidr(a), cidr(b))),
    [],
  )
})
