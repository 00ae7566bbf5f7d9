/** The service rules in a real kernel: each script is accepted as one transaction, in a network namespace of the test's own. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { run } from '../../src/base/exec.ts'
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

const CONTEXT = { nodeName: 'a', podCidrs: ['10.244.0.0/16'] }

function cluster(count: number, endpointsEach: number, affinity = false): Map<string, ServiceRules> {
  const found = new Map<string, ServiceRules>()
  for (let i = 0; i < count; i++) {
    const name = `svc-${i}`
    const clusterIP = `10.96.${1 + (i >> 8)}.${i & 255}`
    const service: Service = {
      metadata: { ...META, name },
      spec: {
        type: 'LoadBalancer',
        clusterIP,
        clusterIPs: [clusterIP],
        ports: [{ port: 80, protocol: i % 3 === 0 ? 'UDP' : 'TCP', nodePort: 30000 + (i % 2000) }],
        ...(i % 2 === 1 && { externalTrafficPolicy: 'Local', loadBalancerSourceRanges: ['192.0.2.0/24'] }),
        ...(affinity && { sessionAffinity: 'ClientIP' }),
      },
      status: { loadBalancer: { ingress: [{ ip: `172.30.${i >> 8}.${i & 255}` }] } },
    }
    const endpoints = Array.from({ length: endpointsEach }, (_, n) => ({
      addresses: [`10.244.${i & 127}.${n + 1}`],
      nodeName: 'ab'[n % 2] as string,
    }))
    const ports = [{ name: '', port: 8080, protocol: i % 3 === 0 ? 'UDP' : 'TCP' }]
    found.set(`default/${name}`, serviceRules(service, [{ metadata: { ...META, name }, addressType: 'IPv4', endpoints, ports }], CONTEXT))
  }
  return found
}

/** The change from what a table has to what a cluster is. */
function changesTo(table: ServiceTable, wanted: Map<string, ServiceRules>): Map<string, ServiceRules | undefined> {
  return new Map([...[...table.services].map((key) => [key, undefined] as const), ...wanted])
}

test('the kernel takes each step from state to state', { skip }, async () => {
  const table = new ServiceTable()
  for (const step of [cluster(0, 0), cluster(3, 2), cluster(3, 0), cluster(5, 3, true), cluster(2, 1), cluster(0, 0)]) {
    const script = table.change(changesTo(table, step))
    if (script) await nft(['-f', '-'], script)
  }
  const { stdout } = await nft(['list', 'table', 'ip', 'minicube_proxy'])
  assert.doesNotMatch(stdout, /svc_|ep_|aff_|ext_|fw_|local_/)
})

test('starting over replaces what an earlier process left', { skip }, async () => {
  await nft(['-f', '-'], new ServiceTable().change(cluster(4, 2)))
  await nft(['-f', '-'], new ServiceTable().change(cluster(1, 1)))
  const { stdout } = await nft(['list', 'table', 'ip', 'minicube_proxy'])
  // A node port makes an external chain beside the internal one.
  assert.equal([...stdout.matchAll(/chain (?:svc|ext)_\w+ \{/g)].length, 2)
})
