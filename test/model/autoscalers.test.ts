/** HorizontalPodAutoscalers under random histories: within their bounds at every moment, slow to shrink, at the right size in the end. */
import assert from 'node:assert/strict'
import { replicasets } from '../../src/api/kinds/apps/v1.ts'
import { horizontalpodautoscalers, type HorizontalPodAutoscaler } from '../../src/api/kinds/autoscaling/v2.ts'
import { pods } from '../../src/api/kinds/core/v1.ts'
import { timestamp } from '../../src/api/meta.ts'
import { newServiceUnavailable } from '../../src/api/status.ts'
import { disturbPod } from './disturbances.ts'
import { modelTest, type Mode, type Scenario, type Step } from './histories.ts'
import { isLive, isReadyNow, PodLives } from './podLives.ts'
import { NAMESPACE, type World } from './world.ts'

interface State {
  lives: PodLives
  /** Millicores that the target has to carry, shared by the pods that are ready. */
  load: number
  /** Since when each load has been carried. */
  loads: { atMs: number; load: number }[]
  /** No metrics at all; none of the first pod. */
  isDark: boolean
  isBlind: boolean
}

const AT = { namespace: NAMESPACE, name: 'a' }
const MERGE = { ...AT, type: 'application/merge-patch+json' as const }
const APP = { app: 'a' }
/** Of the 100 millicores that each pod asks for. */
const TARGET = 50
const TOLERANCE = 0.1
const MAX = 8
/** Upstream's defaults. */
const PERIOD_MS = 15_000
const STABILIZATION_MS = 5 * 60_000

const autoscaler = (world: World): HorizontalPodAutoscaler =>
  world.truth.for(horizontalpodautoscalers).get('default/a') as HorizontalPodAutoscaler
const replicas = (world: World): number => world.truth.for(replicasets).get('default/a')?.spec.replicas ?? 0

function podMetrics(world: World, { load, isDark, isBlind }: State): { items: object[] } {
  if (isDark) throw newServiceUnavailable('no metrics')
  const carrying = world.truth
    .for(pods)
    .list(NAMESPACE)
    .filter((pod) => isLive(pod) && isReadyNow(pod))
  const usage = { cpu: `${Math.floor((load * 1e6) / Math.max(1, carrying.length))}n` }
  const items = carrying.map(({ metadata: { name } }) => ({
    metadata: { name, namespace: NAMESPACE },
    timestamp: timestamp(world.clock.now() + 1_000),
    window: '1s',
    containers: [{ name: 'c', usage }],
  }))
  return { items: isBlind ? items.slice(1) : items }
}

/** The most that was needed, for long enough to be seen, in the time before which nothing is taken away. */
function neededLately(world: World, { loads }: State): number {
  const nowMs = world.clock.now()
  const lately = loads.filter(({ atMs }, i) => {
    const endMs = loads[i + 1]?.atMs ?? nowMs
    return endMs - Math.max(atMs, nowMs - STABILIZATION_MS + PERIOD_MS) > 2 * PERIOD_MS
  })
  return Math.max(0, ...lately.map(({ load }) => Math.ceil(load / (TARGET * (1 + TOLERANCE)))))
}

function watchScaling(world: World, state: State, mode: Mode): void {
  /** As it was when the look began. */
  let known: HorizontalPodAutoscaler | undefined
  world.onReconcile((controller, key, { caches }) => {
    if (controller === scenario.controllers[0]) known = caches.for(horizontalpodautoscalers).get(key)
  })
  world.onWrite(({ subresource, body }) => {
    if (subresource !== 'scale') return
    const wanted = (body as { spec: { replicas: number } }).spec.replicas
    const { minReplicas = 1, maxReplicas = 0 } = known?.spec ?? {}
    if (wanted < minReplicas || wanted > maxReplicas) world.fail(`${wanted} replicas, of ${minReplicas} to ${maxReplicas}`)
    // What has been recommended is forgotten at a restart; with metrics missing it may never have been seen.
    const least = Math.min(maxReplicas, neededLately(world, state))
    if (mode === 'mild' && wanted < replicas(world) && wanted < least) world.fail(`${wanted} replicas, ${least} were needed lately`)
  })
}

const scenario: Scenario<State> = {
  name: 'HorizontalPodAutoscaler',
  controllers: ['horizontal-pod-autoscaler-controller', 'replicaset-controller'],
  async begin(world, random, mode) {
    const lives = new PodLives(world, { stepMs: 3_000, runMs: 1 })
    await lives.start(['n1', 'n2'])
    await world.onChange(horizontalpodautoscalers, () => {})
    await world.onChange(replicasets, () => {})
    const containers = [{ name: 'c', image: 'i', resources: { requests: { cpu: '100m' } } }]
    const template = { metadata: { labels: APP }, spec: { terminationGracePeriodSeconds: 1, containers } }
    await world.client.create(replicasets, {
      metadata: AT,
      spec: { replicas: 1 + random.below(4), selector: { matchLabels: APP }, template },
    })
    const target = { type: 'Utilization', averageUtilization: TARGET }
    await world.client.create(horizontalpodautoscalers, {
      metadata: AT,
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'a' },
        minReplicas: 1 + random.below(2),
        maxReplicas: 3 + random.below(MAX - 3),
        metrics: [{ type: 'Resource', resource: { name: 'cpu', target } }],
      },
    })
    const state: State = { lives, load: 0, loads: [], isDark: false, isBlind: false }
    world.serve('metrics.k8s.io', () => podMetrics(world, state))
    watchScaling(world, state, mode)
    return state
  },
  step(random, mode): Step {
    const load = (): Step => ({ do: 'load', to: 10 * random.below(50) })
    const wild = ['deletePod', 'killPod', 'failPod', 'flapPod'].map((what) => () => ({ do: what, at: random.below(100) }))
    return random.of<() => Step>([
      load,
      load,
      load,
      () => ({ do: 'wait' }),
      () => ({ do: 'bounds', min: 1 + random.below(3), max: 3 + random.below(MAX - 3) }),
      () => ({ do: 'resize', to: 1 + random.below(MAX + 2) }),
      ...(mode === 'mild'
        ? []
        : [() => ({ do: 'dark', on: random.chance(0.4) }), () => ({ do: 'blind', on: random.chance(0.4) }), ...wild]),
    ])()
  },
  async apply(world, state, step) {
    if (step.do === 'load') {
      state.load = Number(step['to'])
      state.loads.push({ atMs: world.clock.now(), load: state.load })
    } else if (step.do === 'wait') await world.clock.advance(2 * 60_000)
    else if (step.do === 'bounds')
      await world.client.patch(horizontalpodautoscalers, MERGE, { spec: { minReplicas: step['min'], maxReplicas: step['max'] } })
    else if (step.do === 'resize') await world.client.patch(replicasets, MERGE, { spec: { replicas: step['to'] } })
    else if (step.do === 'dark') state.isDark = step['on'] === true
    else if (step.do === 'blind') state.isBlind = step['on'] === true
    else await disturbPod(world, state.lives, step)
  },
  async end(world, state) {
    state.isDark = state.isBlind = false
    await world.settle()
    const { spec, status } = autoscaler(world)
    const { minReplicas = 1, maxReplicas } = spec
    const now = replicas(world)
    const { load } = state
    const clamp = (count: number): number => Math.min(maxReplicas, Math.max(minReplicas, count))
    const isNear = Math.abs(load / (now * TARGET) - 1) <= TOLERANCE + 0.02
    // Usage is told in whole millicores for each pod, rounded up.
    const [least, most] = [clamp(Math.ceil(load / TARGET)), clamp(Math.ceil((load + now) / TARGET))]
    assert.ok(now === clamp(now) && (isNear || (now >= least && now <= most)), `${now} replicas of ${least} to ${most} carry ${load}`)
    assert.deepEqual([status?.currentReplicas, status?.desiredReplicas], [now, now])
    const conditions = Object.fromEntries((status?.conditions ?? []).map(({ type, status: is }) => [type, is]))
    assert.deepEqual([conditions['AbleToScale'], conditions['ScalingActive']], ['True', 'True'])
  },
}

modelTest(scenario)
