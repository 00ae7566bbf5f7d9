import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { FakeClock } from '../base/clock.ts'
import type { Node, Pod } from '../api/kinds/core/v1.ts'
import { SchedulerCache } from './cache.ts'
import type { PluginPoints } from './cycle.ts'
import { LocalVerdicts } from './localVerdicts.ts'
import { Nominator } from './nominator.ts'
import { DEFAULT_RESOURCES } from './plugins/allocationScores.ts'
import { newDefaultBinder } from './plugins/defaultBinder.ts'
import { newBalancedAllocation, newFit } from './plugins/fit.ts'
import { newPrioritySort } from './plugins/queueing.ts'
import { newTaintToleration } from './plugins/taints.ts'
import { Client } from '../client/client.ts'
import { newPodInfo } from './podInfo.ts'
import { feasibleNodesToFind, schedulePod } from './schedulePod.ts'

const META = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }

const fit = newFit({
  ignoredResources: [],
  ignoredResourceGroups: [],
  scoringStrategy: { type: 'LeastAllocated', resources: DEFAULT_RESOURCES },
})
const taints = newTaintToleration()
const POINTS: PluginPoints = {
  preEnqueue: [],
  queueSort: newPrioritySort(),
  preFilter: [taints, fit],
  filter: [taints, fit],
  postFilter: [],
  score: [
    { plugin: taints, weight: 3 },
    { plugin: fit, weight: 1 },
    { plugin: newBalancedAllocation(DEFAULT_RESOURCES), weight: 1 },
  ],
  reserve: [],
  preBind: [],
  bind: [
    newDefaultBinder(
      new Client({
        request: () => assert.fail('nothing is bound'),
        watch: () => assert.fail('nothing is watched'),
      }),
    ),
  ],
}

type Step =
  | { do: 'node'; node: number; cpu: number; taint: boolean }
  | { do: 'pod'; cpu: number }
  | { do: 'remove'; pod: number }
  | { do: 'gone'; node: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('node' as const), node: fc.nat(5), cpu: fc.integer({ min: 1, max: 8 }), taint: fc.boolean() }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pod' as const), cpu: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), pod: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('gone' as const), node: fc.nat(5) }) },
)

const node = (index: number, cpu: number, taint: boolean): Node => ({
  metadata: { ...META, uid: `n${index}`, name: `n${index}` },
  spec: taint ? { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] } : {},
  status: { allocatable: { cpu: String(cpu), memory: '8Gi', pods: '4' } },
})

const pod = (index: number, cpu: number): Pod => ({
  metadata: { ...META, uid: `p${index}`, name: `p${index}`, namespace: 'ns' },
  spec: { containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: String(cpu), memory: '1Gi' } } }] },
})

/** Where each pod of a history went. */
function play(steps: readonly Step[], known: () => LocalVerdicts): string[] {
  const cache = new SchedulerCache(new FakeClock())
  const places: string[] = []
  let startIndex = 0
  for (const [i, one] of steps.entries()) {
    if (one.do === 'node') cache.setNode(node(one.node, one.cpu, one.taint))
    else if (one.do === 'gone') cache.removeNode(`n${one.node}`)
    else if (one.do === 'remove') cache.removePod(`p${one.pod}`)
    else {
      const info = newPodInfo(pod(i, one.cpu))
      const input = { info, view: cache, points: POINTS, nominator: new Nominator(), percentageOfNodesToScore: 0, pick: () => 0 }
      const decision = schedulePod({ ...input, known: known(), startIndex })
      assert.ok(!(decision instanceof Promise))
      startIndex = decision.nextIndex
      places.push(
        'nodeName' in decision ? decision.nodeName : [...decision.diagnosis.refusals.values()].flatMap(({ reasons }) => reasons).join(),
      )
      if ('nodeName' in decision) cache.assume(info, decision.nodeName)
    }
  }
  return places
}

test('what is kept from earlier pods changes no decision', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const kept = new LocalVerdicts()
      assert.deepEqual(
        play(steps, () => kept),
        play(steps, () => new LocalVerdicts()),
      )
    }),
  )
})

for (const [nodes, percentage, expected] of [
  [50, 0, 50],
  [1_000, 0, 420],
  [6_000, 0, 300],
  [1_000, 30, 300],
  [200, 10, 100],
] as const)
  test(`of ${nodes} nodes and ${percentage} percent, ${expected} that fit are enough`, () =>
    assert.equal(feasibleNodesToFind(nodes, percentage), expected))
