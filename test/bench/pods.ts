/**
 * `npm run bench:pods`: from the creation of a pod to the watch event that says it is Running, one by one and many at once.
 * The reference in the same run is the engine inside the same node: a pause container, and one that joins it.
 */
import type { Pod } from '../../src/api/kinds/core/v1.ts'
import { pods } from '../../src/api/kinds/core/v1.ts'
import type { Draft } from '../../src/api/resource.ts'
import { Client } from '../../src/client/client.ts'
import { createHttpsTransport } from '../../src/client/https.ts'
import { readCredentials } from '../../src/cluster/credentials.ts'
import { loadDockerode } from '../../src/cluster/engine/dockerode.ts'
import { inspectNode } from '../e2e/engine.ts'
import { eventually, startedCluster, type Cluster } from '../e2e/minicube.ts'

const ONE_BY_ONE = Number(process.env['BENCH_PODS'] ?? 20)
const AT_ONCE = Number(process.env['BENCH_PODS_AT_ONCE'] ?? 50)
const BARE_ROUNDS = 10
const RUN_TIMEOUT_MS = 120_000
const PAUSE = 'minicube/pause:1'
const BUSYBOX = 'minicube/busybox:1.37'
const SLEEP = ['sleep', '3600']
const namespace = 'default'
const labels = { bench: 'pods' }

const report = (what: string, value: string, remark = ''): void => console.log(`${what.padEnd(44)} ${value.padStart(10)}  ${remark}`)

function spread(values: readonly number[]): { p50: number; text: string } {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number)
  return { p50: at(0.5), text: `from ${at(0)} to ${at(1)} ms` }
}

function pod(name: string, image: string, command?: string[]): Draft<Pod> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image, ...(command && { command }) }] },
  }
}

/** Notes when each pod is first seen Running. */
class Running {
  readonly #seen = new Map<string, PromiseWithResolvers<number>>()

  when(name: string): Promise<number> {
    return this.#entry(name).promise
  }

  async follow(client: Client, signal: AbortSignal): Promise<void> {
    const { resourceVersion } = await client.list(pods, { namespace, signal })
    void this.#read(client, resourceVersion, signal)
  }

  async #read(client: Client, resourceVersion: string, signal: AbortSignal): Promise<void> {
    try {
      for await (const event of client.watch(pods, { namespace, resourceVersion, signal }))
        if (event.type !== 'BOOKMARK' && event.object.status?.phase === 'Running')
          this.#entry(event.object.metadata.name).resolve(performance.now())
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  #entry(name: string): PromiseWithResolvers<number> {
    let entry = this.#seen.get(name)
    if (!entry) this.#seen.set(name, (entry = Promise.withResolvers<number>()))
    return entry
  }
}

async function untilGone(client: Client): Promise<void> {
  await client.deleteCollection(pods, { namespace, labelSelector: 'bench=pods' })
  await eventually(
    'the pods to be gone',
    async () => (await client.list(pods, { namespace, labelSelector: 'bench=pods' })).items.length === 0,
    RUN_TIMEOUT_MS,
  )
}

async function oneByOne(client: Client, running: Running, name: string, image: string, command?: string[]): Promise<number[]> {
  const took: number[] = []
  for (let i = 0; i < ONE_BY_ONE; i++) {
    const startedMs = performance.now()
    await client.create(pods, pod(`${name}-${i}`, image, command))
    took.push((await running.when(`${name}-${i}`)) - startedMs)
  }
  await untilGone(client)
  return took
}

async function atOnce(client: Client, running: Running): Promise<number> {
  const names = Array.from({ length: AT_ONCE }, (_, i) => `many-${i}`)
  const startedMs = performance.now()
  await Promise.all(names.map((name) => client.create(pods, pod(name, BUSYBOX, SLEEP))))
  const lastMs = Math.max(...(await Promise.all(names.map((name) => running.when(name)))))
  await untilGone(client)
  return lastMs - startedMs
}

/** What the engine alone needs: a sandbox, then a container in it. */
async function bare(cluster: Cluster): Promise<{ sandbox: number[]; joined: number[] }> {
  const { pid } = await inspectNode(cluster)
  const Docker = await loadDockerode()
  const docker = new Docker({ socketPath: `/proc/${pid}/root/run/docker.sock` })
  const sandbox: number[] = []
  const joined: number[] = []
  for (let i = 0; i < BARE_ROUNDS; i++) {
    const startedMs = performance.now()
    const pause = await docker.createContainer({ Image: PAUSE, HostConfig: { NetworkMode: 'none' } })
    await pause.start()
    const pauseMs = performance.now()
    const join = `container:${pause.id}`
    const main = await docker.createContainer({ Image: BUSYBOX, Cmd: SLEEP, HostConfig: { NetworkMode: join } })
    await main.start()
    joined.push(performance.now() - pauseMs)
    sandbox.push(pauseMs - startedMs)
    await main.remove({ force: true })
    await pause.remove({ force: true })
  }
  return { sandbox, joined }
}

const cluster = await startedCluster('bench-pods')
const watching = new AbortController()
const credentials = await readCredentials(cluster.env['MINICUBE_HOME'] ?? '', cluster.profile)
if (!credentials) throw new Error('the started cluster has no credentials')
const transport = createHttpsTransport({ ...credentials, userAgent: 'bench' })
try {
  const client = new Client(transport)
  const running = new Running()
  await running.follow(client, watching.signal)
  const { sandbox, joined } = await bare(cluster)
  report('bare engine: a sandbox (p50)', `${spread(sandbox).p50} ms`, spread(sandbox).text)
  report('bare engine: a container that joins it (p50)', `${spread(joined).p50} ms`, spread(joined).text)
  for (const [what, image, command] of [
    ['pause', PAUSE],
    ['busybox', BUSYBOX, SLEEP],
  ] as const) {
    const took = spread(await oneByOne(client, running, what, image, command && [...command]))
    report(`${ONE_BY_ONE} ${what} pods, one by one (p50)`, `${took.p50} ms`, took.text)
  }
  report(`${AT_ONCE} busybox pods at once, until the last runs`, `${((await atOnce(client, running)) / 1000).toFixed(2)} s`)
} finally {
  watching.abort()
  transport.close()
  await cluster.remove()
}
