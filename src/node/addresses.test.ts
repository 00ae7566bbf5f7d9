import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadBalancerPool, nodeAddress } from './addresses.ts'

const address = (ip: string, bits: number): never =>
  ({ address: ip, cidr: `${ip}/${bits}`, family: 'IPv4', internal: false, netmask: '', mac: '' }) as never

test('the node’s address is the uplink’s, not a pod link’s', () => {
  const found = nodeAddress({ lo: [address('127.0.0.1', 8)], pod1: [address('10.0.0.1', 32)], eth0: [address('172.20.0.2', 16)] })
  assert.deepEqual(found, { ip: '172.20.0.2', device: 'eth0', cidr: '172.20.0.2/16' })
  assert.throws(() => nodeAddress({ lo: [address('127.0.0.1', 8)] }), /no IPv4 address/)
})

for (const [cidr, first, last] of [
  ['172.20.0.2/16', '172.20.255.205', '172.20.255.254'],
  ['192.168.5.9/24', '192.168.5.205', '192.168.5.254'],
] as const)
  test(`load balancers of ${cidr}`, () => {
    const pool = loadBalancerPool({ ip: cidr.split('/')[0] as string, device: 'eth0', cidr })
    assert.deepEqual([pool.length, pool[0], pool.at(-1)], [50, first, last])
  })

test('a network too small for a pool has none', () => {
  assert.deepEqual(loadBalancerPool({ ip: '10.0.0.2', device: 'eth0', cidr: '10.0.0.2/29' }), [])
})
