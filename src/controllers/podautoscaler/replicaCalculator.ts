/** How many replicas a metric asks for (upstream's replica_calculator). All amounts in milli units. No I/O. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { findCondition } from '../../api/meta.ts'
import { quantityMilliValue } from '../../api/quantity.ts'
import { isReady } from '../podState.ts'

/** What one pod uses. */
export interface PodMetric {
  value: number
  timestampMs: number
  /** How long the sample was taken for. */
  windowMs: number
}
export type PodMetrics = ReadonlyMap<string, PodMetric>

/** How far the usage may be from the target, as a share of it, before anything is done. */
export interface Tolerances {
  up: number
  down: number
}

export interface CalculatorOptions {
  /** For this time from its start a pod's use of the CPU counts only while it is ready. */
  cpuInitializationMs: number
  /** A pod that turned unready within this time from its start has never been ready. */
  initialReadinessDelayMs: number
}

export interface CalculatorInput extends CalculatorOptions {
  /** Those that the target's selector matches. */
  pods: readonly Pod[]
  currentReplicas: number
  tolerances: Tolerances
  nowMs: number
}

/** A metric that says nothing; the message is part of conditions and events. */
export class MetricError extends Error {
  override readonly name = 'MetricError'
}

const MAX_REPLICAS = 2 ** 31 - 1

function isWithin({ up, down }: Tolerances, ratio: number): boolean {
  return 1 - down <= ratio && ratio <= 1 + up
}

/** Whether what it uses of the CPU is that of a pod which has yet to start. */
function isStarting(pod: Pod, metric: PodMetric, { nowMs, cpuInitializationMs, initialReadinessDelayMs }: CalculatorInput): boolean {
  const ready = findCondition(pod.status?.conditions, 'Ready')
  const startMs = Date.parse(pod.status?.startTime ?? '')
  if (!ready || !Number.isFinite(startMs)) return true
  const sinceMs = Date.parse(ready.lastTransitionTime ?? '') || 0
  const unready = ready.status === 'False'
  if (startMs + cpuInitializationMs > nowMs) return unready || metric.timestampMs < sinceMs + metric.windowMs
  return unready && startMs + initialReadinessDelayMs > sinceMs
}

interface Grouped {
  /** Of the pods that count. */
  usages: Map<string, number>
  readyCount: number
  unready: string[]
  missing: string[]
}

function groupPods(input: CalculatorInput, metrics: PodMetrics, isCpu: boolean): Grouped {
  if (input.pods.length === 0) throw new MetricError('no pods returned by selector while calculating replica count')
  const usages = new Map([...metrics].map(([name, { value }]) => [name, value]))
  const grouped: Grouped = { usages, readyCount: 0, unready: [], missing: [] }
  const ignored: string[] = []
  for (const pod of input.pods) {
    const { name } = pod.metadata
    const metric = metrics.get(name)
    if (pod.metadata.deletionTimestamp !== undefined || pod.status?.phase === 'Failed') ignored.push(name)
    else if (pod.status?.phase === 'Pending') grouped.unready.push(name)
    else if (!metric) grouped.missing.push(name)
    else if (isCpu && isStarting(pod, metric, input)) grouped.unready.push(name)
    else grouped.readyCount++
  }
  for (const name of [...ignored, ...grouped.unready]) usages.delete(name)
  if (usages.size === 0) throw new MetricError('did not receive metrics for targeted pods (pods might be unready)')
  return grouped
}

/**
 * The part that all per-pod metrics share. What is not known speaks against the change: unready pods use nothing when the
 * rest asks for more, missing ones use `fallback` when it asks for less.
 */
function replicasOf(
  { currentReplicas, tolerances }: CalculatorInput,
  { usages, readyCount, unready, missing }: Grouped,
  ratioOf: (usages: ReadonlyMap<string, number>) => number,
  fallback: (pod: string) => number,
): number {
  const ratio = ratioOf(usages)
  const growsWithUnready = unready.length > 0 && ratio > 1
  if (!growsWithUnready && missing.length === 0)
    return isWithin(tolerances, ratio) ? currentReplicas : Math.min(MAX_REPLICAS, Math.ceil(ratio * readyCount))
  const filled = new Map(usages)
  if (ratio !== 1) for (const name of missing) filled.set(name, ratio < 1 ? fallback(name) : 0)
  if (growsWithUnready) for (const name of unready) filled.set(name, 0)
  const careful = ratioOf(filled)
  const turned = (ratio < 1 && careful > 1) || (ratio > 1 && careful < 1)
  if (isWithin(tolerances, careful) || turned) return currentReplicas
  const replicas = Math.min(MAX_REPLICAS, Math.ceil(careful * filled.size))
  const contradicts = (careful < 1 && replicas > currentReplicas) || (careful > 1 && replicas < currentReplicas)
  return contradicts ? currentReplicas : replicas
}

const sum = (values: Iterable<number>): number => {
  let total = 0
  for (const value of values) total += value
  return total
}

/** What a pod asks for: of one container, or of the pod as a whole, or of all its containers together. */
function requestOf(pod: Pod, resource: string, container: string | undefined): number {
  const { name } = pod.metadata
  const ofPod = pod.spec.resources?.requests
  const whole = container === undefined && ofPod !== undefined && Object.keys(ofPod).length > 0
  if (whole && ofPod[resource] !== undefined) return quantityMilliValue(ofPod[resource])
  const sidecars = (pod.spec.initContainers ?? []).filter((init) => init.restartPolicy === 'Always')
  const containers = [...pod.spec.containers, ...sidecars].filter((each) => container === undefined || each.name === container)
  if (containers.length === 0 && container !== undefined) throw new MetricError(`container ${container} not found in Pod ${name}`)
  if (whole && containers.every(({ resources }) => resources?.requests?.[resource] === undefined))
    throw new MetricError(`missing pod-level request for ${resource} in Pod ${name}`)
  return sum(
    containers.map((each) => {
      const request = each.resources?.requests?.[resource]
      if (request !== undefined) return quantityMilliValue(request)
      if (whole) return 0
      throw new MetricError(`missing request for ${resource} in container ${each.name} of Pod ${name}`)
    }),
  )
}

export interface UtilizationProposal {
  replicas: number
  /** Percent of what is asked for. */
  utilization: number
  averageValue: number
}

interface UtilizationTarget {
  resource: string
  /** Undefined: all containers of the pod together. */
  container: string | undefined
  /** Percent. */
  targetUtilization: number
}

export function replicasByUtilization(input: CalculatorInput, metrics: PodMetrics, target: UtilizationTarget): UtilizationProposal {
  const { resource, container, targetUtilization } = target
  const grouped = groupPods(input, metrics, resource === 'cpu')
  const requests = new Map(input.pods.map((pod) => [pod.metadata.name, requestOf(pod, resource, container)]))
  const utilizationOf = (usages: ReadonlyMap<string, number>): { percent: number; average: number } => {
    const known = [...usages].filter(([name]) => requests.has(name))
    const requested = sum(known.map(([name]) => requests.get(name) ?? 0))
    if (requested === 0) throw new MetricError('no metrics returned matched known pods')
    const used = sum(known.map(([, usage]) => usage))
    return { percent: Math.trunc((used * 100) / requested), average: Math.trunc(used / known.length) }
  }
  const { percent, average } = utilizationOf(grouped.usages)
  const replicas = replicasOf(
    input,
    grouped,
    (usages) => utilizationOf(usages).percent / targetUtilization,
    (name) => Math.trunc(((requests.get(name) ?? 0) * Math.max(100, targetUtilization)) / 100),
  )
  return { replicas, utilization: percent, averageValue: average }
}

export interface ValueProposal {
  replicas: number
  /** Of one pod, or of the whole, as the target is. */
  value: number
}

/** By what one pod uses on average of a resource or of a metric of its own. */
export function replicasByAverage(input: CalculatorInput, metrics: PodMetrics, target: number, isCpu: boolean): ValueProposal {
  const grouped = groupPods(input, metrics, isCpu)
  const averageOf = (usages: ReadonlyMap<string, number>): number => Math.trunc(sum(usages.values()) / usages.size)
  const replicas = replicasOf(
    input,
    grouped,
    (usages) => averageOf(usages) / target,
    () => target,
  )
  return { replicas, value: averageOf(grouped.usages) }
}

/** By one value for all pods, which is to come to the target. */
export function replicasByValue({ pods, currentReplicas, tolerances }: CalculatorInput, value: number, target: number): ValueProposal {
  const ratio = value / target
  if (currentReplicas === 0) return { replicas: Math.min(MAX_REPLICAS, Math.ceil(ratio)), value }
  if (isWithin(tolerances, ratio)) return { replicas: currentReplicas, value }
  if (pods.length === 0)
    throw new MetricError('unable to calculate ready pods: no pods returned by selector while calculating replica count')
  const ready = pods.filter((pod) => pod.status?.phase === 'Running' && isReady(pod)).length
  return { replicas: Math.min(MAX_REPLICAS, Math.ceil(ratio * ready)), value }
}

/** By one value for all pods, of which each is to have `target`. */
export function replicasByShare(statusReplicas: number, tolerances: Tolerances, value: number, target: number): ValueProposal {
  const close = isWithin(tolerances, value / (target * statusReplicas))
  const replicas = close ? statusReplicas : Math.min(MAX_REPLICAS, Math.ceil(value / target))
  const share = Math.ceil(value / statusReplicas)
  return { replicas, value: Number.isFinite(share) ? share : Number.MAX_SAFE_INTEGER }
}
