/** StatefulSets under random histories: one pod for each ordinal, in order, at its revision, with its claims. */
import assert from 'node:assert/strict'
import { controllerrevisions, statefulsets, type StatefulSet } from '../../src/api/kinds/apps/v1.ts'
import { persistentvolumeclaims, pods, type Pod } from '../../src/api/kinds/core/v1.ts'
import { controllerOf } from '../../src/api/meta.ts'
import { REVISION_HASH } from '../../src/controllers/history.ts'
import { scaledValue } from '../../src/controllers/intOrPercent.ts'
import { readySinceMs } from '../../src/controllers/podState.ts'
import { ordinalOf } from '../../src/controllers/statefulset/identity.ts'
import type { Random } from '../fuzz/random.ts'
import { disturbPod, ownRevisions, POD_DISTURBANCES, takeRevisionName } from './disturbances.ts'
import { modelTest, type Mode, type Scenario, type Step } from './histories.ts'
import { isLive, isReadyNow, PodLives } from './podLives.ts'
import { NAMESPACE, type World } from './world.ts'

interface State {
  lives: PodLives
  mode: Mode
}

const AT = { namespace: NAMESPACE, name: 'a' }
const MERGE = { ...AT, type: 'application/merge-patch+json' as const }
const APP = { app: 'a' }
const REPLICAS_MAX = 5

/** A pod that became ready later than this may have been taken for one that is not. */
const KNOWN_AFTER_MS = 15_000

const live = (world: World): StatefulSet => world.truth.for(statefulsets).get('default/a') as StatefulSet
const podsOf = (world: World, set: StatefulSet): Pod[] =>
  world.truth
    .for(pods)
    .list(NAMESPACE)
    .filter((pod) => controllerOf(pod)?.uid === set.metadata.uid)

function rangeOf({ spec }: StatefulSet): { start: number; end: number } {
  const start = spec.ordinals?.start ?? 0
  return { start, end: start + (spec.replicas ?? 1) }
}

async function guard(world: World, mode: Mode): Promise<void> {
  let seen: StatefulSet | undefined
  await world.onChange(statefulsets, () => {})
  await world.onChange(persistentvolumeclaims, () => {})
  await world.onChange(controllerrevisions, () => {})
  world.onReconcile((controller, key, { caches }) => {
    if (controller === 'statefulset-controller') seen = caches.for(statefulsets).get(key)
  })
  if (mode === 'wild') return
  world.onWritten(({ resource, verb }, answer) => {
    if (resource.resource !== 'pods' || !seen || (verb !== 'create' && verb !== 'delete')) return
    const pod = answer as Pod
    const { start, end } = rangeOf(seen)
    const at = ordinalOf(seen, pod.metadata.name)
    const others = podsOf(world, seen).filter((other) => other.metadata.uid !== pod.metadata.uid)
    const inOrder = seen.spec.podManagementPolicy !== 'Parallel'
    const of = (other: Pod): number => ordinalOf(seen as StatefulSet, other.metadata.name)
    const healthy = (ordinal: number): boolean => others.some((other) => of(other) === ordinal && isLive(other) && isReadyNow(other))
    if (verb === 'create') {
      if (at < start || at >= end) world.fail(`${pod.metadata.name} is made outside of ${start} to ${end}`)
      const before = Array.from({ length: Math.max(0, at - start) }, (_, n) => start + n).filter((ordinal) => !healthy(ordinal))
      if (inOrder && before.length > 0) world.fail(`${pod.metadata.name} is made before ${before.join()} is ready`)
      return
    }
    if (at < start || at >= end) {
      const later = others.find((other) => of(other) > at && of(other) >= end)
      if (inOrder && later) world.fail(`${pod.metadata.name} goes before ${later.metadata.name}`)
      const held = world.truth.for(persistentvolumeclaims).get(`${NAMESPACE}/data-${pod.metadata.name}`)
      const goesAlong = held?.metadata.ownerReferences?.some(({ uid }) => uid === pod.metadata.uid) ?? true
      if (seen.spec.persistentVolumeClaimRetentionPolicy?.whenScaled === 'Delete' && !goesAlong)
        world.fail(`${pod.metadata.name} goes without its claim`)
      return
    }
    const { maxUnavailable, partition = 0 } = seen.spec.updateStrategy?.rollingUpdate ?? {}
    if (at < start + partition) world.fail(`${pod.metadata.name} is below the partition ${partition}`)
    const limit = Math.max(1, scaledValue(maxUnavailable ?? 1, seen.spec.replicas ?? 1, 'up'))
    const missing = Array.from({ length: end - start }, (_, n) => start + n).filter((ordinal) => ordinal !== at && !healthy(ordinal))
    if (limit === 1 && missing.some((ordinal) => ordinal > at))
      world.fail(`${pod.metadata.name} goes while ${missing.join()} are not ready`)
    const isLongReady = world.clock.now() - (readySinceMs(pod) ?? Infinity) > KNOWN_AFTER_MS
    if (limit > 1 && isLongReady && missing.length >= limit) world.fail(`${pod.metadata.name} goes while ${missing.join()} are not ready`)
  })
}

async function checkEnd(world: World): Promise<void> {
  const set = live(world)
  const { spec, status, metadata } = set
  const { start, end } = rangeOf(set)
  const all = podsOf(world, set)
  const wanted = Array.from({ length: end - start }, (_, n) => `a-${start + n}`)
  assert.deepEqual(all.map((pod) => pod.metadata.name).sort(), wanted.sort(), 'pods')
  assert.ok(all.every(isLive), 'all live')
  const rolling = spec.updateStrategy?.type === 'RollingUpdate'
  const partition = start + (spec.updateStrategy?.rollingUpdate?.partition ?? 0)
  for (const pod of all) {
    const image = pod.spec.containers[0]?.image
    if (rolling && ordinalOf(set, pod.metadata.name) >= partition)
      assert.equal(image, spec.template.spec?.containers[0]?.image, `image of ${pod.metadata.name}`)
  }
  const revision = (name: string | undefined): number => all.filter((pod) => pod.metadata.labels?.[REVISION_HASH] === name).length
  assert.deepEqual(
    [status?.replicas, status?.readyReplicas ?? 0, status?.availableReplicas ?? 0, status?.observedGeneration],
    [all.length, all.length, all.length, metadata.generation],
    'status',
  )
  assert.equal(status?.updatedReplicas ?? 0, revision(status?.updateRevision), 'updatedReplicas')
  assert.equal(status?.currentReplicas ?? 0, revision(status?.currentRevision), 'currentReplicas')
  if (rolling && (spec.updateStrategy?.rollingUpdate?.partition ?? 0) === 0) assert.equal(status?.currentRevision, status?.updateRevision)
  const revisions = ownRevisions(world)
  const used = new Set([status?.currentRevision, status?.updateRevision, ...all.map((pod) => pod.metadata.labels?.[REVISION_HASH])])
  assert.ok(revisions.filter((each) => !used.has(each.metadata.name)).length <= (spec.revisionHistoryLimit ?? 10), 'revision history')
  assert.equal(new Set(revisions.map((each) => each.revision)).size, revisions.length, 'revisions are different')
  const claims = world.truth.for(persistentvolumeclaims).list(NAMESPACE)
  for (const claim of claims) assert.equal(claim.metadata.deletionTimestamp, undefined, `${claim.metadata.name} is going`)
  if (!spec.volumeClaimTemplates?.length) return
  const names = new Set(claims.map((claim) => claim.metadata.name))
  for (const pod of all) assert.ok(names.has(`data-${pod.metadata.name}`), `claim of ${pod.metadata.name}`)
}

/** Which claims go along with pods that are no longer wanted, and with the set. */
async function checkRetention(world: World, mode: Mode): Promise<void> {
  const set = live(world)
  const { whenDeleted, whenScaled } = set.spec.persistentVolumeClaimRetentionPolicy ?? {}
  const claims = (): Set<string> =>
    new Set(
      world.truth
        .for(persistentvolumeclaims)
        .list(NAMESPACE)
        .map(({ metadata }) => metadata.name),
    )
  const { start, end } = rangeOf(set)
  const ofPods = podsOf(world, set).map((pod) => `data-${pod.metadata.name}`)
  const isOutside = (name: string): boolean =>
    ordinalOf(set, name.slice('data-'.length)) < start || ordinalOf(set, name.slice('data-'.length)) >= end
  if (mode === 'mild' && whenScaled === 'Delete') assert.deepEqual([...claims()].filter(isOutside), [], 'claims of pods that went')
  await world.client.delete(statefulsets, AT, { propagationPolicy: 'Background' })
  await world.settle()
  assert.equal(podsOf(world, set).length, 0, 'pods of no set')
  const left = claims()
  for (const name of ofPods) assert.equal(left.has(name), whenDeleted !== 'Delete', `${name}, ${whenDeleted} when deleted`)
}

const image = (random: Random): string => `i:${random.below(4)}`

async function takeName(world: World, wanted: string): Promise<void> {
  const set = live(world)
  const template = structuredClone(set.spec.template)
  for (const container of template.spec?.containers ?? []) container.image = wanted
  const collisionCount = set.status?.collisionCount ?? 0
  await takeRevisionName(world, {
    object: set,
    resource: statefulsets,
    template,
    hashLabel: 'controller.kubernetes.io/hash',
    collisionCount,
  })
}

const scenario: Scenario<State> = {
  name: 'StatefulSet',
  controllers: ['statefulset-controller', 'garbage-collector-controller', 'persistentvolumeclaim-protection-controller'],
  async begin(world, random, mode) {
    const lives = new PodLives(world, { stepMs: 3_000, runMs: 1 })
    await lives.start(['n1', 'n2', 'n3'])
    await guard(world, mode)
    const claimed = random.chance(0.5)
    const claim = {
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    }
    const retention = { whenDeleted: random.of(['Retain', 'Delete']), whenScaled: random.of(['Retain', 'Delete']) }
    await world.client.create(statefulsets, {
      metadata: AT,
      spec: {
        replicas: random.below(REPLICAS_MAX + 1),
        serviceName: 'a',
        minReadySeconds: random.of([0, 0, 3]),
        revisionHistoryLimit: random.of([0, 1, 10]),
        podManagementPolicy: random.of(['OrderedReady', 'Parallel']),
        ordinals: { start: random.of([0, 0, 2]) },
        ...(claimed && { volumeClaimTemplates: [claim] as never, persistentVolumeClaimRetentionPolicy: retention }),
        updateStrategy: random.chance(0.2)
          ? { type: 'OnDelete' }
          : { type: 'RollingUpdate', rollingUpdate: { partition: random.of([0, 0, 2]), maxUnavailable: random.of([1, 1, 2]) } },
        selector: { matchLabels: APP },
        template: { metadata: { labels: APP }, spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image: 'i:0' }] } },
      },
    })
    return { lives, mode }
  },
  step(random, mode): Step {
    const scale = (): Step => ({ do: 'scale', to: random.below(REPLICAS_MAX + 1) })
    return random.of<() => Step>([
      () => ({ do: 'image', image: image(random) }),
      () => ({ do: 'image', image: image(random) }),
      scale,
      scale,
      () => ({ do: 'partition', to: random.below(3) }),
      () => ({ do: 'collide', image: image(random) }),
      ...(mode === 'wild' ? POD_DISTURBANCES.map((what) => () => ({ do: what, at: random.below(100) })) : []),
    ])()
  },
  async apply(world, { lives }, step) {
    const { client } = world
    if (step.do === 'collide') await takeName(world, String(step['image']))
    if (step.do === 'image' || step.do === 'collide') {
      const containers = [{ name: 'c', image: step['image'] }]
      const patch = { ...AT, type: 'application/strategic-merge-patch+json' as const }
      await client.patch(statefulsets, patch, { spec: { template: { spec: { containers } } } })
    } else if (step.do === 'scale') await client.patch(statefulsets, MERGE, { spec: { replicas: step['to'] } })
    else if (step.do === 'partition') {
      if (live(world).spec.updateStrategy?.type === 'OnDelete') return
      await client.patch(statefulsets, MERGE, { spec: { updateStrategy: { rollingUpdate: { partition: step['to'] } } } })
    } else await disturbPod(world, lives, step)
  },
  async end(world, { mode }) {
    await checkEnd(world)
    if (live(world).spec.volumeClaimTemplates?.length) await checkRetention(world, mode)
  },
}

modelTest(scenario)
