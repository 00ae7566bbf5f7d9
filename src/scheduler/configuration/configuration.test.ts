import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSchedulerConfiguration } from './configuration.ts'
import { pluginNames } from '../pluginPoints.ts'

const HEAD = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n'

test('without a file there is one profile with upstream’s plugins and weights', () => {
  const { profiles, podInitialBackoffMs, podMaxBackoffMs } = readSchedulerConfiguration()
  assert.deepEqual(
    profiles.map(({ schedulerName }) => schedulerName),
    ['default-scheduler'],
  )
  assert.deepEqual([podInitialBackoffMs, podMaxBackoffMs], [1_000, 10_000])
  const names = pluginNames(profiles[0]?.plugins ?? {})
  assert.deepEqual(Object.fromEntries(names.score.map(({ name, weight = 1 }) => [name, weight])), {
    TaintToleration: 3,
    NodeAffinity: 2,
    NodeResourcesFit: 1,
    VolumeBinding: 1,
    PodTopologySpread: 2,
    InterPodAffinity: 2,
    DynamicResources: 2,
    NodeResourcesBalancedAllocation: 1,
    ImageLocality: 1,
  })
  assert.deepEqual(
    names.postFilter.map(({ name }) => name),
    ['DynamicResources', 'DefaultPreemption'],
  )
})

test('plugins are switched off and given weights, at one point or at all of them', () => {
  const { profiles } = readSchedulerConfiguration(`${HEAD}
profiles:
- schedulerName: a
  plugins:
    multiPoint: {disabled: [{name: ImageLocality}]}
    score: {disabled: [{name: '*'}], enabled: [{name: NodeResourcesFit, weight: 7}]}
- schedulerName: b
`)
  const a = pluginNames(profiles[0]?.plugins ?? {})
  assert.deepEqual(a.score, [{ name: 'NodeResourcesFit', weight: 7 }])
  assert.ok(a.filter.some(({ name }) => name === 'PodTopologySpread'))
  assert.ok(pluginNames(profiles[1]?.plugins ?? {}).score.some(({ name }) => name === 'ImageLocality'))
})

test('plugin arguments and extenders are read', () => {
  const { profiles, extenders } = readSchedulerConfiguration(`${HEAD}
profiles:
- pluginConfig:
  - name: NodeResourcesFit
    args:
      scoringStrategy:
        type: RequestedToCapacityRatio
        resources: [{name: example.com/gpu, weight: 3}]
        requestedToCapacityRatio: {shape: [{utilization: 0, score: 0}, {utilization: 100, score: 10}]}
extenders:
- urlPrefix: http://127.0.0.1:9
  filterVerb: filter
  httpTimeout: 1m30s
  managedResources: [{name: example.com/foo, ignoredByScheduler: true}]
`)
  assert.deepEqual(profiles[0]?.args.NodeResourcesFit.scoringStrategy, {
    type: 'RequestedToCapacityRatio',
    resources: [{ name: 'example.com/gpu', weight: 3 }],
    shape: [
      { utilization: 0, score: 0 },
      { utilization: 100, score: 10 },
    ],
  })
  assert.equal(extenders[0]?.timeoutMs, 90_000)
})

const withArgs = (name: string, args: string): string => `${HEAD}profiles: [{pluginConfig: [{name: ${name}, args: ${args}}]}]`
const ARGS = 'profiles[0].pluginConfig[0].args'
const MADE = 'initializing profiles: creating profile for scheduler name default-scheduler: '

const REFUSED: readonly [what: string, text: string, message: string][] = [
  [
    'another kind',
    'apiVersion: v1\nkind: Pod',
    'no kind "Pod" is registered for version "v1" in scheme "pkg/scheduler/apis/config/scheme/scheme.go:29"',
  ],
  ['an unknown field', `${HEAD}profile: []`, 'strict decoding error: unknown field "profile"'],
  [
    'a value of another type',
    `${HEAD}percentageOfNodesToScore: a`,
    'json: cannot unmarshal string into Go struct field KubeSchedulerConfiguration.percentageOfNodesToScore of type int32',
  ],
  ['a profile without a name beside others', `${HEAD}profiles: [{schedulerName: a}, {}]`, 'profiles[1].schedulerName: Required value'],
  ['the same name twice', `${HEAD}profiles: [{schedulerName: a}, {schedulerName: a}]`, 'profiles[1].schedulerName: Duplicate value: {}'],
  [
    'all that is wrong is told',
    `${HEAD}percentageOfNodesToScore: 101\npodInitialBackoffSeconds: -1`,
    '[percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100], ' +
      'podInitialBackoffSeconds: Invalid value: -1: must be greater than 0]',
  ],
  [
    'another order of pods in each profile',
    `${HEAD}profiles: [{schedulerName: a}, {schedulerName: b, plugins: {queueSort: {disabled: [{name: '*'}]}}}]`,
    'profiles[1].plugins.queueSort: Invalid value: {"Enabled":null,"Disabled":[{"Name":"*","Weight":0}]}: must be the same for all profiles',
  ],
  [
    'a plugin that does not exist',
    `${HEAD}profiles: [{plugins: {filter: {enabled: [{name: Nope}]}}}]`,
    `${MADE}FilterPlugin "Nope" does not exist`,
  ],
  [
    'a plugin where it does not take part',
    `${HEAD}profiles: [{plugins: {score: {enabled: [{name: NodePorts}]}}}]`,
    `${MADE}plugin "NodePorts" does not extend ScorePlugin plugin`,
  ],
  [
    'nobody to bind',
    `${HEAD}profiles: [{plugins: {bind: {disabled: [{name: '*'}]}}}]`,
    `${MADE}at least one bind plugin is needed for profile with scheduler name "default-scheduler"`,
  ],
  [
    'arguments that are not known',
    withArgs('InterPodAffinity', '{foo: 1}'),
    'strict decoding error: decoding .profiles[0].pluginConfig[0]: strict decoding error: decoding args for plugin InterPodAffinity: ' +
      'strict decoding error: unknown field "foo"',
  ],
  [
    'arguments of another type',
    withArgs('InterPodAffinity', '{hardPodAffinityWeight: x}'),
    'decoding .profiles[0].pluginConfig[0]: decoding args for plugin InterPodAffinity: ' +
      'json: cannot unmarshal string into Go struct field InterPodAffinityArgs.hardPodAffinityWeight of type int32',
  ],
  [
    'arguments out of range',
    withArgs('DefaultPreemption', '{minCandidateNodesPercentage: 101, minCandidateNodesAbsolute: -1}'),
    `[${ARGS}.minCandidateNodesPercentage: Invalid value: 101: not in valid range [0, 100], ` +
      `${ARGS}.minCandidateNodesAbsolute: Invalid value: -1: not in valid range [0, inf)]`,
  ],
  [
    'constraints beside the system’s',
    withArgs('PodTopologySpread', '{defaultConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]}'),
    `${ARGS}.defaultingType: Invalid value: "System": when .defaultConstraints are not empty`,
  ],
  [
    'a strategy that there is not',
    withArgs('NodeResourcesFit', '{scoringStrategy: {type: Foo}}'),
    `${MADE}initializing plugin "NodeResourcesFit": scoringStrategy.type: Unsupported value: "Foo": ` +
      'supported values: "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"',
  ],
  [
    'two extenders that bind',
    `${HEAD}extenders: [{urlPrefix: 'http://a', bindVerb: b}, {urlPrefix: 'http://a', bindVerb: b}]`,
    'extenders: Invalid value: "found 2 extenders implementing bind": only one extender can implement bind',
  ],
  [
    'a resource that is no extended one',
    `${HEAD}extenders: [{urlPrefix: 'http://a', managedResources: [{name: cpu}]}]`,
    'extenders[0].managedResources[0].name: Invalid value: "cpu": is an invalid extended resource name',
  ],
]
for (const [what, text, message] of REFUSED)
  test(`refused: ${what}`, () => assert.throws(() => readSchedulerConfiguration(text), { name: 'ConfigurationError', message }))

test('leader election: upstream’s defaults, what the file says, what it may not say', () => {
  const lease = { namespace: 'kube-system', name: 'kube-scheduler' }
  const defaults = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000, lease }
  assert.deepEqual(readSchedulerConfiguration().leaderElection, defaults)
  const head = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nleaderElection:\n'
  const read = (lines: string): unknown => readSchedulerConfiguration(head + lines).leaderElection
  assert.deepEqual(read('  leaderElect: false\n  leaseDuration: 1s\n'), { ...defaults, leaderElect: false, leaseDurationMs: 1_000 })
  assert.deepEqual(read('  leaderElect: true\n  retryPeriod: 500ms\n  resourceName: mine\n  resourceNamespace: ns\n'), {
    ...defaults,
    leaderElect: true,
    retryPeriodMs: 500,
    lease: { namespace: 'ns', name: 'mine' },
  })
  assert.throws(() => read('  leaseDuration: 5s\n'), /leaderElection.leaseDuration: .*LeaseDuration must be greater than RenewDeadline/)
  assert.throws(() => read('  retryPeriod: 10s\n'), /leaderElection.renewDeadline: .*RenewDeadline must be greater than RetryPeriod/)
  assert.throws(() => read('  resourceLock: endpoints\n'), /resourceLock value must be "leases"/)
  assert.throws(() => read('  leader: true\n'), /unknown field "leaderElection.leader"/)
})
