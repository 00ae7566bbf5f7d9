import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { persistentvolumeclaims, type Container, type Node, type PersistentVolumeClaim, type Pod } from '../api/kinds/core/v1.ts'
import type { KubeObject } from '../api/resource.ts'
import { Client } from '../client/client.ts'
import type { Lister } from '../client/informer.ts'
import { HandFedInformers } from '../client/testing/handFedInformers.ts'
import { SchedulerCache } from './cache.ts'
import { readSchedulerConfiguration } from './configuration/configuration.ts'
import { LocalVerdicts } from './localVerdicts.ts'
import { Nominator } from './nominator.ts'
import type { VolumeListers } from './volumes/listers.ts'
import { claimsOf } from './volumes/podClaims.ts'
import { createPlugin } from './plugins/registry.ts'
import { askPostFilters } from './postFilter.ts'
import { newPodInfo } from './podInfo.ts'
import { buildProfile, type Profile } from './profile.ts'
import { podRequests } from './resources.ts'
import { describeFailure, schedulePod, type Decision } from './schedulePod.ts'

const NOTHING: Lister<never> = { get: () => undefined, list: () => [], byIndex: () => [] }

const META = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }

function node(name: string, spec: Partial<Node['spec']> = {}, labels: Record<string, string> = {}, allocatable = {}): Node {
  return {
    metadata: { ...META, uid: name, name, labels },
    spec,
    status: { allocatable: { cpu: '2', memory: '4Gi', pods: '3', ...allocatable } },
  }
}

function pod(name: string, spec: Partial<Pod['spec']> = {}): Pod {
  return { metadata: { ...META, uid: name, name, namespace: 'default' }, spec: { containers: [{ name: 'c', image: 'x' }], ...spec } }
}

const asks = (requests: Record<string, string>): Container[] => [{ name: 'c', image: 'x', resources: { requests } }]
const port = (hostPort: number, hostIP = ''): Container[] => [{ name: 'c', image: 'x', ports: [{ containerPort: 80, hostPort, hostIP }] }]

const CONFIGURATION = readSchedulerConfiguration()

/** The default profile over these objects. */
function profile(fed: HandFedInformers, nominator: Nominator): Profile {
  const handle = {
    client: new Client({
      request: () => assert.fail('nothing is written here'),
      watch: () => assert.fail('nothing is watched here'),
    }),
    informers: fed,
    events: { record: () => {} },
    nominator,
    clock: new FakeClock(),
    log: silentLogger,
    signal: new AbortController().signal,
    random: () => 0,
    activate: () => {},
    ungate: () => {},
    ignoredResources: [],
  }
  const [configuration] = CONFIGURATION.profiles
  assert.ok(configuration)
  return buildProfile(configuration, (name) => createPlugin(name, configuration.args, handle), 0)
}

interface World {
  nodes: Node[]
  running?: [Pod, string][]
  claims?: PersistentVolumeClaim[]
}

function decide(
  p: Pod,
  { nodes, running = [], claims = [] }: World,
): { decision: Decision; cache: SchedulerCache; points: Profile['points'] } {
  const cache = new SchedulerCache(new FakeClock())
  const fed = new HandFedInformers()
  for (const claim of claims) fed.set(persistentvolumeclaims, claim)
  for (const n of nodes) cache.setNode(n)
  for (const [other, where] of running) cache.setPod(other, where)
  const nominator = new Nominator()
  const { points } = profile(fed, nominator)
  const decision = schedulePod({
    info: newPodInfo(p),
    view: cache,
    points,
    nominator,
    known: new LocalVerdicts(),
    startIndex: 0,
    percentageOfNodesToScore: 0,
    pick: () => 0,
  })
  assert.ok(!(decision instanceof Promise))
  return { decision, cache, points }
}

function place(p: Pod, nodes: Node[], running: [Pod, string][] = []): string {
  const { decision } = decide(p, { nodes, running })
  return 'nodeName' in decision ? decision.nodeName : describeFailure(nodes.length, decision.diagnosis)
}

const affinity = (key: string, operator: string, values: string[]): Partial<Pod['spec']> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator, values }] }] },
    },
  },
})

const TAINTED = node('a', { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] })

const TABLE: readonly { what: string; pod: Pod; nodes: Node[]; running?: [Pod, string][]; expected: string }[] = [
  { what: 'the only node', pod: pod('p'), nodes: [node('a')], expected: 'a' },
  {
    what: 'cordoned',
    pod: pod('p'),
    nodes: [node('a', { unschedulable: true })],
    expected: '0/1 nodes are available: 1 node(s) were unschedulable.',
  },
  { what: 'tainted', pod: pod('p'), nodes: [TAINTED], expected: '0/1 nodes are available: 1 node(s) had untolerated taint(s).' },
  { what: 'tolerated', pod: pod('p', { tolerations: [{ key: 'k', operator: 'Exists' }] }), nodes: [TAINTED], expected: 'a' },
  { what: 'tolerates everything', pod: pod('p', { tolerations: [{ operator: 'Exists' }] }), nodes: [TAINTED], expected: 'a' },
  {
    what: 'too much cpu',
    pod: pod('p', { containers: asks({ cpu: '3' }) }),
    nodes: [node('a'), node('b', { unschedulable: true })],
    expected: '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.',
  },
  {
    what: 'what runs counts',
    pod: pod('p', { containers: asks({ cpu: '1500m' }) }),
    nodes: [node('a'), node('b')],
    running: [[pod('q', { containers: asks({ cpu: '1' }) }), 'a']],
    expected: 'b',
  },
  {
    what: 'the emptier node',
    pod: pod('p'),
    nodes: [node('a'), node('b')],
    running: [[pod('q', { containers: asks({ cpu: '1' }) }), 'a']],
    expected: 'b',
  },
  {
    what: 'the number of pods',
    pod: pod('p'),
    nodes: [node('a', {}, {}, { pods: '1' })],
    running: [[pod('q'), 'a']],
    expected: '0/1 nodes are available: 1 Too many pods.',
  },
  {
    what: 'node selector',
    pod: pod('p', { nodeSelector: { disk: 'ssd' } }),
    nodes: [node('a'), node('b', {}, { disk: 'ssd' })],
    expected: 'b',
  },
  {
    what: 'affinity Gt',
    pod: pod('p', affinity('gen', 'Gt', ['3'])),
    nodes: [node('a', {}, { gen: '3' }), node('b', {}, { gen: '4' })],
    expected: 'b',
  },
  {
    what: 'affinity unmet',
    pod: pod('p', affinity('gen', 'In', ['9'])),
    nodes: [node('a')],
    expected: "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
  },
  {
    what: 'host port taken',
    pod: pod('p', { containers: port(80) }),
    nodes: [node('a')],
    running: [[pod('q', { containers: port(80, '127.0.0.1') }), 'a']],
    expected: "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
  },
  {
    what: 'the same host port on another address',
    pod: pod('p', { containers: port(80, '127.0.0.2') }),
    nodes: [node('a')],
    running: [[pod('q', { containers: port(80, '127.0.0.1') }), 'a']],
    expected: 'a',
  },
]

const web = (name: string, spec: Partial<Pod['spec']> = {}, namespace = 'default'): Pod => {
  const made = pod(name, spec)
  return { ...made, metadata: { ...made.metadata, namespace, labels: { app: 'web' } } }
}
const ZONES = ['a', 'b'].map((zone) => node(zone, {}, { zone, 'kubernetes.io/hostname': zone }))
const WEB = { labelSelector: { matchLabels: { app: 'web' } }, topologyKey: 'zone' }
const near = { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [WEB] } } }
const far = { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [WEB] } } }
const spread = (more: object = {}): Partial<Pod['spec']> => ({
  topologySpreadConstraints: [{ ...WEB, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', ...more }],
})

const TOPOLOGY: typeof TABLE = [
  { what: 'near others', pod: pod('p', near), nodes: ZONES, running: [[web('w'), 'b']], expected: 'b' },
  {
    what: 'near nobody',
    pod: pod('p', near),
    nodes: ZONES,
    expected: "0/2 nodes are available: 2 node(s) didn't match pod affinity rules.",
  },
  { what: 'the first of its own kind', pod: web('p', near), nodes: ZONES, expected: 'a' },
  { what: 'far from others', pod: pod('p', far), nodes: ZONES, running: [[web('w'), 'a']], expected: 'b' },
  {
    what: 'other namespaces do not count',
    pod: pod('p', far),
    nodes: ZONES.slice(0, 1),
    running: [[web('w', {}, 'other'), 'a']],
    expected: 'a',
  },
  {
    what: 'others want to be far from it',
    pod: web('p'),
    nodes: ZONES.slice(0, 1),
    running: [[pod('q', far), 'a']],
    expected: "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.",
  },
  { what: 'spread evenly', pod: web('p', spread()), nodes: ZONES, running: [[web('w'), 'a']], expected: 'b' },
  {
    what: 'spread softly',
    pod: web('p', spread({ whenUnsatisfiable: 'ScheduleAnyway' })),
    nodes: ZONES,
    running: [[web('w'), 'a']],
    expected: 'b',
  },
  {
    what: 'too few domains',
    pod: web('p', spread({ minDomains: 3 })),
    nodes: ZONES,
    running: [
      [web('w'), 'a'],
      [web('x'), 'b'],
    ],
    expected: "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints.",
  },
  {
    what: 'without the label',
    pod: web('p', spread({ topologyKey: 'rack' })),
    nodes: ZONES,
    expected: "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints (missing required label).",
  },
]

for (const { what, pod: p, nodes, running, expected } of [...TABLE, ...TOPOLOGY])
  test(`schedule: ${what}`, () => assert.equal(place(p, nodes, running), expected))

test('init containers raise requests, sidecars add to them', () => {
  const requests = podRequests(
    pod('p', {
      containers: asks({ cpu: '100m' }),
      initContainers: [
        { name: 'side', image: 'x', restartPolicy: 'Always', resources: { requests: { cpu: '50m' } } },
        { name: 'big', image: 'x', resources: { requests: { cpu: '1', memory: '1Mi' } } },
      ],
      overhead: { cpu: '10m' },
    }),
  )
  assert.deepEqual(Object.fromEntries(requests), { cpu: 1060, memory: 1024 * 1024 })
})

test('a finished pod gives its place back, an assumed one holds it', () => {
  const cache = new SchedulerCache(new FakeClock())
  cache.setNode(node('a', {}, {}, { pods: '1' }))
  cache.assume(newPodInfo(pod('p')), 'a')
  assert.equal(cache.get('a')?.podCount, 1)
  cache.setPod({ ...pod('p'), status: { phase: 'Succeeded' } }, 'a')
  assert.equal(cache.get('a')?.podCount, 0)
})

test('a failure is told as upstream tells it, with what preemption could do', async () => {
  const taints = [{ key: 'k', effect: 'NoSchedule' }]
  const tell = async (p: Pod, nodes: Node[]): Promise<string> => {
    const { decision, cache, points } = decide(p, { nodes })
    assert.ok(!('nodeName' in decision))
    const result = await askPostFilters(newPodInfo(p), cache, points.postFilter, decision)
    return describeFailure(nodes.length, decision.diagnosis, result.message)
  }
  const greedy = pod('p', { containers: asks({ cpu: '2' }) })
  const full = [node('a', {}, {}, { pods: '0' }), node('b', { taints }), node('c', { taints })]
  assert.equal(
    await tell(greedy, full),
    '0/3 nodes are available: 1 Too many pods, 2 node(s) had untolerated taint(s). no new claims to deallocate, ' +
      'preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling.',
  )
  assert.equal(
    await tell(pod('p', { preemptionPolicy: 'Never' }), [node('b', { taints })]),
    '0/1 nodes are available: 1 node(s) had untolerated taint(s). no new claims to deallocate, ' +
      'preemption: not eligible due to preemptionPolicy=Never.',
  )
  const claims = (claimName: string): Partial<Pod['spec']> => ({ volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }] })
  assert.equal(
    await tell(pod('p', claims('missing')), full),
    '0/3 nodes are available: persistentvolumeclaim "missing" not found. not found',
  )
})

const CLAIM = (name: string, storageClassName: string, volumeName = ''): PersistentVolumeClaim => ({
  metadata: {
    ...META,
    uid: name,
    name,
    namespace: 'default',
    ...(volumeName && { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } }),
  },
  spec: { storageClassName, ...(volumeName && { volumeName }) },
})

const byName = <T extends KubeObject>(objects: T[]): Lister<T> => ({
  ...NOTHING,
  get: (key) => objects.find((o) => o.metadata.name === key.split('/').at(-1)),
})

const LEAVING: PersistentVolumeClaim = (() => {
  const claim = CLAIM('leaving', 'now')
  return { ...claim, metadata: { ...claim.metadata, deletionTimestamp: META.creationTimestamp } }
})()

const LISTERS: Pick<VolumeListers, 'claims' | 'classes'> = {
  claims: byName([
    CLAIM('bound', 'later', 'pv'),
    CLAIM('waiting', 'later'),
    CLAIM('unbound', 'now'),
    { ...CLAIM('lost', 'now', 'pv'), status: { phase: 'Lost' } },
    LEAVING,
    CLAIM('p-own', 'now'),
  ]),
  classes: byName([{ metadata: { ...META, uid: 'later', name: 'later' }, provisioner: 'x', volumeBindingMode: 'WaitForFirstConsumer' }]),
}

for (const [claimName, expected] of [
  ['bound', 'bound'],
  ['waiting', 'delayed'],
  ['unbound', 'pod has unbound immediate PersistentVolumeClaims'],
  ['missing', 'persistentvolumeclaim "missing" not found'],
  ['lost', 'persistentvolumeclaim "lost" bound to non-existent persistentvolume "pv"'],
  ['leaving', 'persistentvolumeclaim "leaving" is being deleted'],
] as const)
  test(`claims: ${claimName}`, () => {
    const { bound, problem } = claimsOf(pod('p', { volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }] }), LISTERS)
    assert.equal(problem ?? (bound.length > 0 ? 'bound' : 'delayed'), expected)
  })

test('claims of ephemeral volumes: made by their controller, and for this very pod', () => {
  const problemOf = (volume: string): string | undefined =>
    claimsOf(pod('p', { volumes: [{ name: volume, ephemeral: {} }] }), LISTERS).problem
  assert.equal(problemOf('data'), 'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-data"')
  assert.equal(problemOf('own'), 'PVC default/p-own was not created for pod default/p (pod is not owner)')
})
