/** What fails is replaced, and what was acknowledged stays. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eventually, shellPod, startedCluster, webDeployment, webService, type Cluster } from './minicube.ts'

let cluster: Cluster

before(async () => {
  cluster = await startedCluster('e2e-heal')
})
after(() => cluster?.remove())

interface PodView {
  metadata: { name: string; uid: string }
  status: { containerStatuses: { restartCount: number; ready: boolean; containerID: string }[] }
}
const podsOf = async (app: string): Promise<PodView[]> => (await cluster.get<{ items: PodView[] }>('pods', '-l', `app=${app}`)).items
const onNode = async (command: string): Promise<string> => (await cluster.minicube(['ssh', '--', 'sh', '-c', command])).stdout

test('a killed container comes back', async () => {
  await cluster.apply(shellPod('victim', 'exec sleep 98765'))
  await cluster.kubectl(['wait', 'pod/victim', '--for=condition=Ready', '--timeout=30s'])
  // A container's first process is killed from outside only.
  await onNode(
    String.raw`for p in /proc/[0-9]*; do tr '\0' ' ' <$p/cmdline | grep -q '^sleep 9876[5]' && kill -9 $(basename $p); done; true`,
  )
  await eventually('a restart', async () =>
    (await podsOf('victim'))[0]?.status.containerStatuses.some((c) => c.restartCount >= 1 && c.ready),
  )
})

test('a deleted pod is replaced', async () => {
  await cluster.apply([webDeployment('web', 2), webService('web')])
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=60s'])
  const [first] = await podsOf('web')
  await cluster.kubectl(['delete', 'pod', first?.metadata.name ?? '', '--wait=false'])
  await eventually('two ready pods without the deleted one', async () => {
    const pods = await podsOf('web')
    return pods.filter((p) => p.metadata.uid !== first?.metadata.uid && p.status.containerStatuses.every((c) => c.ready)).length === 2
  })
})

test('the control plane killed with -9 is back within 2 s, nothing acknowledged lost, no pod restarted', async () => {
  await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=60s'])
  await eventually('old pods to be gone', async () => (await podsOf('web')).length === 2)
  const before = await podsOf('web')
  for (let round = 0; round < 3; round++) {
    await cluster.kubectl(['create', 'configmap', `round-${round}`, '--from-literal=k=v'])
    await onNode('kill -9 $(cat /run/minicube/node.pid)')
    const killedMs = performance.now()
    await eventually(
      'the API server',
      async () => (await cluster.kubectl(['get', 'configmap', `round-${round}`], { mayFail: true })).code === 0,
      15_000,
    )
    const backMs = performance.now() - killedMs
    assert.ok(backMs < 2_500, `back after ${Math.round(backMs)} ms`)
  }
  await cluster.kubectl(['wait', 'deployment/web', '--for=condition=Available', '--timeout=30s'])
  const after = await podsOf('web')
  const identity = (pods: PodView[]): string[] =>
    pods.map((p) => `${p.metadata.uid} ${p.status.containerStatuses.map((c) => `${c.containerID} ${c.restartCount}`)}`).sort()
  assert.deepEqual(identity(after), identity(before))
})
