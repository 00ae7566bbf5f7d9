import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkNameOf, nodeLinkBatch, nodeRouteBatch, podLinkAddressOf, podLinkBatch } from './links.ts'

test("a link is named after its pod's address, within the kernel's 15 characters", () => {
  assert.deepEqual([linkNameOf('10.244.0.5'), podLinkAddressOf('10.244.0.5')], ['pod0af40005', '0a:58:0a:f4:00:05'])
  assert.ok(linkNameOf('255.255.255.255').length <= 15)
})

test("the node's side", () => {
  assert.equal(
    nodeLinkBatch({ ips: ['10.244.0.5'], netns: '/proc/42/ns/net', mtu: 1400, nodeIps: ['172.18.0.2', 'fd00::2'] }),
    `link add name pod0af40005 address 02:6d:63:00:00:01 mtu 1400 type veth peer name eth0 address 0a:58:0a:f4:00:05 mtu 1400 netns /proc/42/ns/net
link set dev pod0af40005 addrgenmode none
link set dev pod0af40005 up
route replace 10.244.0.5/32 dev pod0af40005 scope link src 172.18.0.2
neigh replace 10.244.0.5 lladdr 0a:58:0a:f4:00:05 dev pod0af40005 nud permanent
`,
  )
})

test('without an address of the node the kernel chooses', () => {
  assert.equal(
    nodeRouteBatch({ ips: ['10.244.0.5'], nodeIps: [] }),
    `link set dev pod0af40005 up
route replace 10.244.0.5/32 dev pod0af40005 scope link
neigh replace 10.244.0.5 lladdr 0a:58:0a:f4:00:05 dev pod0af40005 nud permanent
`,
  )
})

test("the pod's side", () => {
  assert.equal(
    podLinkBatch(['10.244.0.5']),
    `link set dev lo up
addr replace 10.244.0.5/32 dev eth0
link set dev eth0 up
neigh replace 169.254.1.1 lladdr 02:6d:63:00:00:01 dev eth0 nud permanent
route replace 169.254.1.1/32 dev eth0 scope link
route replace default via 169.254.1.1 dev eth0
`,
  )
})

test('an address of each family on one link', () => {
  const ips = ['10.244.0.5', 'fd00:10:244::5']
  assert.equal(
    nodeRouteBatch({ ips, nodeIps: ['172.18.0.2', 'fd01::2'] }),
    `link set dev pod0af40005 up
route replace 10.244.0.5/32 dev pod0af40005 scope link src 172.18.0.2
neigh replace 10.244.0.5 lladdr 0a:58:0a:f4:00:05 dev pod0af40005 nud permanent
route replace fd00:10:244::5/128 dev pod0af40005 src fd01::2
neigh replace fd00:10:244::5 lladdr 0a:58:0a:f4:00:05 dev pod0af40005 nud permanent
`,
  )
  assert.equal(
    podLinkBatch(ips),
    `link set dev lo up
addr replace 10.244.0.5/32 dev eth0
addr replace fd00:10:244::5/128 dev eth0 nodad
link set dev eth0 up
neigh replace 169.254.1.1 lladdr 02:6d:63:00:00:01 dev eth0 nud permanent
route replace 169.254.1.1/32 dev eth0 scope link
route replace default via 169.254.1.1 dev eth0
neigh replace fe80::1 lladdr 02:6d:63:00:00:01 dev eth0 nud permanent
route replace default via fe80::1 dev eth0
`,
  )
})
