/** The row of a pod: what its phase, reasons and containers come to in one word. */
import type { Container, ContainerState, ContainerStatus, Pod } from '../../api/kinds/core/v1.ts'
import { isConditionTrue } from '../../api/meta.ts'
import { age, name, printerOf, text, wide } from './columns.ts'
import { since } from './format.ts'
import type { Printer, RowCondition } from './printer.ts'

interface Summary {
  metadata: Pod['metadata']
  pod: Pod
  reason: string
  ready: number
  total: number
  restarts: number
  lastRestart: string | undefined
}

function isSidecar(container: Container | undefined): boolean {
  return container?.restartPolicy === 'Always'
}

function later(a: string | undefined, b: string | undefined): string | undefined {
  if (!a || !b) return a ?? b
  return Date.parse(a) < Date.parse(b) ? b : a
}

function terminatedReason(state: NonNullable<ContainerState['terminated']>): string {
  if (state.reason) return state.reason
  return state.signal ? `Signal:${state.signal}` : `ExitCode:${state.exitCode}`
}

/** What an init container says of the pod; undefined where it is done (or a sidecar that runs). */
function initReason(status: ContainerStatus, container: Container | undefined, at: number, count: number): string | undefined {
  const { terminated, waiting } = status.state ?? {}
  if (terminated?.exitCode === 0) return undefined
  if (isSidecar(container) && status.started) return undefined
  if (terminated) return `Init:${terminatedReason(terminated)}`
  if (waiting?.reason && waiting.reason !== 'PodInitializing') return `Init:${waiting.reason}`
  return `Init:${at}/${count}`
}

function summarizeInit(
  pod: Pod,
  summary: Summary,
): { initializing: boolean; sidecars: { restarts: number; lastRestart: string | undefined } } {
  const containers = pod.spec?.initContainers ?? []
  const byName = new Map(containers.map((c) => [c.name, c]))
  const sidecars: { restarts: number; lastRestart: string | undefined } = { restarts: 0, lastRestart: undefined }
  for (const [at, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const container = byName.get(status.name)
    const finished = status.lastState?.terminated?.finishedAt
    summary.restarts += status.restartCount
    summary.lastRestart = later(summary.lastRestart, finished)
    if (isSidecar(container)) {
      sidecars.restarts += status.restartCount
      sidecars.lastRestart = later(sidecars.lastRestart, finished)
    }
    const reason = initReason(status, container, at, containers.length)
    if (reason !== undefined) {
      summary.reason = reason
      return { initializing: true, sidecars }
    }
    if (status.ready && isSidecar(container) && status.started && status.state?.terminated?.exitCode !== 0) summary.ready++
  }
  return { initializing: false, sidecars }
}

function summarizeContainers(pod: Pod, summary: Summary): void {
  let running = false
  let errorReason = ''
  for (const status of (pod.status?.containerStatuses ?? []).toReversed()) {
    summary.restarts += status.restartCount
    summary.lastRestart = later(summary.lastRestart, status.lastState?.terminated?.finishedAt)
    const { waiting, terminated } = status.state ?? {}
    if (waiting?.reason) {
      summary.reason = waiting.reason
    } else if (terminated) {
      summary.reason = terminatedReason(terminated)
      if (terminated.exitCode !== 0) errorReason = summary.reason
    } else if (status.ready && status.state?.running) {
      running = true
      summary.ready++
    }
  }
  if (summary.reason !== 'Completed') return
  if (running && isConditionTrue(pod.status?.conditions, 'Ready')) summary.reason = 'Running'
  else if (errorReason) summary.reason = errorReason
  else if (running) summary.reason = 'NotReady'
}

function summarize(pod: Pod): Summary {
  const { status } = pod
  const sidecarCount = (pod.spec?.initContainers ?? []).filter(isSidecar).length
  const gated = (status?.conditions ?? []).some((c) => c.type === 'PodScheduled' && c.reason === 'SchedulingGated')
  const summary: Summary = {
    metadata: pod.metadata,
    pod,
    reason: gated ? 'SchedulingGated' : status?.reason || status?.phase || '',
    ready: 0,
    total: (pod.spec?.containers ?? []).length + sidecarCount,
    restarts: 0,
    lastRestart: undefined,
  }
  const { initializing, sidecars } = summarizeInit(pod, summary)
  if (!initializing || isConditionTrue(pod.status?.conditions, 'Initialized')) {
    Object.assign(summary, sidecars)
    summarizeContainers(pod, summary)
  }
  const terminal = status?.phase === 'Succeeded' || status?.phase === 'Failed'
  if (pod.metadata.deletionTimestamp && status?.reason === 'NodeLost') summary.reason = 'Unknown'
  else if (pod.metadata.deletionTimestamp && !terminal) summary.reason = 'Terminating'
  return summary
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? []
  if (gates.length === 0) return '<none>'
  return `${gates.filter((gate) => isConditionTrue(pod.status?.conditions, gate.conditionType)).length}/${gates.length}`
}

function restartsText({ restarts, lastRestart }: Summary, nowMs: number): string {
  return restarts !== 0 && lastRestart ? `${restarts} (${since(lastRestart, nowMs)} ago)` : String(restarts)
}

function podConditions(pod: Pod): RowCondition[] {
  const phase = pod.status?.phase
  if (phase === 'Succeeded') return [{ type: 'Completed', status: 'True', reason: phase, message: 'The pod has completed successfully.' }]
  if (phase === 'Failed') return [{ type: 'Completed', status: 'True', reason: phase, message: 'The pod failed.' }]
  return []
}

export const podPrinter: Printer = {
  ...printerOf(summarize, [
    name,
    text('Ready', ({ ready, total }) => `${ready}/${total}`),
    text('Status', ({ reason }) => reason),
    text('Restarts', restartsText),
    age,
    wide(text('IP', ({ pod }) => pod.status?.podIPs?.[0]?.ip || '<none>')),
    wide(text('Node', ({ pod }) => pod.spec?.nodeName || '<none>')),
    wide(text('Nominated Node', ({ pod }) => pod.status?.nominatedNodeName || '<none>')),
    wide(text('Readiness Gates', ({ pod }) => readinessGates(pod))),
  ]),
  conditions: (object) => podConditions(object as Pod),
}
