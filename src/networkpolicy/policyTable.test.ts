import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IPV4, IPV6 } from '../base/ipFamily.ts'
import type { Namespace, Pod } from '../api/kinds/core/v1.ts'
import type { NetworkPolicy, NetworkPolicySpec } from '../api/kinds/networking/v1.ts'
import { EGRESS_MAP, INGRESS_MAP, policyTable, SELVES } from './policyTable.ts'
import type { Peer, PolicyInput } from './policyTable.ts'

const META = { uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }

function pod(name: string, ip: string, options: { namespace?: string; labels?: Record<string, string>; node?: string } = {}): Pod {
  return {
    metadata: { ...META, name, namespace: options.namespace ?? 'default', labels: options.labels ?? { app: name } },
    spec: { nodeName: options.node ?? 'a', containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8080 }] }] },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  }
}

const namespace = (name: string): Namespace => ({ metadata: { ...META, name, labels: { team: name } }, spec: {} })
const policy = (name: string, spec: NetworkPolicySpec): NetworkPolicy => ({ metadata: { ...META, name, namespace: 'default' }, spec })

const DNS: Peer = {
  ip: '192.168.0.2',
  namespace: 'kube-system',
  labels: { 'k8s-app': 'kube-dns' },
  namedPorts: new Map(),
  movedPorts: new Map([['UDP/53', 10_053]]),
}
const PODS = [
  pod('web', '10.1.0.1'),
  pod('api', '10.1.0.2'),
  pod('far', '10.1.1.1', { node: 'b' }),
  pod('other', '10.1.0.3', { namespace: 'other', labels: { app: 'web' } }),
  { ...pod('done', '10.1.0.4', { labels: { app: 'web' } }), status: { phase: 'Succeeded', podIP: '10.1.0.4' } },
  { ...pod('host', '192.168.0.2', { labels: { app: 'web' } }), spec: { nodeName: 'a', hostNetwork: true, containers: [] } },
]
const input = (...policies: NetworkPolicy[]): PolicyInput => ({
  family: IPV4,
  policies,
  pods: PODS,
  namespaces: ['default', 'other', 'kube-system'].map(namespace),
  nodeName: 'a',
  others: [DNS],
})

/** The rules that a pod's packets meet, with the elements of the sets in place of their names. */
function rulesOf(map: string, ip: string, given: PolicyInput): string[] | undefined {
  const { maps, chains, sets } = policyTable(given)
  const chain = maps.get(map)?.elements.get(ip)?.replace('jump ', '')
  return chain === undefined
    ? undefined
    : chains
        .get(chain)
        ?.map((rule) => rule.replaceAll(/@(\w+)/g, (_, name: string) => `[${[...(sets.get(name)?.elements ?? [])].join(', ')}]`))
}
const ingress = (spec: NetworkPolicySpec, ip = '10.1.0.1'): string[] | undefined => rulesOf(INGRESS_MAP, ip, input(policy('p', spec)))
const egress = (spec: NetworkPolicySpec, ip = '10.1.0.1'): string[] | undefined => rulesOf(EGRESS_MAP, ip, input(policy('p', spec)))

const web = { matchLabels: { app: 'web' } }
const DENIED = 'counter drop'

test('a pod that no policy selects is not isolated', () => {
  assert.equal(ingress({ podSelector: { matchLabels: { app: 'nobody' } } }), undefined)
  assert.equal(egress({ podSelector: web }), undefined, 'a policy without egress rules is for ingress')
  assert.equal(ingress({ podSelector: web, policyTypes: ['Egress'] }), undefined)
})

test('whom a policy is for: its namespace, this node, pods with an address of their own that still run', () => {
  const { maps } = policyTable(input(policy('all', { podSelector: {} })))
  assert.deepEqual([...(maps.get(INGRESS_MAP)?.elements.keys() ?? [])], ['10.1.0.1', '10.1.0.2'])
})

const INGRESS: { name: string; spec: NetworkPolicySpec; rules: string[] }[] = [
  { name: 'denies all', spec: { podSelector: web }, rules: [DENIED] },
  { name: 'allows all', spec: { podSelector: web, ingress: [{}] }, rules: ['return', DENIED] },
  {
    name: 'pods of the own namespace, on this node or another',
    spec: {
      podSelector: web,
      ingress: [{ from: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['api', 'far'] }] } }] }],
    },
    rules: ['ip saddr [10.1.0.2, 10.1.1.1] return', DENIED],
  },
  {
    name: 'whole namespaces',
    spec: { podSelector: web, ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'other' } } }] }] },
    rules: ['ip saddr [10.1.0.3] return', DENIED],
  },
  {
    name: 'pods of namespaces: both must match',
    spec: { podSelector: web, ingress: [{ from: [{ namespaceSelector: {}, podSelector: web }] }] },
    rules: ['ip saddr [10.1.0.1, 10.1.0.3] return', DENIED],
  },
  {
    name: 'blocks of addresses, with exceptions',
    spec: {
      podSelector: web,
      ingress: [
        { from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.2.0.0/16', '10.3.0.0/16'] } }, { ipBlock: { cidr: '0.0.0.0/0' } }] },
      ],
    },
    rules: ['ip saddr 10.0.0.0/8 ip saddr != { 10.2.0.0/16, 10.3.0.0/16 } return', 'return', DENIED],
  },
  {
    name: 'ports, ranges, whole protocols, names',
    spec: {
      podSelector: web,
      ingress: [{ ports: [{ port: 80 }, { protocol: 'UDP', port: 1000, endPort: 2000 }, { protocol: 'SCTP' }, { port: 'http' }] }],
    },
    rules: [
      'tcp dport 80 return',
      'udp dport 1000-2000 return',
      'meta l4proto sctp return',
      'ip daddr . meta l4proto . th dport [10.1.0.1 . tcp . 8080, 10.1.0.2 . tcp . 8080, 10.1.1.1 . tcp . 8080] return',
      DENIED,
    ],
  },
]

for (const { name, spec, rules } of INGRESS) test(`ingress: ${name}`, () => assert.deepEqual(ingress(spec), rules))

test('a pod that is isolated in any direction may reach itself', () => {
  const { sets } = policyTable(
    input(policy('in', { podSelector: web }), policy('out', { podSelector: { matchLabels: { app: 'api' } }, policyTypes: ['Egress'] })),
  )
  assert.deepEqual([...(sets.get(SELVES)?.elements ?? [])], ['10.1.0.1 . 10.1.0.1', '10.1.0.2 . 10.1.0.2'])
})

test('policies add up', () => {
  const both = input(
    policy('one', { podSelector: web, ingress: [{ ports: [{ port: 80 }] }] }),
    policy('two', { podSelector: {}, ingress: [{ ports: [{ port: 81 }] }] }),
  )
  assert.deepEqual(rulesOf(INGRESS_MAP, '10.1.0.1', both), ['tcp dport 80 return', 'tcp dport 81 return', DENIED])
  assert.deepEqual(rulesOf(INGRESS_MAP, '10.1.0.2', both), ['tcp dport 81 return', DENIED])
})

test('egress: named ports are those of the peers', () => {
  const rules = egress({
    podSelector: web,
    egress: [{ to: [{ podSelector: { matchLabels: { app: 'api' } } }], ports: [{ port: 'http' }] }],
  })
  assert.deepEqual(rules, ['ip daddr [10.1.0.2] ip daddr . meta l4proto . th dport [10.1.0.2 . tcp . 8080] return', DENIED])
})

test('egress: cluster DNS is reached by its labels and port, wherever it listens', () => {
  const selector = { namespaceSelector: {}, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }
  for (const to of [[selector], undefined, [{ ipBlock: { cidr: '192.168.0.0/16' } }]]) {
    const spec = { podSelector: web, egress: [{ ...(to && { to }), ports: [{ protocol: 'UDP', port: 53 }] }] }
    assert.ok(egress(spec)?.includes('ip daddr 192.168.0.2 udp dport 10053 return'), JSON.stringify(to))
  }
  const elsewhere = egress({
    podSelector: web,
    egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8' } }], ports: [{ protocol: 'UDP', port: 53 }] }],
  })
  assert.deepEqual(elsewhere, ['ip daddr 10.0.0.0/8 udp dport 53 return', DENIED])
})

test('the other family has its own addresses, blocks and words', () => {
  const dual = (name: string, ip: string, v6: string): Pod => {
    const one = pod(name, ip)
    return { ...one, status: { ...one.status, podIPs: [{ ip }, { ip: v6 }] } }
  }
  const spec: NetworkPolicySpec = {
    podSelector: web,
    ingress: [
      { from: [{ podSelector: { matchLabels: { app: 'api' } } }], ports: [{ port: 'http' }] },
      { from: [{ ipBlock: { cidr: '192.0.2.0/24' } }, { ipBlock: { cidr: 'fd01::/16', except: ['fd01:2::/32'] } }] },
    ],
  }
  const given: PolicyInput = {
    ...input(policy('p', spec)),
    family: IPV6,
    pods: [dual('web', '10.1.0.1', 'fd00::1'), dual('api', '10.1.0.2', 'fd00::2'), pod('old', '10.1.0.9')],
  }
  assert.deepEqual(rulesOf(INGRESS_MAP, 'fd00::1', given), [
    'ip6 saddr [fd00::2] ip6 daddr . meta l4proto . th dport [fd00::1 . tcp . 8080, fd00::2 . tcp . 8080] return',
    'ip6 saddr fd01::/16 ip6 saddr != { fd01:2::/32 } return',
    DENIED,
  ])
  const { maps, sets } = policyTable(given)
  assert.deepEqual(
    [...maps.values()].map(({ type }) => type),
    ['ipv6_addr : verdict', 'ipv6_addr : verdict'],
  )
  assert.ok([...sets.values()].every(({ type }) => type.startsWith('ipv6_addr')))
})
