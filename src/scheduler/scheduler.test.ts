import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import type { Container, Node, PersistentVolumeClaim, Pod } from '../api/kinds/core/v1.ts'
import type { KubeObject } from '../api/resource.ts'
import type { Lister } from '../client/informer.ts'
import { SchedulerCache } from './cache.ts'
import { defaultPlugins } from './defaultPlugins.ts'
import { claimsOf, type VolumeListers } from './plugins/volumeBinding.ts'
import { SchedulingQueue } from './queue.ts'
import { podRequests } from './resources.ts'
import { describeFailure, schedulePod } from './schedulePod.ts'

const NOTHING: Lister<never> = { get: () => undefined, list: () => [], byIndex: () => [] }
const NO_VOLUMES: VolumeListers = { claims: NOTHING, volumes: NOTHING, classes: NOTHING }

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

function place(p: Pod, nodes: Node[], running: [Pod, string][] = []): string {
  const cache = new SchedulerCache()
  for (const n of nodes) cache.setNode(n)
  for (const [other, where] of running) cache.setPod(other, where)
  const snapshot = cache.snapshot()
  const decision = schedulePod({ pod: p, snapshot, plugins: defaultPlugins({ ...NO_VOLUMES, namespaces: NOTHING }), pick: () => 0 })
  if ('node' in decision) return decision.node
  // What post-filter plugins add is tested on its own.
  return describeFailure(p, snapshot.nodes.length, decision).replace(/ no new claims to deallocate, .*$/, '')
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
  { what: 'no nodes', pod: pod('p'), nodes: [], expected: 'no nodes available to schedule pods' },
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
  const cache = new SchedulerCache()
  cache.setNode(node('a', {}, {}, { pods: '1' }))
  cache.setPod(pod('p'), 'a')
  assert.equal(cache.snapshot().nodes[0]?.pods.length, 1)
  cache.setPod({ ...pod('p'), status: { phase: 'Succeeded' } }, 'a')
  assert.equal(cache.snapshot().nodes[0]?.pods.length, 0)
})

test('the queue serves by priority, then age; failed pods wait for a change and their backoff', async () => {
  const clock = new FakeClock()
  const queue = new SchedulingQueue(clock)
  const { signal } = new AbortController()
  queue.add(pod('old'))
  queue.add(pod('young'))
  queue.add(pod('important', { priority: 10 }))
  const order: string[] = []
  for (let i = 0; i < 3; i++) {
    const next = await queue.next(signal)
    order.push(next?.pod.metadata.name ?? '')
    if (i === 0 && next) queue.failed(next.pod, next.moves)
  }
  assert.deepEqual(order, ['important', 'old', 'young'])
  assert.deepEqual(queue.lengths, { active: 0, backoff: 0, unschedulable: 1 })
  queue.moveAll()
  assert.deepEqual(queue.lengths, { active: 0, backoff: 1, unschedulable: 0 })
  await clock.advance(1_000)
  assert.equal((await queue.next(signal))?.pod.metadata.name, 'important')
})

test('a pod whose backoff is over is tried as soon as something changes; a pod that failed often waits its backoff', async () => {
  const clock = new FakeClock()
  const queue = new SchedulingQueue(clock)
  const { signal } = new AbortController()
  const fail = async (): Promise<void> => {
    const next = await queue.next(signal)
    if (next) queue.failed(next.pod, next.moves)
  }
  queue.add(pod('p'))
  await fail()
  await clock.advance(5_000)
  queue.moveAll()
  assert.deepEqual(queue.lengths, { active: 1, backoff: 0, unschedulable: 0 })
  await fail()
  queue.moveAll()
  await clock.advance(1_999)
  assert.deepEqual(queue.lengths, { active: 0, backoff: 1, unschedulable: 0 })
  await clock.advance(1)
  assert.deepEqual(queue.lengths, { active: 1, backoff: 0, unschedulable: 0 })
})

test('a change that came while a pod was tried counts for it', async () => {
  const clock = new FakeClock()
  const queue = new SchedulingQueue(clock)
  queue.add(pod('p'))
  const next = await queue.next(new AbortController().signal)
  queue.moveAll()
  if (next) queue.failed(next.pod, next.moves)
  assert.deepEqual(queue.lengths, { active: 0, backoff: 1, unschedulable: 0 })
})

test('a failure is told as upstream tells it, with what preemption could do', () => {
  const taints = [{ key: 'k', effect: 'NoSchedule' }]
  const tell = (p: Pod, nodes: Node[]): string => {
    const cache = new SchedulerCache()
    for (const n of nodes) cache.setNode(n)
    const snapshot = cache.snapshot()
    const listers = { ...LISTERS, namespaces: NOTHING }
    const decision = schedulePod({ pod: p, snapshot, plugins: defaultPlugins(listers), pick: () => 0 })
    assert.ok(!('node' in decision))
    return describeFailure(p, snapshot.nodes.length, decision)
  }
  const greedy = pod('p', { containers: asks({ cpu: '2' }) })
  const full = [node('a', {}, {}, { pods: '0' }), node('b', { taints }), node('c', { taints })]
  assert.equal(
    tell(greedy, full),
    '0/3 nodes are available: 1 Too many pods, 2 node(s) had untolerated taint(s). no new claims to deallocate, ' +
      'preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling.',
  )
  assert.equal(
    tell(pod('p', { preemptionPolicy: 'Never' }), [node('b', { taints })]),
    '0/1 nodes are available: 1 node(s) had untolerated taint(s). no new claims to deallocate, ' +
      'preemption: not eligible due to preemptionPolicy=Never.',
  )
  const claims = (claimName: string): Partial<Pod['spec']> => ({ volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }] })
  assert.equal(tell(pod('p', claims('missing')), full), '0/3 nodes are available: persistentvolumeclaim "missing" not found. not found')
  assert.equal(tell(pod('p', claims('missing')), []), 'no nodes available to schedule pods')
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

const LISTERS: VolumeListers = {
  claims: byName([
    CLAIM('bound', 'later', 'pv'),
    CLAIM('waiting', 'later'),
    CLAIM('unbound', 'now'),
    { ...CLAIM('lost', 'now', 'pv'), status: { phase: 'Lost' } },
    LEAVING,
    CLAIM('p-own', 'now'),
  ]),
  volumes: NOTHING,
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
