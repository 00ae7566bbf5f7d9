/** What a stop of the node does to its pods, and what is there after the next start. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eventually, shellPod, startedCluster, type Cluster } from '../minicube.ts'

let cluster: Cluster

before(async () => {
  cluster = await startedCluster('faults-stop')
})
after(() => cluster?.remove())

interface PodView {
  metadata: { name: string; uid: string }
  status: { phase: string; reason?: string; containerStatuses?: { restartCount: number; ready: boolean }[] }
}

test('servers run again in their place with what they saved at the end; an interrupted job is not taken for a finished one', async () => {
  // Both end well when they are asked to; the job needs a run that nobody interrupts.
  const script = 'trap "echo saved > /data/state; exit 0" TERM; cat /data/state; while :; do sleep 0.1; done'
  const server = {
    name: 'shell',
    image: 'minicube/busybox:1.37',
    command: ['sh', '-c', script],
    volumeMounts: [{ name: 'data', mountPath: '/data' }],
  }
  const volumes = [{ name: 'data', emptyDir: {} }]
  const task = shellPod('', 'trap "exit 0" TERM; i=0; while [ $i -lt 80 ]; do sleep 0.1; i=$((i+1)); done') as { spec: object }
  await cluster.apply([
    shellPod('server', '', { terminationGracePeriodSeconds: 5, containers: [server], volumes }),
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'task' },
      spec: { template: { spec: { ...task.spec, restartPolicy: 'Never' } } },
    },
  ])
  const ofJob = async (): Promise<PodView[]> => (await cluster.get<{ items: PodView[] }>('pods', '-l', 'job-name=task')).items
  await cluster.kubectl(['wait', 'pod/server', '--for=condition=Ready', '--timeout=30s'])
  const [first] = await eventually('the job to run', async () => (await ofJob())[0]?.status.phase === 'Running' && ofJob())
  const { uid } = (await cluster.get<PodView>('pod', 'server')).metadata
  await cluster.minicube(['stop'])
  await cluster.minicube(['start'])

  const again = await eventually('the server to be Ready again', async () => {
    const pod = await cluster.get<PodView>('pod', 'server')
    return pod.status.containerStatuses?.[0]?.ready === true && pod.status.containerStatuses[0].restartCount === 1 && pod
  })
  assert.equal(again.metadata.uid, uid)
  assert.equal((await cluster.kubectl(['logs', 'server'])).stdout, 'saved\n')
  const interrupted = (await ofJob()).find((pod) => pod.metadata.name === first?.metadata.name)
  assert.deepEqual([interrupted?.status.phase, interrupted?.status.reason], ['Failed', 'Terminated'])
  await cluster.kubectl(['wait', 'job/task', '--for=condition=Complete', '--timeout=60s'])
  assert.equal((await ofJob()).filter((pod) => pod.status.phase === 'Succeeded').length, 1)
})
