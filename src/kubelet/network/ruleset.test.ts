import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type MappedPod, hostPortScript, tableScript } from './ruleset.ts'

const WEB: MappedPod = {
  ip: '10.244.0.5',
  portMappings: [
    { hostPort: 8080, containerPort: 80, protocol: 'TCP' },
    { hostPort: 53, containerPort: 5353, protocol: 'UDP', hostIp: '127.0.0.1' },
    { hostPort: 9000, containerPort: 9000, protocol: 'TCP', hostIp: '0.0.0.0' },
  ],
}

test('the table', () => {
  assert.equal(
    tableScript({ podCidrs: ['10.244.0.0/24'], clusterCidrs: ['10.244.0.0/16', '10.96.0.0/12'], pods: [] }),
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
    hostPortScript([WEB]),
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
  const late: MappedPod = { ip: '10.244.0.6', portMappings: [{ hostPort: 8080, containerPort: 81, protocol: 'TCP' }] }
  const script = hostPortScript([WEB, late])
  assert.match(script, /tcp \. 8080 : 10\.244\.0\.5 \. 80,/)
  assert.doesNotMatch(script, /10\.244\.0\.6 \. 81/)
})

test('the last pod with hostPorts leaves empty maps', () => {
  assert.doesNotMatch(hostPortScript([]), /add element/)
})
