import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod, PodSpec } from '../../api/kinds/core/v1.ts'
import { podNames, renderHosts } from './hosts.ts'
import { parseResolvConf, podResolvConf, renderResolvConf } from './resolvConf.ts'

const podOf = (spec: Partial<PodSpec>, name = 'web'): Pod =>
  ({ metadata: { name, namespace: 'ns', uid: 'u' }, spec: { containers: [], ...spec } }) as unknown as Pod
const node = parseResolvConf('# comment\nnameserver 1.1.1.1\nnameserver 2.2.2.2\nsearch corp.example\noptions timeout:2\n')
const resolv = (spec: Partial<PodSpec>): string =>
  renderResolvConf(podResolvConf({ pod: podOf(spec), clusterDns: ['10.96.0.10'], clusterDomain: 'cluster.local', node }))
const cluster = 'nameserver 10.96.0.10\nsearch ns.svc.cluster.local svc.cluster.local cluster.local corp.example\noptions ndots:5\n'
const own = 'nameserver 1.1.1.1\nnameserver 2.2.2.2\nsearch corp.example\noptions timeout:2\n'

const policies: [string, Partial<PodSpec>, string][] = [
  ['ClusterFirst', { dnsPolicy: 'ClusterFirst' }, cluster],
  ['ClusterFirst in the node’s network', { dnsPolicy: 'ClusterFirst', hostNetwork: true }, own],
  ['ClusterFirstWithHostNet', { dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true }, cluster],
  ['Default', { dnsPolicy: 'Default' }, own],
  [
    'None',
    {
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['9.9.9.9'], searches: ['a.b'], options: [{ name: 'ndots', value: '1' }, { name: 'edns0' }] },
    },
    'nameserver 9.9.9.9\nsearch a.b\noptions ndots:1 edns0\n',
  ],
  [
    'ClusterFirst with more',
    { dnsConfig: { searches: ['my.dns'], options: [{ name: 'ndots', value: '2' }] } },
    cluster.replace('corp.example', 'corp.example my.dns').replace('ndots:5', 'ndots:2'),
  ],
]
for (const [what, spec, want] of policies) test(`resolv.conf: ${what}`, () => assert.equal(resolv(spec), want))

test('resolv.conf: what resolvers do not read is left out and told', () => {
  const of = (spec: Partial<PodSpec>) =>
    podResolvConf({ pod: podOf({ dnsPolicy: 'None', ...spec }), clusterDns: [], clusterDomain: 'c', node })
  const nameservers = ['1.1.1.1', '2.2.2.2', '3.3.3.3', '4.4.4.4']
  const searches = Array.from({ length: 33 }, (_, i) => `s${i}.test`)
  const many = of({ dnsConfig: { nameservers, searches } })
  assert.deepEqual([many.nameservers.length, many.searches.length], [3, 32])
  assert.deepEqual(many.omissions, [
    'Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 1.1.1.1 2.2.2.2 3.3.3.3',
    `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${searches.slice(0, 32).join(' ')}`,
  ])
  const long = Array.from({ length: 12 }, (_, i) => `${String.fromCharCode(97 + i)}.${'x'.repeat(200)}`)
  assert.equal(of({ dnsConfig: { searches: long } }).searches.length, 10)
  assert.deepEqual(of({ dnsConfig: { searches: ['a.test', 'y'.repeat(254), 'b.test'] } }).searches, ['a.test', 'b.test'])
  assert.deepEqual(of({ dnsConfig: { nameservers: nameservers.slice(0, 3), searches: ['a.test', 'a.test'] } }).omissions, [])
})

test('host names: the pod’s name cut to what the kernel takes, hostname, subdomain, FQDN', () => {
  const names = (spec: Partial<PodSpec>, name?: string) => podNames(podOf(spec, name), 'cluster.local', 'node-1')
  assert.deepEqual(names({}), { hostname: 'web', fqdn: undefined })
  assert.equal(names({}, `${'a'.repeat(62)}-b`).hostname, 'a'.repeat(62))
  assert.deepEqual(names({ hostname: 'h', subdomain: 'sub' }), { hostname: 'h', fqdn: 'h.sub.ns.svc.cluster.local' })
  assert.equal(names({ hostname: 'h', subdomain: 'sub', setHostnameAsFQDN: true }).hostname, 'h.sub.ns.svc.cluster.local')
  assert.equal(names({ hostNetwork: true }).hostname, 'node-1')
})

test('the hosts file has the pod, its FQDN and its aliases', () => {
  const pod = podOf({ hostname: 'h', subdomain: 'sub', hostAliases: [{ ip: '1.2.3.4', hostnames: ['foo', 'bar'] }] })
  const hosts = renderHosts({ pod, podIps: ['10.0.0.5'], names: podNames(pod, 'cluster.local', 'n'), nodeHosts: '' })
  assert.ok(hosts.startsWith('# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n'))
  assert.match(hosts, /^10\.0\.0\.5\th\.sub\.ns\.svc\.cluster\.local\th$/m)
  assert.match(hosts, /# Entries added by HostAliases\.\n1\.2\.3\.4\tfoo\tbar\n$/)
})

test('in the node’s network the node’s hosts file is kept', () => {
  const pod = podOf({ hostNetwork: true })
  const hosts = renderHosts({
    pod,
    podIps: [],
    names: podNames(pod, 'cluster.local', 'n'),
    nodeHosts: '127.0.0.1 localhost\n10.1.1.1 gate\n',
  })
  assert.equal(hosts, '# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n10.1.1.1 gate\n')
})
