/** A hundred pods at once, with what pods have: all run, all go, and the node is as it was before them. `FAULTS_ROUNDS=3` uses up more addresses than a node has. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eventually, startedCluster, type Cluster } from '../minicube.ts'

const PODS = 100
const ROUNDS = Number(process.env['FAULTS_ROUNDS'] ?? 1)
const TIMEOUT_MS = 150_000
const IMAGE = 'minicube/busybox:1.37'

/** What of pods there is in the node, one number a line. */
const FOOTPRINT = `
count() { printf '%s %s\\n' "$1" "$(wc -l)"; }
ls /sys/class/net | grep '^pod' | count links
ip -o route | grep 'dev pod' | count routes
nft list ruleset | grep -v counter | count rules
ls /var/lib/kubelet/pods | count directories
ls /var/lib/kubelet/sandboxes | count records
ls /run/minicube/sandboxes | count namespaces
cat /proc/self/mountinfo | count mounts
find /sys/fs/cgroup -type d -path '*kubepods*/pod*' | count cgroups
ls /var/lib/docker/containers | count containers
ls /var/lib/docker/overlay2 | count layers
ls /run/containerd/io.containerd.runtime.v2.task/moby | count tasks
ls /run/containerd/s 2>/dev/null | count shims
ps -eo stat | grep '^Z' | count zombies
`

let cluster: Cluster

const footprint = async (): Promise<string> => (await cluster.minicube(['ssh', '--', 'sh', '-c', FOOTPRINT])).stdout

const crowd = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'crowd' },
  spec: {
    replicas: PODS,
    selector: { matchLabels: { app: 'crowd' } },
    template: {
      metadata: { labels: { app: 'crowd' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'main',
            image: IMAGE,
            command: ['sleep', '100000'],
            ports: [{ containerPort: 8080 }],
            volumeMounts: [
              { name: 'memory', mountPath: '/memory' },
              { name: 'config', mountPath: '/config' },
              { name: 'config', mountPath: '/key', subPath: 'k' },
            ],
          },
        ],
        volumes: [
          { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
          { name: 'config', configMap: { name: 'crowd' } },
        ],
      },
    },
  },
}
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'crowd' },
  spec: { selector: { app: 'crowd' }, ports: [{ port: 80, targetPort: 8080 }] },
}

before(async () => {
  cluster = await startedCluster('faults-hundred')
  await cluster.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'crowd' }, data: { k: 'v' } })
})
after(() => cluster?.remove())

test(`${PODS} pods at once, ${ROUNDS} times: all run, all go, nothing is left`, async () => {
  // A first pod, so that what is kept ready for the next ones is there before it is counted.
  await cluster.apply({ ...crowd, spec: { ...crowd.spec, replicas: 1 } })
  await cluster.kubectl(['rollout', 'status', 'deployment/crowd', '--timeout=60s'])
  await cluster.kubectl(['delete', 'deployment', 'crowd', '--cascade=foreground', '--timeout=60s'])
  let was = ''
  await eventually('a quiet node', async () => {
    const last = was
    was = await footprint()
    return was === last && /^records 0$/m.test(was)
  })
  for (let round = 1; round <= ROUNDS; round++) {
    const startedMs = performance.now()
    await cluster.apply([crowd, service])
    await cluster.kubectl(['rollout', 'status', 'deployment/crowd', `--timeout=${TIMEOUT_MS / 1000}s`], { timeoutMs: TIMEOUT_MS + 10_000 })
    const runningMs = performance.now()
    const { items } = await cluster.get<{ items: { status: { podIP: string; containerStatuses: { restartCount: number }[] } }[] }>('pods')
    assert.equal(new Set(items.map(({ status }) => status.podIP)).size, PODS, 'each has an address of its own')
    assert.ok(items.every(({ status }) => status.containerStatuses[0]?.restartCount === 0))
    await cluster.kubectl(['delete', 'service,deployment', 'crowd', '--wait=false'])
    await eventually('all pods gone', async () => (await cluster.kubectl(['get', 'pods', '-o', 'name'])).stdout === '', TIMEOUT_MS)
    const goneMs = performance.now()
    let is = ''
    await eventually('a node as before', async () => (is = await footprint()) === was).catch(() => assert.equal(is, was))
    const seconds = (ms: number): string => (ms / 1000).toFixed(1)
    console.log(
      `round ${round}: all running after ${seconds(runningMs - startedMs)} s, all gone after another ${seconds(goneMs - runningMs)} s`,
    )
  }
})
