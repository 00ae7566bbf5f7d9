/** A cluster of both IP families as an application meets it: addresses, services, names and policies over IPv6. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { after, before, describe, test } from 'node:test'
import { eventually, shellPod, startedCluster, webDeployment, webService, type Cluster } from './minicube.ts'

const noIpv6 = existsSync('/proc/sys/net/ipv6') ? undefined : 'this host has no IPv6'
if (noIpv6) process.stdout.write(`skipped: ${noIpv6}\n`)

interface ServiceView {
  spec: { clusterIPs: string[]; ipFamilies: string[]; ports: { nodePort?: number }[] }
  status: { loadBalancer: { ingress?: { ip: string }[] } }
}

describe('both IP families', { skip: noIpv6 ?? false }, () => {
  let cluster: Cluster

  const dual = (service: object, spec: object = {}): object => {
    const one = service as { spec: object }
    return { ...one, spec: { ...one.spec, ipFamilyPolicy: 'RequireDualStack', ...spec } }
  }
  const serviceOf = (name: string): Promise<ServiceView> => cluster.get<ServiceView>('service', name)
  const addressesOf = async (name: string): Promise<string[]> => (await serviceOf(name)).spec.clusterIPs
  const inPod = async (command: string, pod = 'client'): Promise<string> => {
    const { stdout, stderr } = await cluster.kubectl(['exec', pod, '--', 'sh', '-c', command], { mayFail: true })
    return stdout + stderr
  }
  const ask = (host: string, pod = 'client'): Promise<string> => inPod(`wget -qO- -T 3 http://${host}/cgi-bin/who`, pod)

  before(async () => {
    cluster = await startedCluster('e2e-dual', ['--ip-family', 'dual'])
    const mapped = webDeployment('mapped', 1) as { spec: { template: { spec: { containers: { ports: object[] }[] } } } }
    mapped.spec.template.spec.containers[0]?.ports.push({ containerPort: 8080, hostPort: 18_080, name: 'mapped' })
    await cluster.apply([
      webDeployment('web', 2),
      dual(webService('web', 'LoadBalancer')),
      webDeployment('solo', 1),
      dual(webService('solo'), { ipFamilies: ['IPv6', 'IPv4'] }),
      mapped,
      dual({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'headless' },
        spec: { clusterIP: 'None', selector: { app: 'web' }, ports: [{ port: 8080 }] },
      }),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'nobody' },
        spec: { ipFamilies: ['IPv6'], selector: { app: 'nobody' }, ports: [{ port: 80 }] },
      },
      shellPod('client', 'sleep 10000'),
    ])
    for (const name of ['web', 'solo', 'mapped']) await cluster.kubectl(['rollout', 'status', `deployment/${name}`, '--timeout=90s'])
    await cluster.kubectl(['wait', 'pod/client', '--for=condition=Ready', '--timeout=60s'])
  })
  after(() => cluster?.remove())

  test('node and pods have an address of each', async () => {
    const node = await cluster.get<{ spec: { podCIDRs: string[] }; status: { addresses: { type: string; address: string }[] } }>(
      'node',
      cluster.profile,
    )
    const internal = node.status.addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => address)
    assert.deepEqual(node.spec.podCIDRs, ['10.244.0.0/24', 'fd00:10:244::/64'])
    assert.deepEqual([(await cluster.minicube(['ip'])).stdout.trim(), (await cluster.minicube(['ip', '--ipv6'])).stdout.trim()], internal)
    const { status } = await cluster.get<{ status: { podIPs: { ip: string }[]; hostIPs: { ip: string }[] } }>('pod', 'client')
    assert.deepEqual(
      status.hostIPs.map(({ ip }) => ip),
      internal,
    )
    assert.match(status.podIPs.map(({ ip }) => ip).join(' '), /^10\.244\.0\.\d+ fd00:10:244::[0-9a-f]+$/)
  })

  test('a service answers at both of its addresses, from a pod and from the node', async () => {
    const [ipv4 = '', ipv6 = ''] = await addressesOf('web')
    assert.match(ipv6, /^fd00:10:96::/)
    for (const host of [ipv4, `[${ipv6}]`]) {
      assert.match(await ask(host), /^web-/, host)
      const { stdout } = await cluster.minicube(['ssh', '--', 'busybox', 'wget', '-qO-', '-T', '5', `http://${host}/cgi-bin/who`])
      assert.match(stdout, /^web-/, host)
    }
    assert.match((await addressesOf('solo'))[0] ?? '', /^fd00:10:96::/)
  })

  test('a pod reaches itself through its service over IPv6', async () => {
    const { items } = await cluster.get<{ items: { metadata: { name: string } }[] }>('pods', '-l', 'app=solo')
    assert.match(await ask(`[${(await addressesOf('solo'))[0]}]`, items[0]?.metadata.name), /^solo-/)
  })

  test('a packet for a service that nobody serves, or that is not there, is refused at once and stays on the node', async () => {
    const [nobody = ''] = await addressesOf('nobody')
    for (const ip of [nobody, 'fd00:10:96::fffe']) {
      const started = performance.now()
      assert.match(await inPod(`wget -qO- -T 10 http://[${ip}]/`), /refused|unreachable/i, ip)
      assert.ok(performance.now() - started < 8_000, ip)
    }
  })

  test('the second address comes and goes with the policy', async () => {
    await cluster.apply(webService('changing'))
    const [first = ''] = await addressesOf('changing')
    const patch = (policy: string): Promise<unknown> =>
      cluster.kubectl(['patch', 'service', 'changing', '-p', JSON.stringify({ spec: { ipFamilyPolicy: policy } })])
    await patch('PreferDualStack')
    const [kept, second = ''] = await addressesOf('changing')
    assert.equal(kept, first)
    await eventually(
      'the object of the address',
      async () => (await cluster.kubectl(['get', 'ipaddress', second], { mayFail: true })).code === 0,
    )
    await patch('SingleStack')
    assert.deepEqual(await addressesOf('changing'), [first])
    await eventually(
      'the address to be free',
      async () => (await cluster.kubectl(['get', 'ipaddress', second], { mayFail: true })).code !== 0,
    )
  })

  test('names lead to addresses of both, and back', async () => {
    const [ipv4 = '', ipv6 = ''] = await addressesOf('web')
    const answer = await inPod('nslookup web.default.svc.cluster.local')
    assert.ok(answer.includes(ipv4) && answer.includes(ipv6), answer)
    assert.match(await inPod(`nslookup ${ipv6}`), /web\.default\.svc\.cluster\.local/)
    assert.equal(new Set((await inPod('nslookup headless.default.svc.cluster.local')).match(/fd00:10:244::[0-9a-f]+/g)).size, 2)
    const [, dns = ''] = (await cluster.get<ServiceView>('service', 'kube-dns', '-n', 'kube-system')).spec.clusterIPs
    assert.match(await inPod(`nslookup web.default.svc.cluster.local ${dns}`), /fd00:10:96::/)
  })

  test('node port, host port and load balancer answer over IPv6', async () => {
    const node = (await cluster.minicube(['ip', '--ipv6'])).stdout.trim()
    const { spec } = await serviceOf('web')
    const balancer = await eventually('an IPv6 address of the load balancer', async () =>
      (await serviceOf('web')).status.loadBalancer.ingress?.map(({ ip }) => ip).find((ip) => ip.includes(':')),
    )
    const places = { [`[${node}]:${spec.ports[0]?.nodePort}`]: /^web-/, [`[${balancer}]`]: /^web-/, [`[${node}]:18080`]: /^mapped-/ }
    // The machine of the test may be another one than the engine's.
    const isNear = Object.values(networkInterfaces()).some((all) =>
      all?.some(({ address }) => address.startsWith(`${node.slice(0, node.indexOf('::'))}::`)),
    )
    for (const [host, wanted] of Object.entries(places)) {
      assert.match(await ask(host), wanted, `${host} from a pod`)
      if (!isNear) continue
      const answer = await fetch(`http://${host}/cgi-bin/who`, { signal: AbortSignal.timeout(5_000) })
      assert.match(await answer.text(), wanted, `${host} from outside`)
    }
  })

  test('a load balancer keeps its addresses and the node its own when the node’s process is killed', async () => {
    const nodeIps = async (): Promise<unknown> =>
      (await cluster.get<{ items: { status: { addresses: object } }[] }>('nodes')).items[0]?.status.addresses
    const addresses = async (): Promise<unknown[]> => [(await serviceOf('web')).status, await nodeIps()]
    const before = await addresses()
    assert.match(JSON.stringify(before), /"ingress":\[.*:/)
    const beats = async (): Promise<string> =>
      (await cluster.get<{ spec: { renewTime: string } }>('lease', 'e2e-dual', '-n', 'kube-node-lease')).spec.renewTime
    const last = await beats()
    await cluster.minicube(['ssh', '--', 'sh', '-c', 'kill -9 $(cat /run/minicube/node.pid)'], { mayFail: true })
    await eventually('the node to be back', async () => (await beats()) !== last)
    await eventually('the service to answer', async () => (await ask('web')).startsWith('web-'))
    assert.deepEqual(await addresses(), before)
  })

  test('a network policy keeps out and lets in over IPv6', async () => {
    const [ipv6 = ''] = await addressesOf('solo')
    const reaches = async (): Promise<boolean> => (await ask(`[${ipv6}]`)).startsWith('solo-')
    const policy = (ingress: object[]): object => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'solo' },
      spec: { podSelector: { matchLabels: { app: 'solo' } }, ingress },
    })
    await cluster.apply(policy([]))
    await eventually('the client to be kept out', async () => !(await reaches()))
    await cluster.apply(policy([{ from: [{ ipBlock: { cidr: 'fd00:10:244::/64' } }] }]))
    await eventually('the client to be let in', reaches)
    await cluster.kubectl(['delete', 'networkpolicy', 'solo'])
  })

  test('a pod sends under its own address alone', async () => {
    const [, ipv6 = ''] = await addressesOf('web')
    const spoof = shellPod('spoof', 'sleep 10000') as { spec: { containers: object[] } }
    Object.assign(spoof.spec.containers[0] ?? {}, { securityContext: { capabilities: { add: ['NET_ADMIN'] } } })
    await cluster.apply(spoof)
    await cluster.kubectl(['wait', 'pod/spoof', '--for=condition=Ready', '--timeout=60s'])
    assert.match(await ask(`[${ipv6}]`, 'spoof'), /^web-/)
    const { status } = await cluster.get<{ status: { podIPs: { ip: string }[] } }>('pod', 'spoof')
    const own = status.podIPs[1]?.ip ?? ''
    await inPod(`ip -6 addr add fd00:10:244::dead/128 dev eth0 && ip -6 addr del ${own}/128 dev eth0`, 'spoof')
    assert.match(await inPod('ip -6 addr show dev eth0 scope global', 'spoof'), /fd00:10:244::dead/)
    assert.doesNotMatch(await ask(`[${ipv6}]`, 'spoof'), /^web-/)
  })

  test('a cluster keeps its families and addresses', async () => {
    const refused = await cluster.minicube(['start', '--ip-family', 'ipv4'], { mayFail: true })
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /was made with --ip-family dual/)
    const before = await addressesOf('web')
    await cluster.minicube(['stop'])
    await cluster.minicube(['start'], { timeoutMs: 120_000 })
    await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=90s'])
    assert.deepEqual(await addressesOf('web'), before)
    await cluster.kubectl(['wait', 'pod/client', '--for=condition=Ready', '--timeout=60s'])
    await eventually('the service over IPv6', async () => (await ask(`[${before[1]}]`)).startsWith('web-'))
  })
})
