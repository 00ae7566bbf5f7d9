/**
 * `npm run bench:pods`: from the creation of a pod to the watch event that says it is Running, from its deletion until nothing
 * of it is left, one by one and many at once; and from a Service's change until connections follow. The reference in the same
 * run is the engine inside the same node: a pause container, and one that joins it.
 */
import type { Pod } from '../../src/api/kinds/core/v1.ts'
import { pods, services } from '../../src/api/kinds/core/v1.ts'
import type { Draft } from '../../src/api/resource.ts'
import { Client } from '../../src/client/client.ts'
import { HttpsTransport } from '../../src/client/https.ts'
import { readCredentials } from '../../src/cluster/credentials.ts'
import { startedCluster } from '../e2e/minicube.ts'
import { BareEngine, type Shape } from './bareEngine.ts'
import { figures, report, reportOnce, type Figures } from './figures.ts'
import { PodFollower } from './podFollower.ts'
import { ANSWERING, ShiftProbe, turnService } from './serviceShift.ts'

const ONE_BY_ONE = Number(process.env['BENCH_PODS'] ?? 20)
const AT_ONCE = (process.env['BENCH_PODS_AT_ONCE'] ?? '50,100').split(',').map(Number)
const TURNS = Number(process.env['BENCH_SERVICE_TURNS'] ?? 40)
const PAUSE = 'minicube/pause:1'
const BUSYBOX = 'minicube/busybox:1.37'
const namespace = 'default'

const SHAPES: readonly (Shape & { name: string; ends: string })[] = [
  { name: 'pause', image: PAUSE, graceSeconds: 30, ends: 'obeys SIGTERM' },
  { name: 'busybox', image: BUSYBOX, command: ['sleep', '3600'], graceSeconds: 0, ends: 'grace 0' },
]
const [PAUSES, SLEEPERS] = SHAPES as [(typeof SHAPES)[0], (typeof SHAPES)[0]]

function pod(name: string, { image, command, graceSeconds }: Shape): Draft<Pod> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      terminationGracePeriodSeconds: graceSeconds,
      containers: [{ name: 'main', image, ...(command && { command: [...command] }) }],
    },
  }
}

interface Bench {
  client: Client
  follower: PodFollower
  engine: BareEngine
}

interface Rounds {
  created: Figures
  deleted: Figures
}

interface PodRounds extends Rounds {
  /** Until nothing runs any more. */
  ended: Figures
}

async function timed<T>(into: number[], work: () => Promise<T>): Promise<T> {
  const startedMs = performance.now()
  const done = await work()
  into.push(performance.now() - startedMs)
  return done
}

async function bareOneByOne({ engine }: Bench, shape: Shape): Promise<Rounds> {
  const created: number[] = []
  const deleted: number[] = []
  for (let i = 0; i < ONE_BY_ONE; i++) {
    const containers = await timed(created, () => engine.run(shape))
    await timed(deleted, () => engine.end(containers, shape))
  }
  return { created: figures(created), deleted: figures(deleted) }
}

/** Until the object is gone, and until nothing runs for it any more: with grace 0 that is later, by what the kubelet gives at least. */
async function remove({ client, follower, engine }: Bench, name: string): Promise<{ goneMs: number; endedMs: number }> {
  const { ended } = await engine.watchEnd(name)
  const startedMs = performance.now()
  await client.delete(pods, { namespace, name })
  const goneMs = (await follower.when(name, 'gone')) - startedMs
  await ended
  return { goneMs, endedMs: performance.now() - startedMs }
}

async function podsOneByOne(bench: Bench, shape: Shape & { name: string }): Promise<PodRounds> {
  const names = Array.from({ length: ONE_BY_ONE }, (_, i) => `${shape.name}-${i}`)
  const created: number[] = []
  const deleted: number[] = []
  for (const name of names) {
    const startedMs = performance.now()
    await bench.client.create(pods, pod(name, shape))
    created.push((await bench.follower.when(name, 'running')) - startedMs)
  }
  const ended: number[] = []
  for (const name of names) {
    const { goneMs, endedMs } = await remove(bench, name)
    deleted.push(goneMs)
    ended.push(endedMs)
  }
  return { created: figures(created), deleted: figures(deleted), ended: figures(ended) }
}

async function bareAtOnce({ engine }: Bench, count: number, shape: Shape): Promise<number> {
  const startedMs = performance.now()
  const all = await Promise.all(Array.from({ length: count }, () => engine.run(shape)))
  const tookMs = performance.now() - startedMs
  await Promise.all(all.map((containers) => engine.end(containers, shape)))
  return tookMs
}

/** Until the last one runs. */
async function podsAtOnce(bench: Bench, count: number, shape: Shape & { name: string }): Promise<number> {
  const names = Array.from({ length: count }, (_, i) => `${shape.name}-${count}-${i}`)
  const startedMs = performance.now()
  await Promise.all(names.map((name) => bench.client.create(pods, pod(name, shape))))
  const tookMs = Math.max(...(await Promise.all(names.map((name) => bench.follower.when(name, 'running'))))) - startedMs
  await Promise.all(names.map((name) => remove(bench, name)))
  return tookMs
}

/** Two pods that take turns behind one Service, seen from the node and from a third pod. */
async function serviceShift({ client, follower, engine }: Bench): Promise<{ fromNode: Figures; fromPod: Figures }> {
  const answering: Shape = { image: BUSYBOX, command: ANSWERING, graceSeconds: 1 }
  for (const name of ['left', 'right']) await client.create(pods, pod(name, answering))
  await client.create(pods, pod('looker', SLEEPERS))
  const service = await client.create(services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'turned', namespace },
    spec: { selector: { app: 'left' }, ports: [{ port: 80, targetPort: 8080 }] },
  })
  for (const name of ['left', 'right', 'looker']) await follower.when(name, 'running')
  const address = service.spec.clusterIP ?? ''
  const intoPod = ['nsenter', '--net', '--target', String(await engine.pidOf('looker'))]
  const probes = [new ShiftProbe(cluster, [], address), new ShiftProbe(cluster, intoPod, address)]
  try {
    for (const probe of probes) await probe.when('left')
    const turns = Array.from({ length: TURNS + 1 }, (_, i) => (i % 2 === 0 ? 'right' : 'left'))
    const [node = [], inPod = []] = await turnService(client, { namespace, name: 'turned' }, turns, probes)
    return { fromNode: figures(node), fromPod: figures(inPod) }
  } finally {
    for (const probe of probes) probe.close()
  }
}

const cluster = await startedCluster('bench-pods')
const watching = new AbortController()
const credentials = await readCredentials(cluster.env['MINICUBE_HOME'] ?? '', cluster.profile)
if (!credentials) throw new Error('the started cluster has no credentials')
const transport = new HttpsTransport({ ...credentials, userAgent: 'bench' })
try {
  const client = new Client(transport)
  const follower = new PodFollower()
  await follower.follow(client, namespace, watching.signal)
  const bench = { client, follower, engine: await BareEngine.of(cluster, PAUSE) }
  for (const shape of SHAPES) {
    const bare = await bareOneByOne(bench, shape)
    const here = await podsOneByOne(bench, shape)
    report(`bare engine: sandbox and ${shape.name}, until they run`, bare.created)
    report(`${ONE_BY_ONE} ${shape.name} pods, one by one, create → Running`, here.created, bare.created)
    report(`bare engine: ${shape.name} (${shape.ends}), until removed`, bare.deleted)
    report(`${ONE_BY_ONE} ${shape.name} pods (${shape.ends}), delete → gone`, here.deleted, bare.deleted)
    report(`${''.padEnd(String(ONE_BY_ONE).length)} … until nothing runs any more`, here.ended, bare.deleted)
  }
  for (const count of AT_ONCE) {
    for (const shape of [PAUSES, SLEEPERS]) {
      const bareMs = await bareAtOnce(bench, count, shape)
      reportOnce(`bare engine: ${count} times sandbox and ${shape.name} at once`, bareMs)
      reportOnce(`${count} ${shape.name} pods at once, until the last runs`, await podsAtOnce(bench, count, shape), bareMs)
    }
  }
  const { fromNode, fromPod } = await serviceShift(bench)
  report('Service change → traffic shifted, seen from the node', fromNode)
  report('Service change → traffic shifted, seen from a pod', fromPod)
} finally {
  watching.abort()
  transport.close()
  await cluster.remove()
}
