import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import { assert as check, bigInt, property } from 'fast-check'
import {
  addressAt,
  canonicalAddress,
  familiesOf,
  formatIp,
  hostPort,
  IPV4,
  IPV6,
  isInRange,
  offsetIn,
  parseIp,
  parseIpRange,
} from './ipFamily.ts'

test('addresses are written as RFC 5952 says', () => {
  for (const [given, wanted] of [
    ['fd00:10:96::a', 'fd00:10:96::a'],
    ['FD00:0010:96:0:0:0:0:000A', 'fd00:10:96::a'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ] as const)
    assert.equal(formatIp(IPV6, parseIp(given) as bigint), wanted, given)
  assert.equal(formatIp(IPV4, parseIp('10.96.0.10') as bigint), '10.96.0.10')
})

test('what is written is read again as the same', () => {
  check(
    property(bigInt({ min: 0n, max: (1n << 128n) - 1n }), (number) => {
      const text = formatIp(IPV6, number)
      assert.equal(isIP(text), 6, text)
      assert.equal(parseIp(text), number)
    }),
  )
  check(property(bigInt({ min: 0n, max: (1n << 32n) - 1n }), (number) => parseIp(formatIp(IPV4, number)) === number))
})

test('one address has one text', () => {
  assert.deepEqual(['FD00:0::1', '10.0.0.1', 'None', 'fd00::x'].map(canonicalAddress), ['fd00::1', '10.0.0.1', 'None', 'fd00::x'])
})

test('what is no address', () => {
  for (const text of ['', '10.96.0', '10.96.0.256', 'fd00::1::2', 'fe80::1%eth0', 'None', '1:2:3:4:5:6:7:8:9'])
    assert.equal(parseIp(text), undefined, text)
})

test('ranges of both families', () => {
  const range = parseIpRange('fd00:10:96::/112')
  assert.deepEqual([range.family, range.size, addressAt(range, 1), addressAt(range, 0xa)], [IPV6, 65_536, 'fd00:10:96::1', 'fd00:10:96::a'])
  assert.deepEqual(
    [offsetIn(range, 'fd00:10:96::ffff'), offsetIn(range, 'fd00:10:96::1:0'), offsetIn(range, '10.96.0.1')],
    [65_535, undefined, undefined],
  )
  const holds = (cidr: string, ip: string): boolean => isInRange(parseIpRange(cidr), ip)
  assert.ok(holds('fd00::/8', 'fdff::1') && holds('10.0.0.0/8', '10.255.0.1') && holds('::/0', 'fd00::1'))
  assert.ok(!holds('fd00::/8', 'fe00::1') && !holds('10.0.0.0/8', '11.0.0.1') && !holds('::/0', '10.0.0.1') && !holds('10.0.0.0/8', 'x'))
  assert.equal(offsetIn(parseIpRange('10.96.3.4/16'), '10.96.1.0'), 256)
  assert.equal(parseIpRange('fd00::/8').size, Number.MAX_SAFE_INTEGER)
  for (const bad of ['10.0.0.0/33', 'fd00::/129', '10.0.0.0', 'fd00::', 'x/8', '10.0.0.0/8/8'])
    assert.throws(() => parseIpRange(bad), RangeError, bad)
})

test('families in order, and addresses with ports', () => {
  assert.deepEqual(familiesOf(['fd00::/8', '10.0.0.0/8', 'fd01::1']), [IPV6, IPV4])
  assert.deepEqual([hostPort('fd00::1', 80), hostPort('10.0.0.1', 80)], ['[fd00::1]:80', '10.0.0.1:80'])
})
