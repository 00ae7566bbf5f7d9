import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod, PodSpec, PodStatus } from '../../api/kinds/core/v1.ts'
import { toPodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import type { Container, Sandbox } from '../runtime/runtime.ts'
import { podStatus } from './podStatus.ts'
import type { PodStatusInput } from './podStatus.ts'

const NOW = Date.UTC(2026, 0, 1)
const identity = { podUid: 'u', podName: 'p', podNamespace: 'default' }
const sandbox: Sandbox = { ...identity, id: 's', attempt: 0, state: 'Ready', createdAtMs: 0, ips: ['10.0.0.1', 'fd00::1'] }

function container(name: string, state: Container['state'], more: Partial<Container> = {}): Container {
  return {
    ...identity,
    id: `${name}-id`,
    sandboxId: 's',
    name,
    attempt: 0,
    state,
    createdAtMs: NOW,
    startedAtMs: NOW,
    oomKilled: false,
    image: 'i',
    imageId: 'sha256:i',
    annotations: {},
    ...more,
  }
}

function statusOf(spec: Partial<PodSpec>, containers: Container[], more: Partial<PodStatusInput> & { status?: PodStatus } = {}): PodStatus {
  const { status = {}, ...input } = more
  const pod = {
    metadata: { name: 'p', namespace: 'default', uid: 'u', generation: 4 },
    spec: { containers: [{ name: 'main', image: 'i' }], ...spec },
    status,
  } as unknown as Pod
  return podStatus({
    pod,
    observed: toPodRuntimeStatus({ sandboxes: [sandbox], containers }),
    before: status,
    waiting: new Map(),
    nodeIps: ['192.168.0.2'],
    nowMs: NOW,
    terminal: false,
    probeResult: () => undefined,
    resourcesOf: () => undefined,
    terminationMessage: () => undefined,
    imageIdOf: (c) => c.imageId,
    ...input,
  })
}

const condition = (status: PodStatus, type: string): string => {
  const found = status.conditions?.find((c) => c.type === type)
  return [found?.status, found?.reason, found?.message].filter(Boolean).join(' | ')
}
const main = (status: PodStatus) => status.containerStatuses?.[0]

test('a resize under way: what was given beside what is in force', () => {
  const resources = { requests: { cpu: '1', memory: '32Mi' }, limits: { memory: '40Mi' } }
  const inForce = { requests: { cpu: '1', memory: '64Mi' }, limits: { memory: '80Mi' } }
  const status = main(
    statusOf({ containers: [{ name: 'main', image: 'i', resources }] }, [container('main', 'Running')], { resourcesOf: () => inForce }),
  )
  assert.deepEqual([status?.allocatedResources, status?.resources], [resources.requests, inForce])
})

test('a pod that runs', () => {
  const status = statusOf({}, [container('main', 'Running')])
  assert.equal(status.phase, 'Running')
  assert.deepEqual(status.podIPs, [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }])
  assert.deepEqual(
    [status.hostIP, status.qosClass, status.observedGeneration, status.startTime],
    ['192.168.0.2', 'BestEffort', 4, '2026-01-01T00:00:00Z'],
  )
  assert.deepEqual(
    status.conditions?.map((c) => `${c.type}=${c.status}`),
    ['PodReadyToStartContainers=True', 'Initialized=True', 'Ready=True', 'ContainersReady=True', 'PodScheduled=True'],
  )
  assert.equal(main(status)?.containerID, 'docker://main-id')
})

test('what waits says why', () => {
  assert.deepEqual(main(statusOf({}, []))?.state, { waiting: { reason: 'ContainerCreating' } })
  const init = { initContainers: [{ name: 'init', image: 'i' }] }
  const status = statusOf(init, [])
  assert.deepEqual(main(status)?.state, { waiting: { reason: 'PodInitializing' } })
  assert.equal(condition(status, 'Initialized'), 'False | ContainersNotInitialized | containers with incomplete status: [init]')
  assert.equal(condition(status, 'Ready'), 'False | ContainersNotReady | containers with unready status: [main]')
})

test('a crash loop shows the last end', () => {
  const ended = container('main', 'Exited', { exitCode: 2, finishedAtMs: NOW + 1000, attempt: 3 })
  const status = statusOf({}, [ended], {
    waiting: new Map([['main', { reason: 'CrashLoopBackOff', message: 'm' }]]),
    terminationMessage: () => 'last words',
  })
  assert.deepEqual(main(status)?.state, { waiting: { reason: 'CrashLoopBackOff', message: 'm' } })
  assert.deepEqual(main(status)?.lastState?.terminated, {
    exitCode: 2,
    reason: 'Error',
    message: 'last words',
    startedAt: '2026-01-01T00:00:00Z',
    finishedAt: '2026-01-01T00:00:01Z',
    containerID: 'docker://main-id',
  })
  assert.equal(main(status)?.restartCount, 3)
  assert.equal(status.phase, 'Running')
})

test('probes decide about started and ready', () => {
  const probed = { containers: [{ name: 'main', startupProbe: {}, readinessProbe: {} }] }
  const withResults = (startup?: boolean, ready?: boolean): PodStatus =>
    statusOf(probed, [container('main', 'Running')], { probeResult: (_, probe) => (probe === 'startupProbe' ? startup : ready) })
  const seen = [withResults(), withResults(true), withResults(true, true)].map((s) => [main(s)?.started, main(s)?.ready])
  assert.deepEqual(seen, [
    [false, false],
    [true, false],
    [true, true],
  ])
})

test('readiness gates are waited for', () => {
  const gated = { readinessGates: [{ conditionType: 'example.com/ok' }] }
  const running = [container('main', 'Running')]
  assert.equal(
    condition(statusOf(gated, running), 'Ready'),
    'False | ReadinessGatesNotReady | corresponding condition of pod readiness gate "example.com/ok" does not exist.',
  )
  const open = statusOf(gated, running, { status: { conditions: [{ type: 'example.com/ok', status: 'True' }] } })
  assert.equal(condition(open, 'Ready'), 'True')
  assert.ok(open.conditions?.some((c) => c.type === 'example.com/ok'))
})

test('a condition keeps its time while its status stays', () => {
  const before = {
    conditions: [
      { type: 'Ready', status: 'True', lastTransitionTime: 'then' },
      { type: 'Initialized', status: 'False', lastTransitionTime: 'then' },
    ],
  }
  const status = statusOf({}, [container('main', 'Running')], { status: before })
  const times = Object.fromEntries((status.conditions ?? []).map((c) => [c.type, c.lastTransitionTime]))
  assert.equal(times.Ready, 'then')
  assert.equal(times.Initialized, '2026-01-01T00:00:00Z')
})

test('a pod that is stopped ends Succeeded or Failed, never in between', () => {
  const phaseWhen = (containers: Container[], status: PodStatus = {}): string | undefined =>
    statusOf({}, containers, { terminal: true, status }).phase
  assert.equal(phaseWhen([container('main', 'Exited', { exitCode: 0 })]), 'Succeeded')
  assert.equal(phaseWhen([container('main', 'Exited', { exitCode: 137 })]), 'Failed')
  assert.equal(phaseWhen([]), 'Failed')
  assert.equal(phaseWhen([container('main', 'Exited', { exitCode: 137 })], { phase: 'Succeeded' }), 'Succeeded')
})

test('a container that vanished from the runtime is told as lost', () => {
  const before = {
    containerStatuses: [
      { name: 'main', state: { running: {} }, containerID: 'docker://x', image: 'i', imageID: '', ready: true, restartCount: 1 },
    ],
  }
  const status = statusOf({}, [], { terminal: true, status: before })
  assert.equal(main(status)?.state?.terminated?.reason, 'ContainerStatusUnknown')
  assert.equal(status.phase, 'Failed')
})

const ends: [string, Partial<Container>, string][] = [
  ['0', { exitCode: 0 }, 'Completed'],
  ['1', { exitCode: 1 }, 'Error'],
  ['out of memory', { exitCode: 137, oomKilled: true }, 'OOMKilled'],
]
for (const [what, more, reason] of ends) {
  test(`an end with ${what} is ${reason}`, () =>
    assert.equal(main(statusOf({ restartPolicy: 'Never' }, [container('main', 'Exited', more)]))?.state?.terminated?.reason, reason))
}

test('a container that could not be started at all is StartError', () => {
  const { startedAtMs: _none, ...never } = container('main', 'Exited', { exitCode: 127, error: 'no such file' })
  const terminated = main(statusOf({ restartPolicy: 'Never' }, [never]))?.state?.terminated
  assert.deepEqual([terminated?.reason, terminated?.message], ['StartError', 'no such file'])
})

test('restarting all containers is told from the first end to the new start', () => {
  const rule = { action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }
  const containers = [
    { name: 'main', image: 'i' },
    { name: 'asks', image: 'i', restartPolicy: 'Never', restartPolicyRules: [rule] },
  ]
  const spec = { containers, restartPolicy: 'Never' }
  const ended = container('asks', 'Exited', { exitCode: 42, finishedAtMs: NOW })
  const begun = statusOf(spec, [container('main', 'Running'), ended])
  assert.equal(begun.phase, 'Running')
  assert.equal(
    condition(begun, 'AllContainersRestarting'),
    'True | RestartAllContainersStarted | container exited with restart policy rule',
  )
  const gone = statusOf(spec, [], { status: begun })
  assert.equal(gone.phase, 'Running')
  assert.equal(condition(gone, 'AllContainersRestarting'), 'False')
  for (const status of gone.containerStatuses ?? []) {
    assert.equal(status.state?.waiting?.reason, 'RestartingAllContainers')
    assert.equal(status.lastState?.terminated?.exitCode, 137)
    assert.equal(status.restartCount, 1)
  }
  const again = statusOf(spec, [container('main', 'Running', { attempt: 1 })], { status: gone })
  assert.equal(main(again)?.lastState?.terminated?.reason, 'RestartingAllContainers')
  assert.equal(again.containerStatuses?.[1]?.restartCount, 1)
  assert.equal(condition(statusOf({}, []), 'AllContainersRestarting'), '')
})
