import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { SchedulerCache } from '../cache.ts'
import type { Plugin } from '../framework.ts'
import { newPodInfo } from '../podInfo.ts'
import { DEFAULT_RESOURCES } from './allocationScores.ts'
import { newBalancedAllocation, newFit } from './fit.ts'
import { newImageLocality } from './imageLocality.ts'
import { newTopologySpread } from './topologySpread.ts'

const META = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const node = (name: string, image?: [string, number]): Node => ({
  metadata: { ...META, uid: name, name, labels: { 'kubernetes.io/hostname': name } },
  spec: {},
  status: { allocatable: { cpu: '2', memory: '8Gi', pods: '9' }, ...(image && { images: [{ names: [image[0]], sizeBytes: image[1] }] }) },
})
const pod = (name: string, spec: Partial<Pod['spec']> = {}): Pod => ({
  metadata: { ...META, uid: name, name, namespace: 'ns', labels: { app: 'x' } },
  spec: { containers: [{ name: 'c', image: 'i:1' }], ...spec },
})

function scores(plugin: Plugin, wanting: Pod, nodes: readonly Node[], running: readonly [Pod, string][] = []): number[] {
  const cache = new SchedulerCache(new FakeClock())
  for (const one of nodes) cache.setNode(one)
  for (const [other, where] of running) cache.setPod(other, where)
  const scoring = plugin.score?.(newPodInfo(wanting), cache, cache.nodes, undefined)
  const raw = cache.nodes.map((one) => scoring?.of(one) ?? 0)
  return scoring?.normalize?.(raw, cache.nodes) ?? raw
}

const fit = newFit({
  ignoredResources: [],
  ignoredResourceGroups: [],
  scoringStrategy: { type: 'LeastAllocated', resources: DEFAULT_RESOURCES },
})
const balanced = newBalancedAllocation(DEFAULT_RESOURCES)
const spread = newTopologySpread({ defaultConstraints: [], isSystemDefaulted: true, selectorOf: () => undefined })
const asks = (requests: Record<string, string>): Partial<Pod['spec']> => ({
  containers: [{ name: 'c', image: 'i:1', resources: { requests } }],
})
const onHosts = (labelSelector: object): Partial<Pod['spec']> => ({
  topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway', labelSelector }],
})

const IMAGE = (name: string, bytes: number): Node => node(name, ['i:1', bytes])

const CASES: readonly [what: string, plugin: Plugin, pod: Pod, nodes: Node[], running: [Pod, string][], expected: number[]][] = [
  ['what is left of a node', fit, pod('p', asks({ cpu: '1', memory: '2Gi' })), [node('a')], [], [62]],
  ['a pod as a whole counts by its containers', fit, pod('p', { resources: { requests: { cpu: '1' } } }), [node('a')], [], [96]],
  ['images up to 1000 MiB a container', newImageLocality(), pod('p'), [node('a', ['i:1', 1_500e6]), node('b'), node('c')], [], [46, 0, 0]],
  ['an image is as large as its first node says', newImageLocality(), pod('p'), [IMAGE('a', 500e6), IMAGE('b', 100e6)], [], [46, 46]],
  ['an uneven use made even', balanced, pod('p', asks({ memory: '4Gi' })), [node('a')], [[pod('q', asks({ cpu: '1' })), 'a']], [87]],
  ['pods of one kind', spread, pod('p', onHosts({ matchLabels: { app: 'x' } })), [node('a'), node('b')], [[pod('q'), 'a']], [0, 100]],
  ['an empty selector counts none', spread, pod('p', onHosts({})), [node('a'), node('b')], [[pod('q'), 'a']], [100, 100]],
]
for (const [what, plugin, wanting, nodes, running, expected] of CASES)
  test(`score: ${what}`, () => assert.deepEqual(scores(plugin, wanting, nodes, running), expected))
