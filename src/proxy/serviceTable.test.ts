import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IPV4, IPV6 } from '../base/ipFamily.ts'
import type { ServiceRules } from './serviceRules.ts'
import { ServiceTable } from './serviceTable.ts'

function rules(ip: string, endpoints: string[], options: { external?: string } = {}): ServiceRules {
  const chain = `svc_${ip.replaceAll('.', '_')}`
  const addresses = [ip, ...(options.external ? [options.external] : [])]
  return {
    chains: new Map(endpoints.length > 0 ? [[chain, [`dnat to ${endpoints.join(' ')}`]]] : []),
    affinitySets: new Map(),
    elements: {
      service_ips: new Map(endpoints.length > 0 ? addresses.map((address) => [`${address} . tcp . 80`, `goto ${chain}`]) : []),
      service_nodeports: new Map(),
      no_endpoints: new Map(endpoints.length > 0 ? [] : addresses.map((address) => [`${address} . tcp . 80`, 'goto refuse'])),
      no_endpoint_nodeports: new Map(),
      cluster_ips: new Map([[ip, 'goto refuse']]),
      firewall_ips: new Map(),
      hairpin: new Map(endpoints.map((endpoint) => [`${endpoint} . ${endpoint}`, 'goto masquerade_it'])),
    },
    udp: new Map(),
    withoutLocal: { internal: 0, external: 0 },
  }
}

const lines = (script: string): string[] => script.trim().split('\n')

test('the first change replaces the table, the next ones write what differs', () => {
  const table = new ServiceTable(IPV4)
  assert.match(table.change(new Map([['a/x', rules('10.0.0.1', ['1.1.1.1'])]])), /^table ip minicube_proxy \{\}\ndelete table/)
  assert.equal(table.change(new Map([['a/x', rules('10.0.0.1', ['1.1.1.1'])]])), '')
  const script = table.change(new Map([['a/x', rules('10.0.0.1', ['1.1.1.1', '1.1.1.2'])]]))
  assert.doesNotMatch(script, /delete table|service_ips/)
  assert.match(script, /flush chain ip minicube_proxy svc_10_0_0_1\nadd rule .*1\.1\.1\.2/)
  assert.match(script, /add element ip minicube_proxy hairpin \{ 1\.1\.1\.2 \. 1\.1\.1\.2 : goto masquerade_it \}/)
})

test('a service that is gone takes its chain along after its elements', () => {
  const table = new ServiceTable(IPV4)
  table.change(new Map([['a/x', rules('10.0.0.1', ['1.1.1.1'])]]))
  const commands = lines(table.change(new Map([['a/x', undefined]])))
  assert.match(commands[0] ?? '', /^delete element .* service_ips/)
  assert.match(commands.at(-1) ?? '', /^delete chain/)
})

test('an endpoint of two services stays until both are gone', () => {
  const table = new ServiceTable(IPV4)
  table.change(
    new Map([
      ['a/x', rules('10.0.0.1', ['1.1.1.1'])],
      ['a/y', rules('10.0.0.2', ['1.1.1.1'])],
    ]),
  )
  assert.doesNotMatch(table.change(new Map([['a/x', undefined]])), /hairpin/)
  assert.match(table.change(new Map([['a/y', undefined]])), /delete element .* hairpin/)
})

test('of two services with one external address the first by name has it, and the other one when that is gone', () => {
  const table = new ServiceTable(IPV4)
  const external = '192.0.2.1'
  table.change(new Map([['b/x', rules('10.0.0.2', ['1.1.1.2'], { external })]]))
  const taken = table.change(new Map([['a/x', rules('10.0.0.1', ['1.1.1.1'], { external })]]))
  assert.match(taken, /delete element .* service_ips \{ 192\.0\.2\.1 \. tcp \. 80 : goto svc_10_0_0_2 \}/)
  assert.match(taken, /add element .* service_ips \{ .*192\.0\.2\.1 \. tcp \. 80 : goto svc_10_0_0_1/)
  assert.match(
    table.change(new Map([['a/x', undefined]])),
    /add element .* service_ips \{ 192\.0\.2\.1 \. tcp \. 80 : goto svc_10_0_0_2 \}/,
  )
})

test('a service that loses its endpoints moves from one map to the other', () => {
  const table = new ServiceTable(IPV4)
  table.change(new Map([['a/x', rules('10.0.0.1', ['1.1.1.1'])]]))
  const script = table.change(new Map([['a/x', rules('10.0.0.1', [])]]))
  assert.match(script, /delete element .* service_ips/)
  assert.match(script, /add element .* no_endpoints \{ 10\.0\.0\.1 \. tcp \. 80 : goto refuse \}/)
})

test('what is for no service, of the ranges that services have addresses of, is refused', () => {
  const table = new ServiceTable(IPV4)
  const web = new Map([['a/x', rules('10.0.0.1', ['1.1.1.1'])]])
  const first = table.change(web, ['10.97.0.0/16', 'fd00:10:97::/112', '10.96.0.0/16'])
  assert.match(first, /add element ip minicube_proxy service_ranges \{ 10\.96\.0\.0\/16, 10\.97\.0\.0\/16 \}\n/)
  assert.match(first, /add element ip minicube_proxy cluster_ips \{ 10\.0\.0\.1 : goto refuse \}/)
  assert.match(first, /ip daddr vmap @cluster_ips\n\s*ip daddr @service_ranges goto refuse\n/)
  assert.equal(table.change(web, ['10.96.0.0/16', '10.97.0.0/16']), '')
  assert.equal(
    table.change(web, ['10.96.0.0/16']),
    'flush set ip minicube_proxy service_ranges\nadd element ip minicube_proxy service_ranges { 10.96.0.0/16 }\n',
  )
  assert.equal(table.change(web), 'flush set ip minicube_proxy service_ranges\n')
  table.change(web, ['10.96.0.0/16'])
  table.reset()
  assert.match(table.change(web, ['10.96.0.0/16']), /add element ip minicube_proxy service_ranges/)
})

test('whoever listens on loopback at a node port that nobody serves is left alone', () => {
  assert.match(
    new ServiceTable(IPV4).change(new Map()),
    /fib daddr type local ip daddr != 127\.0\.0\.0\/8 meta l4proto \. th dport vmap @no_endpoint_nodeports/,
  )
})

test('the table of the other family has its own name and types', () => {
  const script = new ServiceTable(IPV6).change(new Map([['a/x', rules('fd00:10:96::1', ['fd00:10:244::1'])]]))
  assert.match(script, /^table ip6 minicube_proxy \{\}\ndelete table ip6 minicube_proxy\n/)
  assert.match(script, /map service_ips \{ type ipv6_addr \. inet_proto \. inet_service : verdict ; \}/)
  assert.match(script, /ip6 daddr != ::1 meta l4proto/)
  assert.doesNotMatch(script, /ipv4|\bip (s|d)addr/)
})
