import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IPV4, IPV6 } from '../base/ipFamily.ts'
import type { Service } from '../api/kinds/core/v1.ts'
import type { Endpoint, EndpointSlice } from '../api/kinds/discovery/v1.ts'
import { localEndpointCount } from './healthChecks.ts'
import { serviceRules } from './serviceRules.ts'
import type { ServiceRules } from './serviceRules.ts'
import { staleFlows } from './staleFlows.ts'

const META = { uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const CONTEXT = { nodeName: 'node-a', zone: 'east', podCidrs: ['10.244.0.0/16', 'fd00:10:244::/56'], family: IPV4 }

function service(spec: Partial<Service['spec']>, status?: Service['status']): Service {
  return {
    metadata: { ...META, name: 'web', namespace: 'default' },
    spec: { type: 'ClusterIP', clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9'], ports: [{ port: 80, protocol: 'TCP' }], ...spec },
    ...(status && { status }),
  }
}

function slice(endpoints: Endpoint[], protocol = 'TCP'): EndpointSlice {
  return {
    metadata: { ...META, name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints,
    ports: [{ port: 8080, protocol, name: '' }],
  }
}

const build = (given: Service, ...endpoints: Endpoint[]): ServiceRules =>
  serviceRules(given, [slice(endpoints, given.spec.ports?.[0]?.protocol)], CONTEXT)

const ready = (ip: string, nodeName = 'node-a', hints?: Endpoint['hints']): Endpoint => ({
  addresses: [ip],
  conditions: { ready: true, serving: true, terminating: false },
  nodeName,
  ...(hints && { hints }),
})
const terminating = (ip: string): Endpoint => ({
  addresses: [ip],
  conditions: { ready: false, serving: true, terminating: true },
  nodeName: 'node-a',
})

/** The target addresses that a verdict leads to at last. */
function targets(rules: ServiceRules, verdict: string | undefined): string[] {
  const text = (rules.chains.get(verdict?.replace('goto ', '') ?? '') ?? []).join('\n')
  return [...text.matchAll(/(\d+\.\d+\.\d+\.\d+) \. (\d+)/g)].map((m) => `${m[1]}:${m[2]}`)
}

const CLUSTER_IP = '10.96.0.9 . tcp . 80'

test('a service address leads to its ready endpoints', () => {
  const rules = build(service({}), ready('10.244.0.5'), ready('10.244.0.6'), terminating('10.244.0.7'))
  assert.deepEqual(targets(rules, rules.elements.service_ips.get(CLUSTER_IP)), ['10.244.0.5:8080', '10.244.0.6:8080'])
  assert.deepEqual([...rules.elements.hairpin.keys()], ['10.244.0.5 . 10.244.0.5', '10.244.0.6 . 10.244.0.6'])
  assert.equal(rules.elements.no_endpoints.size, 0)
})

test('terminating endpoints that still serve are used when no other is there', () => {
  const rules = build(service({}), terminating('10.244.0.7'))
  assert.deepEqual(targets(rules, rules.elements.service_ips.get(CLUSTER_IP)), ['10.244.0.7:8080'])
})

test('endpoints that are null, as Go writes none, are none', () => {
  const none = { ...slice([]), endpoints: null } as unknown as EndpointSlice
  assert.equal(serviceRules(service({}), [none], CONTEXT).elements.service_ips.size, 0)
  assert.equal(localEndpointCount([none], 'node-a'), 0)
})

test('a service without endpoints is refused', () => {
  const { elements } = build(service({ type: 'NodePort', ports: [{ port: 80, protocol: 'TCP', nodePort: 30080 }] }))
  assert.deepEqual([...elements.no_endpoints], [[CLUSTER_IP, 'goto refuse']])
  assert.deepEqual([...elements.no_endpoint_nodeports], [['tcp . 30080', 'goto refuse']])
  assert.equal(elements.service_ips.size, 0)
})

test("another proxy's services have no rules", () => {
  for (const label of ['service.kubernetes.io/service-proxy-name', 'service.kubernetes.io/headless']) {
    const given = service({})
    const labelled = { ...given, metadata: { ...given.metadata, labels: { [label]: '' } } }
    assert.equal(build(labelled, ready('10.244.0.5')).chains.size, 0)
  }
})

test('headless services and external names have no rules', () => {
  for (const spec of [{ clusterIP: 'None', clusterIPs: ['None'] }, { type: 'ExternalName' }])
    assert.equal(build(service(spec), ready('10.244.0.5')).chains.size, 0)
})

const LOCAL = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports: [{ port: 80, protocol: 'TCP', nodePort: 30080 }] }
const BALANCER = { loadBalancer: { ingress: [{ ip: '172.20.0.2' }] } }

test('a Local external policy: outside traffic to this node, inside traffic to all', () => {
  const rules = build(service(LOCAL, BALANCER), ready('10.244.0.5'), ready('10.244.1.5', 'node-b'))
  const { service_ips, service_nodeports, no_endpoints } = rules.elements
  assert.deepEqual(targets(rules, service_ips.get(CLUSTER_IP)), ['10.244.0.5:8080', '10.244.1.5:8080'])
  const local = service_ips.get('172.20.0.2 . tcp . 80')
  assert.equal(service_nodeports.get('tcp . 30080'), local)
  const [fromPods, fromNode, otherwise] = rules.chains.get(local?.replace('goto ', '') ?? '') ?? []
  assert.match(fromPods ?? '', /^ip saddr 10\.244\.0\.0\/16 goto all_/)
  assert.match(fromNode ?? '', /^fib saddr type local goto all_/)
  assert.deepEqual(targets(rules, otherwise), ['10.244.0.5:8080'])
  assert.equal(no_endpoints.size, 0)
  const bothLocal = build(
    service({ ...LOCAL, internalTrafficPolicy: 'Local' }, BALANCER),
    ready('10.244.0.5'),
    ready('10.244.1.5', 'node-b'),
  )
  const [insiders] = bothLocal.chains.get(local?.replace('goto ', '') ?? '') ?? []
  assert.deepEqual(targets(bothLocal, insiders?.match(/goto .*/)?.[0]), ['10.244.0.5:8080', '10.244.1.5:8080'])
  assert.deepEqual(targets(bothLocal, bothLocal.elements.service_ips.get(CLUSTER_IP)), ['10.244.0.5:8080'])
})

test('a source that another node would answer past this one is rewritten', () => {
  const rewritten = 'meta mark set meta mark or 0x4000'
  const firstOf = (rules: ServiceRules, verdict: string | undefined): string | undefined =>
    rules.chains.get(verdict?.replace(/.*goto /, '') ?? '')?.[0]
  const spread = build(service({ ...LOCAL, externalTrafficPolicy: 'Cluster' }, BALANCER), ready('10.244.0.5'))
  assert.equal(firstOf(spread, spread.elements.service_nodeports.get('tcp . 30080')), rewritten)
  assert.equal(firstOf(spread, spread.elements.service_ips.get('172.20.0.2 . tcp . 80')), rewritten)
  assert.equal(firstOf(spread, spread.elements.service_ips.get(CLUSTER_IP)), `ip saddr != { 10.244.0.0/16 } ${rewritten}`)
  const kept = build(service(LOCAL, BALANCER), ready('10.244.0.5'))
  const [, fromNode, otherwise] = kept.chains.get(kept.elements.service_nodeports.get('tcp . 30080')?.replace('goto ', '') ?? '') ?? []
  assert.equal(firstOf(kept, fromNode), `ip saddr != { 10.244.0.0/16 } ${rewritten}`)
  assert.match(firstOf(kept, otherwise) ?? '', /^meta l4proto tcp dnat/)
})

test('a Local policy without local endpoints drops, for another node answers; without any it refuses', () => {
  const elsewhere = build(service(LOCAL, BALANCER), ready('10.244.1.5', 'node-b'))
  assert.equal(elsewhere.elements.no_endpoints.get('172.20.0.2 . tcp . 80'), 'drop')
  assert.equal(elsewhere.elements.no_endpoint_nodeports.get('tcp . 30080'), 'drop')
  const balancer = elsewhere.chains.get(elsewhere.elements.service_ips.get('172.20.0.2 . tcp . 80')?.replace('goto ', '') ?? '') ?? []
  assert.match(balancer[0] ?? '', /^ip saddr 10\.244\.0\.0\/16 goto all_/, 'pods still get through')
  assert.match(balancer.at(-1) ?? '', /^fib daddr type local meta mark set meta mark or 0x4000 goto all_/, 'the balancer itself passes on')
  assert.equal(elsewhere.chains.get(elsewhere.elements.service_nodeports.get('tcp . 30080')?.replace('goto ', '') ?? '')?.length, 2)
  assert.deepEqual(elsewhere.withoutLocal, { internal: 0, external: 1 })
  const nowhere = build(service(LOCAL, BALANCER))
  assert.deepEqual(nowhere.withoutLocal, { internal: 0, external: 0 })
  assert.equal(nowhere.elements.no_endpoints.get('172.20.0.2 . tcp . 80'), 'goto refuse')
  const inside = build(service({ internalTrafficPolicy: 'Local' }), ready('10.244.1.5', 'node-b'))
  assert.deepEqual([...inside.elements.no_endpoints], [[CLUSTER_IP, 'drop']])
  assert.deepEqual(inside.withoutLocal, { internal: 1, external: 0 })
})

test('only some sources may use a load balancer', () => {
  const rules = build(
    service({ type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8', ' 192.0.2.0/24'] }, BALANCER),
    ready('10.244.0.5'),
  )
  const guardOf = ({ elements, chains }: ServiceRules): readonly string[] | undefined =>
    chains.get(elements.firewall_ips.get('172.20.0.2 . tcp . 80')?.replace('goto ', '') ?? '')
  assert.deepEqual(guardOf(rules), ['ip saddr != { 10.0.0.0/8, 192.0.2.0/24 } drop'])
  const open = build(service({ type: 'LoadBalancer', loadBalancerSourceRanges: ['0.0.0.0/0'] }, BALANCER), ready('10.244.0.5'))
  assert.equal(open.elements.firewall_ips.size, 0)
  const ofNode = service({ type: 'LoadBalancer', loadBalancerSourceRanges: ['172.20.0.0/16'] }, BALANCER)
  const near = serviceRules(ofNode, [slice([ready('10.244.0.5')])], { ...CONTEXT, nodeIps: ['fd00::1', '172.20.0.9'] })
  assert.deepEqual(guardOf(near), ['ip saddr != { 172.20.0.0/16, 172.20.0.2 } drop'], 'the node sends from the address that it announces')
})

test('an address has one text, in whichever it was given', () => {
  const given = service(
    { ...DUAL, clusterIPs: ['FD00:10:96::0:9'], type: 'LoadBalancer', externalIPs: ['2001:DB8:0::7'] },
    { loadBalancer: { ingress: [{ ip: '2001:db8:0:0::8' }] } },
  )
  const { elements } = serviceRules(given, [v6Slice([ready('FD00:10:244:0::5')])], V6)
  assert.deepEqual([...elements.service_ips.keys()], ['fd00:10:96::9 . tcp . 80', '2001:db8::7 . tcp . 80', '2001:db8::8 . tcp . 80'])
  assert.deepEqual([...elements.hairpin.keys()], ['fd00:10:244::5 . fd00:10:244::5'])
  assert.deepEqual([...elements.cluster_ips], [['fd00:10:96::9', 'goto refuse']])
})

test('an endpoint that does not say whether it serves does', () => {
  const leaving: Endpoint = { addresses: ['10.244.0.7'], conditions: { ready: false, terminating: true }, nodeName: 'node-a' }
  const rules = build(service({}), leaving)
  assert.deepEqual(targets(rules, rules.elements.service_ips.get(CLUSTER_IP)), ['10.244.0.7:8080'])
})

test('session affinity remembers the endpoint of a client', () => {
  const ports = [{ port: 80, protocol: 'TCP', nodePort: 30080 }]
  const spec = { type: 'NodePort', ports, sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }
  const rules = build(service(spec), ready('10.244.0.5'), ready('10.244.0.6'))
  assert.deepEqual([...rules.affinitySets.values()], [60, 60])
  const chainAt = (verdict: string | undefined): readonly string[] => rules.chains.get(verdict?.replace('goto ', '') ?? '') ?? []
  const [, first] = chainAt(rules.elements.service_ips.get(CLUSTER_IP))
  assert.match(first ?? '', /^ip saddr @aff_\w+ goto ep_\w+$/)
  assert.ok(chainAt(rules.elements.service_nodeports.get('tcp . 30080')).includes(first ?? ''), 'by whichever address it asks')
})

const zone = (...names: string[]): Endpoint['hints'] => ({ forZones: names.map((name) => ({ name })) })
const node = (...names: string[]): Endpoint['hints'] => ({ forNodes: names.map((name) => ({ name })) })
const HINTS: { name: string; endpoints: Endpoint[]; chosen: string[] }[] = [
  {
    name: 'the zone of the node',
    endpoints: [ready('1.1.1.1', 'a', zone('east')), ready('1.1.1.2', 'b', zone('west'))],
    chosen: ['1.1.1.1:8080'],
  },
  { name: 'none for the zone', endpoints: [ready('1.1.1.1', 'a', zone('west'))], chosen: ['1.1.1.1:8080'] },
  {
    name: 'one endpoint without a hint',
    endpoints: [ready('1.1.1.1', 'a', zone('east')), ready('1.1.1.2')],
    chosen: ['1.1.1.1:8080', '1.1.1.2:8080'],
  },
  {
    name: 'the node before the zone',
    endpoints: [
      ready('1.1.1.1', 'a', { ...zone('east'), ...node('node-a') }),
      ready('1.1.1.2', 'b', { ...zone('east'), ...node('node-b') }),
    ],
    chosen: ['1.1.1.1:8080'],
  },
]
for (const { name, endpoints, chosen } of HINTS) {
  test(`hints: ${name}`, () => {
    const rules = build(service({}), ...endpoints)
    assert.deepEqual(targets(rules, rules.elements.service_ips.get(CLUSTER_IP)), chosen)
  })
}

test('UDP flows are forgotten when who answered is gone, and when the first one comes', () => {
  const dns = service({ type: 'NodePort', ports: [{ port: 53, protocol: 'UDP', nodePort: 30053 }] })
  const [none, one, other] = [build(dns), build(dns, ready('10.244.0.5')), build(dns, ready('10.244.0.6'))]
  const [address, port] = [
    ['--orig-dst', '10.96.0.9', '--orig-port-dst', '53'],
    ['--orig-port-dst', '30053'],
  ]
  assert.deepEqual(staleFlows(none, one, IPV4), [address, port])
  assert.deepEqual(staleFlows(one, one, IPV4), [])
  assert.deepEqual(staleFlows(one, other, IPV4), [
    [...(address ?? []), '--dst-nat', '10.244.0.5', '--reply-port-src', '8080'],
    [...(port ?? []), '--dst-nat', '10.244.0.5', '--reply-port-src', '8080'],
  ])
  assert.equal(staleFlows(one, undefined, IPV4).length, 2)
  const moved = { ...slice([ready('10.244.0.5')], 'UDP'), ports: [{ port: 9090, protocol: 'UDP' }] }
  assert.deepEqual(staleFlows(one, serviceRules(dns, [moved], CONTEXT), IPV4), staleFlows(one, other, IPV4), 'the same pod at another port')
  assert.deepEqual(staleFlows(undefined, build(service({}), ready('10.244.0.5')), IPV4), [])
})

const V6 = { ...CONTEXT, family: IPV6 }
const DUAL: Partial<Service['spec']> = { clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9', 'fd00:10:96::9'] }
const v6Slice = (endpoints: Endpoint[], protocol?: string): EndpointSlice => ({ ...slice(endpoints, protocol), addressType: 'IPv6' })

test('a family has its own addresses, endpoints and words', () => {
  const given = service({
    ...DUAL,
    type: 'LoadBalancer',
    externalTrafficPolicy: 'Local',
    sessionAffinity: 'ClientIP',
    ports: [{ port: 80, nodePort: 30080 }],
  })
  const slices = [slice([ready('10.244.0.5')]), v6Slice([ready('fd00:10:244::5')])]
  const { elements, chains } = serviceRules(given, slices, V6)
  assert.deepEqual([...elements.service_ips.keys()], ['fd00:10:96::9 . tcp . 80'])
  assert.deepEqual([...elements.hairpin.keys()], ['fd00:10:244::5 . fd00:10:244::5'])
  assert.deepEqual([...elements.service_nodeports.keys()], ['tcp . 30080'])
  const text = [...chains.values()].flat().join('\n')
  assert.match(text, /dnat to \[fd00:10:244::5\]:8080/)
  assert.match(text, /ip6 saddr fd00:10:244::\/56 goto/)
  assert.doesNotMatch(text, /ip saddr|10\.244/)
})

test('a service without an address of the family has no rules there', () => {
  const rules = serviceRules(
    service({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }),
    [v6Slice([ready('fd00:10:244::5')])],
    V6,
  )
  assert.deepEqual([rules.chains.size, rules.elements.service_nodeports.size, rules.elements.service_ips.size], [0, 0, 0])
})

test('stale flows of IPv6 are named as such', () => {
  const given = service({ ...DUAL, ports: [{ port: 53, protocol: 'UDP' }] })
  const before = serviceRules(given, [v6Slice([ready('fd00:10:244::5')], 'UDP')], V6)
  assert.deepEqual(staleFlows(before, undefined, IPV6), [
    ['--family', 'ipv6', '--orig-dst', 'fd00:10:96::9', '--orig-port-dst', '53', '--dst-nat', 'fd00:10:244::5', '--reply-port-src', '8080'],
  ])
})

test('a pod with addresses of both families is one local endpoint', () => {
  assert.equal(localEndpointCount([slice([ready('10.244.0.5')]), v6Slice([ready('fd00:10:244::5')])], 'node-a'), 1)
})
