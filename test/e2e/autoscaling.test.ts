/** A Deployment that follows its load: real metrics, `kubectl autoscale`, up and down; and settings of components by name. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eventually, startedCluster, type Cluster } from './minicube.ts'

let cluster: Cluster

const SETTINGS = ['sync-period=2s', 'downscale-stabilization=5s', 'cpu-initialization-period=1s']

before(async () => {
  const flags = SETTINGS.map((setting) => `--extra-config=controller-manager.horizontal-pod-autoscaler-${setting}`)
  cluster = await startedCluster('e2e-autoscaling', [...flags, '--extra-config=kubelet.node-labels=example.com/rack=r1'])
})
after(() => cluster?.remove())

/** Uses the CPU for as long as /tmp/busy is there. */
const SCRIPT = 'while true; do if [ -e /tmp/busy ]; then i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; else sleep 1; fi; done'

const LOADED = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'loaded' },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'loaded' } },
    template: {
      metadata: { labels: { app: 'loaded' } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'main',
            image: 'minicube/busybox:1.37',
            command: ['sh', '-c', SCRIPT],
            resources: { requests: { cpu: '100m' }, limits: { cpu: '200m' } },
          },
        ],
      },
    },
  },
}

interface Autoscaler {
  status: {
    desiredReplicas: number
    currentMetrics?: { resource?: { current: { averageUtilization?: number } } }[]
    conditions: { type: string; status: string; reason: string }[]
  }
}
const autoscaler = (): Promise<Autoscaler> => cluster.get<Autoscaler>('hpa', 'loaded')

test('replicas follow the load up and down', { timeout: 240_000 }, async () => {
  await cluster.apply(LOADED)
  await cluster.kubectl(['rollout', 'status', 'deployment/loaded', '--timeout=60s'])
  await cluster.kubectl(['autoscale', 'deployment', 'loaded', '--cpu=50%', '--min=1', '--max=4'])
  await eventually(
    'an idle Deployment that is left alone',
    async () => {
      const { currentMetrics = [], conditions } = (await autoscaler()).status
      const active = conditions.find(({ type }) => type === 'ScalingActive')
      return active?.reason === 'ValidMetricFound' && (currentMetrics[0]?.resource?.current.averageUtilization ?? 100) < 50
    },
    60_000,
  )
  await cluster.kubectl(['exec', 'deployment/loaded', '--', 'touch', '/tmp/busy'])
  await eventually('more replicas under load', async () => (await autoscaler()).status.desiredReplicas > 1, 90_000)
  const events = (
    await cluster.kubectl(['get', 'events', '--field-selector=reason=SuccessfulRescale', '-o', 'jsonpath={.items[*].message}'])
  ).stdout
  assert.match(events, /New size: [234]; reason: cpu resource utilization \(percentage of request\) above target/)

  for (const pod of (await cluster.kubectl(['get', 'pods', '-l', 'app=loaded', '-o', 'name'])).stdout.trim().split('\n'))
    await cluster.kubectl(['exec', pod, '--', 'rm', '-f', '/tmp/busy'], { mayFail: true })
  await eventually('one replica without load', async () => (await autoscaler()).status.desiredReplicas === 1, 90_000)
})

test('a setting that no component has is told before anything is started', async () => {
  const setting = '--extra-config=controller-manager.hpa-sync-period=1s'
  const { code, stderr } = await cluster.minicube(['start', setting], { mayFail: true })
  assert.equal(code, 14)
  assert.match(stderr, /has no option "hpa-sync-period".*\n*.*horizontal-pod-autoscaler-sync-period/s)
})

test('labels of the node', async () => {
  const { items } = await cluster.get<{ items: { metadata: { labels: Record<string, string> } }[] }>('nodes')
  assert.equal(items[0]?.metadata.labels['example.com/rack'], 'r1')
})
