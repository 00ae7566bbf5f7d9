/** Names, services and updates as an application meets them. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eventually, shellPod, startedCluster, webDeployment, webService, type Cluster } from './minicube.ts'

let cluster: Cluster

before(async () => {
  cluster = await startedCluster('e2e-net')
  await cluster.apply([
    webDeployment('web', 2),
    webService('web', 'NodePort'),
    webDeployment('solo', 1),
    webService('solo'),
    webService('balanced', 'LoadBalancer'),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'headless' },
      spec: { clusterIP: 'None', selector: { app: 'web' }, ports: [{ name: 'http', port: 8080 }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'outside' },
      spec: { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' },
    },
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'nobody' }, spec: { selector: { app: 'nobody' }, ports: [{ port: 80 }] } },
    shellPod('client', 'sleep 10000'),
  ])
  for (const name of ['web', 'solo']) await cluster.kubectl(['rollout', 'status', `deployment/${name}`, '--timeout=90s'])
  await cluster.kubectl(['wait', 'pod/client', '--for=condition=Ready', '--timeout=60s'])
})
after(() => cluster?.remove())

const inPod = async (command: string, pod = 'client'): Promise<string> => {
  const { stdout, stderr } = await cluster.kubectl(['exec', pod, '--', 'sh', '-c', command], { mayFail: true })
  return stdout + stderr
}

test('a service is found by name and answers', async () => {
  for (const name of ['web', 'web.default', 'web.default.svc.cluster.local', 'outside'])
    assert.match(await inPod(`wget -qO- -T 5 http://${name}/cgi-bin/who`), /^web-/, name)
})

test('a headless service names its pods', async () => {
  const addresses = (await inPod('nslookup headless.default.svc.cluster.local')).matchAll(/Address(?: \d+)?:\s*(10\.244\.\d+\.\d+)/g)
  assert.equal(new Set([...addresses].map((m) => m[1])).size, 2)
})

test('an unknown name fails at once', async () => {
  assert.match(await inPod('time nslookup nothing.default.svc.cluster.local'), /NXDOMAIN|can't resolve/)
})

test('a pod reaches itself through its service', async () => {
  const { items } = await cluster.get<{ items: { metadata: { name: string } }[] }>('pods', '-l', 'app=solo')
  assert.match(await inPod('wget -qO- -T 5 http://solo/cgi-bin/who', items[0]?.metadata.name), /^solo-/)
})

test('a service that nobody serves is refused at once', async () => {
  assert.match(await inPod('wget -qO- -T 5 http://nobody/'), /refused|unreachable/i)
})

test('what is for nobody in a further range of services is refused on the node', async () => {
  // Without the rule it would get lost there; it never leaves.
  await cluster.minicube(['ssh', '--', 'ip', 'route', 'replace', '10.98.0.0/16', 'dev', 'mk-guard0'])
  await cluster.apply([
    { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name: 'further' }, spec: { cidrs: ['10.98.0.0/16'] } },
  ])
  await cluster.kubectl(['wait', 'servicecidr/further', '--for=condition=Ready', '--timeout=30s'])
  const service = webService('further') as { spec: object }
  await cluster.apply({ ...service, spec: { ...service.spec, clusterIP: '10.98.0.5', selector: { app: 'web' } } })
  await eventually('the service to answer', async () => (await inPod('wget -qO- -T 2 http://10.98.0.5/cgi-bin/who')).startsWith('web-'))
  for (const host of ['10.98.0.5:81', '10.98.0.77'])
    assert.match(await inPod(`wget -qO- -T 5 http://${host}/`), /refused|unreachable/i, host)
  await cluster.kubectl(['delete', 'service/further', 'servicecidr/further'])
})

test('a network policy lets in whom it names, and leaves DNS to an isolated client', async () => {
  const reach = (): Promise<string> => inPod('wget -qO- -T 2 http://solo/cgi-bin/who')
  const policy = (name: string, spec: object): object => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name },
    spec,
  })
  await cluster.apply([
    policy('solo', {
      podSelector: { matchLabels: { app: 'solo' } },
      ingress: [{ from: [{ podSelector: { matchLabels: { friend: 'yes' } } }] }],
    }),
  ])
  await eventually('the client to be kept out', async () => !(await reach()).startsWith('solo-'))
  await cluster.kubectl(['label', 'pod', 'client', 'friend=yes'])
  await eventually('the client to be let in', async () => (await reach()).startsWith('solo-'))
  const dns = {
    to: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }],
    ports: [{ protocol: 'UDP', port: 53 }],
  }
  await cluster.apply([policy('client', { podSelector: { matchLabels: { friend: 'yes' } }, policyTypes: ['Egress'], egress: [dns] })])
  await eventually('the client to reach nobody', async () => !(await reach()).startsWith('solo-'))
  assert.match(await inPod('nslookup solo.default.svc.cluster.local'), /Address.*10\.96\./)
  await cluster.kubectl(['delete', 'networkpolicy', 'solo', 'client'])
  await cluster.kubectl(['label', 'pod', 'client', 'friend-'])
  await eventually('all to be as before', async () => (await reach()).startsWith('solo-'))
})

test('node port and load balancer answer from the host', async () => {
  const url = (await cluster.minicube(['service', 'web', '--url'])).stdout.trim()
  assert.match(await (await fetch(`${url}/cgi-bin/who`)).text(), /^web-/)
  await cluster.kubectl(['patch', 'service', 'balanced', '-p', '{"spec":{"selector":{"app":"web"}}}'])
  const ip = await eventually(
    'a load balancer address',
    async () =>
      (await cluster.kubectl(['get', 'service', 'balanced', '-o', 'jsonpath={.status.loadBalancer.ingress[0].ip}'])).stdout || undefined,
  )
  const text = await eventually('the load balancer', async () =>
    (await fetch(`http://${ip}/cgi-bin/who`, { signal: AbortSignal.timeout(2_000) })).text(),
  )
  assert.match(text, /^web-/)
})

test('the API server is reached from a pod with its token', async () => {
  const token = '/var/run/secrets/kubernetes.io/serviceaccount'
  const answer = await inPod(
    `wget -qO- --no-check-certificate --header "Authorization: Bearer $(cat ${token}/token)" https://kubernetes.default/version`,
  )
  assert.match(answer, /"gitVersion": "v1\.36/)
})

test('a rolling update loses no request', async () => {
  const url = `${(await cluster.minicube(['service', 'web', '--url'])).stdout.trim()}/cgi-bin/who`
  const seen = { ok: 0, failures: [] as string[], versions: new Set<string>() }
  const stop = new AbortController()
  const load = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        const response = await fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5_000) })
        const text = await response.text()
        if (!response.ok) throw new Error(`status ${response.status}`)
        seen.ok++
        seen.versions.add(text.trim().split(' ').at(-1) ?? '')
      } catch (error) {
        seen.failures.push(error instanceof Error ? `${error.message} ${String(error.cause)}` : String(error))
      }
    }
  }
  const workers = [load(), load(), load()]
  try {
    await cluster.apply(webDeployment('web', 2, '2'))
    await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=90s'])
    await eventually('the new version alone', async () => {
      seen.versions.clear()
      await new Promise((resolve) => setTimeout(resolve, 500))
      return seen.versions.size === 1 && seen.versions.has('2')
    })
  } finally {
    stop.abort()
    await Promise.all(workers)
  }
  assert.ok(seen.ok > 20, `only ${seen.ok} requests`)
  assert.deepEqual(seen.failures, [])
})
