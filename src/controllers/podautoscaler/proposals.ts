/** One metric of an autoscaler: how many replicas it asks for, what the status shows of it, how it is called. No I/O. */
import type { MetricSpec, MetricStatus, MetricTarget, MetricValueStatus } from '../../api/kinds/autoscaling/v2.ts'
import type { LabelSelector } from '../../api/kinds/meta/v1.ts'
import { formatQuantity, newMilliQuantity, quantityMilliValue } from '../../api/quantity.ts'
import {
  MetricError,
  replicasByAverage,
  replicasByShare,
  replicasByUtilization,
  replicasByValue,
  type CalculatorInput,
  type PodMetrics,
} from './replicaCalculator.ts'
import type { Sample } from './samples.ts'

export interface Proposal {
  replicas: number
  /** As events and conditions call the metric. */
  name: string
  status: MetricStatus
}

/** Why there is no proposal. */
export interface Failure {
  /** Of the ScalingActive condition and of an event. */
  reason: string
  message: string
  /** With what was tried around it, for the event of the whole computation. */
  whole: string
}

export interface ProposalInput extends CalculatorInput {
  /** Of the target's status. */
  statusReplicas: number
  namespace: string
}

const milli = (value: number): string => formatQuantity(newMilliQuantity(value))

/** Memory is shown in bytes, as metrics servers show it. */
function resourceQuantity(resource: string, value: number): string {
  return formatQuantity(newMilliQuantity(value, resource === 'memory' ? 'BinarySI' : 'DecimalSI'))
}

/** As Go prints a pointer to one. */
export function describeSelector(selector: LabelSelector | undefined): string {
  if (!selector) return 'nil'
  const labels = Object.entries(selector.matchLabels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  const expressions = (selector.matchExpressions ?? []).map(
    ({ key, operator, values = [] }) => `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  )
  const map = labels.map(([key, value]) => `${key}: ${value},`).join('')
  return `&LabelSelector{MatchLabels:map[string]string{${map}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`
}

/** With words before the message of a metric that cannot be had. */
function within<T>(prefix: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof MetricError)) throw error
    throw new MetricError(`${prefix}${error.message}`, { cause: error })
  }
}

function podsOf(sample: Sample): PodMetrics {
  if ('pods' in sample) return sample.pods
  throw new MetricError('error' in sample ? sample.error : 'the metric is not one of pods')
}

function valueOf(sample: Sample): number {
  if ('value' in sample) return sample.value
  throw new MetricError('error' in sample ? sample.error : 'the metric is one of pods')
}

interface Result {
  replicas: number
  name: string
  current: MetricValueStatus
}

function ofResource(
  { resource, container, target }: { resource: string; container?: string; target: MetricTarget },
  sample: Sample,
  input: ProposalInput,
): Result {
  const unable = `unable to get metrics for resource ${resource}: `
  if (target.averageValue !== undefined) {
    const wanted = quantityMilliValue(target.averageValue)
    const { replicas, value } = within(`failed to get ${resource} usage: `, () =>
      replicasByAverage(
        input,
        within(unable, () => podsOf(sample)),
        wanted,
        resource === 'cpu',
      ),
    )
    return { replicas, name: `${resource} resource`, current: { averageValue: resourceQuantity(resource, value) } }
  }
  const { averageUtilization: targetUtilization } = target
  if (targetUtilization === undefined)
    throw new MetricError(
      'invalid resource metric source: neither an average utilization target nor an average value (usage) target was set',
    )
  const { replicas, utilization, averageValue } = within(`failed to get ${resource} utilization: `, () =>
    replicasByUtilization(
      input,
      within(unable, () => podsOf(sample)),
      { resource, container, targetUtilization },
    ),
  )
  return {
    replicas,
    name: `${resource} ${container === undefined ? '' : 'container '}resource utilization (percentage of request)`,
    current: { averageUtilization: utilization, averageValue: resourceQuantity(resource, averageValue) },
  }
}

function ofPods({ metric, target }: NonNullable<MetricSpec['pods']>, sample: Sample, input: ProposalInput): Result {
  const metrics = within(`unable to get metric ${metric.name}: `, () => podsOf(sample))
  const { replicas, value } = replicasByAverage(input, metrics, quantityMilliValue(target.averageValue ?? '0'), false)
  return { replicas, name: `pods metric ${metric.name}`, current: { averageValue: milli(value) } }
}

function ofObject({ metric, target, describedObject }: NonNullable<MetricSpec['object']>, sample: Sample, input: ProposalInput): Result {
  const { kind, name } = describedObject
  const read = (): number =>
    // In the order that clients know.
    within(`unable to get metric ${metric.name}: ${kind} on ${input.namespace} ${name}/`, () => valueOf(sample))
  if (target.type === 'Value' && target.value !== undefined) {
    const { replicas, value } = replicasByValue(input, read(), quantityMilliValue(target.value))
    return { replicas, name: `${kind} metric ${metric.name}`, current: { value: milli(value) } }
  }
  if (target.type === 'AverageValue' && target.averageValue !== undefined) {
    const { replicas, value } = replicasByShare(input.statusReplicas, input.tolerances, read(), quantityMilliValue(target.averageValue))
    return {
      replicas,
      name: `external metric ${metric.name}(${describeSelector(metric.selector)})`,
      current: { averageValue: milli(value) },
    }
  }
  throw new MetricError('invalid object metric source: neither a value target nor an average value target was set')
}

function ofExternal({ metric, target }: NonNullable<MetricSpec['external']>, sample: Sample, input: ProposalInput): Result {
  const selector = describeSelector(metric.selector)
  const read = (): number => within(`unable to get external metric ${input.namespace}/${metric.name}/${selector}: `, () => valueOf(sample))
  const name = `external metric ${metric.name}(${selector})`
  if (target.averageValue !== undefined) {
    const { replicas, value } = replicasByShare(input.statusReplicas, input.tolerances, read(), quantityMilliValue(target.averageValue))
    return { replicas, name, current: { averageValue: milli(value) } }
  }
  if (target.value !== undefined) {
    const { replicas, value } = replicasByValue(input, read(), quantityMilliValue(target.value))
    return { replicas, name, current: { value: milli(value) } }
  }
  throw new MetricError('invalid external metric source: neither a value target nor an average value target was set')
}

/** A kind of metric: its part of the status, the reason of its failures, and what stands before them in the whole's event. */
interface Kind {
  reason: string
  prefix: string
  work(): Result
  status(current: MetricValueStatus): MetricStatus
}

function kindOf(spec: MetricSpec, sample: Sample, input: ProposalInput): Kind | undefined {
  const { type, resource, containerResource, pods, object, external } = spec
  if (resource)
    return {
      reason: 'FailedGetResourceMetric',
      prefix: `failed to get ${resource.name} resource metric value: `,
      work: () => ofResource({ resource: resource.name, target: resource.target }, sample, input),
      status: (current) => ({ type, resource: { name: resource.name, current } }),
    }
  if (containerResource) {
    const { name, container, target } = containerResource
    return {
      reason: 'FailedGetContainerResourceMetric',
      prefix: `failed to get ${container} container metric value: `,
      work: () => ofResource({ resource: name, container, target }, sample, input),
      status: (current) => ({ type, containerResource: { name, container, current } }),
    }
  }
  if (pods)
    return {
      reason: 'FailedGetPodsMetric',
      prefix: 'failed to get pods metric value: ',
      work: () => ofPods(pods, sample, input),
      status: (current) => ({ type, pods: { metric: pods.metric, current } }),
    }
  if (object) {
    const share = object.target.type === 'AverageValue' ? `failed to get ${object.metric.name} object metric: ` : ''
    return {
      reason: 'FailedGetObjectMetric',
      prefix: `failed to get object metric value: ${share}`,
      work: () => ofObject(object, sample, input),
      status: (current) => ({ type, object: { metric: object.metric, describedObject: object.describedObject, current } }),
    }
  }
  if (external) {
    const { name } = external.metric
    const inner =
      external.target.averageValue === undefined ? `failed to get external metric ${name}: ` : `failed to get ${name} external metric: `
    return {
      reason: 'FailedGetExternalMetric',
      prefix: `failed to get ${name} external metric value: ${inner}`,
      work: () => ofExternal(external, sample, input),
      status: (current) => ({ type, external: { metric: external.metric, current } }),
    }
  }
  return undefined
}

export function propose(spec: MetricSpec, sample: Sample, input: ProposalInput): Proposal | Failure {
  const kind = kindOf(spec, sample, input)
  if (!kind) {
    const message = `unknown metric source type ${JSON.stringify(spec.type)}`
    return { reason: 'InvalidMetricSourceType', message, whole: message }
  }
  try {
    const { replicas, name, current } = kind.work()
    return { replicas, name, status: kind.status(current) }
  } catch (error) {
    if (!(error instanceof MetricError)) throw error
    return { reason: kind.reason, message: error.message, whole: kind.prefix + error.message }
  }
}
