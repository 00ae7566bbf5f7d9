import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod, PodStatus } from '../../api/kinds/core/v1.ts'
import { nothingRuns, type PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import type { Container, Sandbox } from '../runtime/runtime.ts'
import type { ContainerKill, ContainerStart, PodActions } from './podActions.ts'
import { changesOf, deadlineMsOf, earliest, isNextDue } from './syncPlan.ts'

const nothing: PodActions = {
  killPod: false,
  createSandbox: false,
  sandboxAttempt: 0,
  start: [],
  kill: [],
  resize: [],
  backingOff: [],
  reset: [],
}
const start = (kind: ContainerStart['kind']): ContainerStart => ({ kind, container: { name: kind }, previous: undefined })
const kill = [{} as ContainerKill]
const resize = [{} as PodActions['resize'][number]]
const ready: PodRuntimeStatus = { sandboxes: [{ state: 'Ready' } as Sandbox], containers: new Map() }
const running: PodRuntimeStatus = {
  sandboxes: [{ state: 'NotReady' } as Sandbox],
  containers: new Map([['a', [{ name: 'a', state: 'Running' } as Container]]]),
}

test('what of a plan is done', () => {
  const cases: [plan: Partial<PodActions>, observed: PodRuntimeStatus, isWholeDue: boolean, expected: string][] = [
    [{}, ready, false, ''],
    [{ backingOff: [{} as PodActions['backingOff'][number]] }, ready, false, ''],
    [{}, ready, true, 'any resizes'],
    // There is nothing yet, or no more, that could have limits.
    [{}, nothingRuns, true, ''],
    [{ killPod: true }, ready, true, 'any'],
    [{ resize }, ready, false, 'any resizes'],
    [{ kill }, ready, false, 'any'],
    [{ start: [start('regular')] }, ready, false, 'any starts'],
    [{ killPod: true, createSandbox: true }, ready, false, 'any starts'],
  ]
  for (const [plan, observed, isWholeDue, expected] of cases) {
    const changes = changesOf({ ...nothing, ...plan }, observed, isWholeDue)
    const found = (['any', 'resizes', 'starts'] as const).filter((key) => changes[key]).join(' ')
    assert.equal(found, expected, JSON.stringify(plan))
  }
})

test('whether the next step is due at once', () => {
  const cases: [plan: Partial<PodActions>, observed: PodRuntimeStatus, failed: number, expected: boolean][] = [
    [{}, ready, 0, false],
    [{ start: [start('regular'), start('regular')] }, ready, 0, false],
    [{ start: [start('init')] }, ready, 0, true],
    [{ start: [start('ephemeral'), start('regular')] }, ready, 0, true],
    [{ start: [start('init')] }, ready, 1, false],
    [{ kill }, ready, 0, true],
    [{ kill, start: [start('regular')] }, ready, 1, false],
    // What was stopped is to be looked at again; where nothing ran there is nothing new.
    [{ killPod: true }, ready, 0, true],
    [{ killPod: true }, running, 0, true],
    [{ killPod: true }, nothingRuns, 0, false],
    [{ killPod: true, createSandbox: true, start: [start('regular')] }, running, 0, false],
  ]
  for (const [plan, observed, failed, expected] of cases)
    assert.equal(isNextDue({ ...nothing, ...plan }, observed, failed), expected, JSON.stringify(plan))
})

test('deadlines count from the start of the pod, the earliest of several times counts', () => {
  const pod = (seconds?: number): Pod => ({ metadata: {}, spec: { containers: [], activeDeadlineSeconds: seconds } }) as unknown as Pod
  const started: PodStatus = { startTime: '2026-01-01T00:00:00Z' }
  assert.equal(deadlineMsOf(pod(90), started), Date.parse('2026-01-01T00:01:30Z'))
  assert.equal(deadlineMsOf(pod(90), {}), undefined)
  assert.equal(deadlineMsOf(pod(), started), undefined)
  assert.deepEqual([earliest([]), earliest([undefined]), earliest([7, undefined, 3])], [undefined, undefined, 3])
})
