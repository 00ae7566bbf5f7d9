/** A cluster of two nodes: pods, services, names, logs and policies across them, through a stop and a start. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { containerLog } from './engine.ts'
import { BUSYBOX, eventually, shellPod, startedCluster, webService, type Cluster } from './minicube.ts'

let cluster: Cluster
const WORKER = 'e2e-nodes-m02'

before(async () => {
  cluster = await startedCluster('e2e-nodes', ['--nodes', '2'])
  await cluster.apply([webDaemonSet, webService('web')])
  await cluster.kubectl(['rollout', 'status', 'daemonset/web', '--timeout=90s'])
})
after(() => cluster?.remove())

const webDaemonSet = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'web' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'web',
            image: BUSYBOX,
            command: ['sh', '-c', 'mkdir /w; hostname | tee /w/index.html; exec httpd -f -p 8080 -h /w'],
            ports: [{ name: 'http', containerPort: 8080 }],
            readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
}

interface PodList {
  items: { metadata: { name: string }; spec: { nodeName: string }; status: { podIP: string } }[]
}
const pods = async (): Promise<PodList['items']> => (await cluster.get<PodList>('pods', '-l', 'app=web')).items

test('both nodes are there, and status says so', async () => {
  const { stdout } = await cluster.kubectl(['get', 'nodes'])
  assert.match(stdout, /^e2e-nodes +Ready +control-plane/m)
  assert.match(stdout, new RegExp(`^${WORKER} +Ready +<none>`, 'm'))
  assert.match((await cluster.minicube(['status'])).stdout, new RegExp(`${WORKER}\\ntype: Worker\\nhost: Running\\nkubelet: Running\\n`))
})

test('the process of a further node is started once', async () => {
  assert.doesNotMatch(await containerLog(cluster, WORKER), /starting it again/)
})

async function assertReachEachOther(): Promise<void> {
  const all = await pods()
  assert.deepEqual(all.map(({ spec }) => spec.nodeName).sort(), ['e2e-nodes', WORKER])
  for (const { metadata } of all) {
    const wget = (url: string): Promise<string> =>
      cluster.kubectl(['exec', metadata.name, '--', 'wget', '-qO-', '-T', '3', url]).then(({ stdout }) => stdout.trim())
    for (const other of all) assert.equal(await wget(`http://${other.status.podIP}:8080/`), other.metadata.name)
    const answers = new Set<string>()
    await eventually('both pods to answer for the service', async () => answers.add(await wget('http://web/')).size === 2)
    assert.match((await cluster.kubectl(['logs', metadata.name])).stdout, new RegExp(metadata.name))
  }
}

test('pods reach one another and the service by name, from either node; logs and exec work on both', assertReachEachOther)

test('an image that is built into the cluster can be used on every node', async () => {
  const dockerfile = `FROM ${BUSYBOX}\nRUN echo everywhere > /where\n`
  const { mkdtemp, rm, writeFile } = await import('node:fs/promises')
  const folder = await mkdtemp(`${cluster.home}/context-`)
  await writeFile(`${folder}/Dockerfile`, dockerfile)
  await cluster.minicube(['image', 'build', '-t', 'where:1', folder])
  await rm(folder, { recursive: true })
  const spec = {
    nodeName: WORKER,
    restartPolicy: 'Never',
    containers: [{ name: 'c', image: 'where:1', imagePullPolicy: 'Never', command: ['cat', '/where'] }],
  }
  await cluster.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'where' }, spec })
  await eventually('the pod on the other node to end', async () =>
    /everywhere/.test((await cluster.kubectl(['logs', 'where'], { mayFail: true })).stdout),
  )
})

test('a claim of the default class gets a directory of the node that its pod runs on, which goes with it', async () => {
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
  }
  const looker = (path: string): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'looker' },
    spec: {
      nodeName: WORKER,
      restartPolicy: 'Never',
      volumes: [{ name: 'all', hostPath: { path } }],
      containers: [{ name: 'c', image: BUSYBOX, command: ['ls', '/all'], volumeMounts: [{ name: 'all', mountPath: '/all' }] }],
    },
  })
  const writer = (name: string, command: string, extra: object): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      restartPolicy: 'Never',
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
      containers: [{ name: 'c', image: BUSYBOX, command: ['sh', '-c', command], volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
      ...extra,
    },
  })
  const done = (name: string): Promise<unknown> =>
    cluster.kubectl(['wait', `pod/${name}`, '--for=jsonpath={.status.phase}=Succeeded', '--timeout=60s'])
  await cluster.apply([claim, writer('writer', 'echo kept > /data/file', { nodeSelector: { 'kubernetes.io/hostname': WORKER } })])
  await done('writer')
  await cluster.apply(writer('reader', 'cat /data/file', {}))
  await done('reader')
  assert.equal((await cluster.kubectl(['logs', 'reader'])).stdout, 'kept\n')
  const { items } = await cluster.get<{ items: { spec: { hostPath: { path: string } } }[] }>('pv')
  const [folder = '', directory = ''] = /^(.*)\/([^/]+)$/.exec(items[0]?.spec.hostPath.path ?? '')?.slice(1) ?? []
  await cluster.kubectl(['delete', 'pod/writer', 'pod/reader', 'pvc/data'])
  await eventually('the volume to be gone', async () => (await cluster.get<{ items: object[] }>('pv')).items.length === 0)
  await cluster.apply(looker(folder))
  await done('looker')
  assert.doesNotMatch((await cluster.kubectl(['logs', 'looker'])).stdout, new RegExp(directory))
})

test("a load balancer's address is where its endpoints are, when they are to see who asks", async () => {
  const script = `mkdir -p /w/cgi-bin; printf '#!/bin/sh\\nprintf "Content-Type: text/plain\\\\r\\\\n\\\\r\\\\n%%s %%s" "$(hostname)" "$REMOTE_ADDR"\\n' >/w/cgi-bin/who; chmod +x /w/cgi-bin/who; exec httpd -f -p 8080 -h /w`
  const server = (name: string, node: string): object => ({
    ...shellPod(name, script, { nodeSelector: { 'kubernetes.io/hostname': node } }),
    metadata: { name, labels: { app: 'near' } },
  })
  await cluster.apply([
    server('near-1', WORKER),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'near' },
      spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', selector: { app: 'near' }, ports: [{ port: 80, targetPort: 8080 }] },
    },
  ])
  const ip = await eventually(
    'an address',
    async () => (await cluster.kubectl(['get', 'svc', 'near', '-o', 'jsonpath={.status.loadBalancer.ingress[0].ip}'])).stdout || undefined,
  )
  const { items } = await cluster.get<{ items: { status: { addresses: { type: string; address: string }[] } }[] }>('nodes')
  const ofNodes = items.flatMap(({ status }) => status.addresses.map(({ address }) => address))
  const answers = (name: string): Promise<unknown> =>
    eventually(`${name} answers whoever asks`, async () => {
      const said = await (await fetch(`http://${ip}/cgi-bin/who`, { signal: AbortSignal.timeout(2_000) })).text()
      const [by, client = ''] = said.split(' ')
      return by === name && client !== '' && !ofNodes.some((address) => client.endsWith(address))
    })
  await answers('near-1')
  await cluster.apply(server('near-2', 'e2e-nodes'))
  await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/near-2', '--timeout=60s'])
  await cluster.kubectl(['delete', 'pod', 'near-1'])
  await answers('near-2')
})

test('stop and start bring back both', async () => {
  await cluster.minicube(['stop'])
  assert.match((await cluster.minicube(['status'], { mayFail: true })).stdout, new RegExp(`${WORKER}\\ntype: Worker\\nhost: Stopped`))
  await cluster.minicube(['start'])
  await cluster.kubectl(['rollout', 'status', 'daemonset/web', '--timeout=90s'])
  await assertReachEachOther()
})
