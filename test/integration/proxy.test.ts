/** The service rules in a real kernel: each script is accepted as one transaction, in a network namespace of the test's own. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { run } from '../../src/base/exec.ts'
import { IPV4, IPV6, type IpFamily } from '../../src/base/ipFamily.ts'
import type { Service } from '../../src/api/kinds/core/v1.ts'
import { serviceRules, type ServiceRules } from '../../src/proxy/serviceRules.ts'
import { ServiceTable } from '../../src/proxy/serviceTable.ts'

const NETNS = `minicube-proxy-test-${process.pid}`
const META = { uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z', namespace: 'default' }

async function missing(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'needs root to make a network namespace'
  try {
    await run('nft', ['--version'], {})
    return undefined
  } catch {
    return 'needs the nft program'
  }
}
const skip = (await missing()) ?? false

before(async () => {
  if (!skip) await run('ip', ['netns', 'add', NETNS], {})
})
after(async () => {
  if (!skip) await run('ip', ['netns', 'del', NETNS], {})
})

const nft = (args: string[], input?: string): Promise<{ stdout: string }> =>
  run('ip', ['netns', 'exec', NETNS, 'nft', ...args], { ...(input && { input }) })

/** Two numbers as an address of each family. */
const ADDRESSES: Record<IpFamily['name'], Record<'service' | 'pod' | 'outside', (a: number, b: number) => string>> = {
  IPv4: { service: (a, b) => `10.96.${a}.${b}`, pod: (a, b) => `10.244.${a}.${b}`, outside: (a, b) => `172.30.${a}.${b}` },
  IPv6: {
    service: (a, b) => `fd00:10:96::${a}:${b}`,
    pod: (a, b) => `fd00:10:244::${a}:${b}`,
    outside: (a, b) => `fd00:172::${a}:${b}`,
  },
}
const SOURCES = ['192.0.2.0/24', '2001:db8::/32']
const POD_RANGES = ['10.244.0.0/16', 'fd00:10:244::/56']

function cluster(family: IpFamily, count: number, endpointsEach: number, affinity = false): Map<string, ServiceRules> {
  const found = new Map<string, ServiceRules>()
  const at = ADDRESSES[family.name]
  for (let i = 0; i < count; i++) {
    const name = `svc-${i}`
    const clusterIP = at.service(1 + (i >> 8), i & 255)
    const service: Service = {
      metadata: { ...META, name },
      spec: {
        type: 'LoadBalancer',
        clusterIP,
        clusterIPs: [clusterIP],
        ports: [{ port: 80, protocol: i % 3 === 0 ? 'UDP' : 'TCP', nodePort: 30000 + (i % 2000) }],
        ...(i % 2 === 1 && { externalTrafficPolicy: 'Local', loadBalancerSourceRanges: SOURCES }),
        ...(affinity && { sessionAffinity: 'ClientIP' }),
      },
      status: { loadBalancer: { ingress: [{ ip: at.outside(i >> 8, i & 255) }] } },
    }
    const endpoints = Array.from({ length: endpointsEach }, (_, n) => ({
      addresses: [at.pod(i & 127, n + 1)],
      nodeName: 'ab'[n % 2] as string,
    }))
    const ports = [{ name: '', port: 8080, protocol: i % 3 === 0 ? 'UDP' : 'TCP' }]
    const slice = { metadata: { ...META, name }, addressType: family.name, endpoints, ports }
    found.set(`default/${name}`, serviceRules(service, [slice], { nodeName: 'a', podCidrs: POD_RANGES, family }))
  }
  return found
}

/** The change from what a table has to what a cluster is. */
function changesTo(table: ServiceTable, wanted: Map<string, ServiceRules>): Map<string, ServiceRules | undefined> {
  return new Map([...[...table.services].map((key) => [key, undefined] as const), ...wanted])
}

for (const family of [IPV4, IPV6]) {
  test(`the kernel takes each step from state to state: ${family.name}`, { skip }, async () => {
    const table = new ServiceTable(family)
    const step = (...args: [count: number, endpointsEach: number, affinity?: boolean]): Map<string, ServiceRules> =>
      cluster(family, ...args)
    for (const wanted of [step(0, 0), step(3, 2), step(3, 0), step(5, 3, true), step(2, 1), step(0, 0)]) {
      const script = table.change(changesTo(table, wanted))
      if (script) await nft(['-f', '-'], script)
    }
    const { stdout } = await nft(['list', 'table', family.nft, 'minicube_proxy'])
    assert.doesNotMatch(stdout, /svc_|ep_|aff_|ext_|fw_|local_/)
  })
}

test('one address in two spellings, and ranges that overlap, are no reason for the kernel to refuse', { skip }, async () => {
  const table = new ServiceTable(IPV6)
  const services = ['2001:DB8::9', '2001:db8:0::9'].map((external, i): [string, ServiceRules] => {
    const spec = { clusterIP: `fd00:10:96::${i + 1}`, clusterIPs: [`fd00:10:96::${i + 1}`], externalIPs: [external], ports: [{ port: 80 }] }
    const endpoints = [{ addresses: ['FD00:10:244::5', 'fd00:10:244:0::5'][i] ?? '' }].map(({ addresses }) => ({ addresses: [addresses] }))
    const slice = { metadata: { ...META, name: 'x' }, addressType: 'IPv6', endpoints, ports: [{ name: '', port: 8080, protocol: 'TCP' }] }
    const context = { nodeName: 'a', podCidrs: POD_RANGES, family: IPV6 }
    return [`default/${i}`, serviceRules({ metadata: { ...META, name: String(i) }, spec }, [slice], context)]
  })
  await nft(['-f', '-'], table.change(new Map(services), ['fd00:10:96::/112', 'fd00:10:96::/108']))
  await nft(['-f', '-'], table.change(new Map([['default/0', undefined]]), ['fd00:10:96::/108']))
  const { stdout } = await nft(['list', 'table', 'ip6', 'minicube_proxy'])
  assert.match(stdout, /2001:db8::9 \. tcp \. 80 : goto ext_/)
  assert.match(stdout, /fd00:10:96::2 : goto refuse/)
  await nft(['-f', '-'], table.change(new Map([['default/1', undefined]])))
})

test('starting over replaces what an earlier process left', { skip }, async () => {
  await nft(['-f', '-'], new ServiceTable(IPV4).change(cluster(IPV4, 4, 2)))
  await nft(['-f', '-'], new ServiceTable(IPV4).change(cluster(IPV4, 1, 1)))
  const { stdout } = await nft(['list', 'table', 'ip', 'minicube_proxy'])
  // A node port makes an external chain beside the internal one.
  assert.equal([...stdout.matchAll(/chain (?:svc|ext)_\w+ \{/g)].length, 2)
})
