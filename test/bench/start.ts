/**
 * `npm run bench:start`: how long a user waits and what an idle cluster costs, phase by phase, on this machine now.
 * The reference in the same run is a bare container of the engine: what no launcher can be faster than.
 */
import { inspectNode, runBareContainer } from '../e2e/engine.ts'
import { eventually, newCluster, shellPod, webDeployment, webService, type Cluster } from '../e2e/minicube.ts'
import { cpuShare, memoryByProgram } from './processTree.ts'

const IDLE_SECONDS = Number(process.env['BENCH_IDLE_SECONDS'] ?? 60)
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3)
const START_TIMEOUT_MS = 900_000

const rows: { what: string; value: string; remark: string }[] = []
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
const mebibytes = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`
const report = (what: string, value: string, remark = ''): void => {
  rows.push({ what, value, remark })
  console.log(`${what.padEnd(44)} ${value.padStart(10)}  ${remark}`)
}
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number

async function startMs(cluster: Cluster): Promise<number> {
  return (await cluster.minicube(['start'], { timeoutMs: START_TIMEOUT_MS })).elapsedMs
}

/** From `start` on an empty profile until a pod has fetched a page from a service by its name. */
async function untilAppAnswersMs(cluster: Cluster): Promise<number> {
  const fromMs = performance.now()
  await startMs(cluster)
  const ask = 'until wget -qO- -T 1 http://app/cgi-bin/who; do sleep 0.02; done'
  await cluster.apply([webDeployment('app', 1), webService('app'), shellPod('client', ask, { restartPolicy: 'Never' })])
  await cluster.kubectl(['wait', 'pod/client', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=60s'])
  return performance.now() - fromMs
}

const cluster = await newCluster('bench-start')
try {
  report('first start (image and engine as found)', seconds(await startMs(cluster)))
  const node = await inspectNode(cluster)
  report('node image, unpacked', mebibytes(node.imageBytes))

  const bare: number[] = []
  const warm: number[] = []
  const afterStop: number[] = []
  const app: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await cluster.minicube(['delete'])
    bare.push(await runBareContainer(node.image))
    warm.push(await startMs(cluster))
    await cluster.minicube(['stop'])
    afterStop.push(await startMs(cluster))
    await cluster.minicube(['delete'])
    app.push(await untilAppAnswersMs(cluster))
  }
  const reference = median(bare)
  const ratio = (ms: number): string => `${(ms / reference).toFixed(1)} × a bare container (${seconds(reference)})`
  report(`warm start to Ready (median of ${ROUNDS})`, seconds(median(warm)), ratio(median(warm)))
  report(`start after stop (median of ${ROUNDS})`, seconds(median(afterStop)), ratio(median(afterStop)))
  report(`until an app answers through DNS (median of ${ROUNDS})`, seconds(median(app)), ratio(median(app)))

  await cluster.minicube(['delete'])
  await startMs(cluster)
  await eventually('the start to settle', async () => (await cpuShare((await inspectNode(cluster)).pid, 2)) < 0.2, 30_000).catch(
    () => undefined,
  )
  const { pid } = await inspectNode(cluster)
  const share = await cpuShare(pid, IDLE_SECONDS)
  const programs = memoryByProgram(pid)
  report('idle memory, everything in the node (PSS)', mebibytes(programs.reduce((sum, p) => sum + p.pssBytes, 0)))
  for (const { name, processes, pssBytes } of programs.slice(0, 6)) report(`  ${name} × ${processes}`, mebibytes(pssBytes))
  report(`idle CPU over ${IDLE_SECONDS} s`, `${(share * 100).toFixed(2)} %`, 'of one core')
} finally {
  await cluster.remove()
}
