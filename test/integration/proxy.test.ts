/** The service rules in a real kernel: each script is accepted as one transaction, in a network namespace of the test's own. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { run } from '../../src/base/exec.ts'
import type { Service } from '../../src/api/kinds/core/v1.ts'
import type { EndpointSlice } from '../../src/api/kinds/discovery/v1.ts'
import { buildRuleset, type Ruleset } from '../../src/proxy/ruleset.ts'
import { changeScript } from '../../src/proxy/script.ts'

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

function cluster(count: number, endpointsEach: number, affinity = false): Ruleset {
  const services: Service[] = []
  const slices = new Map<string, EndpointSlice[]>()
  for (let i = 0; i < count; i++) {
    const name = `svc-${i}`
    const clusterIP = `10.96.${1 + (i >> 8)}.${i & 255}`
    services.push({
      metadata: { ...META, name },
      spec: {
        type: 'NodePort',
        clusterIP,
        clusterIPs: [clusterIP],
        ports: [{ port: 80, protocol: 'TCP', nodePort: 30000 + (i % 2000) }],
        ...(affinity && { sessionAffinity: 'ClientIP' }),
      },
    })
    const endpoints = Array.from({ length: endpointsEach }, (_, n) => ({ addresses: [`10.244.${i & 127}.${n + 1}`], nodeName: 'a' }))
    slices.set(`default/${name}`, [
      { metadata: { ...META, name }, addressType: 'IPv4', endpoints, ports: [{ name: '', port: 8080, protocol: 'TCP' }] },
    ])
  }
  return buildRuleset({ services, slicesOf: (key) => slices.get(key) ?? [], nodeName: 'a' })
}

test('the kernel takes each step from rule set to rule set', { skip }, async () => {
  const steps = [cluster(0, 0), cluster(3, 2), cluster(3, 0), cluster(5, 3, true), cluster(2, 1), cluster(0, 0)]
  let before: Ruleset | undefined
  for (const step of steps) {
    const script = changeScript(before, step)
    if (script) await nft(['-f', '-'], script)
    before = step
  }
  const { stdout } = await nft(['list', 'table', 'ip', 'minicube_proxy'])
  assert.doesNotMatch(stdout, /svc_|ep_|aff_/)
})

test('starting over replaces what an earlier process left', { skip }, async () => {
  await nft(['-f', '-'], changeScript(undefined, cluster(4, 2)))
  await nft(['-f', '-'], changeScript(undefined, cluster(1, 1)))
  const { stdout } = await nft(['list', 'table', 'ip', 'minicube_proxy'])
  // A node port makes an external chain beside the internal one.
  assert.equal([...stdout.matchAll(/chain (?:svc|ext)_\w+ \{/g)].length, 2)
})
