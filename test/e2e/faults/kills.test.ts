/**
 * Processes of a busy node killed with -9 in a random order: after each, within a bound, all is as it was. The order
 * follows from a seed that is printed; `FAULTS_SEED` repeats it, `FAULTS_KILLS=100` is the long run.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { linkNameOf } from '../../../src/kubelet/network/links.ts'
import { eventually, startedCluster, type Cluster } from '../minicube.ts'
import type { NodeView, ProbedContainer } from './nodeProbe.ts'
import { PODS, workload } from './workload.ts'

const KILLS = Number(process.env['FAULTS_KILLS'] ?? 20)
const SEED = Number(process.env['FAULTS_SEED'] ?? Math.floor(Math.random() * 1e9))
const RECOVERY_MS = 20_000
/** What the kubelet keeps ready at most. */
const MAX_SPARES = 3

interface ContainerStatus {
  name: string
  containerID?: string
  restartCount: number
  ready: boolean
}

interface PodView {
  metadata: { name: string; namespace: string; uid: string }
  spec: { hostNetwork?: boolean }
  status: {
    podIP?: string
    conditions?: { type: string; status: string }[]
    containerStatuses?: ContainerStatus[]
    initContainerStatuses?: ContainerStatus[]
  }
}

interface Observed {
  pods: PodView[]
  configMaps: string[]
  node: NodeView
}

const DAEMONS = ['node', 'dockerd', 'containerd'] as const
type Target = (typeof DAEMONS)[number] | 'pause' | 'app'

let cluster: Cluster
let probe: string
let services: string[]

before(async () => {
  console.log(`seed ${SEED} (FAULTS_SEED=${SEED} repeats this order)`)
  cluster = await startedCluster('faults-kills')
  probe = await readFile(join(import.meta.dirname, 'nodeProbe.ts'), 'utf8')
  await cluster.apply(workload)
  const addressOf = async (name: string): Promise<string> =>
    (await cluster.get<{ spec: { clusterIP: string } }>('service', name)).spec.clusterIP
  services = [`http://${await addressOf('web')}/cgi-bin/who`, `http://${await addressOf('db')}/log`, 'dns:web.default.svc.cluster.local']
})
after(() => cluster?.remove())

/** A small generator of numbers in [0, 1) (mulberry32): the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

async function observe(): Promise<Observed> {
  const [listed, probed] = await Promise.all([
    cluster.get<{ items: (PodView & { kind: string })[] }>('pods,configmaps', '-n', 'default'),
    cluster.minicube(['ssh', '--', 'node', '--input-type=module-typescript', '-', ...services], { input: probe, timeoutMs: 30_000 }),
  ])
  return {
    pods: listed.items.filter(({ kind }) => kind === 'Pod'),
    configMaps: listed.items.filter(({ kind }) => kind === 'ConfigMap').map(({ metadata }) => metadata.name),
    node: JSON.parse(probed.stdout) as NodeView,
  }
}

const statusesOf = ({ status }: PodView): ContainerStatus[] => [
  ...(status.initContainerStatuses ?? []),
  ...(status.containerStatuses ?? []),
]
const isReady = ({ status }: PodView): boolean =>
  status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true

/** What is not as it should be, whatever was killed. */
function complaints({ pods, node, configMaps }: Observed, acknowledged: readonly string[]): string[] {
  const found: string[] = []
  const expect = (fine: boolean, complaint: string): void => void (fine || found.push(complaint))
  expect(pods.length === PODS, `${pods.length} pods instead of ${PODS}`)
  for (const pod of pods) expect(isReady(pod), `${pod.metadata.name} is not Ready`)
  for (const name of acknowledged) expect(configMaps.includes(name), `the ConfigMap ${name} was acknowledged and is lost`)
  for (const [target, answer] of Object.entries(node.answers)) expect(!answer.startsWith('error') && answer !== '', `${target}: ${answer}`)

  const uids = new Set(pods.map((pod) => pod.metadata.uid))
  for (const what of ['directories', 'mounts', 'cgroups'] as const)
    for (const uid of node[what]) expect(uids.has(uid), `leaked in ${what}: ${uid}`)
  for (const { id, podUid, kind } of node.containers) expect(uids.has(podUid), `leaked ${kind} ${id} of pod ${podUid}`)

  const alive = node.containers.filter(({ pid }) => pid !== 0)
  const sandboxes = alive.filter(({ kind }) => kind === 'sandbox')
  const links = sandboxes.flatMap(({ ips }) => ips.map(linkNameOf))
  assert.equal(new Set(links).size, links.length, 'two pods have one address')
  const unowned = node.links.filter((link) => !links.includes(link))
  expect(unowned.length <= node.spares && node.spares <= MAX_SPARES, `leaked links ${unowned}, ${node.spares} sandboxes are nobody's`)
  for (const link of links) expect(node.links.includes(link), `missing link ${link}`)
  for (const pod of pods) {
    const own = sandboxes.filter(({ podUid }) => podUid === pod.metadata.uid)
    expect(own.length === 1, `${pod.metadata.name} has ${own.length} living sandboxes`)
    if (!pod.spec.hostNetwork)
      expect(own[0]?.ips[0] === pod.status.podIP, `${pod.metadata.name} has ${own[0]?.ips}, its status says ${pod.status.podIP}`)
    const running = alive
      .filter(({ podUid, kind }) => podUid === pod.metadata.uid && kind === 'container')
      .map(({ id }) => `docker://${id}`)
    const told = statusesOf(pod).map(({ containerID }) => containerID)
    expect(
      running.length === told.length && running.every((id) => told.includes(id)),
      `${pod.metadata.name} runs ${running}, its status says ${told}`,
    )
  }
  return found
}

async function healthy(acknowledged: readonly string[]): Promise<Observed> {
  let last: string[] = ['nothing could be observed']
  return eventually(
    'everything as it should be',
    async () => {
      last = ['nothing could be observed']
      const observed = await observe()
      last = complaints(observed, acknowledged)
      return last.length === 0 && observed
    },
    RECOVERY_MS,
  ).catch((error: unknown) => assert.fail(`${last.join('\n')}\n${String(error instanceof Error ? error.cause : error)}`))
}

/** By pod and container: which one it is, and how often it was started again. */
function identities({ pods }: Observed): Map<string, ContainerStatus & { podUid: string }> {
  return new Map(
    pods.flatMap((pod) =>
      statusesOf(pod).map((status) => [`${pod.metadata.uid}/${status.name}`, { ...status, podUid: pod.metadata.uid }] as const),
    ),
  )
}

/** Containers that were to be started again were, once; all others are the ones they were. */
function assertRestarts(was: Observed, is: Observed, victim: ProbedContainer | undefined, what: string): void {
  const now = identities(is)
  for (const [key, { containerID, restartCount, podUid, name }] of identities(was)) {
    const caused = victim?.podUid === podUid && (victim.kind === 'sandbox' || victim.name === name)
    const container = now.get(key)
    assert.equal(container?.restartCount, restartCount + (caused ? 1 : 0), `restarts of ${key} after killing ${what}`)
    assert.equal(container?.containerID === containerID, !caused, `identity of ${key} after killing ${what}`)
  }
  assert.equal(now.size, identities(was).size)
}

/** Half of the kills hit the node's own processes. A pod is hit once only: what dies twice backs off, and that is right. */
function planKills(random: () => number): Target[] {
  const podsToHit = Math.min(PODS - 2, Math.floor(KILLS * 0.4))
  const targets = Array.from({ length: KILLS }, (_, n): Target =>
    n < podsToHit ? (n % 2 ? 'pause' : 'app') : (DAEMONS[n % DAEMONS.length] as Target),
  )
  return targets
    .map((target) => ({ target, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ target }) => target)
}

test(`${KILLS} processes killed with -9 under a running workload`, async () => {
  const random = randomFrom(SEED)
  const acknowledged: string[] = []
  const hit = new Set<string>()
  await cluster.kubectl(['wait', 'pods', '--all', '--for=condition=Ready', '--timeout=90s'])
  let was = await healthy(acknowledged)
  for (const [round, target] of planKills(random).entries()) {
    const kind = target === 'pause' ? 'sandbox' : 'container'
    // Of the pods whose sandbox is a process it is the sandbox that dies.
    const held = new Set(was.node.containers.flatMap((c) => (c.kind === 'sandbox' && c.pid > 0 ? [c.podUid] : [])))
    const candidates = was.node.containers
      .filter((c) => c.pid > 0 && c.kind === kind && !hit.has(c.podUid) && held.has(c.podUid) === (kind === 'sandbox'))
      .sort((a, b) => (a.podUid + a.name < b.podUid + b.name ? -1 : 1))
    const isPod = target === 'pause' || target === 'app'
    const victim = isPod ? candidates[Math.floor(random() * candidates.length)] : undefined
    if (isPod) assert.ok(victim, 'every pod was hit already')
    if (victim) hit.add(victim.podUid)
    const pid = isPod ? victim?.pid : was.node.pids[target]
    // Every other death in a pod comes while whoever would notice it is dead as well.
    const witness = isPod && random() < 0.5 ? DAEMONS[Math.floor(random() * DAEMONS.length)] : undefined
    await cluster.kubectl(['create', 'configmap', `round-${round}`, '--from-literal=k=v'])
    acknowledged.push(`round-${round}`)
    const startedMs = performance.now()
    await cluster.minicube(['ssh', '--', 'sh', '-c', `kill -9 ${witness ? was.node.pids[witness] : ''} ${pid}`])
    const podName = was.pods.find((pod) => pod.metadata.uid === victim?.podUid)?.metadata.name
    const what = victim ? `${[target, victim.name].join(' ').trim()} of ${podName}${witness ? ` and ${witness}` : ''}` : target
    // A pod's death is first to be noticed; a daemon's must leave all as it is.
    const is = await eventually(
      `the restart after killing ${what}`,
      async () => {
        const observed = await healthy(acknowledged)
        const restarted =
          victim === undefined ||
          [...identities(observed)].some(
            ([key, { restartCount, podUid }]) => podUid === victim.podUid && restartCount > (identities(was).get(key)?.restartCount ?? 0),
          )
        return restarted && observed
      },
      RECOVERY_MS,
    )
    if (!victim) assert.notEqual(is.node.pids[target as 'node'], pid, `${what} was not started again`)
    assertRestarts(was, is, victim, what)
    console.log(`${String(round + 1).padStart(3)} ${what}: whole again after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
    was = is
  }
})

test('nothing is left of the workload once it is deleted', async () => {
  services = []
  await cluster.kubectl(['delete', 'deployments,statefulsets,daemonsets,jobs', '--all', '--wait=false'])
  const rest = ({ pods, node }: Observed): string[] => [
    ...pods.map((pod) => `pod ${pod.metadata.name}`),
    ...node.containers.map(({ id, podUid }) => `container ${id} of ${podUid}`),
    ...node.links.slice(MAX_SPARES).map((link) => `links: ${link}`),
    ...(['directories', 'mounts', 'cgroups'] as const).flatMap((what) => node[what].map((one) => `${what}: ${one}`)),
  ]
  let last: string[] = []
  await eventually('a clean node', async () => (last = rest(await observe())).length === 0, 60_000).catch(() =>
    assert.fail(last.join('\n')),
  )
})
