/** PodDisruptionBudgets and evictions under random histories: no eviction that is granted leaves fewer than the budget says. */
import assert from 'node:assert/strict'
import { replicasets } from '../../src/api/kinds/apps/v1.ts'
import { pods, type Pod } from '../../src/api/kinds/core/v1.ts'
import { poddisruptionbudgets, type PodDisruptionBudget } from '../../src/api/kinds/policy/v1.ts'
import { scaledValue } from '../../src/controllers/intOrPercent.ts'
import { disturbPod } from './disturbances.ts'
import { modelTest, type Scenario, type Step } from './histories.ts'
import { isLive, isReadyNow, PodLives } from './podLives.ts'
import { NAMESPACE, type World } from './world.ts'

interface State {
  lives: PodLives
}

const AT = { namespace: NAMESPACE, name: 'a' }
const MERGE = { ...AT, type: 'application/merge-patch+json' as const }
const APP = { app: 'a' }

const live = (world: World): PodDisruptionBudget => world.truth.for(poddisruptionbudgets).get('default/a') as PodDisruptionBudget
const healthy = (world: World): Pod[] =>
  world.truth
    .for(pods)
    .list(NAMESPACE)
    .filter((pod) => isLive(pod) && isReadyNow(pod))
const replicas = (world: World): number => world.truth.for(replicasets).get('default/a')?.spec.replicas ?? 0

function desired({ spec: { minAvailable, maxUnavailable } }: PodDisruptionBudget, wanted: number): number {
  if (maxUnavailable !== undefined) return Math.max(0, wanted - scaledValue(maxUnavailable, wanted, 'up'))
  return scaledValue(minAvailable, wanted, 'up')
}

/** Asks for the eviction of a pod; one that is granted must leave enough. */
async function evict(world: World, at: number, strictly: boolean): Promise<void> {
  const all = world.truth.for(pods).list(NAMESPACE).filter(isLive)
  const pod = all[at % Math.max(1, all.length)]
  if (!pod) return
  const place = { namespace: NAMESPACE, name: pod.metadata.name }
  const wasHealthy = isReadyNow(pod)
  try {
    await world.client.create(pods, { metadata: place } as never, { ...place, subresource: 'eviction' })
  } catch {
    return
  }
  const left = healthy(world).filter((other) => other.metadata.uid !== pod.metadata.uid).length
  const needed = desired(live(world), replicas(world))
  world.tell(`evicted ${pod.metadata.name}, ${left} left of ${needed}`)
  if (strictly && wasHealthy && left < needed) world.fail(`${left} pods are left where ${needed} must be`)
}

const scenario: Scenario<State & { strictly: boolean }> = {
  name: 'PodDisruptionBudget',
  controllers: ['disruption-controller', 'replicaset-controller'],
  async begin(world, random, mode) {
    const lives = new PodLives(world, { stepMs: 3_000, runMs: 1 })
    await lives.start(['n1', 'n2'])
    await world.onChange(poddisruptionbudgets, () => {})
    await world.onChange(replicasets, () => {})
    const template = {
      metadata: { labels: APP },
      spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image: 'i' }] },
    }
    await world.client.create(replicasets, {
      metadata: AT,
      spec: { replicas: 2 + random.below(5), selector: { matchLabels: APP }, template },
    })
    const bound = random.of<PodDisruptionBudget['spec']>([
      { minAvailable: 1 + random.below(4) },
      { minAvailable: random.of(['50%', '100%']) },
      { maxUnavailable: random.below(3) },
      { maxUnavailable: '30%' },
    ])
    await world.client.create(poddisruptionbudgets, { metadata: AT, spec: { ...bound, selector: { matchLabels: APP } } })
    return { lives, strictly: mode === 'mild' }
  },
  step(random, mode): Step {
    const eviction = (): Step => ({ do: 'evict', at: random.below(100), again: random.below(3) })
    return random.of<() => Step>([
      eviction,
      eviction,
      eviction,
      ...(mode === 'mild'
        ? []
        : [
            () => ({ do: 'scale', to: 1 + random.below(6) }),
            ...['deletePod', 'killPod', 'failPod', 'flapPod'].map((what) => () => ({ do: what, at: random.below(100) })),
          ]),
    ])()
  },
  async apply(world, { lives, strictly }, step) {
    if (step.do === 'scale') await world.client.patch(replicasets, MERGE, { spec: { replicas: step['to'] } })
    else if (step.do === 'evict') {
      // Several at once, as a drain does it.
      for (let n = 0; n <= Number(step['again']); n++) await evict(world, Number(step['at']) + n, strictly)
    } else await disturbPod(world, lives, step)
  },
  async end(world) {
    const { spec, status, metadata } = live(world)
    const wanted = replicas(world)
    const now = healthy(world).length
    const needed = desired(live(world), wanted)
    assert.equal(now, wanted, 'all are healthy')
    // A plain number is asked of the pods there are, finished ones as well.
    const selected = world.truth.for(pods).list(NAMESPACE).length
    const expected = typeof spec.minAvailable === 'number' ? selected : wanted
    assert.deepEqual(
      [status?.currentHealthy, status?.desiredHealthy, status?.expectedPods, status?.disruptionsAllowed],
      [now, needed, expected, Math.max(0, now - needed)],
      'status',
    )
    assert.equal(status?.observedGeneration, metadata.generation)
    assert.deepEqual(status?.disruptedPods ?? {}, {}, 'disruptedPods')
  },
}

modelTest(scenario)
