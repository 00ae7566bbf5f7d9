import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerState, ContainerStatus, Pod } from '../../api/kinds/core/v1.ts'
import { podPhase } from './phase.ts'

const running: ContainerState = { running: {} }
const waiting: ContainerState = { waiting: { reason: 'ContainerCreating' } }
const ended = (exitCode: number): ContainerState => ({ terminated: { exitCode } })

function status(name: string, state: ContainerState, more: Partial<ContainerStatus> = {}): ContainerStatus {
  return { name, state, lastState: {}, ready: false, restartCount: 0, image: '', imageID: '', ...more }
}

interface Case {
  policy: string
  states: ContainerState[]
  last?: ContainerState
  init?: ContainerState
  sidecar?: ContainerState
  sidecarStarted?: boolean
  terminal?: boolean
  initialized?: boolean
  want: string
}

const cases: Record<string, Case> = {
  'nothing started': { policy: 'Always', states: [waiting], want: 'Pending' },
  'one of two started': { policy: 'Always', states: [running, waiting], want: 'Pending' },
  'all run': { policy: 'Always', states: [running, running], want: 'Running' },
  'one runs, one ended': { policy: 'Never', states: [running, ended(1)], want: 'Running' },
  'all ended, Always': { policy: 'Always', states: [ended(0)], want: 'Running' },
  'all ended well, Never': { policy: 'Never', states: [ended(0), ended(0)], want: 'Succeeded' },
  'one ended badly, Never': { policy: 'Never', states: [ended(0), ended(1)], want: 'Failed' },
  'ended badly, OnFailure': { policy: 'OnFailure', states: [ended(1)], want: 'Running' },
  'crash loop': { policy: 'Always', states: [{ waiting: { reason: 'CrashLoopBackOff' } }], last: ended(1), want: 'Running' },
  'all ended, Always, but the pod is being deleted': { policy: 'Always', states: [ended(0)], terminal: true, want: 'Succeeded' },
  'killed while being deleted': { policy: 'Always', states: [ended(137)], terminal: true, want: 'Failed' },
  'init runs': { policy: 'Always', states: [waiting], init: running, want: 'Pending' },
  'init failed, Never': { policy: 'Never', states: [waiting], init: ended(1), want: 'Failed' },
  'init failed, Always': { policy: 'Always', states: [waiting], init: ended(1), want: 'Pending' },
  'init done, regular runs': { policy: 'Always', states: [running], init: ended(0), want: 'Running' },
  'sidecar not started yet': { policy: 'Always', states: [waiting], sidecar: running, sidecarStarted: false, want: 'Pending' },
  'sidecar starts again in a pod that ran': {
    policy: 'Always',
    states: [running],
    sidecar: running,
    sidecarStarted: false,
    initialized: true,
    want: 'Running',
  },
  'sidecar still runs after the regular ones': {
    policy: 'Never',
    states: [ended(0)],
    sidecar: running,
    sidecarStarted: true,
    initialized: true,
    want: 'Running',
  },
  'sidecar ended too': { policy: 'Never', states: [ended(0)], sidecar: ended(137), initialized: true, want: 'Succeeded' },
}

for (const [name, { policy, states, last, init, sidecar, sidecarStarted, terminal = false, initialized = false, want }] of Object.entries(
  cases,
)) {
  test(`phase: ${name}`, () => {
    const initContainers = [...(init ? [{ name: 'init' }] : []), ...(sidecar ? [{ name: 'side', restartPolicy: 'Always' }] : [])]
    const containers = states.map((_, index) => ({ name: `c${index}` }))
    const pod = { metadata: { name: 'p' }, spec: { restartPolicy: policy, initContainers, containers } } as unknown as Pod
    const initStatuses = [
      ...(init ? [status('init', init)] : []),
      ...(sidecar ? [status('side', sidecar, { started: sidecarStarted ?? false })] : []),
    ]
    const statuses = states.map((state, index) => status(`c${index}`, state, last ? { lastState: last } : {}))
    assert.equal(podPhase({ pod, initStatuses, statuses, terminal, initialized }), want)
  })
}
