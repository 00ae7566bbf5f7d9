/** Stop, start, restarts from outside: the same cluster comes back, unattended. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eventually, startedCluster, webDeployment, webService, type Cluster } from './minicube.ts'

let cluster: Cluster

before(async () => {
  cluster = await startedCluster('e2e-life')
  await cluster.apply([
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10Mi' } } },
    },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kept' }, data: { k: 'v' } },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'writer' },
      spec: {
        restartPolicy: 'OnFailure',
        containers: [
          {
            name: 'w',
            image: 'minicube/busybox:1.37',
            command: ['sh', '-c', 'echo precious > /data/file'],
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
          },
        ],
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
      },
    },
    webDeployment('web', 2),
    webService('web', 'NodePort'),
  ])
  await cluster.kubectl(['wait', 'pod/writer', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=60s'])
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=60s'])
})
after(() => cluster?.remove())

async function assertTheSame(port: string): Promise<void> {
  await cluster.kubectl(['get', 'configmap', 'kept'])
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=90s'])
  assert.equal(await serverPort(), port)
  const url = (await cluster.minicube(['service', 'web', '--url'])).stdout.trim()
  await eventually('the service to answer', async () => (await fetch(`${url}/cgi-bin/who`)).ok)
  await cluster.kubectl(['delete', 'pod', 'reader', '--ignore-not-found', '--timeout=30s'])
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'reader' },
    spec: {
      restartPolicy: 'Never',
      containers: [
        { name: 'r', image: 'minicube/busybox:1.37', command: ['cat', '/data/file'], volumeMounts: [{ name: 'data', mountPath: '/data' }] },
      ],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
    },
  })
  await cluster.kubectl(['wait', 'pod/reader', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=60s'])
  assert.equal((await cluster.kubectl(['logs', 'reader'])).stdout, 'precious\n')
}

const serverPort = async (): Promise<string> =>
  (await cluster.kubectl(['config', 'view', '-o', `jsonpath={.clusters[?(@.name=="${cluster.profile}")].cluster.server}`])).stdout

test('stop is graceful and bounded; status says so', async () => {
  const stopped = await cluster.minicube(['stop'])
  assert.ok(stopped.elapsedMs < 45_000, `took ${stopped.elapsedMs} ms`)
  const status = await cluster.minicube(['status'], { mayFail: true })
  assert.equal(status.code, 7)
  assert.match(status.stdout, /host: Stopped\nkubelet: Stopped\napiserver: Stopped\nkubeconfig: Stopped/)
})

test('start after stop brings back the same cluster', async () => {
  const port = await serverPort()
  await cluster.minicube(['start'], { timeoutMs: 180_000 })
  await assertTheSame(port)
})

test('a restart of the node container brings back the same cluster', async () => {
  const port = await serverPort()
  const { restartNodeContainer } = await import('./engine.ts')
  await restartNodeContainer(cluster)
  await eventually(
    'the API server',
    async () => (await cluster.kubectl(['get', '--raw', '/readyz'], { mayFail: true })).stdout === 'ok',
    60_000,
  )
  await assertTheSame(port)
})

test('a restart of the host’s engine brings back the same cluster', async (t) => {
  const port = await serverPort()
  const { restartOwnEngine } = await import('./engine.ts')
  const skipped = await restartOwnEngine(cluster)
  if (skipped) return t.skip(skipped)
  await eventually(
    'the API server',
    async () => (await cluster.kubectl(['get', '--raw', '/readyz'], { mayFail: true })).stdout === 'ok',
    90_000,
  )
  await assertTheSame(port)
})

test('delete leaves nothing behind', async () => {
  await cluster.minicube(['delete'])
  const { leftovers } = await import('./engine.ts')
  assert.deepEqual(await leftovers(cluster), [])
  assert.equal((await cluster.minicube(['status'], { mayFail: true })).code, 85)
  assert.doesNotMatch((await cluster.kubectl(['config', 'view'])).stdout, new RegExp(cluster.profile))
})
