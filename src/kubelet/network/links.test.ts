import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkNameOf, nodeLinkBatch, nodeRouteBatch, podLinkAddressOf, podLinkBatch } from './links.ts'

test("a link is named after its pod's address, within the kernel's 15 characters", () => {
  assert.deepEqual([linkNameOf('10.244.0.5'), podLinkAddressOf('10.244.0.5')], ['pod0af40005', '0a:58:0a:f4:00:05'])
  assert.ok(linkNameOf('255.255.255.255').length <= 15)
})

test("the node's side", () => {
  assert.equal(
    nodeLinkBatch({ ip: '10.244.0.5', netns: '/proc/42/ns/net', mtu: 1400, nodeIp: '172.18.0.2' }),
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
    nodeRouteBatch('10.244.0.5'),
    `link set dev pod0af40005 up
route replace 10.244.0.5/32 dev pod0af40005 scope link
neigh replace 10.244.0.5 lladdr 0a:58:0a:f4:00:05 dev pod0af40005 nud permanent
`,
  )
})

test("the pod's side", () => {
  assert.equal(
    podLinkBatch('10.244.0.5'),
    `link set dev lo up
addr replace 10.244.0.5/32 dev eth0
link set dev eth0 up
neigh replace 169.254.1.1 lladdr 02:6d:63:00:00:01 dev eth0 nud permanent
route replace 169.254.1.1/32 dev eth0 scope link
route replace default via 169.254.1.1 dev eth0
`,
  )
})
