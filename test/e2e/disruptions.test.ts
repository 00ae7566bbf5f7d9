/** What the documentation promises of disruption budgets and of topology spread, by kubectl, on nodes in three zones. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eventually, startedCluster, type Cluster } from './minicube.ts'

const FAKE_NODES = 6
const ZONE = 'topology.kubernetes.io/zone'

let cluster: Cluster

before(async () => {
  cluster = await startedCluster('e2e-disruptions', ['--fake-nodes', String(FAKE_NODES)])
})
after(() => cluster?.remove())

interface PodList {
  items: {
    metadata: { name: string; deletionTimestamp?: string }
    spec: { nodeName?: string }
    status: { phase: string; conditions?: { type: string; status: string; reason?: string; message?: string }[] }
  }[]
}
interface Budget {
  status: { disruptionsAllowed: number; currentHealthy: number; desiredHealthy: number; expectedPods: number }
}

function deployment(name: string, replicas: number, spec: object): object {
  const labels = { app: name }
  const tolerations = [{ key: 'minicube.local/fake-node', operator: 'Exists' }]
  const nodeSelector = { 'minicube.local/fake-node': 'true' }
  const template = {
    metadata: { labels },
    spec: { tolerations, nodeSelector, containers: [{ name: 'main', image: 'minicube/busybox:1.37' }], ...spec },
  }
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec: { replicas, selector: { matchLabels: labels }, template } }
}

async function podsOf(app: string): Promise<PodList['items']> {
  const { items } = JSON.parse((await cluster.kubectl(['get', 'pods', '-l', `app=${app}`, '-o', 'json'])).stdout) as PodList
  return items.filter(({ metadata }) => !metadata.deletionTimestamp)
}

async function zones(): Promise<Map<string, string>> {
  const { items } = await cluster.get<{ items: { metadata: { name: string; labels: Record<string, string> } }[] }>('nodes')
  return new Map(items.map(({ metadata }) => [metadata.name, metadata.labels[ZONE] ?? '']))
}

/** Placed pods by zone, as sorted counts. */
async function spread(app: string): Promise<number[]> {
  const zoneOf = await zones()
  const counts = new Map<string, number>()
  for (const { spec } of await podsOf(app)) {
    const zone = zoneOf.get(spec.nodeName ?? '')
    if (zone) counts.set(zone, (counts.get(zone) ?? 0) + 1)
  }
  return [...counts.values()].sort()
}

test('pods are spread over the zones, and wait where one more would make the skew too large', { timeout: 120_000 }, async () => {
  const constraint = (whenUnsatisfiable: string): object => ({
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: ZONE, whenUnsatisfiable, labelSelector: { matchLabels: { app: 'spread' } }, nodeTaintsPolicy: 'Honor' },
    ],
  })
  await cluster.apply(deployment('spread', 6, constraint('DoNotSchedule')))
  await cluster.kubectl(['rollout', 'status', 'deployment/spread', '--timeout=60s'])
  assert.deepEqual(await spread('spread'), [2, 2, 2])
  await cluster.kubectl(['scale', 'deployment/spread', '--replicas=7'])
  await cluster.kubectl(['rollout', 'status', 'deployment/spread', '--timeout=60s'])
  assert.deepEqual(await spread('spread'), [2, 2, 3])

  // A zone that the pods may not go to counts all the same (nodeAffinityPolicy: Ignore), and holds the others at one more than none.
  const full = [...(await zones())].filter(([, zone]) => zone === 'fake-a').map(([name]) => name)
  assert.equal(full.length, FAKE_NODES / 3)
  for (const name of full) await cluster.kubectl(['label', 'node', name, 'example.com/full=true'])
  const required = { nodeSelectorTerms: [{ matchExpressions: [{ key: 'example.com/full', operator: 'DoesNotExist' }] }] }
  const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } }
  const ignoring = {
    affinity,
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: ZONE,
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { app: 'held' } },
        nodeAffinityPolicy: 'Ignore',
      },
    ],
  }
  await cluster.apply(deployment('held', 4, ignoring))
  const waiting = await eventually('two pods that wait', async () => {
    const unplaced = (await podsOf('held')).filter(({ spec }) => !spec.nodeName)
    const conditions = unplaced.flatMap(({ status }) => status.conditions?.filter(({ type }) => type === 'PodScheduled') ?? [])
    return conditions.length === 2 && conditions.every(({ reason }) => reason === 'Unschedulable') && conditions
  })
  for (const { message } of waiting) assert.match(message ?? '', /node\(s\) didn't match pod topology spread constraints/)
  assert.deepEqual(await spread('held'), [1, 1])

  await cluster.apply(deployment('held', 4, { ...ignoring, topologySpreadConstraints: [] }))
  await cluster.kubectl(['rollout', 'status', 'deployment/held', '--timeout=60s'])
})

test('a budget holds evictions back until there are pods enough', { timeout: 120_000 }, async () => {
  await cluster.apply(deployment('guarded', 3, {}))
  await cluster.kubectl(['rollout', 'status', 'deployment/guarded', '--timeout=60s'])
  await cluster.kubectl(['create', 'poddisruptionbudget', 'guarded', '--selector=app=guarded', '--min-available=3'])
  await eventually('a budget that counts its pods', async () => {
    const { status } = await cluster.get<Budget>('pdb', 'guarded')
    return status.expectedPods === 3 && status.currentHealthy === 3 && status.desiredHealthy === 3 && status.disruptionsAllowed === 0
  })
  const before = await podsOf('guarded')
  const node = before[0]?.spec.nodeName as string
  const drain = ['drain', node, '--pod-selector=app=guarded']
  const refused = await cluster.kubectl([...drain, '--timeout=3s'], { mayFail: true })
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /Cannot evict pod as it would violate the pod's disruption budget/)
  assert.deepEqual(
    (await podsOf('guarded')).map(({ metadata }) => metadata.name).sort(),
    before.map(({ metadata }) => metadata.name).sort(),
  )

  await cluster.kubectl(['patch', 'pdb', 'guarded', '-p', '{"spec":{"minAvailable":2}}'])
  await cluster.kubectl([...drain, '--timeout=60s'])
  await cluster.kubectl(['rollout', 'status', 'deployment/guarded', '--timeout=60s'])
  const after = await podsOf('guarded')
  assert.equal(after.length, 3)
  assert.ok(
    after.every(({ spec }) => spec.nodeName !== node),
    'the drained node has none of them',
  )
})
