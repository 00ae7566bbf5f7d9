import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freeCidr } from './nodeIpam.ts'

test('the first free part of the range', () => {
  const cases: [string, number, string[], string | undefined][] = [
    ['10.244.0.0/16', 24, [], '10.244.0.0/24'],
    ['10.244.0.0/16', 24, ['10.244.0.0/24', '10.244.2.0/24'], '10.244.1.0/24'],
    ['192.168.0.0/25', 26, ['192.168.0.0/26'], '192.168.0.64/26'],
    ['fd00:10:244::/56', 64, ['fd00:10:244::/64'], 'fd00:10:244:1::/64'],
    ['192.168.0.0/25', 26, ['192.168.0.0/26', '192.168.0.64/26'], undefined],
  ]
  for (const [clusterCidr, nodeMaskBits, taken, expected] of cases)
    assert.equal(freeCidr({ clusterCidr, nodeMaskBits }, new Set(taken)), expected)
})
