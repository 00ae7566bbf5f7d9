import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container as SpecContainer, Pod, PodSpec, ResourceRequirements } from '../../api/kinds/core/v1.ts'
import { annotation } from '../containers/annotations.ts'
import { containerHash } from '../containers/containerHash.ts'
import { computePodActions } from './podActions.ts'
import type { PodActionsInput } from './podActions.ts'
import { toPodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import { isRestartingAll } from '../pods/restartAll.ts'
import type { Container, Sandbox } from '../runtime/runtime.ts'

const NOW = 1_000_000
const identity = { podUid: 'u', podName: 'p', podNamespace: 'default' }

function sandbox(attempt = 0, state: Sandbox['state'] = 'Ready'): Sandbox {
  return { ...identity, id: `s${attempt}`, attempt, state, createdAtMs: 0, ips: ['10.0.0.1'] }
}

function container(name: string, state: Container['state'], more: Partial<Container> = {}): Container {
  const annotations = { [annotation.hash]: containerHash({ name, image: 'i' }) }
  const ended = state === 'Exited' ? { finishedAtMs: NOW - 1000, exitCode: 0 } : {}
  return {
    ...identity,
    id: `${name}-${more.attempt ?? 0}`,
    sandboxId: 's0',
    name,
    attempt: 0,
    state,
    createdAtMs: 0,
    startedAtMs: 0,
    oomKilled: false,
    image: 'i',
    imageId: 'i',
    annotations,
    ...ended,
    ...more,
  }
}

const spec = (name: string, more: Partial<SpecContainer> = {}): SpecContainer => ({ name, image: 'i', ...more })
const sidecar = (name: string, more: Partial<SpecContainer> = {}): SpecContainer => spec(name, { restartPolicy: 'Always', ...more })

interface Case {
  spec: Partial<PodSpec>
  sandboxes?: Sandbox[]
  containers?: Container[]
  probes?: Record<string, boolean>
  resources?: ResourceRequirements
  delayMs?: number
  want: {
    reset?: string[]
    start?: string[]
    resize?: string[]
    kill?: string[]
    waiting?: string[]
    createSandbox?: number
    killPod?: boolean
  }
}

const one = { containers: [spec('a')] }
const two = { containers: [spec('a'), spec('b')] }
const inits = { initContainers: [spec('i1'), spec('i2')], containers: [spec('a')] }
const onCode = (action: string, value: number) => ({ action, exitCodes: { operator: 'In', values: [value] } })
const ruled = {
  restartPolicy: 'Never',
  initContainers: [spec('i1')],
  containers: [
    spec('a'),
    spec('b', {
      restartPolicy: 'Never',
      restartPolicyRules: [onCode('RestartAllContainers', 42), onCode('Restart', 43), onCode('RestartAllContainers', 43)],
    }),
  ],
}
const sided = { initContainers: [sidecar('side'), spec('i1')], containers: [spec('a')] }

const cases: Record<string, Case> = {
  'a new pod gets a sandbox and all its containers': { spec: two, sandboxes: [], want: { createSandbox: 0, start: ['a', 'b'] } },
  'a new pod with init containers starts the first of them alone': {
    spec: inits,
    sandboxes: [],
    want: { createSandbox: 0, start: ['i1'] },
  },
  'all is well': { spec: two, containers: [container('a', 'Running'), container('b', 'Running')], want: {} },
  'a missing container is started': { spec: two, containers: [container('a', 'Running')], want: { start: ['b'] } },
  'Always restarts after success': { spec: one, containers: [container('a', 'Exited')], want: { start: ['a'] } },
  'OnFailure leaves a success alone, and the pod is over': {
    spec: { ...one, restartPolicy: 'OnFailure' },
    containers: [container('a', 'Exited')],
    want: { killPod: true },
  },
  'OnFailure restarts after a failure': {
    spec: { ...one, restartPolicy: 'OnFailure' },
    containers: [container('a', 'Exited', { exitCode: 1 })],
    want: { start: ['a'] },
  },
  'Never restarts nothing': {
    spec: { ...two, restartPolicy: 'Never' },
    containers: [container('a', 'Exited', { exitCode: 1 }), container('b', 'Running')],
    want: {},
  },
  'a rule restarts what the policy would not': {
    spec: {
      containers: [
        spec('a', { restartPolicy: 'Never', restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }] }),
      ],
      restartPolicy: 'Never',
    },
    containers: [container('a', 'Exited', { exitCode: 42 })],
    want: { start: ['a'] },
  },
  'a container in a crash loop waits': {
    spec: one,
    containers: [container('a', 'Exited', { exitCode: 1 })],
    delayMs: 10_000,
    want: { waiting: [`a until ${NOW + 9000}`] },
  },
  'a container whose delay is over starts': {
    spec: one,
    containers: [container('a', 'Exited', { exitCode: 1, finishedAtMs: NOW - 10_000 })],
    delayMs: 10_000,
    want: { start: ['a'] },
  },
  'a changed image replaces the container': {
    spec: { containers: [spec('a', { image: 'new' })] },
    containers: [container('a', 'Running')],
    want: { kill: ['a: Container a definition changed, will be restarted'] },
  },
  'after the kill the changed container starts even under Never': {
    spec: { containers: [spec('a', { image: 'new' })], restartPolicy: 'Never' },
    containers: [container('a', 'Exited', { exitCode: 137 })],
    want: { start: ['a'] },
  },
  'a failed liveness probe kills and restarts': {
    spec: one,
    containers: [container('a', 'Running')],
    probes: { 'a-0 livenessProbe': false },
    want: { kill: ['a: Container a failed liveness probe, will be restarted'] },
  },
  'a failed liveness probe under Never only kills': {
    spec: { ...one, restartPolicy: 'Never' },
    containers: [container('a', 'Running')],
    probes: { 'a-0 livenessProbe': false },
    want: { kill: ['a: Container a failed liveness probe'] },
  },
  'a failed startup probe kills and restarts': {
    spec: one,
    containers: [container('a', 'Running')],
    probes: { 'a-0 startupProbe': false },
    want: { kill: ['a: Container a failed startup probe, will be restarted'] },
  },
  'a running init container is waited for': { spec: inits, containers: [container('i1', 'Running')], want: {} },
  'the second init container follows the first': { spec: inits, containers: [container('i1', 'Exited')], want: { start: ['i2'] } },
  'regular containers follow the last init container': {
    spec: inits,
    containers: [container('i1', 'Exited'), container('i2', 'Exited')],
    want: { start: ['a'] },
  },
  'a failed init container is tried again': {
    spec: inits,
    containers: [container('i1', 'Exited', { exitCode: 1 })],
    want: { start: ['i1'] },
  },
  'a failed init container under Never ends the pod': {
    spec: { ...inits, restartPolicy: 'Never' },
    containers: [container('i1', 'Exited', { exitCode: 1 })],
    want: { killPod: true },
  },
  'an init container that was removed after it was done is not run again': {
    spec: inits,
    containers: [container('i2', 'Running')],
    want: {},
  },
  'a sidecar comes first and lets the next one start': { spec: sided, containers: [container('side', 'Running')], want: { start: ['i1'] } },
  'a sidecar with a startup probe holds the next one back': {
    spec: { ...sided, initContainers: [sidecar('side', { startupProbe: {} }), spec('i1')] },
    containers: [container('side', 'Running')],
    want: {},
  },
  'a sidecar whose startup probe succeeded lets the next one start': {
    spec: { ...sided, initContainers: [sidecar('side', { startupProbe: {} }), spec('i1')] },
    containers: [container('side', 'Running')],
    probes: { 'side-0 startupProbe': true },
    want: { start: ['i1'] },
  },
  'a sidecar that ended comes back while the pod runs': {
    spec: sided,
    containers: [container('side', 'Exited'), container('i1', 'Exited'), container('a', 'Running')],
    want: { start: ['side'] },
  },
  'a sidecar does not keep a finished pod alive': {
    spec: { ...sided, restartPolicy: 'Never' },
    containers: [container('side', 'Running'), container('i1', 'Exited'), container('a', 'Exited')],
    want: { killPod: true },
  },
  'init containers do not run again in a pod that is initialized': {
    spec: inits,
    containers: [container('a', 'Running')],
    want: {},
  },
  'a dead sandbox is replaced, from the first init container on': {
    spec: inits,
    sandboxes: [sandbox(0, 'NotReady')],
    containers: [container('i1', 'Exited'), container('i2', 'Exited'), container('a', 'Exited', { exitCode: 137 })],
    want: { killPod: true, createSandbox: 1, start: ['i1'] },
  },
  'in a new sandbox the containers of the old one count for nothing': {
    spec: inits,
    sandboxes: [sandbox(0, 'NotReady'), sandbox(1)],
    containers: [
      container('i1', 'Exited'),
      container('i2', 'Exited'),
      container('a', 'Exited', { exitCode: 137 }),
      container('i1', 'Exited', { attempt: 1, sandboxId: 's1' }),
    ],
    want: { start: ['i2'] },
  },
  'a dead sandbox of a pod that is done stays dead': {
    spec: { ...one, restartPolicy: 'Never' },
    sandboxes: [sandbox(0, 'NotReady')],
    containers: [container('a', 'Exited', { exitCode: 1 })],
    want: { killPod: true },
  },
  'OnFailure: a new sandbox runs only what has not succeeded': {
    spec: { ...two, restartPolicy: 'OnFailure' },
    sandboxes: [sandbox(0, 'NotReady')],
    containers: [container('a', 'Exited'), container('b', 'Exited', { exitCode: 1 })],
    want: { killPod: true, createSandbox: 1, start: ['b'] },
  },
  'changed limits are applied to the running container': {
    spec: { containers: [spec('a', { resources: { limits: { cpu: '2' } } })] },
    containers: [container('a', 'Running')],
    resources: { limits: { cpu: '1' } },
    want: { resize: ['a'] },
  },
  'an init container is resized while it runs': {
    spec: { ...one, initContainers: [spec('i1', { resources: { limits: { cpu: '2' } } })] },
    containers: [container('i1', 'Running')],
    resources: { limits: { cpu: '1' } },
    want: { resize: ['i1'] },
  },
  'a resize that the policy restarts for kills the container': {
    spec: {
      containers: [
        spec('a', {
          resources: { limits: { memory: '2Gi' } },
          resizePolicy: [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }],
        }),
      ],
      restartPolicy: 'Always',
    },
    containers: [container('a', 'Running')],
    resources: { limits: { memory: '1Gi' } },
    want: { kill: ['a: Container a resize requires restart, will be restarted'] },
  },
  'unchanged limits are left alone': {
    spec: { containers: [spec('a', { resources: { limits: { cpu: '2' } } })] },
    containers: [container('a', 'Running')],
    resources: { limits: { cpu: '2' } },
    want: {},
  },
  'a rule may restart all containers: the one that asks goes last': {
    spec: ruled,
    containers: [container('i1', 'Exited'), container('a', 'Running'), container('b', 'Exited', { exitCode: 42 })],
    want: { reset: ['a', 'i1', 'b'] },
  },
  'the first rule that an exit code meets decides': {
    spec: ruled,
    containers: [container('i1', 'Exited'), container('a', 'Running'), container('b', 'Exited', { exitCode: 43 })],
    want: { start: ['b'] },
  },
  'an exit code without a rule leaves it to the policy': {
    spec: ruled,
    containers: [container('i1', 'Exited'), container('a', 'Running'), container('b', 'Exited', { exitCode: 44 })],
    want: {},
  },
  'after all have gone the pod begins again': { spec: ruled, want: { start: ['i1'] } },
  'an ephemeral container starts once': {
    spec: { ...one, ephemeralContainers: [spec('debug'), spec('done')] },
    containers: [container('a', 'Running'), container('done', 'Exited', { exitCode: 1 })],
    want: { start: ['debug'] },
  },
  'a container left created but never started is made anew': { spec: one, containers: [container('a', 'Created')], want: { start: ['a'] } },
}

for (const [name, { spec: podSpec, sandboxes = [sandbox()], containers = [], probes = {}, resources, delayMs = 0, want }] of Object.entries(
  cases,
)) {
  test(name, () => {
    const pod = { metadata: { name: 'p', namespace: 'default', uid: 'u' }, spec: { containers: [], ...podSpec } } as unknown as Pod
    const observed = toPodRuntimeStatus({ sandboxes, containers })
    const input: PodActionsInput = {
      pod,
      observed,
      restartingAll: isRestartingAll(pod, observed, {}),
      nowMs: NOW,
      probeResult: (id, probe) => probes[`${id} ${probe}`],
      resourcesOf: () => resources,
      restartDelayMs: () => delayMs,
    }
    const plan = computePodActions(input)
    assert.deepEqual(
      {
        start: plan.start.map((start) => start.container.name),
        resize: plan.resize.map((resize) => resize.container.name),
        kill: plan.kill.map((kill) => `${kill.container.name}: ${kill.message}`),
        waiting: plan.backingOff.map((wait) => `${wait.container.name} until ${wait.untilMs}`),
        createSandbox: plan.createSandbox ? plan.sandboxAttempt : undefined,
        killPod: plan.killPod,
        reset: plan.reset.map(({ name }) => name),
      },
      { reset: [], start: [], resize: [], kill: [], waiting: [], createSandbox: undefined, killPod: false, ...want },
    )
  })
}
