import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IPV4, IPV6 } from '../base/ipFamily.ts'
import { loadBalancerPool, nodeAddress } from './addresses.ts'

const address = (ip: string, bits: number): never =>
  ({ address: ip, cidr: `${ip}/${bits}`, family: ip.includes(':') ? 'IPv6' : 'IPv4', internal: false, netmask: '', mac: '' }) as never

test('the node’s address is the uplink’s, not a pod link’s', () => {
  const found = nodeAddress([IPV4], { lo: [address('127.0.0.1', 8)], pod1: [address('10.0.0.1', 32)], eth0: [address('172.20.0.2', 16)] })
  assert.deepEqual(found, { ip: '172.20.0.2', ips: ['172.20.0.2'], device: 'eth0', cidrs: ['172.20.0.2/16'] })
  assert.throws(() => nodeAddress([IPV4], { lo: [address('127.0.0.1', 8)] }), /no IPv4 address/)
})

for (const [cidr, first, last] of [
  ['172.20.0.2/16', '172.20.255.205', '172.20.255.254'],
  ['192.168.5.9/24', '192.168.5.205', '192.168.5.254'],
] as const)
  test(`load balancers of ${cidr}`, () => {
    const pool = loadBalancerPool({ cidrs: [cidr] })
    assert.deepEqual([pool.length, pool[0], pool.at(-1)], [50, first, last])
  })

test('a network too small for a pool has none', () => {
  assert.deepEqual(loadBalancerPool({ cidrs: ['10.0.0.2/29'] }), [])
})

test('an address of each family, the link-local ones apart', () => {
  const eth0 = [address('fe80::42', 64), address('172.20.0.2', 16), address('fd00:6d6b::a', 64)]
  assert.deepEqual(nodeAddress([IPV4, IPV6], { eth0 }), {
    ip: '172.20.0.2',
    ips: ['172.20.0.2', 'fd00:6d6b::a'],
    device: 'eth0',
    cidrs: ['172.20.0.2/16', 'fd00:6d6b::a/64'],
  })
  assert.throws(() => nodeAddress([IPV4, IPV6], { eth0: eth0.slice(0, 2) }), /no IPv4 and IPv6 address/)
})

test('an address of a load balancer is not the node’s, wherever it stands', () => {
  const eth0 = [address('172.20.255.205', 32), address('172.20.0.2', 16), address('fd00:6d6b::a:1', 128), address('fd00:6d6b::a', 64)]
  assert.deepEqual(nodeAddress([IPV4, IPV6], { eth0 }).ips, ['172.20.0.2', 'fd00:6d6b::a'])
  assert.deepEqual(nodeAddress([IPV4], { eth0: eth0.slice(0, 1) }).ips, ['172.20.255.205'])
})

test('load balancers of both families', () => {
  const pool = loadBalancerPool({ cidrs: ['192.168.5.9/24', 'fd00:6d6b::a/64'] })
  assert.deepEqual([pool.length, pool[0], pool[50], pool.at(-1)], [100, '192.168.5.205', 'fd00:6d6b::a:1', 'fd00:6d6b::a:32'])
})
