import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validateEndpointSlice } from './endpointSlices.ts'
import {
  validateIngress,
  validateIngressClass,
  validateIngressClassUpdate,
  validateIngressStatusUpdate,
  validateNetworkPolicy,
  validateNetworkPolicyUpdate,
} from './networking.ts'
import { validateService, validateServiceUpdate } from './service.ts'
import type { Service, ServiceSpec } from '../kinds/core/v1.ts'
import type { EndpointSlice } from '../kinds/discovery/v1.ts'
import type { Ingress, IngressClass, IngressSpec, NetworkPolicy, NetworkPolicySpec } from '../kinds/networking/v1.ts'
import type { FieldError } from '../status.ts'

const metadata = { name: 'n', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' }
const told = (errors: readonly FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`)

test('ingresses', () => {
  const backend = { service: { name: 's', port: { number: 80 } } }
  const spec = (host: string, path: object): IngressSpec => ({
    rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend, ...path }] } }],
  })
  const judge = (given: IngressSpec): string[] => told(validateIngress({ metadata, spec: given }))
  assert.deepEqual(judge(spec('a.b', {})), [])
  const table: [IngressSpec, string][] = [
    [{}, 'spec: Invalid value: null: either `defaultBackend` or `rules` must be specified'],
    [spec('', { path: 'a' }), 'spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path'],
    [spec('', { path: '/a//b' }), 'spec.rules[0].http.paths[0].path: Invalid value: "/a//b": must not contain \'//\''],
    [spec('', { pathType: undefined }), 'spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified'],
    [spec('', { backend: {} }), 'spec.rules[0].http.paths[0].backend: Invalid value: "": resource or service backend is required'],
    [
      { defaultBackend: { resource: { kind: 'K', name: 'a/b' } } },
      'spec.defaultBackend.resource.name: Invalid value: "a/b": may not contain \'/\'',
    ],
    [{ defaultBackend: backend, tls: [{ secretName: 'A' }] }, 'spec.tls[0].secretName: Invalid value: "A"'],
  ]
  for (const [given, expected] of table) assert.ok(judge(given)[0]?.startsWith(expected), `${expected}: ${judge(given)}`)
  const status = (ip: string): Ingress => ({ metadata, spec: {}, status: { loadBalancer: { ingress: [{ ip }] } } })
  assert.deepEqual(validateIngressStatusUpdate(status('010.0.0.1'), status('010.0.0.1')), [])
  assert.equal(validateIngressStatusUpdate(status('010.0.0.1'), status('10.0.0.1')).length, 1)
})

test('ingress classes', () => {
  const classOf = (controller: string, parameters?: object): IngressClass =>
    ({ metadata, spec: { controller, ...(parameters && { parameters }) } }) as IngressClass
  const parameters = { kind: 'K', name: 'n', scope: 'Cluster' }
  assert.deepEqual(validateIngressClass(classOf('a.io/b', parameters)), [])
  const table: [IngressClass, string][] = [
    [classOf(''), 'spec.controller: Required value'],
    [classOf('a.io'), 'spec.controller: Invalid value: "a.io": must be a domain-prefixed path (such as "acme.io/foo")'],
    [
      classOf('a.io/b', { ...parameters, scope: 'X' }),
      'spec.parameters.scope: Unsupported value: "X": supported values: "Cluster", "Namespace"',
    ],
    [
      classOf('a.io/b', { ...parameters, scope: 'Namespace' }),
      "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
    ],
  ]
  for (const [given, expected] of table) assert.deepEqual(told(validateIngressClass(given)), [expected])
  assert.deepEqual(told(validateIngressClassUpdate(classOf('a.io/b'), classOf('a.io/c'))), [
    'spec.controller: Invalid value: "a.io/b": field is immutable',
  ])
})

test('network policies', () => {
  const policy = (spec: Partial<NetworkPolicySpec>): NetworkPolicy => ({ metadata, spec: { podSelector: {}, ...spec } })
  const block = (cidr: string, ...except: string[]): NetworkPolicy => policy({ ingress: [{ from: [{ ipBlock: { cidr, except } }] }] })
  assert.deepEqual(validateNetworkPolicy(block('10.0.0.0/8', '10.1.0.0/16')), [])
  const table: [NetworkPolicy, string][] = [
    [policy({ egress: [{ to: [{}] }] }), 'spec.egress[0].to[0]: Required value: must specify a peer'],
    [policy({ policyTypes: ['X'] }), 'spec.policyTypes[0]: Unsupported value: "X": supported values: "Ingress", "Egress"'],
    [
      policy({ ingress: [{ ports: [{ endPort: 5 }] }] }),
      'spec.ingress[0].ports[0].endPort: Invalid value: 5: may not be specified when `port` is not specified',
    ],
    [
      block('10.0.0.0/8', '11.0.0.0/16'),
      'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
    ],
    [
      block('10.0.0.0/8', '10.0.0.0/8'),
      'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
    ],
  ]
  for (const [given, expected] of table) assert.deepEqual(told(validateNetworkPolicy(given)), [expected])
  assert.equal(validateNetworkPolicy(block('10.0.0.1/8')).length, 1)
  assert.deepEqual(validateNetworkPolicyUpdate(block('10.0.0.1/8'), block('10.0.0.1/8')), [])
})

test('services', () => {
  const base: ServiceSpec = {
    type: 'ClusterIP',
    clusterIP: '10.0.0.1',
    clusterIPs: ['10.0.0.1'],
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
  }
  const service = (changes: Partial<ServiceSpec>): Service => ({ metadata, spec: { ...base, ...changes } })
  assert.deepEqual(told(validateService(service({}))), [])
  const port = { port: 80, protocol: 'TCP', targetPort: 80 }
  const table: [Partial<ServiceSpec>, string][] = [
    [{ ports: [] }, 'spec.ports: Required value'],
    [{ ports: [port, port] }, 'spec.ports[0].name: Required value'],
    [{ type: 'X' }, 'spec.type: Unsupported value: "X"'],
    [{ sessionAffinity: 'X' }, 'spec.sessionAffinity: Unsupported value: "X"'],
    [
      { externalTrafficPolicy: 'Local' },
      'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
    ],
    [{ ports: [{ ...port, targetPort: 'A--' }] }, 'spec.ports[0].targetPort: Invalid value: "A--"'],
  ]
  for (const [changes, expected] of table)
    assert.ok(told(validateService(service(changes)))[0]?.startsWith(expected), `${expected}: ${told(validateService(service(changes)))}`)
  assert.match(
    told(validateServiceUpdate(service({ clusterIP: '10.0.0.2', clusterIPs: ['10.0.0.2'] }), service({}))).join(),
    /spec\.clusterIPs\[0\]: Invalid value: .*may not change once set/,
  )
})

test('endpoint slices', () => {
  const slice = (changes: Partial<EndpointSlice>): EndpointSlice => ({ metadata, addressType: 'IPv4', endpoints: [], ...changes })
  assert.deepEqual(validateEndpointSlice(slice({ endpoints: [{ addresses: ['10.0.0.1'] }] })), [])
  const table: [Partial<EndpointSlice>, RegExp][] = [
    [{ endpoints: [{ addresses: [] }] }, /^endpoints\[0\]\.addresses: Required value/],
    [{ endpoints: [{ addresses: ['::1'] }] }, /^endpoints\[0\]\.addresses: Invalid value: "::1": must be an IPv4 address$/],
    [{ ports: [{ port: 1, protocol: 'X' }] }, /^ports\[0\]\.protocol: Unsupported value: "X"/],
  ]
  for (const [changes, expected] of table) assert.match(told(validateEndpointSlice(slice(changes)))[0] ?? '', expected)
  assert.equal(validateEndpointSlice(slice({ addressType: 'IPv6' }), slice({}))[0]?.field, 'addressType')
})
