import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSchedulerConfiguration } from './configuration.ts'
import { pluginNames } from './profile.ts'

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

for (const [what, text, message] of [
  ['another kind', 'apiVersion: v1\nkind: Pod', /no kind "Pod" is registered for version "v1"/],
  ['an unknown field', `${HEAD}profile: []`, /unknown field "profile"/],
  ['a profile without a name beside others', `${HEAD}profiles: [{schedulerName: a}, {}]`, /profiles\[1\]\.schedulerName: Required value/],
  ['the same name twice', `${HEAD}profiles: [{schedulerName: a}, {schedulerName: a}]`, /Duplicate value: "a"/],
  ['a percentage of 101', `${HEAD}percentageOfNodesToScore: 101`, /not in valid range \[0-100\]/],
] as const)
  test(`refused: ${what}`, () => assert.throws(() => readSchedulerConfiguration(text), message))

test('a plugin that does not exist is refused', () => {
  const { profiles } = readSchedulerConfiguration(`${HEAD}profiles: [{plugins: {filter: {enabled: [{name: Nope}]}}}]`)
  assert.throws(() => pluginNames(profiles[0]?.plugins ?? {}), /filter plugin "Nope" does not exist/)
})

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
