import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Service } from '../api/kinds/core/v1.ts'
import type { Endpoint, EndpointSlice } from '../api/kinds/discovery/v1.ts'
import { buildRuleset } from './ruleset.ts'
import { changeScript } from './script.ts'

const META = { uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }

function service(spec: Partial<Service['spec']>, status?: Service['status']): Service {
  return {
    metadata: { ...META, name: 'web', namespace: 'default' },
    spec: { type: 'ClusterIP', clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9'], ports: [{ port: 80, protocol: 'TCP' }], ...spec },
    ...(status && { status }),
  }
}

function slice(endpoints: Endpoint[], port = 8080): EndpointSlice {
  return {
    metadata: { ...META, name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints,
    ports: [{ port, protocol: 'TCP', name: '' }],
  }
}

const build = (s: Service, slices: EndpointSlice[]): ReturnType<typeof buildRuleset> =>
  buildRuleset({ services: [s], slicesOf: (key) => (key === 'default/web' ? slices : []), nodeName: 'node-a' })

const ready = (ip: string, nodeName = 'node-a'): Endpoint => ({
  addresses: [ip],
  conditions: { ready: true, serving: true, terminating: false },
  nodeName,
})
const terminating = (ip: string): Endpoint => ({
  addresses: [ip],
  conditions: { ready: false, serving: true, terminating: true },
  nodeName: 'node-a',
})

/** The target addresses of the chain that an element leads to. */
function targets(rules: ReturnType<typeof buildRuleset>, chain: string | undefined): string[] {
  const text = (rules.chains.get(chain ?? '') ?? []).join('\n')
  return [...text.matchAll(/(\d+\.\d+\.\d+\.\d+) \. (\d+)/g)].map((m) => `${m[1]}:${m[2]}`)
}

test('a service address leads to its ready endpoints', () => {
  const rules = build(service({}), [slice([ready('10.244.0.5'), ready('10.244.0.6'), terminating('10.244.0.7')])])
  assert.deepEqual(targets(rules, rules.serviceIps.get('10.96.0.9 . tcp . 80')), ['10.244.0.5:8080', '10.244.0.6:8080'])
  assert.deepEqual([...rules.hairpin], ['10.244.0.5 . 10.244.0.5', '10.244.0.6 . 10.244.0.6'])
})

test('terminating endpoints that still serve are used when no other is there', () => {
  const rules = build(service({}), [slice([terminating('10.244.0.7')])])
  assert.deepEqual(targets(rules, rules.serviceIps.get('10.96.0.9 . tcp . 80')), ['10.244.0.7:8080'])
})

test('a service without endpoints is refused', () => {
  const rules = build(service({ type: 'NodePort', ports: [{ port: 80, protocol: 'TCP', nodePort: 30080 }] }), [])
  assert.deepEqual([...rules.noEndpoints], ['10.96.0.9 . tcp . 80'])
  assert.deepEqual([...rules.noEndpointNodePorts], ['tcp . 30080'])
  assert.equal(rules.serviceIps.size, 0)
})

test('headless services and external names have no rules', () => {
  for (const spec of [{ clusterIP: 'None', clusterIPs: ['None'] }, { type: 'ExternalName' }])
    assert.equal(build(service(spec), [slice([ready('10.244.0.5')])]).chains.size, 0)
})

test('a Local external policy keeps outside traffic on this node', () => {
  const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports: [{ port: 80, protocol: 'TCP', nodePort: 30080 }] }
  const rules = build(service(spec, { loadBalancer: { ingress: [{ ip: '172.20.0.2' }] } }), [
    slice([ready('10.244.0.5'), ready('10.244.1.5', 'node-b')]),
  ])
  assert.deepEqual(targets(rules, rules.nodePorts.get('tcp . 30080')), ['10.244.0.5:8080'])
  assert.deepEqual(targets(rules, rules.serviceIps.get('172.20.0.2 . tcp . 80')), ['10.244.0.5:8080'])
  assert.deepEqual(targets(rules, rules.serviceIps.get('10.96.0.9 . tcp . 80')), ['10.244.0.5:8080', '10.244.1.5:8080'])
})

test('session affinity remembers the endpoint of a client', () => {
  const spec = { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }
  const rules = build(service(spec), [slice([ready('10.244.0.5'), ready('10.244.0.6')])])
  assert.deepEqual([...rules.affinitySets.values()], [60, 60])
  const [first] = rules.chains.get(rules.serviceIps.get('10.96.0.9 . tcp . 80') ?? '') ?? []
  assert.match(first ?? '', /^ip saddr @aff_\w+ goto ep_\w+$/)
})

test('only what differs is written', () => {
  const one = build(service({}), [slice([ready('10.244.0.5')])])
  const two = build(service({}), [slice([ready('10.244.0.5'), ready('10.244.0.6')])])
  assert.match(changeScript(undefined, one), /^table ip minicube_proxy \{\}\ndelete table/)
  assert.equal(changeScript(one, one), '')
  const script = changeScript(one, two)
  assert.doesNotMatch(script, /delete table|service_ips/)
  assert.match(script, /flush chain ip minicube_proxy svc_\w+\nadd rule ip minicube_proxy svc_\w+ .*10\.244\.0\.6/)
  assert.match(script, /add element ip minicube_proxy hairpin \{ 10\.244\.0\.6 \. 10\.244\.0\.6 \}/)
})

test('a removed service takes its chain along after its elements', () => {
  const one = build(service({}), [slice([ready('10.244.0.5')])])
  const none = buildRuleset({ services: [], slicesOf: () => [], nodeName: 'node-a' })
  const lines = changeScript(one, none).trim().split('\n')
  assert.match(lines[0] ?? '', /^delete element .* service_ips/)
  assert.match(lines.at(-1) ?? '', /^delete chain/)
})
