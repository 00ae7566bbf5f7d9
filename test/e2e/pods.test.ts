/** A pod's life as people meet it: images that are missing, probes, init containers, configuration, crash loops. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually, shellPod, startedCluster, type Cluster } from './minicube.ts'

let cluster: Cluster

before(async () => {
  cluster = await startedCluster('e2e-pods')
})
after(() => cluster?.remove())

const IMAGE = 'minicube/busybox:1.37'
const shell = (script: string, more: object = {}): object => ({ name: 'main', image: IMAGE, command: ['sh', '-c', script], ...more })
const pod = (name: string, spec: object): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { terminationGracePeriodSeconds: 1, ...spec },
})
const field = async (name: string, path: string): Promise<string> =>
  (await cluster.kubectl(['get', 'pod', name, '-o', `jsonpath={${path}}`])).stdout
const logs = async (name: string): Promise<string> => (await cluster.kubectl(['logs', name])).stdout
const phase = (name: string, wanted: string): Promise<unknown> =>
  cluster.kubectl(['wait', `pod/${name}`, `--for=jsonpath={.status.phase}=${wanted}`, '--timeout=60s'])

test('an image that is not there fails at once, with a reason', async () => {
  await cluster.apply(pod('missing', { containers: [{ name: 'main', image: 'no-such-image-anywhere:1' }] }))
  await eventually('a waiting reason', async () =>
    /ErrImagePull|ImagePullBackOff/.test(await field('missing', '.status.containerStatuses[0].state.waiting.reason')),
  )
  assert.match((await cluster.kubectl(['describe', 'pod', 'missing'])).stdout, /Failed to pull image "no-such-image-anywhere:1"/)
})

test('environment, ConfigMap, Secret and the downward API', async () => {
  await cluster.apply([
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { COLOUR: 'blue', 'file.txt': 'from-file' } },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, stringData: { TOKEN: 's3cret' } },
    pod('config', {
      restartPolicy: 'Never',
      containers: [
        shell(
          'echo $COLOUR $TOKEN $NAME $(cat /etc/settings/file.txt) $(ls /var/run/secrets/kubernetes.io/serviceaccount | sort | tr "\\n" ",") $(stat -Lc %a /etc/keys/TOKEN)',
          {
            env: [{ name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
            envFrom: [{ configMapRef: { name: 'settings' } }, { secretRef: { name: 'keys' } }],
            volumeMounts: [
              { name: 'settings', mountPath: '/etc/settings' },
              { name: 'keys', mountPath: '/etc/keys' },
            ],
          },
        ),
      ],
      volumes: [
        { name: 'settings', configMap: { name: 'settings' } },
        { name: 'keys', secret: { secretName: 'keys', defaultMode: 0o400 } },
      ],
    }),
  ])
  await phase('config', 'Succeeded')
  assert.equal(await logs('config'), 'blue s3cret config from-file ca.crt,namespace,token, 400\n')
})

test('init containers run first, in order, over a shared volume', async () => {
  await cluster.apply(
    pod('ordered', {
      restartPolicy: 'Never',
      initContainers: [1, 2].map((n) => ({
        ...(shell(`echo ${n} >> /work/order`) as object),
        name: `init-${n}`,
        volumeMounts: [{ name: 'work', mountPath: '/work' }],
      })),
      containers: [shell('cat /work/order', { volumeMounts: [{ name: 'work', mountPath: '/work' }] })],
      volumes: [{ name: 'work', emptyDir: {} }],
    }),
  )
  await phase('ordered', 'Succeeded')
  assert.equal(await logs('ordered'), '1\n2\n')
})

test('a failing liveness probe restarts, a failing readiness probe does not', async () => {
  const probe = (file: string): object => ({ exec: { command: ['test', '-f', file] }, periodSeconds: 1, failureThreshold: 1 })
  await cluster.apply([
    pod('alive', {
      containers: [
        shell('touch /tmp/ok; sleep 3; rm /tmp/ok; sleep 1000', { livenessProbe: { ...probe('/tmp/ok'), initialDelaySeconds: 1 } }),
      ],
    }),
    pod('unready', { containers: [shell('sleep 1000', { readinessProbe: probe('/tmp/never') })] }),
  ])
  await eventually('a restart', async () => Number(await field('alive', '.status.containerStatuses[0].restartCount')) >= 1)
  assert.equal(await field('unready', '.status.containerStatuses[0].ready'), 'false')
  assert.equal(await field('unready', '.status.containerStatuses[0].restartCount'), '0')
})

test('a container that keeps failing is in CrashLoopBackOff, with its last state', async () => {
  await cluster.apply(pod('crashing', { containers: [shell('echo dying; exit 3')] }))
  await eventually(
    'CrashLoopBackOff',
    async () => (await field('crashing', '.status.containerStatuses[0].state.waiting.reason')) === 'CrashLoopBackOff',
  )
  assert.equal(await field('crashing', '.status.containerStatuses[0].lastState.terminated.exitCode'), '3')
})

test('memory over the limit is OOMKilled', async () => {
  await cluster.apply(
    pod('hungry', {
      restartPolicy: 'Never',
      containers: [shell('x=a; while :; do x=$x$x; done', { resources: { limits: { memory: '16Mi' } } })],
    }),
  )
  await phase('hungry', 'Failed')
  assert.equal(await field('hungry', '.status.containerStatuses[0].state.terminated.reason'), 'OOMKilled')
})

test('a job completes; a cron job makes jobs', async () => {
  await cluster.apply({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'sum' },
    spec: { completions: 2, parallelism: 2, template: { spec: { restartPolicy: 'Never', containers: [shell('echo done')] } } },
  })
  await cluster.kubectl(['wait', 'job/sum', '--for=condition=Complete', '--timeout=60s'])
  assert.equal((await cluster.get<{ status: { succeeded: number } }>('job', 'sum')).status.succeeded, 2)
})

test('a pod that was bound past the scheduler and does not fit fails with the reason', async () => {
  const { items } = await cluster.get<{ items: { metadata: { name: string } }[] }>('nodes')
  const nodeName = items[0]?.metadata.name
  await cluster.apply([
    pod('too-big', { nodeName, containers: [shell('sleep 1000', { resources: { requests: { cpu: '1000' } } })] }),
    pod('elsewhere', { nodeName, nodeSelector: { planet: 'mars' }, containers: [shell('sleep 1000')] }),
  ])
  await phase('too-big', 'Failed')
  await phase('elsewhere', 'Failed')
  assert.match(
    (await cluster.kubectl(['get', 'pods', 'too-big', 'elsewhere'])).stdout,
    /too-big +0\/1 +OutOfcpu[^]*elsewhere +0\/1 +NodeAffinity/,
  )
})

test('kubectl debug sees the processes of its target; exec of a missing program says so', async () => {
  await cluster.apply(pod('target', { containers: [shell('exec sleep 24680')] }))
  await cluster.kubectl(['wait', 'pod/target', '--for=condition=Ready', '--timeout=30s'])
  await cluster.kubectl([
    'debug',
    'target',
    `--image=${IMAGE}`,
    '--target=main',
    '-c',
    'looker',
    '--profile=general',
    '--',
    'sh',
    '-c',
    'ps',
  ])
  await eventually('the list of processes', async () =>
    (await cluster.kubectl(['logs', 'target', '-c', 'looker'])).stdout.includes('sleep 24680'),
  )
  const missing = await cluster.kubectl(['exec', 'target', '--', 'no-such-program'], { mayFail: true })
  assert.notEqual(missing.code, 0)
  assert.match(missing.stdout + missing.stderr, /executable file .*not found in \$PATH/)
})

test('a manifest on the node is a static pod: it has a mirror that comes back, and goes with its file', async () => {
  const { items } = await cluster.get<{ items: { metadata: { name: string } }[] }>('nodes')
  const name = `static-${items[0]?.metadata.name}`
  const file = '/etc/kubernetes/manifests/static.json'
  await cluster.minicube(['ssh', '--', 'sh', '-c', `cat > ${file}`], {
    input: JSON.stringify(pod('static', { containers: [shell('exec sleep 1000')] })),
  })
  const uid = (): Promise<string> => field(name, '.metadata.uid')
  const container = (): Promise<string> => field(name, '.status.containerStatuses[0].containerID')
  await eventually('the mirror pod', async () => (await field(name, '.status.phase')) === 'Running')
  const [first, runs] = [await uid(), await container()]
  await cluster.kubectl(['delete', 'pod', name, '--wait=false'])
  await eventually('another mirror of the same container', async () => (await uid()) !== first && (await container()) === runs)
  await cluster.minicube(['ssh', '--', 'rm', file])
  await eventually('the end of the mirror', async () => (await cluster.kubectl(['get', 'pod', name], { mayFail: true })).code !== 0)
})

/** Builds an image into the cluster. */
async function build(tag: string, dockerfile: string): Promise<void> {
  const folder = await mkdtemp(join(cluster.home, 'image-'))
  await writeFile(join(folder, 'Dockerfile'), dockerfile)
  await cluster.minicube(['image', 'build', '-t', tag, folder])
  await rm(folder, { recursive: true })
}

test('an image that is built into the cluster is soon in the list of the node', async () => {
  await build('built-here:dev', `FROM ${IMAGE}\nCMD ["true"]\n`)
  await eventually('the image', async () =>
    (await cluster.kubectl(['get', 'nodes', '-o', 'jsonpath={.items[0].status.images[*].names}'])).stdout.includes('built-here:dev'),
  )
})

test('an image of many layers is a volume, whole and read-only', async () => {
  const layers = Array.from({ length: 40 }, (_, i) => `RUN echo ${i} > /layer-${i}`)
  await build('layered:dev', [`FROM ${IMAGE}`, ...layers, ''].join('\n'))
  const script = 'cat /image/layer-* | sort -n | tail -1; ls /image/layer-* | wc -l; touch /image/x || echo refused'
  await cluster.apply(
    pod('layered', {
      restartPolicy: 'Never',
      containers: [shell(script, { volumeMounts: [{ name: 'image', mountPath: '/image' }] })],
      volumes: [{ name: 'image', image: { reference: 'layered:dev' } }],
    }),
  )
  await phase('layered', 'Succeeded')
  assert.match(await logs('layered'), /^39\n40\n(.*\n)?refused\n$/)
})

test('a deleted namespace takes everything along', async () => {
  await cluster.kubectl(['create', 'namespace', 'doomed'])
  await cluster.kubectl(['-n', 'doomed', 'create', 'configmap', 'c'])
  await cluster.kubectl(['-n', 'doomed', 'apply', '-f', '-'], { input: JSON.stringify(shellPod('p', 'sleep 1000')) })
  await cluster.kubectl(['delete', 'namespace', 'doomed', '--timeout=60s'])
  assert.notEqual((await cluster.kubectl(['get', 'namespace', 'doomed'], { mayFail: true })).code, 0)
})
