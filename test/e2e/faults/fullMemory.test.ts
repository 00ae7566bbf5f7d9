/**
 * Pods eat the node's memory: the node container's own limit stands for the machine's. What asked for least goes first; the
 * control plane, the kubelet and the pods that keep to what they asked for stay.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eventually, shellPod, startedCluster, type Cluster } from '../minicube.ts'

const NODE_MEMORY = '900m'
/** What of it the node's own processes leave. */
const PODS_MIB = 580
/** A best-effort pod has what others leave of the processor. */
const GREED_MS = 90_000
const IMAGE = 'minicube/busybox:1.37'

let cluster: Cluster
let nodePid: string

interface ContainerState {
  terminated?: { reason?: string; exitCode: number }
}

interface PodView {
  status: {
    phase: string
    reason?: string
    message?: string
    containerStatuses?: { restartCount: number; state: ContainerState; lastState: ContainerState }[]
  }
}

const podOf = (name: string): Promise<PodView> => cluster.get<PodView>('pod', name)

function container(script: string, rest: object = {}): object {
  return { name: 'shell', image: IMAGE, command: ['sh', '-c', script], ...rest }
}

const node = async (script: string): Promise<string> => (await cluster.minicube(['ssh', '--', 'sh', '-c', script])).stdout.trim()

before(async () => {
  cluster = await startedCluster('faults-memory', ['--memory', NODE_MEMORY])
  nodePid = await node('cat /run/minicube/node.pid')
  await cluster.apply([
    shellPod('guaranteed', '', { containers: [container('exec sleep 100000', { resources: { limits: { memory: '32Mi', cpu: '50m' } } })] }),
    shellPod('burstable', '', { containers: [container('exec sleep 100000', { resources: { requests: { memory: '64Mi' } } })] }),
  ])
  await cluster.kubectl(['wait', 'pods', '--all', '--for=condition=Ready', '--timeout=30s'])
})
after(() => cluster?.remove())

async function assertOthersUnharmed(): Promise<void> {
  assert.equal(await node('cat /run/minicube/node.pid'), nodePid, 'the node process was killed')
  for (const name of ['guaranteed', 'burstable']) {
    const { status } = await podOf(name)
    assert.deepEqual([status.phase, status.containerStatuses?.[0]?.restartCount], ['Running', 0], name)
  }
  await cluster.kubectl(['exec', 'guaranteed', '--', 'true'], { timeoutMs: 10_000 })
}

test('a container beyond its own limit is OOMKilled, and nothing else is', async () => {
  const greedy = container('tail /dev/zero', { resources: { limits: { memory: '32Mi' } } })
  await cluster.apply(shellPod('own-limit', '', { restartPolicy: 'Never', containers: [greedy] }))
  const { status } = await eventually('the end', async () => {
    const pod = await podOf('own-limit')
    return pod.status.phase === 'Failed' && pod
  })
  assert.deepEqual(
    [status.reason, status.containerStatuses?.[0]?.state.terminated?.reason, status.containerStatuses?.[0]?.state.terminated?.exitCode],
    [undefined, 'OOMKilled', 137],
  )
  await assertOthersUnharmed()
})

test('a best-effort pod that eats all memory is killed or evicted; what runs the node is not', async () => {
  await cluster.apply(shellPod('hog', 'tail /dev/zero'))
  await eventually(
    'the hog to be killed',
    async () => {
      const { status } = await podOf('hog')
      const { state, lastState } = status.containerStatuses?.[0] ?? {}
      return status.reason === 'Evicted' || [state, lastState].some((it) => it?.terminated?.reason === 'OOMKilled')
    },
    GREED_MS,
  )
  await cluster.kubectl(['delete', 'pod', 'hog', '--timeout=20s'])
  await assertOthersUnharmed()
})

test('a volume in memory has the size of what pods may have, and who fills it is evicted', async () => {
  const filler = {
    ...container('df -k /memory | tail -1; i=0; while :; do dd if=/dev/zero of=/memory/$i bs=1M count=10 2>/dev/null; i=$((i+1)); done'),
    volumeMounts: [{ name: 'memory', mountPath: '/memory' }],
  }
  const spec = {
    // Whoever tolerates the condition has to ask for something, or the kubelet refuses it.
    containers: [{ ...filler, resources: { requests: { memory: '1Mi' } } }],
    // The condition of the pod before may stand still.
    tolerations: [{ operator: 'Exists' }],
    volumes: [{ name: 'memory', emptyDir: { medium: 'Memory' } }],
  }
  await cluster.apply(shellPod('filler', '', spec))
  const { status } = await eventually(
    'the eviction',
    async () => {
      const pod = await podOf('filler')
      return pod.status.reason === 'Evicted' && pod
    },
    GREED_MS,
  )
  assert.match(status.message ?? '', /^The node was low on resource: memory\. /)
  const { items } = await cluster.get<{ items: { status: { allocatable: { memory: string } } }[] }>('nodes')
  assert.equal(items[0]?.status.allocatable.memory, `${PODS_MIB}Mi`)
  const limit = await node('cat /sys/fs/cgroup/memory/kubepods/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/kubepods/memory.max')
  assert.equal(Number(limit), PODS_MIB * 2 ** 20)
  await eventually(
    'the memory to come back',
    async () => (await node('df -t tmpfs 2>/dev/null | grep -c kubernetes.io~empty-dir || true')) === '0',
  )
  assert.equal(await node('cat /run/minicube/node.pid'), nodePid, 'the node process was killed')
  const { status: guaranteed } = await podOf('guaranteed')
  assert.equal(guaranteed.phase, 'Running')
})
