/**
 * The node's disk is full: it is a small file system of its own, so the machine's is never in danger. What fills it goes,
 * what uses what it asked for stays, and the API answers every write with a clear yes or no.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createSmallDisk } from '../engine.ts'
import { eventually, newCluster, shellPod, type Cluster } from '../minicube.ts'

const DISK_MIB = 400
/** The kubelet keeps saying so for five minutes after: the long run waits for that. */
const WAITS_FOR_CONDITION = process.env['FAULTS_LONG'] === '1'

let cluster: Cluster

interface PodView {
  metadata: { name: string }
  status: { phase: string; reason?: string; message?: string; containerStatuses?: { restartCount: number; ready: boolean }[] }
}

const podOf = (name: string): Promise<PodView> => cluster.get<PodView>('pod', name)

async function freeMiB(): Promise<number> {
  const { stdout } = await cluster.minicube(['ssh', '--', 'df', '-B1M', '--output=avail', '/var'])
  return Number(stdout.trim().split('\n').at(-1))
}

async function isUnderPressure(): Promise<boolean> {
  const { items } = await cluster.get<{ items: { status: { conditions: { type: string; status: string }[] } }[] }>('nodes')
  return items[0]?.status.conditions.some(({ type, status }) => type === 'DiskPressure' && status === 'True') === true
}

before(async () => {
  cluster = await newCluster('faults-disk')
  await createSmallDisk(cluster, DISK_MIB)
  await cluster.minicube(['start'])
  await cluster.apply([
    shellPod('bystander', 'exec sleep 100000'),
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'before' }, data: { k: 'v' } },
  ])
  await cluster.kubectl(['wait', 'pod/bystander', '--for=condition=Ready', '--timeout=30s'])
})
after(() => cluster?.remove())

test('a pod that fills the disk is evicted, and its space comes back; others stay', async () => {
  const filler = {
    name: 'shell',
    image: 'minicube/busybox:1.37',
    // It takes whatever comes free, too.
    command: ['sh', '-c', 'while :; do dd if=/dev/zero bs=64k 2>/dev/null >>/data/file; done'],
    volumeMounts: [{ name: 'data', mountPath: '/data' }],
  }
  await cluster.apply(shellPod('filler', '', { containers: [filler], volumes: [{ name: 'data', emptyDir: {} }] }))
  const evicted = await eventually(
    'the eviction',
    async () => {
      const pod = await podOf('filler')
      return pod.status.reason === 'Evicted' && pod
    },
    90_000,
  )
  assert.equal(evicted.status.phase, 'Failed')
  assert.match(
    evicted.status.message ?? '',
    /^The node was low on resource: ephemeral-storage\. Threshold quantity: \d+\w*, available: \d+\w*\. /,
  )
  await eventually('the space to come back', async () => (await freeMiB()) > DISK_MIB * 0.8)
  assert.equal(await isUnderPressure(), true)
  const { status } = await podOf('bystander')
  assert.deepEqual([status.phase, status.containerStatuses?.[0]?.restartCount], ['Running', 0])
})

test('while the condition stands, best-effort pods are kept away and refused', async () => {
  await cluster.apply([shellPod('kept-away', 'exec sleep 100000'), shellPod('refused', 'exec sleep 100000', { nodeName: cluster.profile })])
  const refused = await eventually('the refusal', async () => {
    const pod = await podOf('refused')
    return pod.status.phase === 'Failed' && pod
  })
  assert.equal(refused.status.message, 'Pod was rejected: The node had condition: [DiskPressure]. ')
  const { status } = await cluster.get<{ status: { conditions: { type: string; message?: string }[] } }>('pod', 'kept-away')
  assert.match(status.conditions.find(({ type }) => type === 'PodScheduled')?.message ?? '', /had untolerated taint/)
})

test('a disk that is full to the last byte: large writes are refused as such, small ones and reads go on, and all is well once there is room', async () => {
  const pid = (await cluster.minicube(['ssh', '--', 'cat', '/run/minicube/node.pid'])).stdout
  await cluster.minicube([
    'ssh',
    '--',
    'sh',
    '-c',
    'dd if=/dev/zero of=/var/tmp/fill bs=1M 2>/dev/null; dd if=/dev/zero of=/var/tmp/rest bs=4k 2>/dev/null; true',
  ])
  const large = 'x'.repeat(500_000)
  const acknowledged: string[] = []
  let refusals = 0
  for (let n = 0; n < 40 && refusals < 3; n++) {
    const name = `during-${n}`
    const config = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { large } }
    const answer = await cluster.kubectl(['create', '-f', '-'], { input: JSON.stringify(config), mayFail: true })
    if (answer.code === 0) acknowledged.push(name)
    else {
      refusals++
      assert.match(answer.stderr, /the store cannot be written: .*full/)
    }
  }
  assert.equal(refusals, 3, `${acknowledged.length} writes of half a megabyte fit on a full disk`)
  for (let n = 0; n < 10; n++) await cluster.kubectl(['label', 'configmap', 'before', `n=${n}`, '--overwrite'])
  assert.equal((await cluster.kubectl(['get', 'configmap', 'before', '-o', 'jsonpath={.data.k}'])).stdout, 'v')
  await cluster.kubectl(['get', '--raw', '/readyz'])
  await cluster.minicube(['ssh', '--', 'rm', '/var/tmp/fill', '/var/tmp/rest'])
  await eventually(
    'a write',
    async () =>
      (await cluster.kubectl(['create', 'configmap', 'after', `--from-literal=k=${large.slice(0, 100_000)}`], { mayFail: true })).code ===
      0,
  )
  await cluster.kubectl(['delete', 'configmap', 'before', '--timeout=20s'])
  for (const name of acknowledged) await cluster.kubectl(['get', 'configmap', name])
  assert.equal((await cluster.minicube(['ssh', '--', 'cat', '/run/minicube/node.pid'])).stdout, pid, 'the node process was restarted')
})

test(
  'pods come back once the disk has had room for a while',
  { skip: !WAITS_FOR_CONDITION && 'FAULTS_LONG=1 waits the five minutes' },
  async () => {
    await eventually('no pressure', async () => !(await isUnderPressure()), 6 * 60_000)
    await cluster.kubectl(['wait', 'pod/kept-away', '--for=condition=Ready', '--timeout=60s'])
  },
)
