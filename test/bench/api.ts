/**
 * `npm run bench:api`: what the API server does in a second, how long a request takes, and what it costs. Against the cluster
 * of --kubeconfig FILE (or KUBECONFIG), with --pid N its process; otherwise against a control plane of its own, on a disk.
 * Ratios are to a real kube-apiserver with etcd on the machine that this was first measured on. The load runs on the same cores.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { atEnd } from '../ending.ts'
import { Connection, measure, readTarget, type Measurement, type Target } from './apiLoad.ts'
import { processTree } from './processTree.ts'

const WORKERS = [1, 8, 32]
const LARGE_LIST = 5_000
const WATCHERS = 100
const WATCHED_UPDATES = 200
const WATCH_CONNECTIONS = 10
const START_TIMEOUT_MS = 30_000
const READY = /ready: /

/** Answers a second of the reference, by operation and workers. */
const REFERENCE: Record<string, number> = {
  'create 1': 461,
  'get 1': 1_095,
  'list 100 1': 168,
  'update 32': 1_020,
  'list 100 32': 250,
}
const REFERENCE_LARGE_LIST_MS = 140
const REFERENCE_FAN_OUT_MS = 2_700
const REFERENCE_MEMORY_MIB = 272

interface Server {
  target: Target
  /** Unknown for a cluster that runs elsewhere. */
  pid: number | undefined
  stop(): Promise<void>
}

async function startServer(data: string): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'minicube-bench-api-'))
  const kubeconfig = join(folder, 'kubeconfig')
  const args = ['control-plane', '--listen', '127.0.0.1:0', '--kubeconfig', kubeconfig, '--data', data || join(folder, 'data')]
  const child = spawn(join(import.meta.dirname, '../../bin/minicube'), args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const removed = atEnd(() => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the control plane is not ready')), START_TIMEOUT_MS)
    child.stdout.on('data', (chunk: Buffer) => READY.test(chunk.toString()) && resolve(clearTimeout(timer)))
    child.once('exit', (code) => reject(new Error(`the control plane ended with ${code ?? 'a signal'}`)))
  })
  return {
    target: readTarget(kubeconfig),
    pid: child.pid,
    async stop() {
      child.kill('SIGTERM')
      await ended
      rmSync(folder, { recursive: true, force: true })
      removed()
    },
  }
}

const { values: flags } = parseArgs({
  options: {
    kubeconfig: { type: 'string', default: process.env['KUBECONFIG'] ?? '' },
    pid: { type: 'string' },
    data: { type: 'string', default: '' },
    workers: { type: 'string', default: WORKERS.join(',') },
  },
})
const server: Server = flags.kubeconfig
  ? { target: readTarget(flags.kubeconfig), pid: flags.pid ? Number(flags.pid) : undefined, stop: async () => {} }
  : await startServer(flags.data)

const cpuSeconds = (): number | undefined => server.pid && processTree(server.pid).reduce((sum, { cpuSeconds: one }) => sum + one, 0)
const memoryMiB = (): number | undefined => {
  if (!server.pid) return undefined
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024
}
const column = (text: string, width: number): string => text.padStart(width)
const namespace = `bench-${process.pid}`
const api = new Connection(server.target)
const configMaps = (ns: string): string => `/api/v1/namespaces/${ns}/configmaps`
const configMap = (name: string, round = 0): Buffer =>
  Buffer.from(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, labels: { app: 'bench' } },
      data: { round: String(round), text: 'x'.repeat(200) },
    }),
  )

async function row(what: string, workers: number, count: number, call: (index: number) => Promise<unknown>): Promise<Measurement> {
  const before = cpuSeconds()
  const measured = await measure(count, workers, call)
  const after = cpuSeconds()
  const { perSecond, p50Ms, p99Ms } = measured
  const cpu = before === undefined || after === undefined ? '-' : `${(((after - before) / count) * 1e6).toFixed(0)} µs`
  const reference = REFERENCE[`${what} ${workers}`]
  const ratio = reference ? `${(perSecond / reference).toFixed(1)} × the reference` : ''
  console.log(
    `${what.padEnd(12)}${column(String(workers), 8)}${column(perSecond.toFixed(0), 10)}${column(p50Ms.toFixed(2), 10)}${column(p99Ms.toFixed(2), 10)}${column(cpu, 12)}  ${ratio}`,
  )
  return measured
}

async function createNamespace(name: string): Promise<void> {
  await api.request('POST', '/api/v1/namespaces', Buffer.from(JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })))
}

async function fill(ns: string, count: number): Promise<void> {
  await createNamespace(ns)
  await measure(count, 32, (i) => api.request('POST', configMaps(ns), configMap(`c${i}`)))
}

async function operations(workers: number): Promise<void> {
  const ns = `${namespace}-${workers}`
  await createNamespace(ns)
  const count = workers === 1 ? 1_500 : 4_000
  const at = (i: number): string => `${configMaps(ns)}/c${i}`
  await row('create', workers, count, (i) => api.request('POST', configMaps(ns), configMap(`c${i}`)))
  await row('get', workers, 2 * count, (i) => api.request('GET', at(i % count)))
  await row('update', workers, count, (i) => api.request('PUT', at(i), configMap(`c${i}`, 1)))
  const patch = Buffer.from('{"data":{"round":"2"}}')
  await row('patch', workers, count, (i) => api.request('PATCH', at(i), patch, 'application/merge-patch+json'))
  await row('list 100', workers, count / 4, () => api.request('GET', configMaps(`${namespace}-100`)))
  await row('list 500', workers, count / 10, () => api.request('GET', configMaps(`${namespace}-500`)))
  await row(`list ${LARGE_LIST}`, workers, 40, () => api.request('GET', configMaps(`${namespace}-${LARGE_LIST}`)))
  await row('delete', workers, count, (i) => api.request('DELETE', at(i)))
  await api.request('DELETE', `/api/v1/namespaces/${ns}`)
}

async function fanOut(): Promise<void> {
  const ns = `${namespace}-watch`
  await fill(ns, 10)
  const connections = Array.from({ length: WATCH_CONNECTIONS }, () => new Connection(server.target))
  const { metadata } = JSON.parse((await api.request('GET', configMaps(ns))).toString()) as { metadata: { resourceVersion: string } }
  let seen = 0
  const all = Promise.withResolvers<void>()
  const expected = WATCHERS * WATCHED_UPDATES
  const onEvents = (count: number): void => {
    seen += count
    if (seen >= expected) all.resolve()
  }
  const path = `${configMaps(ns)}?watch=1&resourceVersion=${metadata.resourceVersion}`
  await Promise.all(Array.from({ length: WATCHERS }, (_, i) => (connections[i % WATCH_CONNECTIONS] as Connection).watch(path, onEvents)))
  const fromMs = performance.now()
  await measure(WATCHED_UPDATES, 1, (i) => api.request('PUT', `${configMaps(ns)}/c${i % 10}`, configMap(`c${i % 10}`, i + 1)))
  await all.promise
  const tookMs = performance.now() - fromMs
  for (const connection of connections) connection.close()
  const ratio = (REFERENCE_FAN_OUT_MS / tookMs).toFixed(1)
  console.log(`\n${WATCHERS} watchers × ${WATCHED_UPDATES} updates: ${(tookMs / 1000).toFixed(2)} s  ${ratio} × the reference`)
}

try {
  const idleMiB = memoryMiB()
  console.log(
    `${'operation'.padEnd(12)}${['workers', 'a second', 'p50 ms', 'p99 ms', 'server CPU'].map((t, i) => column(t, [8, 10, 10, 10, 12][i] as number)).join('')}`,
  )
  for (const size of [100, 500, LARGE_LIST]) await fill(`${namespace}-${size}`, size)
  for (const workers of flags.workers.split(',').map(Number)) await operations(workers)
  await fanOut()
  const large = await measure(20, 1, () => api.request('GET', configMaps(`${namespace}-${LARGE_LIST}`)))
  console.log(`list of ${LARGE_LIST}: ${large.p50Ms.toFixed(1)} ms  ${(REFERENCE_LARGE_LIST_MS / large.p50Ms).toFixed(1)} × the reference`)
  const usedMiB = memoryMiB()
  if (idleMiB !== undefined && usedMiB !== undefined) {
    const share = ((usedMiB - idleMiB) / REFERENCE_MEMORY_MIB).toFixed(2)
    console.log(
      `memory: ${idleMiB.toFixed(0)} MiB idle, ${usedMiB.toFixed(0)} MiB after the load: ${share} of the reference's ${REFERENCE_MEMORY_MIB} MiB more`,
    )
  }
  for (const size of [100, 500, LARGE_LIST, 'watch']) await api.request('DELETE', `/api/v1/namespaces/${namespace}-${size}`)
} finally {
  api.close()
  await server.stop()
}
