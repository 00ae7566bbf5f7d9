/** Programs that are not ours: helm, an older kubectl, a client library with its informer. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { AppsV1Api, CoreV1Api, KubeConfig, makeInformer, type V1ConfigMap } from '@kubernetes/client-node'
import { ROOT, eventually, run, startedCluster, type Cluster } from './minicube.ts'

let cluster: Cluster

before(async () => {
  cluster = await startedCluster('e2e-clients')
})
after(() => cluster?.remove())

const CHART = join(ROOT, 'test/fixtures/chart')

test('helm: install with hooks and custom resources, test, upgrade, rollback, uninstall', async () => {
  const page = async (): Promise<string> =>
    (await cluster.kubectl(['get', 'configmap', 'greeter-page', '-o', 'jsonpath={.data.index\\.html}'])).stdout
  await cluster.helm(['install', 'greeter', CHART, '--wait', '--timeout', '90s'])
  assert.match((await cluster.helm(['test', 'greeter', '--timeout', '60s'])).stdout, /Phase:\s+Succeeded/)
  await cluster.helm(['upgrade', 'greeter', CHART, '--set', 'greeting=bonjour', '--wait', '--timeout', '90s'])
  assert.equal(await page(), 'bonjour\n')
  assert.match((await cluster.kubectl(['get', 'vis'])).stdout, /^NAME +GREETING\ngreeter +bonjour\n/)
  await cluster.helm(['rollback', 'greeter', '1', '--wait', '--timeout', '90s'])
  assert.equal(await page(), 'hello\n')
  assert.match((await cluster.helm(['history', 'greeter'])).stdout, /Rollback to 1/)
  await cluster.helm(['uninstall', 'greeter', '--wait'])
  assert.match((await cluster.kubectl(['get', 'vis'])).stderr, /No resources found/)
  await eventually(
    'everything to be gone',
    async () => (await cluster.get<{ items: unknown[] }>('deployments,pods', '-l', 'app=greeter')).items.length === 0,
  )
})

async function kubectlOnPath(): Promise<string | undefined> {
  const found = await run('kubectl', ['version', '--client', '-o', 'json'], { mayFail: true }).catch(() => undefined)
  return found?.code === 0 ? (JSON.parse(found.stdout) as { clientVersion: { gitVersion: string } }).clientVersion.gitVersion : undefined
}

test('the kubectl of this machine', async (t) => {
  const version = await kubectlOnPath()
  if (!version) return t.skip('there is no kubectl on the PATH')
  t.diagnostic(`kubectl ${version}`)
  const kubectl = (...args: string[]): Promise<string> => run('kubectl', args, { env: cluster.env }).then(({ stdout }) => stdout)
  await kubectl('create', 'deployment', 'old', '--image=minicube/busybox:1.37', '--', 'sh', '-c', 'trap exit TERM; sleep 1000 & wait')
  await kubectl('rollout', 'status', 'deployment/old', '--timeout=60s')
  assert.match(await kubectl('get', 'pods', '-o', 'wide'), /old-.*Running/)
  assert.match(await kubectl('exec', 'deployment/old', '--', 'echo', 'through'), /through/)
  assert.match(await kubectl('describe', 'deployment', 'old'), /ScalingReplicaSet/)
  assert.match(await kubectl('explain', 'deployment.spec.replicas'), /replicas <integer>/)
  await kubectl('delete', 'deployment', 'old', '--timeout=60s')
})

test('a client library: typed calls, an informer that sees every change', async () => {
  const config = new KubeConfig()
  config.loadFromFile(cluster.kubeconfig)
  const core = config.makeApiClient(CoreV1Api)
  const apps = config.makeApiClient(AppsV1Api)
  const seen: string[] = []
  const informer = makeInformer<V1ConfigMap>(config, '/api/v1/namespaces/default/configmaps?labelSelector=watched', () =>
    core.listNamespacedConfigMap({ namespace: 'default', labelSelector: 'watched' }),
  )
  for (const verb of ['add', 'update', 'delete'] as const) informer.on(verb, (object) => seen.push(`${verb} ${object.data?.['n'] ?? ''}`))
  await informer.start()
  try {
    const body: V1ConfigMap = { metadata: { name: 'c', labels: { watched: '' } }, data: { n: '1' } }
    await core.createNamespacedConfigMap({ namespace: 'default', body })
    await core.replaceNamespacedConfigMap({ namespace: 'default', name: 'c', body: { ...body, data: { n: '2' } } })
    await core.deleteNamespacedConfigMap({ namespace: 'default', name: 'c' })
    await eventually('all three changes', async () => seen.length === 3)
    assert.deepEqual(seen, ['add 1', 'update 2', 'delete 2'])
  } finally {
    await informer.stop()
  }
  await assert.rejects(
    apps.readNamespacedDeployment({ namespace: 'default', name: 'missing' }),
    (error: { code?: number }) => error.code === 404,
  )
})
