/**
 * `npm run bench:scale`: what the control plane alone does with many nodes and pods, none of which has a container
 * (--fake-nodes): pods scheduled in a second, a Deployment scaled up and rolled, a namespace deleted, memory and CPU. Each is
 * measured at half the size, too: what grows by more than 2.3 times when the size doubles is not linear.
 *
 *   --size N      pods of the larger run; a tenth as many nodes (default 10000)
 *   --only REGEX  scenarios by name
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { deployments, type Deployment } from '../../src/api/kinds/apps/v1.ts'
import { configmaps, namespaces, nodes, pods, resourcequotas, services, type Namespace, type Pod } from '../../src/api/kinds/core/v1.ts'
import type { Draft, KubeObject, Resource } from '../../src/api/resource.ts'
import { isNotFound } from '../../src/api/status.ts'
import { Client } from '../../src/client/client.ts'
import { HttpsTransport } from '../../src/client/https.ts'
import { atEnd } from '../ending.ts'
import { readTarget } from './apiLoad.ts'

const START_TIMEOUT_MS = 120_000
const RUN_TIMEOUT_MS = 600_000
const POLL_MS = 100
/** A search through all pods is work itself. */
const SEARCH_POLL_MS = 1_000
const CREATING_AT_ONCE = 32
const GROWTH_MAX = 2.3
const SCHEDULED_PER_SECOND_MIN = 500
const MEMORY_MIB_MAX = 1_024
/** Less is too little to tell growth from noise. */
const NOTICEABLE_CPU_S = 1
const CLOCK_TICKS_PER_SECOND = 100

const { values: flags } = parseArgs({
  options: {
    size: { type: 'string', default: '10000' },
    only: { type: 'string', default: '' },
    profile: { type: 'boolean', default: false },
  },
})

interface ControlPlane {
  client: Client
  transport: HttpsTransport
  pid: number
  stop(): Promise<void>
}

/** On a folder that outlives it, so that the next one goes on where it ended. */
async function startControlPlane(fakeNodes: number, folder: string, more: readonly string[] = []): Promise<ControlPlane> {
  const kubeconfig = join(folder, 'kubeconfig')
  const root = join(import.meta.dirname, '../..')
  const args = [
    '--listen',
    '127.0.0.1:0',
    '--kubeconfig',
    kubeconfig,
    '--data',
    join(folder, 'data'),
    '--fake-nodes',
    String(fakeNodes),
    ...more,
  ]
  const profiling = flags.profile ? ['--cpu-prof', '--cpu-prof-dir', join(tmpdir(), 'minicube-bench-scale-profile')] : []
  const command = flags.profile ? [...profiling, join(root, 'src/node/controlPlane.ts'), ...args] : ['control-plane', ...args]
  const program = flags.profile ? join(root, 'bin/node') : join(root, 'bin/minicube')
  const child = spawn(program, command, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  void ended.then(atEnd(() => child.kill('SIGKILL')))
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the control plane is not ready')), START_TIMEOUT_MS)
    child.stdout.on('data', (chunk: Buffer) => chunk.toString().includes('ready: ') && resolve(clearTimeout(timer)))
    child.once('exit', (code) => reject(new Error(`the control plane ended with ${code ?? 'a signal'}`)))
  })
  const { url, ...identity } = readTarget(kubeconfig)
  const transport = new HttpsTransport({ server: url, ...identity, userAgent: 'bench-scale' })
  return {
    client: new Client(transport),
    transport,
    pid: child.pid as number,
    async stop() {
      transport.close()
      child.kill('SIGTERM')
      await ended
    },
  }
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND
}

function memoryMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024
}

async function inParallel(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: Math.min(CREATING_AT_ONCE, count) }, async () => {
      while (next < count) await work(next++)
    }),
  )
}

async function until(what: string, isSo: () => Promise<boolean> | boolean, pollMs = POLL_MS): Promise<void> {
  const deadlineMs = performance.now() + RUN_TIMEOUT_MS
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${RUN_TIMEOUT_MS} ms: ${what}`)
    await sleep(pollMs)
  }
}

const container = (env: string) => ({
  name: 'main',
  image: 'fake',
  env: [{ name: 'VERSION', value: env }],
  resources: { requests: { cpu: '100m', memory: '64Mi' } },
})

function deployment(namespace: string, name: string, replicas: number, env: string): Draft<Deployment> {
  const labels = { app: name }
  return {
    metadata: { namespace, name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container(env)] } },
    },
  }
}

async function newNamespace(client: Client, name: string): Promise<string> {
  await client.create<Namespace>(namespaces, { metadata: { name }, spec: {} })
  return name
}

/** Follows a namespace's pods and counts those that a predicate has seen. */
async function countPods(client: Client, namespace: string, isCounted: (pod: Pod) => boolean, signal: AbortSignal): Promise<Set<string>> {
  const { resourceVersion } = await client.list(pods, { namespace })
  const seen = new Set<string>()
  void (async () => {
    for await (const event of client.watch(pods, { namespace, resourceVersion, signal }))
      if (event.type !== 'BOOKMARK' && isCounted(event.object)) seen.add(event.object.metadata.name)
  })().catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
  return seen
}

async function isReady(client: Client, namespace: string, name: string, replicas: number): Promise<boolean> {
  const { metadata, status } = await client.get(deployments, { namespace, name })
  const { observedGeneration = 0, readyReplicas = 0, updatedReplicas = 0, availableReplicas = 0, replicas: all = 0 } = status ?? {}
  const isSeen = observedGeneration >= (metadata.generation ?? 0)
  return isSeen && readyReplicas === replicas && updatedReplicas === replicas && availableReplicas === replicas && all === replicas
}

async function isGone(client: Client, resource: Resource<KubeObject>, name: string): Promise<boolean> {
  try {
    await client.get(resource, { name })
    return false
  } catch (error) {
    if (isNotFound(error)) return true
    throw error
  }
}

const BACKLOG = 'pods that wait, scheduled'

function createPods(client: Client, namespace: string, count: number): Promise<void> {
  return inParallel(count, (i) =>
    client.create<Pod>(pods, {
      metadata: { namespace, name: `pod-${i}`, labels: { app: 'bench' } },
      spec: { containers: [container('1')] },
    }),
  )
}

interface Scenario {
  name: string
  /** Prepares and answers what is measured, for a run of `size` pods. */
  prepare(plane: ControlPlane, size: number): Promise<() => Promise<void>>
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'pods created, scheduled',
    async prepare({ client }, size) {
      const namespace = await newNamespace(client, 'scheduling')
      return async () => {
        const stop = new AbortController()
        const bound = await countPods(client, namespace, ({ spec }) => Boolean(spec.nodeName), stop.signal)
        const create = createPods(client, namespace, size)
        await Promise.all([create, until('all pods to be bound', () => bound.size >= size)])
        stop.abort()
      }
    },
  },
  {
    name: 'their namespace deleted',
    async prepare({ client }) {
      return async () => {
        await client.delete(namespaces, { name: 'scheduling' })
        await until('the namespace to be gone', () => isGone(client, namespaces as Resource, 'scheduling'))
      }
    },
  },
  {
    name: 'Deployment with Service and quota, 0 to half',
    async prepare({ client }, size) {
      const namespace = await newNamespace(client, 'scaling')
      // As applications have them: what counts and publishes pods grows with their number as well.
      await client.create(services, { metadata: { namespace, name: 'web' }, spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } })
      await client.create(resourcequotas, {
        metadata: { namespace, name: 'all' },
        spec: { hard: { pods: '100k', 'requests.cpu': '100k' } },
      })
      await client.create(deployments, deployment(namespace, 'web', 0, '1'))
      return async () => {
        await client.patch(deployments, { namespace, name: 'web', type: 'application/merge-patch+json' }, { spec: { replicas: size / 2 } })
        await until('the Deployment to be ready', () => isReady(client, namespace, 'web', size / 2))
      }
    },
  },
  {
    name: 'rolling update of a tenth',
    async prepare({ client }, size) {
      const namespace = await newNamespace(client, 'rolling')
      const replicas = size / 10
      await client.create(deployments, deployment(namespace, 'web', replicas, '1'))
      await until('the Deployment to be ready', () => isReady(client, namespace, 'web', replicas))
      return async () => {
        const { spec } = deployment(namespace, 'web', replicas, '2')
        await client.patch(deployments, { namespace, name: 'web', type: 'application/merge-patch+json' }, { spec })
        await until('the update to be over', () => isReady(client, namespace, 'web', replicas))
      }
    },
  },
  {
    name: 'namespace of half as many objects deleted',
    async prepare({ client }, size) {
      const namespace = await newNamespace(client, 'objects')
      await inParallel(size / 2, (i) => client.create(configmaps, { metadata: { namespace, name: `object-${i}` }, data: { key: 'value' } }))
      return async () => {
        await client.delete(namespaces, { name: namespace })
        await until('the namespace to be gone', () => isGone(client, namespaces as Resource, namespace))
      }
    },
  },
]

interface Result {
  seconds: number
  cpuSeconds: number
  memoryMib: number
}

async function timed(plane: ControlPlane, run: () => Promise<void>): Promise<Result> {
  const cpu = cpuSeconds(plane.pid)
  const startMs = performance.now()
  await run()
  const seconds = (performance.now() - startMs) / 1_000
  return { seconds, cpuSeconds: cpuSeconds(plane.pid) - cpu, memoryMib: memoryMib(plane.pid) }
}

const isChosen = (name: string): boolean => flags.only === '' || new RegExp(flags.only).test(name)

/** All pods are there before the scheduler is: what it does in a second is measured alone. */
async function scheduleBacklog(nodeCount: number, size: number, folder: string): Promise<Result> {
  const before = await startControlPlane(nodeCount, folder, ['--no-scheduler'])
  const namespace = await newNamespace(before.client, 'backlog')
  await createPods(before.client, namespace, size)
  await before.stop()
  const scheduling = await startControlPlane(nodeCount, folder)
  try {
    return await timed(scheduling, async () => {
      await until(
        'all pods to be bound',
        async () => {
          const list = await scheduling.client.list(pods, { namespace, fieldSelector: 'spec.nodeName=', limit: 1 })
          return list.items.length === 0
        },
        SEARCH_POLL_MS,
      )
    })
  } finally {
    await scheduling.client.delete(namespaces, { name: namespace })
    await until('the namespace to be gone', () => isGone(scheduling.client, namespaces as Resource, namespace))
    await scheduling.stop()
  }
}

async function runAll(size: number): Promise<Map<string, Result>> {
  const nodeCount = size / 10
  const folder = mkdtempSync(join(tmpdir(), 'minicube-bench-scale-'))
  const removed = atEnd(() => rmSync(folder, { recursive: true, force: true }))
  const results = new Map<string, Result>()
  const note = (name: string, result: Result): void => {
    results.set(name, result)
    console.error(
      `  ${size} pods: ${name}: ${result.seconds.toFixed(1)} s, CPU ${result.cpuSeconds.toFixed(1)} s, ${result.memoryMib.toFixed(0)} MiB`,
    )
  }
  try {
    if (isChosen(BACKLOG)) note(BACKLOG, await scheduleBacklog(nodeCount, size, folder))
    const plane = await startControlPlane(nodeCount, folder)
    try {
      await until('the nodes to be there', async () => (await plane.client.list(nodes)).items.length >= nodeCount)
      for (const { name, prepare } of SCENARIOS) if (isChosen(name)) note(name, await timed(plane, await prepare(plane, size)))
    } finally {
      await plane.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
    removed()
  }
  return results
}

const size = Number(flags.size)
const [half, full] = [await runAll(size / 2), await runAll(size)]
const cells = (values: readonly string[]): string => values.map((value, i) => (i === 0 ? value.padEnd(44) : value.padStart(9))).join(' ')
const ratio = (after: number, before: number): string => `${(after / Math.max(before, 0.01)).toFixed(2)}x`
console.log(cells(['', `${size / 2}`, `${size}`, 'growth', 'CPU', 'CPU', 'growth', 'memory']))
const misses: string[] = []
for (const [name, now] of full) {
  const before = half.get(name) ?? now
  const times = [`${before.seconds.toFixed(1)} s`, `${now.seconds.toFixed(1)} s`, ratio(now.seconds, before.seconds)]
  const cpu = [`${before.cpuSeconds.toFixed(1)} s`, `${now.cpuSeconds.toFixed(1)} s`, ratio(now.cpuSeconds, before.cpuSeconds)]
  console.log(cells([name, ...times, ...cpu, `${now.memoryMib.toFixed(0)} MiB`]))
  // What others do on the machine stretches the time, and not the CPU that was used.
  if (now.cpuSeconds / before.cpuSeconds > GROWTH_MAX && now.cpuSeconds > NOTICEABLE_CPU_S) misses.push(`growth of: ${name}`)
}
const scheduling = full.get(BACKLOG)
if (scheduling) {
  const [perSecond, perCpuSecond] = [size / scheduling.seconds, size / scheduling.cpuSeconds]
  console.log(
    `pods scheduled in a second: ${perSecond.toFixed(0)}; in a second of CPU: ${perCpuSecond.toFixed(0)} (aim ${SCHEDULED_PER_SECOND_MIN})`,
  )
  if (perSecond < SCHEDULED_PER_SECOND_MIN) misses.push('pods scheduled in a second')
}
const memory = Math.max(...[...full.values()].map(({ memoryMib }) => memoryMib))
console.log(`most memory with ${size} pods: ${memory.toFixed(0)} MiB (aim ${MEMORY_MIB_MAX})`)
if (memory > MEMORY_MIB_MAX) misses.push('memory')
console.log(misses.length === 0 ? 'within the aims' : `NOT within the aims: ${misses.join('; ')}`)
