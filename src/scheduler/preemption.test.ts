import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import type { Node, Pod } from '../api/kinds/core/v1.ts'
import type { PodDisruptionBudget } from '../api/kinds/policy/v1.ts'
import { SchedulerCache } from './cache.ts'
import { FilterCycle } from './cycle.ts'
import { FITS, type PostFilterInput } from './framework.ts'
import { Nominator } from './nominator.ts'
import { newFit } from './plugins/fit.ts'
import { DEFAULT_RESOURCES } from './plugins/allocationScores.ts'
import { newInterPodAffinity } from './plugins/interPodAffinity.ts'
import { newPodInfo } from './podInfo.ts'
import { dryRun, pickCandidate, selectVictims, type Victims } from './preemption.ts'

const META = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }

function node(name: string): Node {
  return {
    metadata: { ...META, uid: name, name, labels: { 'kubernetes.io/hostname': name } },
    spec: {},
    status: { allocatable: { cpu: '4', pods: '10' } },
  }
}

function pod(
  name: string,
  priority: number,
  cpu: string,
  more: { labels?: Record<string, string>; started?: string | null } = {},
  spec: Partial<Pod['spec']> = {},
): Pod {
  return {
    metadata: { ...META, uid: name, name, namespace: 'ns', ...(more.labels && { labels: more.labels }) },
    spec: { priority, containers: [{ name: 'c', image: 'x', resources: { requests: { cpu } } }], ...spec },
    ...(more.started !== null && { status: { startTime: more.started ?? META.creationTimestamp } }),
  }
}

function budget(disruptionsAllowed: number, app: string): PodDisruptionBudget {
  return {
    metadata: { ...META, uid: 'pdb', name: 'pdb', namespace: 'ns' },
    spec: { selector: { matchLabels: { app } } },
    status: { disruptionsAllowed, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
  }
}

function world(wanting: Pod, running: readonly [Pod, string][]): { input: PostFilterInput; cache: SchedulerCache } {
  const cache = new SchedulerCache(new FakeClock())
  for (const [, where] of running) if (!cache.get(where)) cache.setNode(node(where))
  for (const [other, where] of running) cache.setPod(other, where)
  const fit = newFit({
    ignoredResources: [],
    ignoredResourceGroups: [],
    scoringStrategy: { type: 'LeastAllocated', resources: DEFAULT_RESOURCES },
  })
  const affinity = newInterPodAffinity({ hardPodAffinityWeight: 1, ignorePreferredTermsOfExistingPods: false }, () => undefined)
  const { cycle } = FilterCycle.start(newPodInfo(wanting), cache, { preFilter: [fit, affinity], filter: [fit, affinity] }, new Nominator())
  const input: PostFilterInput = {
    pod: cycle.info,
    view: cache,
    refusals: new Map(),
    prepared: () => undefined,
    filter: (n) => cycle.filter(n) ?? FITS,
    addPod: (p, n) => cycle.addPod(p, n),
    removePod: (p, n) => cycle.removePod(p, n),
  }
  return { input, cache }
}

function victims(wanting: Pod, running: readonly Pod[], budgets: readonly PodDisruptionBudget[] = []): string[] | string {
  const { input, cache } = world(
    wanting,
    running.map((p) => [p, 'a']),
  )
  const found = selectVictims(input, cache.nodes[0] as (typeof cache.nodes)[number], budgets)
  return 'fits' in found ? found.reasons.join() : found.pods.map(({ metadata }) => metadata.name)
}

const CASES: readonly [what: string, wanting: Pod, running: Pod[], expected: string[] | string, budgets?: PodDisruptionBudget[]][] = [
  ['the only one', pod('p', 10, '3'), [pod('low', 0, '3')], ['low']],
  ['nobody of the same priority', pod('p', 10, '3'), [pod('same', 10, '3')], 'No preemption victims found for incoming pod'],
  ['too big in any case', pod('p', 10, '5'), [pod('low', 0, '3')], 'Insufficient cpu'],
  ['only as many as it takes', pod('p', 10, '2'), [pod('a', 0, '2'), pod('b', 1, '2')], ['a']],
  ['who started last', pod('p', 10, '2'), [pod('old', 0, '2'), pod('new', 0, '2', { started: '2026-01-02T00:00:00Z' })], ['new']],
  [
    'who has not started yet, the first of them',
    pod('p', 10, '2'),
    [pod('old', 0, '1'), ...['x', 'y'].map((name) => pod(name, 0, '1', { started: null }))],
    ['x'],
  ],
  [
    'a budget keeps its pod where another one will do',
    pod('p', 10, '2'),
    [pod('kept', 0, '2', { labels: { app: 'x' } }), pod('other', 5, '2')],
    ['other'],
    [budget(0, 'x')],
  ],
  [
    'a budget is broken where nothing else helps',
    pod('p', 10, '4'),
    [pod('kept', 0, '4', { labels: { app: 'x' } })],
    ['kept'],
    [budget(0, 'x')],
  ],
]
for (const [what, wanting, running, expected, budgets] of CASES)
  test(`victims: ${what}`, () => assert.deepEqual(victims(wanting, running, budgets), expected))

test('a pod that others keep away by anti-affinity preempts them', () => {
  const term = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } }
  const shy = { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } }
  assert.deepEqual(victims(pod('p', 10, '1', { labels: { app: 'web' } }), [pod('shy', 0, '1', {}, shy), pod('calm', 0, '1')]), ['shy'])
})

test('trying victims leaves nothing behind in what was prepared', () => {
  const wanting = pod('p', 10, '3')
  const { input, cache } = world(wanting, [
    [pod('low', 0, '3'), 'a'],
    [pod('high', 20, '3'), 'b'],
  ])
  const first = dryRun(input, cache.nodes, [], { offset: 0, enough: 10 })
  const second = dryRun(input, cache.nodes, [], { offset: 1, enough: 10 })
  assert.deepEqual(
    [first, second].map(({ candidates, refusals }) => [candidates.map(({ nodeName }) => nodeName), [...refusals.keys()]]),
    [
      [['a'], ['b']],
      [['a'], ['b']],
    ],
  )
  assert.equal(cache.get('a')?.podCount, 1)
})

const candidate = (nodeName: string, pods: Pod[], violations = 0): Victims => ({ nodeName, pods, violations })
const PICKS: readonly [what: string, candidates: Victims[], expected: string][] = [
  ['fewest broken budgets', [candidate('a', [pod('x', 0, '1')], 1), candidate('b', [pod('y', 5, '1')])], 'b'],
  ['least important first victim', [candidate('a', [pod('x', 5, '1')]), candidate('b', [pod('y', 1, '1')])], 'b'],
  ['smallest sum', [candidate('a', [pod('x', 5, '1'), pod('z', 5, '1')]), candidate('b', [pod('y', 5, '1')])], 'b'],
  ['latest start', [candidate('a', [pod('x', 5, '1')]), candidate('b', [pod('y', 5, '1', { started: '2026-02-01T00:00:00Z' })])], 'b'],
]
for (const [what, candidates, expected] of PICKS)
  test(`node for preemption: ${what}`, () => assert.equal(pickCandidate(candidates)?.nodeName, expected))
