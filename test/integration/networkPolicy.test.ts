/** Network policies in a real kernel: pods as network namespaces with routed links, and who reaches whom. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { run } from '../../src/base/exec.ts'
import { IP_FAMILIES, type IpFamily } from '../../src/base/ipFamily.ts'
import type { NftTable } from '../../src/base/nftables.ts'
import type { Pod } from '../../src/api/kinds/core/v1.ts'
import type { NetworkPolicy, NetworkPolicySpec } from '../../src/api/kinds/networking/v1.ts'
import { scriptFor } from '../../src/networkpolicy/networkPolicy.ts'
import { policyTable } from '../../src/networkpolicy/policyTable.ts'

const META = { uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z', namespace: 'default' }
const NODE = `minicube-policy-${process.pid}`
const PODS = {
  web: { IPv4: '10.244.9.1', IPv6: 'fd00:10:244:9::1' },
  api: { IPv4: '10.244.9.2', IPv6: 'fd00:10:244:9::2' },
  db: { IPv4: '10.244.9.3', IPv6: 'fd00:10:244:9::3' },
}
const POD_RANGES = { IPv4: '10.244.9.0/24', IPv6: 'fd00:10:244:9::/64' }
const GATEWAYS = { IPv4: '169.254.1.1', IPv6: 'fe80::1' }
type PodName = keyof typeof PODS
const PORTS = [8080, 8081]
const CONNECT_TIMEOUT_SECONDS = 1

async function missing(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'needs root to make network namespaces'
  return run('nft', ['--version']).then(
    () => undefined,
    () => 'needs the nft program',
  )
}
const skip = (await missing()) ?? false

const netnsOf = (pod: PodName): string => `${NODE}-${pod}`
const ip = (netns: string, ...args: string[]): Promise<unknown> => run('ip', ['-n', netns, ...args])
const servers: ChildProcess[] = []
const applied = new Map<IpFamily, NftTable>()

/** A server in each pod answers on both ports; it runs in the test's own Node. */
async function serve(pod: PodName): Promise<void> {
  const code = `for (const port of ${JSON.stringify(PORTS)}) require('node:net').createServer((s) => s.end('hello')).listen(port, () => console.log('listening'))`
  const server = spawn('ip', ['netns', 'exec', netnsOf(pod), process.execPath, '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  servers.push(server)
  await once(server.stdout, 'data')
}

before(async () => {
  if (skip) return
  await run('ip', ['netns', 'add', NODE])
  await ip(NODE, 'link', 'set', 'lo', 'up')
  await run('ip', ['netns', 'exec', NODE, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
  for (const [index, pod] of (Object.keys(PODS) as PodName[]).entries()) {
    const netns = netnsOf(pod)
    await run('ip', ['netns', 'add', netns])
    await ip(NODE, 'link', 'add', `veth${index}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns)
    await ip(NODE, 'link', 'set', `veth${index}`, 'up')
    await ip(netns, 'link', 'set', 'lo', 'up')
    await ip(netns, 'link', 'set', 'eth0', 'up')
    for (const { name, bits, flag } of IP_FAMILIES) {
      const address = `${PODS[pod][name]}/${bits}`
      const nodad = name === 'IPv6' ? ['nodad'] : []
      await ip(NODE, flag, 'addr', 'add', `${GATEWAYS[name]}/${bits}`, 'dev', `veth${index}`, ...nodad)
      await ip(NODE, flag, 'route', 'add', address, 'dev', `veth${index}`)
      await ip(netns, flag, 'addr', 'add', address, 'dev', 'eth0', ...nodad)
      await ip(netns, flag, 'route', 'add', `${GATEWAYS[name]}/${bits}`, 'dev', 'eth0')
      await ip(netns, flag, 'route', 'add', 'default', 'via', GATEWAYS[name], 'dev', 'eth0')
    }
    await serve(pod)
  }
})
after(async () => {
  if (skip) return
  for (const server of servers) server.kill('SIGKILL')
  for (const netns of [...(Object.keys(PODS) as PodName[]).map(netnsOf), NODE]) await run('ip', ['netns', 'del', netns])
})

async function enforce(...specs: NetworkPolicySpec[]): Promise<void> {
  const policies: NetworkPolicy[] = specs.map((spec, i) => ({ metadata: { ...META, name: `p${i}` }, spec }))
  const pods: Pod[] = Object.entries(PODS).map(([name, { IPv4, IPv6 }]) => ({
    metadata: { ...META, name, labels: { app: name } },
    spec: { nodeName: 'a', containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8080 }] }] },
    status: { phase: 'Running', podIP: IPv4, podIPs: [{ ip: IPv4 }, { ip: IPv6 }] },
  }))
  const namespaces = [{ metadata: { ...META, name: 'default' }, spec: {} }]
  for (const family of IP_FAMILIES) {
    const wanted = policyTable({ family, policies, pods, namespaces, nodeName: 'a' })
    const script = scriptFor(family, applied.get(family), wanted)
    if (script) await run('ip', ['netns', 'exec', NODE, 'nft', '-f', '-'], { input: script })
    applied.set(family, wanted)
  }
}

let family: IpFamily['name'] = 'IPv4'

async function reaches(from: PodName | 'node', to: PodName, port = 8080): Promise<boolean> {
  const netns = from === 'node' ? NODE : netnsOf(from)
  const script = `exec 3<>/dev/tcp/${PODS[to][family]}/${port} && cat <&3`
  return run('ip', ['netns', 'exec', netns, 'timeout', String(CONNECT_TIMEOUT_SECONDS), 'bash', '-c', script]).then(
    ({ stdout }) => stdout === 'hello',
    () => false,
  )
}

const app = (name: PodName) => ({ matchLabels: { app: name } })

for (const { name, bits } of IP_FAMILIES) {
  test(`${name}: without policies everybody reaches everybody`, { skip }, async () => {
    family = name
    await enforce()
    assert.equal(await reaches('api', 'web'), true)
    assert.equal(await reaches('node', 'web'), true)
  })

  test(`${name}: ingress: only whom a rule names, on the ports it names; the node always`, { skip }, async () => {
    family = name
    await enforce({ podSelector: app('web'), ingress: [{ from: [{ podSelector: app('api') }], ports: [{ port: 'http' }] }] })
    assert.equal(await reaches('api', 'web'), true)
    assert.equal(await reaches('api', 'web', 8081), false)
    assert.equal(await reaches('db', 'web'), false)
    assert.equal(await reaches('node', 'web', 8081), true)
    assert.equal(await reaches('web', 'db'), true, 'answers come back to an isolated pod')
  })

  test(`${name}: egress: where to is named by the other side`, { skip }, async () => {
    family = name
    await enforce({
      podSelector: app('web'),
      policyTypes: ['Egress'],
      egress: [{ to: [{ podSelector: app('db') }], ports: [{ port: 8080, endPort: 8080 }] }],
    })
    assert.equal(await reaches('web', 'db'), true)
    assert.equal(await reaches('web', 'db', 8081), false)
    assert.equal(await reaches('web', 'api'), false)
    assert.equal(await reaches('api', 'web'), true)
  })

  test(`${name}: a block with an exception, then no policy again`, { skip }, async () => {
    family = name
    await enforce({
      podSelector: {},
      ingress: [{ from: [{ ipBlock: { cidr: POD_RANGES[family], except: [`${PODS.db[family]}/${bits}`] } }] }],
    })
    assert.equal(await reaches('api', 'web'), true)
    assert.equal(await reaches('db', 'web'), false)
    await enforce()
    assert.equal(await reaches('db', 'web'), true)
  })
}
