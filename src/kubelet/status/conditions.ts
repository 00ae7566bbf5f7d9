/** The pod conditions that the kubelet owns. */
import type { ContainerStatus, Pod, PodCondition } from '../../api/kinds/core/v1.ts'
import { isSidecar } from '../pods/podSpec.ts'
import { timestamp } from '../../api/meta.ts'
import { RESTARTING_CONDITION } from '../pods/restartAll.ts'

export type Verdict = Pick<PodCondition, 'status' | 'reason' | 'message'>

export interface ConditionsInput {
  pod: Pod
  phase: string
  initStatuses: readonly ContainerStatus[]
  statuses: readonly ContainerStatus[]
  sandboxReady: boolean
  /** Some regular container was started once. */
  initialized: boolean
  before: readonly PodCondition[]
  /** Of pods whose containers may all be started anew. */
  restarting?: Verdict
  nowMs: number
}

const list = (names: readonly string[]): string => `[${names.join(' ')}]`
const completed: Verdict = { status: 'False', reason: 'PodCompleted' }
const failed: Verdict = { status: 'False', reason: 'PodFailed' }

function terminalVerdict(phase: string): Verdict | undefined {
  return phase === 'Succeeded' ? completed : phase === 'Failed' ? failed : undefined
}

function containersReady({ pod, phase, initStatuses, statuses }: ConditionsInput): Verdict {
  const sidecars = (pod.spec?.initContainers ?? []).filter(isSidecar)
  const all = [...sidecars.map((c) => c.name), ...(pod.spec?.containers ?? []).map((c) => c.name)]
  const known = new Map([...initStatuses, ...statuses].map((status) => [status.name, status]))
  const unknown = all.filter((name) => !known.has(name))
  const unready = all.filter((name) => known.get(name)?.ready === false)
  const terminal = terminalVerdict(phase)
  if (terminal) return terminal
  const messages = [
    ...(unknown.length ? [`containers with unknown status: ${list(unknown)}`] : []),
    ...(unready.length ? [`containers with unready status: ${list(unready)}`] : []),
  ]
  return messages.length ? { status: 'False', reason: 'ContainersNotReady', message: messages.join(', ') } : { status: 'True' }
}

function podReady(input: ConditionsInput, containers: Verdict): Verdict {
  if (containers.status !== 'True') return containers
  const messages = (input.pod.spec?.readinessGates ?? []).flatMap(({ conditionType }) => {
    const condition = input.pod.status?.conditions?.find((c) => c.type === conditionType)
    if (!condition) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`]
    return condition.status === 'True' ? [] : [`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`]
  })
  return messages.length ? { status: 'False', reason: 'ReadinessGatesNotReady', message: messages.join(', ') } : { status: 'True' }
}

function initializedVerdict(input: ConditionsInput): Verdict {
  const { pod, phase, initStatuses, initialized, before } = input
  const inits = pod.spec?.initContainers ?? []
  const incomplete = inits.filter((container) => {
    const status = initStatuses.find((s) => s.name === container.name)
    if (isSidecar(container)) return status?.started !== true
    return !status?.ready
  })
  if (phase === 'Succeeded') return { status: 'True', reason: 'PodCompleted' }
  // One that was initialized once stays so while its containers all begin again.
  const wasInitialized = input.restarting && before.some((c) => c.type === 'Initialized' && c.status === 'True')
  if (incomplete.length === 0 || initialized || wasInitialized) return { status: 'True' }
  const message = `containers with incomplete status: ${list(incomplete.map((c) => c.name))}`
  return { status: 'False', reason: 'ContainersNotInitialized', message }
}

export const KUBELET_CONDITIONS = [
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
  'PodScheduled',
  RESTARTING_CONDITION,
] as const

const DISRUPTION_REASON = 'TerminationByKubelet'

/** Says to controllers that the pod did not end by a fault of its own. */
export function disruptionTarget(message: string, generation: number | undefined, nowMs: number): PodCondition {
  return {
    type: 'DisruptionTarget',
    status: 'True',
    reason: DISRUPTION_REASON,
    message,
    lastTransitionTime: timestamp(nowMs),
    ...(generation !== undefined && { observedGeneration: generation }),
  }
}

export function isOwnDisruption({ type, reason }: PodCondition): boolean {
  return type === 'DisruptionTarget' && reason === DISRUPTION_REASON
}

/** Keeps the time of the last change of a condition whose status stays the same. */
export function podConditions(input: ConditionsInput): PodCondition[] {
  const containers = containersReady(input)
  const verdicts: Record<(typeof KUBELET_CONDITIONS)[number], Verdict | undefined> = {
    PodReadyToStartContainers: { status: input.sandboxReady ? 'True' : 'False' },
    Initialized: initializedVerdict(input),
    Ready: podReady(input, containers),
    ContainersReady: containers,
    PodScheduled: { status: 'True' },
    [RESTARTING_CONDITION]: input.restarting,
  }
  const { generation } = input.pod.metadata
  return KUBELET_CONDITIONS.flatMap((type) => {
    const before = input.before.find((condition) => condition.type === type)
    const verdict = verdicts[type]
    if (!verdict) return []
    const changedAt = before?.status === verdict.status ? before.lastTransitionTime : undefined
    const condition: PodCondition = {
      type,
      status: verdict.status,
      ...(verdict.reason && { reason: verdict.reason }),
      ...(verdict.message && { message: verdict.message }),
      lastTransitionTime: changedAt ?? timestamp(input.nowMs),
      ...(generation !== undefined && { observedGeneration: generation }),
    }
    return [condition]
  })
}
