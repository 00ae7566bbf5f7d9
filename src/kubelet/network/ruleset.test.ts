import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IPV4, IPV6 } from '../../base/ipFamily.ts'
import { type MappedPod, hostPortScript, tableScript } from './ruleset.ts'

const WEB: MappedPod = {
  ips: ['10.244.0.5', 'fd00:10:244::5'],
  portMappings: [
    { hostPort: 8080, containerPort: 80, protocol: 'TCP' },
    { hostPort: 53, containerPort: 5353, protocol: 'UDP', hostIp: '127.0.0.1' },
    { hostPort: 9000, containerPort: 9000, protocol: 'TCP', hostIp: '0.0.0.0' },
  ],
}

test('the table', () => {
  assert.equal(
    tableScript({ family: IPV4, podCidrs: ['10.244.0.0/24', 'fd00::/64'], clusterCidrs: ['10.244.0.0/16', '10.96.0.0/12'], pods: [] }),
    `add table ip minicube_pods
delete table ip minicube_pods
table ip minicube_pods {
  set pod_ranges { type ipv4_addr; flags interval; auto-merge; elements = { 10.244.0.0/24 } }
  set cluster_ranges { type ipv4_addr; flags interval; auto-merge; elements = { 10.244.0.0/24, 10.244.0.0/16, 10.96.0.0/12 } }
  map host_ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map host_ports_at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  set hairpins { type ipv4_addr . ipv4_addr; }
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname "pod*" ip daddr 127.0.0.0/8 drop
  }
  chain map_ports {
    dnat ip to ip daddr . meta l4proto . th dport map @host_ports_at
    dnat ip to meta l4proto . th dport map @host_ports
  }
  chain prerouting {
    type nat hook prerouting priority -105; policy accept;
    fib daddr type local jump map_ports
  }
  chain output {
    type nat hook output priority -105; policy accept;
    fib daddr type local jump map_ports
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr . ip daddr @hairpins masquerade
    ip saddr 127.0.0.0/8 oifname "pod*" masquerade
    ip saddr @pod_ranges ip daddr != @cluster_ranges masquerade
  }
}
`,
  )
})

test('hostPorts, anywhere and at one address', () => {
  assert.equal(
    hostPortScript(IPV4, [WEB]),
    `flush map ip minicube_pods host_ports
flush map ip minicube_pods host_ports_at
flush set ip minicube_pods hairpins
add element ip minicube_pods host_ports { tcp . 8080 : 10.244.0.5 . 80, tcp . 9000 : 10.244.0.5 . 9000 }
add element ip minicube_pods host_ports_at { 127.0.0.1 . udp . 53 : 10.244.0.5 . 5353 }
add element ip minicube_pods hairpins { 10.244.0.5 . 10.244.0.5 }
`,
  )
})

test('a port that two pods want stays with the first: nft refuses one key with two values', () => {
  const late: MappedPod = { ips: ['10.244.0.6'], portMappings: [{ hostPort: 8080, containerPort: 81, protocol: 'TCP' }] }
  const script = hostPortScript(IPV4, [WEB, late])
  assert.match(script, /tcp \. 8080 : 10\.244\.0\.5 \. 80,/)
  assert.doesNotMatch(script, /10\.244\.0\.6 \. 81/)
})

test('an address is one however it is written: nft would refuse it the second time', () => {
  const at = (ip: string, hostIp: string): MappedPod => ({
    ips: [ip],
    portMappings: [{ hostPort: 80, containerPort: 80, protocol: 'TCP', hostIp }],
  })
  const script = hostPortScript(IPV6, [
    at('fd00:10:244::5', '2001:DB8::7'),
    at('fd00:10:244::6', '2001:db8:0::7'),
    at('fd00:10:244::7', '0::0'),
  ])
  assert.match(script, /host_ports_at \{ 2001:db8::7 \. tcp \. 80 : fd00:10:244::5 \. 80 \}/)
  assert.match(script, /host_ports \{ tcp \. 80 : fd00:10:244::7 \. 80 \}/)
})

test('the last pod with hostPorts leaves empty maps', () => {
  assert.doesNotMatch(hostPortScript(IPV4, []), /add element/)
})

test('the table of the other family', () => {
  const script = tableScript({
    family: IPV6,
    podCidrs: ['10.244.0.0/24', 'fd00:10:244::/64'],
    clusterCidrs: ['fd00:10:96::/112'],
    pods: [WEB],
  })
  assert.match(script, /^add table ip6 minicube_pods\ndelete table ip6 minicube_pods\n/)
  assert.match(script, /elements = \{ fd00:10:244::\/64, fd00:10:96::\/112 \}/)
  assert.match(script, /iifname "pod\*" fib saddr \. iif oif missing drop/)
  assert.match(script, /ip6 daddr ::1 return\n {4}dnat ip6 to ip6 daddr/)
  assert.doesNotMatch(script, /ipv4|\bip (s|d)addr|10\.244|127\./)
})

test('a hostPort without an address is in both families, one at an address in its own', () => {
  const pod: MappedPod = {
    ips: ['10.244.0.5', 'fd00:10:244::5'],
    portMappings: [
      { hostPort: 80, containerPort: 8080, protocol: 'TCP' },
      { hostPort: 81, containerPort: 8081, protocol: 'TCP', hostIp: '::' },
      { hostPort: 82, containerPort: 8082, protocol: 'TCP', hostIp: 'fd01::2' },
      { hostPort: 83, containerPort: 8083, protocol: 'TCP', hostIp: '0.0.0.0' },
    ],
  }
  const added = (script: string): string[] => script.split('\n').filter((line) => line.startsWith('add element'))
  assert.deepEqual(added(hostPortScript(IPV6, [pod])), [
    'add element ip6 minicube_pods host_ports { tcp . 80 : fd00:10:244::5 . 8080, tcp . 81 : fd00:10:244::5 . 8081 }',
    'add element ip6 minicube_pods host_ports_at { fd01::2 . tcp . 82 : fd00:10:244::5 . 8082 }',
    'add element ip6 minicube_pods hairpins { fd00:10:244::5 . fd00:10:244::5 }',
  ])
  assert.deepEqual(added(hostPortScript(IPV4, [pod])), [
    'add element ip minicube_pods host_ports { tcp . 80 : 10.244.0.5 . 8080, tcp . 83 : 10.244.0.5 . 8083 }',
    'add element ip minicube_pods hairpins { 10.244.0.5 . 10.244.0.5 }',
  ])
})
