/** ReplicaSets and ReplicationControllers under random histories: as many pods as wanted, none too many, nobody else's. */
import assert from 'node:assert/strict'
import { replicasets, type ReplicaSet } from '../../src/api/kinds/apps/v1.ts'
import { pods, replicationcontrollers, type Pod, type ReplicationController } from '../../src/api/kinds/core/v1.ts'
import { controllerOf } from '../../src/api/meta.ts'
import type { Resource } from '../../src/api/resource.ts'
import type { Random } from '../fuzz/random.ts'
import { modelTest, type Mode, type Scenario, type Step } from './histories.ts'
import { isLive, isReadyNow, PodLives } from './podLives.ts'
import { disturbPod, POD_DISTURBANCES } from './disturbances.ts'
import { NAMESPACE, type World } from './world.ts'

type Replicating = ReplicaSet | ReplicationController

interface State {
  lives: PodLives
}

const NODES = ['n1', 'n2', 'n3']
const REPLICAS_MAX = 6
const APP = { app: 'a' }

function scenario<T extends Replicating>(resource: Resource<T>, controller: string): Scenario<State> {
  const draft = (name: string, replicas: number, minReadySeconds: number) => ({
    metadata: { name, namespace: NAMESPACE },
    spec: {
      replicas,
      minReadySeconds,
      selector: resource.kind === 'ReplicaSet' ? { matchLabels: APP } : APP,
      template: { metadata: { labels: APP }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  })
  const live = (world: World): T | undefined => world.truth.for(resource).get(`${NAMESPACE}/a`)
  const owned = (world: World, uid: string): Pod[] =>
    world.truth
      .for(pods)
      .list(NAMESPACE)
      .filter((pod) => controllerOf(pod)?.uid === uid)

  /** Creations and deletions against what the controller has read, and against what there is. */
  function guard(world: World, mode: Mode): void {
    const seen = new Map<string, number>()
    world.onReconcile((_, key, { caches }) => {
      const object = caches.for(resource).get(key)
      if (object) seen.set(object.metadata.uid, object.spec.replicas ?? 1)
    })
    world.onWritten((request, answer) => {
      if (request.resource.resource !== 'pods') return
      const pod = answer as Pod
      const uid = controllerOf(pod)?.uid ?? ''
      const wanted = seen.get(uid)
      if (wanted === undefined) return
      if (request.verb !== 'create' && request.verb !== 'delete') return
      // The informer of the truth gets this write a moment later.
      const others = owned(world, uid).filter((other) => isLive(other) && other.metadata.uid !== pod.metadata.uid).length
      const now = others + (request.verb === 'create' ? 1 : 0)
      if (request.verb === 'create' && now > wanted) world.fail(`${now} pods where ${wanted} are wanted`)
      if (request.verb === 'delete' && mode === 'mild' && now < wanted) world.fail(`${now} pods left where ${wanted} are wanted`)
    })
  }

  return {
    name: resource.kind,
    controllers: [controller],
    async begin(world, random, mode) {
      const lives = new PodLives(world, { stepMs: 3_000, runMs: 1 })
      await lives.start(NODES)
      await world.onChange(resource, () => {})
      guard(world, mode)
      await world.client.create(resource, draft('a', random.below(REPLICAS_MAX), random.of([0, 0, 5])) as never)
      return { lives }
    },
    step(random: Random, mode): Step {
      return random.of<() => Step>([
        () => ({ do: 'scale', to: random.below(REPLICAS_MAX + 1) }),
        () => ({ do: 'scale', to: random.below(REPLICAS_MAX + 1) }),
        () => ({ do: 'orphan', ready: random.chance(0.5) }),
        () => ({ do: 'foreign' }),
        ...(mode === 'mild' ? [] : POD_DISTURBANCES.map((what) => () => ({ do: what, at: random.below(100) }))),
        ...(mode === 'mild' ? [] : [() => ({ do: 'relabel', at: random.below(100) })]),
      ])()
    },
    async apply(world, { lives }, step) {
      const { client } = world
      const metadata = { generateName: `${step.do}-`, namespace: NAMESPACE, labels: APP }
      const spec = { containers: [{ name: 'c', image: 'i' }] }
      if (step.do === 'scale')
        await client.patch(
          resource,
          { namespace: NAMESPACE, name: 'a', type: 'application/merge-patch+json' },
          { spec: { replicas: step['to'] as number } },
        )
      else if (step.do === 'orphan') await client.create(pods, { metadata, spec })
      else if (step.do === 'foreign') {
        const owner = { apiVersion: 'example.com/v1', kind: 'Other', name: 'o', uid: 'other', controller: true }
        await client.create(pods, { metadata: { ...metadata, ownerReferences: [owner] }, spec })
      } else await disturbPod(world, lives, step)
    },
    async end(world) {
      const object = live(world)
      assert.ok(object)
      const all = world.truth.for(pods).list(NAMESPACE)
      const mine = owned(world, object.metadata.uid).filter(isLive)
      assert.equal(mine.length, object.spec.replicas, 'number of pods')
      for (const pod of all) {
        if (pod.metadata.labels?.['app'] === 'a' && isLive(pod)) assert.ok(controllerOf(pod), `${pod.metadata.name} is an orphan`)
        if (pod.metadata.name.startsWith('foreign')) assert.equal(controllerOf(pod)?.uid, 'other')
        if (controllerOf(pod)?.uid === object.metadata.uid) assert.equal(pod.metadata.labels?.['app'], 'a')
      }
      const { status } = object
      const ready = mine.filter(isReadyNow).length
      assert.deepEqual(
        [status?.replicas, status?.readyReplicas ?? 0, status?.availableReplicas ?? 0, status?.fullyLabeledReplicas ?? 0],
        [mine.length, ready, ready, mine.length],
        'status',
      )
      assert.equal(status?.observedGeneration, object.metadata.generation)
      assert.equal(status?.conditions, undefined)
    },
  }
}

modelTest(scenario(replicasets, 'replicaset-controller'))
modelTest(scenario(replicationcontrollers, 'replicationcontroller-controller'))
