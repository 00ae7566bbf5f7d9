/** How many replicas a resource metric asks for (upstream's replica_calculator). All amounts in milli units. No I/O. */
import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus } from '../../api/kinds/autoscaling/v2.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { findCondition } from '../../api/meta.ts'
import { formatQuantity, newMilliQuantity, quantityMilliValue } from '../../api/quantity.ts'
import { hasFinished } from '../../api/pods.ts'
import { isReady } from '../podState.ts'

/** One entry of metrics.k8s.io/v1beta1 PodMetrics. */
export interface PodMetrics {
  metadata: { name: string }
  containers: readonly { name: string; usage: Readonly<Record<string, string>> }[]
}

export const TOLERANCE = 0.1
/** What a pod uses of the CPU while it starts says little about its load. */
const CPU_INITIALIZATION_MS = 5 * 60_000
const READINESS_DELAY_MS = 30_000

export class MetricError extends Error {
  override readonly name = 'MetricError'
  readonly reason: string

  constructor(reason: string, message: string) {
    super(message)
    this.reason = reason
  }
}

export interface MetricInput {
  /** Those that the target's selector matches. */
  pods: readonly Pod[]
  metrics: readonly PodMetrics[]
  currentReplicas: number
  nowMs: number
}

interface Source {
  resource: string
  /** Undefined: all containers of the pod together. */
  container: string | undefined
}

function usageOf(metrics: PodMetrics, { resource, container }: Source): number | undefined {
  const containers = metrics.containers.filter(({ name }) => container === undefined || name === container)
  const amounts = containers.map(({ usage }) => usage[resource]).filter((amount) => amount !== undefined)
  return amounts.length === 0 || amounts.length < containers.length
    ? undefined
    : amounts.reduce((sum, amount) => sum + quantityMilliValue(amount), 0)
}

function requestOf(pod: Pod, { resource, container }: Source): number {
  const sidecars = (pod.spec.initContainers ?? []).filter((init) => init.restartPolicy === 'Always')
  const containers = [...pod.spec.containers, ...sidecars].filter(({ name }) => container === undefined || name === container)
  return containers.reduce((sum, { name, resources }) => {
    const request = resources?.requests?.[resource]
    if (request === undefined)
      throw new MetricError('FailedGetResourceMetric', `missing request for ${resource} in container ${name} of Pod ${pod.metadata.name}`)
    return sum + quantityMilliValue(request)
  }, 0)
}

interface Grouped {
  /** Usage of the pods that count, by name. */
  counted: Map<string, number>
  /** Not ready yet: they count as using nothing when there are too few pods. */
  unready: Pod[]
  missing: Pod[]
}

function isStarting(pod: Pod, nowMs: number): boolean {
  const ready = findCondition(pod.status?.conditions, 'Ready')
  const startMs = Date.parse(pod.status?.startTime ?? '')
  if (!ready || !Number.isFinite(startMs)) return true
  if (startMs + CPU_INITIALIZATION_MS > nowMs) return !isReady(pod)
  return !isReady(pod) && startMs + READINESS_DELAY_MS > Date.parse(ready.lastTransitionTime ?? '')
}

function group({ pods, metrics, nowMs }: MetricInput, source: Source): Grouped {
  const byName = new Map(metrics.map((entry) => [entry.metadata.name, usageOf(entry, source)]))
  const grouped: Grouped = { counted: new Map(), unready: [], missing: [] }
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp !== undefined || hasFinished(pod)) continue
    const usage = byName.get(pod.metadata.name)
    if (pod.status?.phase === 'Pending') grouped.unready.push(pod)
    else if (usage === undefined) grouped.missing.push(pod)
    else if (source.resource === 'cpu' && isStarting(pod, nowMs)) grouped.unready.push(pod)
    else grouped.counted.set(pod.metadata.name, usage)
  }
  return grouped
}

const isClose = (ratio: number): boolean => Math.abs(ratio - 1) <= TOLERANCE

/** `targetOf` is what one pod should use; `ratio` is how far its pods are from it together. */
function replicasFor(input: MetricInput, grouped: Grouped, targetOf: (pod: Pod | undefined) => number): number {
  const { currentReplicas } = input
  const byName = new Map(input.pods.map((pod) => [pod.metadata.name, pod]))
  const ratioOf = (usages: ReadonlyMap<string, number>): number => {
    const used = [...usages.values()].reduce((sum, usage) => sum + usage, 0)
    const wanted = [...usages.keys()].reduce((sum, name) => sum + targetOf(byName.get(name)), 0)
    return used / wanted
  }
  const { counted, unready, missing } = grouped
  const ratio = ratioOf(counted)
  if (missing.length === 0 && (unready.length === 0 || ratio <= 1))
    return isClose(ratio) ? currentReplicas : Math.ceil(ratio * counted.size)
  // What is not known is taken to speak against the change.
  const filled = new Map(counted)
  for (const pod of missing) filled.set(pod.metadata.name, ratio < 1 ? targetOf(pod) : 0)
  if (ratio > 1) for (const pod of unready) filled.set(pod.metadata.name, 0)
  const careful = ratioOf(filled)
  const turned = (ratio < 1 && careful > 1) || (ratio > 1 && careful < 1)
  const replicas = Math.ceil(careful * filled.size)
  const contradicts = (careful < 1 && replicas > currentReplicas) || (careful > 1 && replicas < currentReplicas)
  return isClose(careful) || turned || contradicts ? currentReplicas : replicas
}

export interface Proposal {
  replicas: number
  status: MetricStatus
}

function sourceOf(metric: MetricSpec): { source: Source; target: { type: string; averageUtilization?: number; averageValue?: string } } {
  if (metric.resource) return { source: { resource: metric.resource.name, container: undefined }, target: metric.resource.target }
  if (metric.containerResource) {
    const { name, container, target } = metric.containerResource
    return { source: { resource: name, container }, target }
  }
  throw new MetricError(
    `FailedGet${metric.type}Metric`,
    `unable to get ${metric.type.toLowerCase()} metrics: no custom metrics API is served`,
  )
}

export function propose(metric: MetricSpec, input: MetricInput): Proposal {
  const { source, target } = sourceOf(metric)
  const reason = metric.resource ? 'FailedGetResourceMetric' : 'FailedGetContainerResourceMetric'
  if (input.metrics.length === 0)
    throw new MetricError(reason, `unable to get metrics for resource ${source.resource}: no metrics returned from resource metrics API`)
  const grouped = group(input, source)
  if (grouped.counted.size === 0) throw new MetricError(reason, `did not receive metrics for targeted pods (pods might be unready)`)
  const used = [...grouped.counted.values()].reduce((sum, usage) => sum + usage, 0)
  const average = Math.round(used / grouped.counted.size)
  const current: { averageValue: string; averageUtilization?: number } = { averageValue: formatQuantity(newMilliQuantity(average)) }
  let replicas: number
  if (target.averageUtilization !== undefined) {
    const share = target.averageUtilization / 100
    replicas = replicasFor(input, grouped, (pod) => (pod ? requestOf(pod, source) * share : 0))
    const requested = input.pods
      .filter((pod) => grouped.counted.has(pod.metadata.name))
      .reduce((sum, pod) => sum + requestOf(pod, source), 0)
    current.averageUtilization = Math.floor((used * 100) / requested)
  } else {
    const perPod = quantityMilliValue(target.averageValue ?? '0')
    replicas = replicasFor(input, grouped, () => perPod)
  }
  const status: MetricStatus = metric.resource
    ? { type: 'Resource', resource: { name: source.resource, current } }
    : { type: 'ContainerResource', containerResource: { name: source.resource, container: source.container ?? '', current } }
  return { replicas, status }
}

/** The metrics of an autoscaler that names none: 80 % of the CPU that is asked for. */
export function metricsOf({ spec }: HorizontalPodAutoscaler): readonly MetricSpec[] {
  return spec.metrics ?? [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }]
}
