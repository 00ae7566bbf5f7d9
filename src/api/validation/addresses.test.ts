import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endpointIpErrors } from './addresses.ts'
import { canonicalCidr, canonicalIp, cidrContains, isCanonicalIp, isPercent, isUnixId, isValidCidr, isValidIp, parseCidr } from './names.ts'
import type { Cidr } from './names.ts'

test('addresses', () => {
  const table: [string, RegExp | undefined][] = [
    ['10.0.0.1', undefined],
    ['2001:db8::1', undefined],
    ['2001:DB8:0::1', undefined],
    ['010.0.0.1', /leading 0s/],
    ['::ffff:1.2.3.4', /IPv4-mapped/],
    ['1.2.3', /valid IP address/],
    ['', /valid/],
  ]
  for (const [ip, wrong] of table) {
    const [error] = isValidIp(ip)
    if (wrong) assert.match(error ?? '', wrong, ip)
    else assert.equal(error, undefined, ip)
  }
})

test('one spelling of each address is the right one', () => {
  assert.deepEqual(isCanonicalIp('2001:db8::1'), [])
  assert.deepEqual(isCanonicalIp('2001:DB8:0:0::1'), ['must be in canonical form ("2001:db8::1")'])
  assert.equal(canonicalIp('::ffff:1.2.3.4'), '1.2.3.4')
  assert.equal(canonicalCidr('2001:DB8:0::/48'), '2001:db8::/48')
})

test('ranges', () => {
  const table: [string, RegExp | undefined][] = [
    ['10.0.0.0/8', undefined],
    ['2001:db8::/64', undefined],
    ['10.0.0.1/8', /bits set beyond/],
    ['10.0.0.0/33', /valid CIDR/],
    ['10.0.0.0/08', /leading 0s/],
    ['10.0.0.0', /valid CIDR/],
  ]
  for (const [cidr, wrong] of table) {
    const [error] = isValidCidr(cidr)
    if (wrong) assert.match(error ?? '', wrong, cidr)
    else assert.equal(error, undefined, cidr)
  }
  const contains = (outer: string, inner: string): boolean => cidrContains(parseCidr(outer) as Cidr, parseCidr(inner) as Cidr)
  assert.ok(contains('10.0.0.0/8', '10.1.0.0/16'))
  assert.ok(!contains('10.1.0.0/16', '10.0.0.0/8'))
  assert.ok(!contains('10.0.0.0/8', '11.0.0.0/16'))
  assert.ok(!contains('::/0', '10.0.0.0/8'))
})

test('no endpoint is on every node', () => {
  for (const ip of ['0.0.0.0', '::', '127.0.0.1', '::1', '169.254.1.1', 'fe80::1', '224.0.0.1', 'ff02::1', 'x'])
    assert.equal(endpointIpErrors(ip).length, 1, ip)
  for (const ip of ['10.0.0.1', '224.0.1.1', 'fd00::1']) assert.deepEqual(endpointIpErrors(ip), [], ip)
})

test('numbers', () => {
  assert.deepEqual([0, 2_147_483_647].flatMap(isUnixId), [])
  assert.equal(isUnixId(-1).length, 1)
  assert.deepEqual(isPercent('50%'), [])
  assert.equal(isPercent('50').length, 1)
})
