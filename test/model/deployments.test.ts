/** Deployments under random histories: rollouts keep to their bounds, and end with one ReplicaSet and a short history. */
import assert from 'node:assert/strict'
import { deployments, replicasets, type Deployment, type ReplicaSet } from '../../src/api/kinds/apps/v1.ts'
import { pods, type Pod } from '../../src/api/kinds/core/v1.ts'
import { controllerOf, findCondition } from '../../src/api/meta.ts'
import { hasFinished } from '../../src/api/pods.ts'
import { fenceposts } from '../../src/controllers/deployment/replicaCounts.ts'
import { isAvailable, readySinceMs } from '../../src/controllers/podState.ts'
import { safeHash } from '../../src/controllers/hash.ts'
import type { Random } from '../fuzz/random.ts'
import { disturbPod, POD_DISTURBANCES } from './disturbances.ts'
import { modelTest, type Mode, type Scenario, type Step } from './histories.ts'
import { isLive, isReadyNow, PodLives } from './podLives.ts'
import { NAMESPACE, type World } from './world.ts'

interface State {
  lives: PodLives
}

const AT = { namespace: NAMESPACE, name: 'a' }
const MERGE = { ...AT, type: 'application/merge-patch+json' as const }
const APP = { app: 'a' }
const REPLICAS_MAX = 7
/** The app of ReplicaSets that are not the Deployment's. */
const STRANGER = 'stranger'
const HASH = 'pod-template-hash'
/** For so long after a change of the spec somebody may still go by the one before. */
const STALE_SPEC_MS = 60_000

/** A pod that became ready later than this may have been taken for one that is not. */
const KNOWN_AFTER_MS = 15_000

const live = (world: World): Deployment => world.truth.for(deployments).get('default/a') as Deployment
const allPods = (world: World): Pod[] =>
  world.truth
    .for(pods)
    .list(NAMESPACE)
    .filter((pod) => pod.metadata.labels?.['app'] === 'a')
const availablePods = (world: World, { spec }: Deployment): Pod[] =>
  allPods(world).filter((pod) => isLive(pod) && isAvailable(pod, spec.minReadySeconds ?? 0, world.clock.now()))

/** What is promised at every moment of a history in which no pod dies by accident. */
async function guard(world: World, mode: Mode): Promise<void> {
  const specs: { untilMs: number; deployment: Deployment }[] = []
  await world.onChange(deployments, ({ before, after }) => {
    if (after && before?.metadata.generation !== after.metadata.generation) {
      const last = specs.at(-1)
      if (last) last.untilMs = world.clock.now() + STALE_SPEC_MS
      specs.push({ untilMs: Infinity, deployment: after })
    }
  })
  await world.onChange(replicasets, () => {})
  if (mode === 'wild') return
  world.onWritten((request, answer) => {
    const current = specs.filter(({ untilMs }) => untilMs >= world.clock.now()).map(({ deployment }) => deployment)
    if (request.resource.resource === 'replicasets' && !request.subresource && mode === 'mild' && request.verb !== 'delete') {
      const cap = Math.max(...current.map((each) => (each.spec.replicas ?? 1) + fenceposts(each).maxSurge))
      const { metadata, spec } = answer as ReplicaSet
      const others = world.truth.for(replicasets).list(NAMESPACE)
      const total = others.reduce((sum, rs) => sum + (rs.metadata.uid === metadata.uid ? 0 : (rs.spec.replicas ?? 1)), spec.replicas ?? 1)
      if (total > cap) world.fail(`${total} replicas where at most ${cap} may be`)
    }
    if (request.resource.resource !== 'pods') return
    const pod = answer as Pod
    const others = allPods(world).filter((other) => other.metadata.uid !== pod.metadata.uid)
    if (request.verb === 'create') {
      const recreates = current.every((each) => each.spec.strategy?.type === 'Recreate')
      const mixed = others.find((other) => !hasFinished(other) && other.metadata.labels?.[HASH] !== pod.metadata.labels?.[HASH])
      if (recreates && mixed) world.fail(`${pod.metadata.name} is made while ${mixed.metadata.name} is there`)
    }
    // Ready ones, not available ones: which of the ready pods goes is decided by other things than how long they have been so.
    const isLongReady = world.clock.now() - (readySinceMs(pod) ?? Infinity) > KNOWN_AFTER_MS
    if (request.verb === 'delete' && isLongReady && live(world).spec.strategy?.type !== 'Recreate') {
      const floor = Math.min(...current.map((each) => (each.spec.replicas ?? 1) - fenceposts(each).maxUnavailable))
      const count = others.filter((other) => isLive(other) && isReadyNow(other)).length
      if (count < floor) world.fail(`${count} pods are ready where ${floor} must be`)
    }
  })
}

async function checkEnd(world: World): Promise<void> {
  const deployment = live(world)
  const { spec, status, metadata } = deployment
  const sets = world.truth
    .for(replicasets)
    .list(NAMESPACE)
    .filter((rs) => rs.metadata.labels?.['app'] !== STRANGER)
  for (const rs of sets) assert.equal(controllerOf(rs)?.uid, metadata.uid, `owner of ${rs.metadata.name}`)
  const hashes = new Map<string, ReplicaSet>(sets.map((rs) => [rs.metadata.labels?.[HASH] ?? '', rs]))
  const livePods = allPods(world).filter(isLive)
  for (const rs of sets) {
    const count = livePods.filter((pod) => controllerOf(pod)?.uid === rs.metadata.uid).length
    assert.equal(count, rs.spec.replicas, `pods of ${rs.metadata.name}`)
  }
  assert.equal(
    livePods.every((pod) => hashes.has(pod.metadata.labels?.[HASH] ?? '')),
    true,
    'every pod has its ReplicaSet',
  )
  const available = availablePods(world, deployment).length
  const replicas = spec.replicas ?? 1
  assert.equal(status?.observedGeneration, metadata.generation)
  assert.equal(status?.replicas ?? 0, livePods.length, 'status.replicas')
  assert.equal(status?.availableReplicas ?? 0, available, 'status.availableReplicas')
  const { maxSurge } = fenceposts(deployment)
  assert.ok(livePods.length <= replicas + maxSurge, `${livePods.length} pods for ${replicas} and ${maxSurge} more`)
  const revisions = sets.map((rs) => rs.metadata.annotations?.['deployment.kubernetes.io/revision'])
  assert.equal(new Set(revisions).size, revisions.length, `revisions ${revisions.join()}`)
  const image = spec.template.spec?.containers[0]?.image ?? ''
  if (spec.paused || image.startsWith('never-ready')) return
  const current = sets.filter((rs) => rs.spec.template?.spec?.containers[0]?.image === image)
  assert.equal(current.length, 1, 'one ReplicaSet of the template')
  assert.equal(current[0]?.spec.replicas, replicas)
  assert.equal(available, replicas)
  assert.equal(status?.updatedReplicas ?? 0, replicas)
  assert.ok(sets.length - 1 <= (spec.revisionHistoryLimit ?? 10), `${sets.length - 1} old ReplicaSets`)
  assert.equal(
    revisions.map(Number).sort((a, b) => b - a)[0],
    Number(metadata.annotations?.['deployment.kubernetes.io/revision']),
    'revision',
  )
  assert.equal(Number(current[0]?.metadata.annotations?.['deployment.kubernetes.io/revision']), Math.max(...revisions.map(Number)))
  assert.equal(findCondition(status?.conditions, 'Progressing')?.reason, 'NewReplicaSetAvailable')
  assert.equal(findCondition(status?.conditions, 'Available')?.status, 'True')
}

const image = (random: Random): string => `${random.of(['i', 'i', 'i', 'i', 'never-ready'])}:${random.below(4)}`
const bound = (random: Random): number | string => random.of<number | string>([0, 1, 2, '25%', '50%', '100%'])

function bounds(random: Random) {
  const maxSurge = bound(random)
  const maxUnavailable = bound(random)
  return maxSurge === 0 && maxUnavailable === 0 ? { maxSurge: 1, maxUnavailable: 0 } : { maxSurge, maxUnavailable }
}

/** Somebody else's ReplicaSet has the name that the Deployment would give to the one of this image. */
async function takeName(world: World, wanted: string): Promise<void> {
  const { spec, status } = live(world)
  const template = structuredClone(spec.template)
  for (const container of template.spec?.containers ?? []) container.image = wanted
  const name = `${AT.name}-${safeHash(template, status?.collisionCount)}`
  if (world.truth.for(replicasets).get(`${NAMESPACE}/${name}`)) return
  const labels = { app: STRANGER }
  const own = { replicas: 0, selector: { matchLabels: labels }, template: { ...template, metadata: { labels } } }
  await world.client.create(replicasets, { metadata: { namespace: NAMESPACE, name, labels }, spec: own })
}

const scenario: Scenario<State> = {
  name: 'Deployment',
  controllers: ['deployment-controller', 'replicaset-controller'],
  async begin(world, random, mode) {
    const lives = new PodLives(world, { stepMs: 4_000, runMs: 1 })
    await lives.start(['n1', 'n2', 'n3'])
    await guard(world, mode)
    await world.client.create(deployments, {
      metadata: AT,
      spec: {
        replicas: 1 + random.below(REPLICAS_MAX),
        minReadySeconds: random.of([0, 0, 3]),
        revisionHistoryLimit: random.of([0, 1, 10]),
        strategy: random.chance(0.2) ? { type: 'Recreate' } : { type: 'RollingUpdate', rollingUpdate: bounds(random) },
        selector: { matchLabels: APP },
        template: { metadata: { labels: APP }, spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image: 'i:0' }] } },
      },
    })
    return { lives }
  },
  step(random, mode): Step {
    const rollout = (): Step => ({ do: 'image', image: image(random) })
    return random.of<() => Step>([
      rollout,
      rollout,
      rollout,
      () => ({ do: 'pause', paused: random.chance(0.4) }),
      () => ({ do: 'collide', image: image(random) }),
      ...(mode === 'mild'
        ? []
        : [() => ({ do: 'scale', to: random.below(REPLICAS_MAX + 1) }), () => ({ do: 'bounds', ...bounds(random) })]),
      ...(mode === 'wild' ? POD_DISTURBANCES.map((what) => () => ({ do: what, at: random.below(100) })) : []),
    ])()
  },
  async apply(world, { lives }, step) {
    const { client } = world
    if (step.do === 'collide') await takeName(world, String(step['image']))
    if (step.do === 'image' || step.do === 'collide') {
      const containers = [{ name: 'c', image: step['image'] }]
      const patch = { ...AT, type: 'application/strategic-merge-patch+json' as const }
      await client.patch(deployments, patch, { spec: { template: { spec: { containers } } } })
    } else if (step.do === 'pause') await client.patch(deployments, MERGE, { spec: { paused: step['paused'] } })
    else if (step.do === 'scale') await client.patch(deployments, MERGE, { spec: { replicas: step['to'] } })
    else if (step.do === 'bounds') {
      if (live(world).spec.strategy?.type === 'Recreate') return
      const { maxSurge, maxUnavailable } = step
      await client.patch(deployments, MERGE, { spec: { strategy: { rollingUpdate: { maxSurge, maxUnavailable } } } })
    } else await disturbPod(world, lives, step)
  },
  end: checkEnd,
}

modelTest(scenario)
