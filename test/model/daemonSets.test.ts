/** DaemonSets under random histories: one pod on each node that fits, never two of one template, updates within their bounds. */
import assert from 'node:assert/strict'
import { controllerrevisions, daemonsets, type DaemonSet } from '../../src/api/kinds/apps/v1.ts'
import { nodes, pods, type Node, type Pod } from '../../src/api/kinds/core/v1.ts'
import { controllerOf } from '../../src/api/meta.ts'
import { nodeOf } from '../../src/controllers/daemonset/placement.ts'
import { REVISION_HASH } from '../../src/controllers/history.ts'
import { readySinceMs } from '../../src/controllers/podState.ts'
import { disturbPod, ownRevisions, POD_DISTURBANCES, takeRevisionName } from './disturbances.ts'
import { modelTest, type Mode, type Scenario, type Step } from './histories.ts'
import { isLive, isReadyNow, PodLives } from './podLives.ts'
import { NAMESPACE, type World } from './world.ts'

interface State {
  lives: PodLives
}

const AT = { namespace: NAMESPACE, name: 'a' }
const MERGE = { type: 'application/merge-patch+json' as const }
const APP = { app: 'a' }
const NODES = ['n1', 'n2', 'n3', 'n4']
/** A pod that became ready later than this may have been taken for one that is not. */
const KNOWN_AFTER_MS = 15_000

const live = (world: World): DaemonSet => world.truth.for(daemonsets).get('default/a') as DaemonSet
const podsOf = (world: World): Pod[] =>
  world.truth
    .for(pods)
    .list(NAMESPACE)
    .filter((pod) => controllerOf(pod)?.uid === live(world).metadata.uid)
const fits = (node: Node): boolean => node.metadata.labels?.['no'] !== 'daemons' && !(node.spec?.taints ?? []).length

async function guard(world: World, mode: Mode): Promise<void> {
  await world.onChange(daemonsets, () => {})
  await world.onChange(controllerrevisions, () => {})
  world.onWritten(({ resource, verb }, answer) => {
    if (resource.resource !== 'pods' || (verb !== 'create' && verb !== 'delete')) return
    const pod = answer as Pod
    const others = podsOf(world).filter((other) => other.metadata.uid !== pod.metadata.uid && isLive(other))
    if (verb === 'create') {
      const twin = others.find(
        (other) => nodeOf(other) === nodeOf(pod) && other.metadata.labels?.[REVISION_HASH] === pod.metadata.labels?.[REVISION_HASH],
      )
      if (twin) world.fail(`${pod.metadata.name} is made beside ${twin.metadata.name} on ${nodeOf(pod)}`)
    }
    const isLongReady = world.clock.now() - (readySinceMs(pod) ?? Infinity) > KNOWN_AFTER_MS
    if (verb === 'create' || mode !== 'mild' || !isLongReady) return
    const { maxUnavailable, maxSurge } = live(world).spec.updateStrategy?.rollingUpdate ?? {}
    const wanted = world.truth.for(nodes).list().filter(fits)
    const served = new Set(others.filter(isReadyNow).map(nodeOf))
    const without = wanted.filter((node) => !served.has(node.metadata.name)).length
    const limit = maxSurge === undefined || maxSurge === 0 ? Number(maxUnavailable ?? 1) : 0
    if (without > limit) world.fail(`${without} nodes are without a ready pod where ${limit} may be`)
  })
}

async function checkEnd(world: World): Promise<void> {
  const ds = live(world)
  const { spec, status, metadata } = ds
  const wanted = world.truth.for(nodes).list().filter(fits)
  const all = podsOf(world).filter(isLive)
  const image = spec.template.spec?.containers[0]?.image
  for (const node of wanted) {
    const here = all.filter((pod) => nodeOf(pod) === node.metadata.name)
    assert.equal(here.length, 1, `pods on ${node.metadata.name}`)
    if (spec.updateStrategy?.type === 'RollingUpdate') assert.equal(here[0]?.spec.containers[0]?.image, image)
  }
  assert.equal(all.length, wanted.length, 'pods')
  // One that was adopted carries no hash, and counts as old.
  const updated = all.filter((pod) => pod.spec.containers[0]?.image === image && pod.metadata.labels?.[REVISION_HASH]).length
  assert.deepEqual(
    [
      status?.desiredNumberScheduled,
      status?.currentNumberScheduled,
      status?.numberReady,
      status?.numberAvailable ?? 0,
      status?.updatedNumberScheduled ?? 0,
      status?.numberMisscheduled,
      status?.observedGeneration,
    ],
    [wanted.length, wanted.length, wanted.length, wanted.length, updated, 0, metadata.generation],
    'status',
  )
  const revisions = ownRevisions(world)
  const used = new Set(all.map((pod) => pod.metadata.labels?.[REVISION_HASH]))
  const newest = Math.max(...revisions.map((each) => each.revision))
  const idle = revisions.filter((each) => each.revision !== newest && !used.has(each.metadata.labels?.[REVISION_HASH]))
  assert.ok(idle.length <= (spec.revisionHistoryLimit ?? 10), `${idle.length} old revisions`)
  assert.equal(new Set(revisions.map((each) => each.revision)).size, revisions.length, 'revisions are different')
}

async function takeName(world: World, wanted: string): Promise<void> {
  const ds = live(world)
  const template = structuredClone(ds.spec.template)
  for (const container of template.spec?.containers ?? []) container.image = wanted
  const { collisionCount } = ds.status ?? {}
  await takeRevisionName(world, { object: ds, resource: daemonsets, template, hashLabel: REVISION_HASH, collisionCount })
}

const scenario: Scenario<State> = {
  name: 'DaemonSet',
  controllers: ['daemonset-controller'],
  async begin(world, random, mode) {
    const lives = new PodLives(world, { stepMs: 3_000, runMs: 1 })
    await lives.start(NODES)
    await guard(world, mode)
    const rollingUpdate = random.chance(0.4)
      ? { maxSurge: 1 + random.below(2), maxUnavailable: 0 }
      : { maxUnavailable: 1 + random.below(2) }
    await world.client.create(daemonsets, {
      metadata: AT,
      spec: {
        minReadySeconds: random.of([0, 0, 3]),
        revisionHistoryLimit: random.of([0, 1, 10]),
        updateStrategy: random.chance(0.2) ? { type: 'OnDelete' } : { type: 'RollingUpdate', rollingUpdate },
        selector: { matchLabels: APP },
        template: {
          metadata: { labels: APP },
          spec: {
            terminationGracePeriodSeconds: 1,
            containers: [{ name: 'c', image: 'i:0' }],
            affinity: {
              nodeAffinity: {
                requiredDuringSchedulingIgnoredDuringExecution: {
                  nodeSelectorTerms: [{ matchExpressions: [{ key: 'no', operator: 'NotIn', values: ['daemons'] }] }],
                },
              },
            },
          },
        },
      },
    })
    return { lives }
  },
  step(random, mode): Step {
    const node = (): string => random.of(NODES)
    return random.of<() => Step>([
      () => ({ do: 'image', image: `i:${random.below(4)}` }),
      () => ({ do: 'image', image: `i:${random.below(4)}` }),
      () => ({ do: 'collide', image: `i:${random.below(4)}` }),
      ...(mode === 'mild'
        ? []
        : [
            () => ({ do: 'label', node: node(), value: random.of(['daemons', 'nothing']) }),
            () => ({ do: 'taint', node: node(), effect: random.of(['', 'NoSchedule', 'NoExecute']) }),
            () => ({ do: 'orphan' }),
          ]),
      ...(mode === 'wild' ? POD_DISTURBANCES.map((what) => () => ({ do: what, at: random.below(100) })) : []),
    ])()
  },
  async apply(world, { lives }, step) {
    const { client } = world
    const name = String(step['node'])
    if (step.do === 'collide') await takeName(world, String(step['image']))
    if (step.do === 'image' || step.do === 'collide') {
      const containers = [{ name: 'c', image: step['image'] }]
      const patch = { ...AT, type: 'application/strategic-merge-patch+json' as const }
      await client.patch(daemonsets, patch, { spec: { template: { spec: { containers } } } })
    } else if (step.do === 'label') {
      await client.patch(nodes, { name, ...MERGE }, { metadata: { labels: { no: step['value'] } } }).catch(() => {})
    } else if (step.do === 'taint') {
      const taints = step['effect'] ? [{ key: 'k', effect: step['effect'] }] : null
      await client.patch(nodes, { name, ...MERGE }, { spec: { taints } }).catch(() => {})
    } else if (step.do === 'orphan') {
      const spec = { containers: [{ name: 'c', image: 'i:0' }], nodeName: 'n1' }
      await client.create(pods, { metadata: { generateName: 'orphan-', namespace: NAMESPACE, labels: APP }, spec }).catch(() => {})
    } else await disturbPod(world, lives, step)
  },
  async end(world) {
    // A taint of NoSchedule lets those stay that are there: without it there is one answer.
    for (const node of world.truth.for(nodes).list())
      if (node.spec?.taints) await world.client.patch(nodes, { name: node.metadata.name, ...MERGE }, { spec: { taints: null } })
    await world.settle()
    await checkEnd(world)
  },
}

modelTest(scenario)
