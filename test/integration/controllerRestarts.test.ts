/**
 * Controllers that are killed at random moments make and take away no pod too many: they go on from what is on disk.
 * MINICUBE_MODEL_SEED says when they are killed, MINICUBE_RESTART_RUNS for how many seeds from there on it is tried.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { daemonsets, deployments, statefulsets } from '../../src/api/kinds/apps/v1.ts'
import { jobs } from '../../src/api/kinds/batch/v1.ts'
import { nodes, pods, type Pod } from '../../src/api/kinds/core/v1.ts'
import { isConditionTrue } from '../../src/api/meta.ts'
import { Client } from '../../src/client/client.ts'
import { HttpsTransport } from '../../src/client/https.ts'
import { Random } from '../fuzz/random.ts'
import { ControlPlaneProcess } from './controlPlaneProcess.ts'

const folder = mkdtempSync(join(tmpdir(), 'minicube-controller-restarts-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const FAKE_NODES = 3
const REPLICAS = 6
const FEWER_REPLICAS = 2
const KILLS = 3
/** While a Deployment is made smaller. */
const LATER_KILLS = 1
const LIFE_MAX_MS = 1_500
const WAIT_LIMIT_MS = 60_000
const NAMESPACE = 'default'
const FIRST_SEED = Number(process.env['MINICUBE_MODEL_SEED'] ?? 1)
const RUNS = Number(process.env['MINICUBE_RESTART_RUNS'] ?? 1)
/** Fake nodes let a pod succeed after so long. */
const SUCCEEDS = { 'minicube.local/complete-after-seconds': '0.3' }

const template = (app: string, image: string) => ({
  metadata: { labels: { app } },
  spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image }] },
})
const selector = (app: string) => ({ matchLabels: { app } })
const at = (name: string) => ({ name, namespace: NAMESPACE })

async function createAll(client: Client): Promise<void> {
  await client.create(deployments, {
    metadata: at('web'),
    spec: { replicas: REPLICAS, selector: selector('web'), template: template('web', 'i:1') },
  })
  const set = { replicas: 3, serviceName: 'db', selector: selector('db'), template: template('db', 'i:1') }
  await client.create(statefulsets, { metadata: at('db'), spec: set })
  await client.create(daemonsets, { metadata: at('agent'), spec: { selector: selector('agent'), template: template('agent', 'i:1') } })
  const once = template('sum', 'i:1')
  const jobTemplate = { metadata: { ...once.metadata, annotations: SUCCEEDS }, spec: { ...once.spec, restartPolicy: 'Never' } }
  await client.create(jobs, { metadata: at('sum'), spec: { completions: 6, parallelism: 2, template: jobTemplate } })
}

async function isSettled(client: Client, replicas: number): Promise<boolean> {
  const [web, db, agent, sum] = await Promise.all([
    client.get(deployments, at('web')),
    client.get(statefulsets, at('db')),
    client.get(daemonsets, at('agent')),
    client.get(jobs, at('sum')),
  ])
  return (
    web.status?.availableReplicas === replicas &&
    web.status.replicas === replicas &&
    web.status.observedGeneration === web.metadata.generation &&
    db.status?.availableReplicas === 3 &&
    agent.status?.numberAvailable === FAKE_NODES &&
    isConditionTrue(sum.status?.conditions, 'Complete')
  )
}

const appOf = (pod: Pod): string => pod.metadata.labels?.['app'] ?? ''

async function eventually(done: () => Promise<boolean>): Promise<void> {
  for (const untilMs = Date.now() + WAIT_LIMIT_MS; ;) {
    if (await done().catch(() => false)) return
    if (Date.now() > untilMs) throw new Error('it did not come about in time')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function killAtRandom(seed: number): Promise<void> {
  const random = new Random(seed)
  const server = new ControlPlaneProcess(join(folder, `kubeconfig-${seed}`), [
    '--data',
    join(folder, `data-${seed}`),
    '--controllers',
    '*',
    '--scheduler',
    '--fake-nodes',
    String(FAKE_NODES),
  ])
  await server.start()
  const { url, ca, cert, key } = server.target
  const transport = new HttpsTransport({ server: url, ca, cert, key, userAgent: 'test' })
  const client = new Client(transport)
  /** By application: the uids of all pods that there ever were, and how many of them are gone. */
  const ever = new Map<string, Set<string>>()
  const deleted = new Map<string, number>()
  const stop = new AbortController()
  try {
    await eventually(async () => (await client.list(nodes)).items.length === FAKE_NODES)
    const { resourceVersion } = await client.list(pods, { namespace: NAMESPACE })
    await createAll(client)
    const killTimes = async (times: number): Promise<void> => {
      for (let kill = 0; kill < times; kill++) {
        await new Promise((resolve) => setTimeout(resolve, random.below(LIFE_MAX_MS)))
        await server.kill()
        await server.start()
      }
    }
    await killTimes(KILLS)
    await eventually(() => isSettled(client, REPLICAS))
    await client.patch(deployments, { ...at('web'), type: 'application/merge-patch+json' }, { spec: { replicas: FEWER_REPLICAS } })
    await killTimes(LATER_KILLS)
    await eventually(() => isSettled(client, FEWER_REPLICAS))
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(3_000)])
    for await (const event of client.watch(pods, { namespace: NAMESPACE, resourceVersion, signal })) {
      if (event.type === 'BOOKMARK') continue
      const app = appOf(event.object)
      ever.set(app, (ever.get(app) ?? new Set()).add(event.object.metadata.uid))
      if (event.type === 'DELETED') deleted.set(app, (deleted.get(app) ?? 0) + 1)
    }
    const made = Object.fromEntries([...ever].map(([app, uids]) => [app, uids.size]))
    assert.deepEqual(made, { agent: FAKE_NODES, db: 3, sum: 6, web: REPLICAS })
    assert.deepEqual(Object.fromEntries(deleted), { web: REPLICAS - FEWER_REPLICAS })
  } finally {
    stop.abort()
    transport.close()
    await server.kill()
  }
}

for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
  it(`controllers killed at random moments make no pod too many (seed ${seed})`, { timeout: 240_000 }, () => killAtRandom(seed))
}
