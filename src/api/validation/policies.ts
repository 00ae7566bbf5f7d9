/** Disruption budgets and horizontal autoscalers. */
import { forbidden, invalid, invalidAll, notSupported, required } from './fieldErrors.ts'
import { validateLabelSelector } from './labels.ts'
import { isDns1123Label, isPathSegmentName } from './names.ts'
import { nanosOf } from './quantities.ts'
import { validateEnum } from './values.ts'
import type {
  CrossVersionObjectReference,
  HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
} from '../kinds/autoscaling/v2.ts'
import type { PodDisruptionBudget } from '../kinds/policy/v1.ts'
import type { FieldError } from '../status.ts'

const PERCENT =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"

function validateAmount(value: number | string, path: string): FieldError[] {
  if (typeof value === 'number') return value < 0 ? [invalid(path, value, 'must be greater than or equal to 0')] : []
  if (!/^[0-9]+%$/.test(value)) return [invalid(path, value, PERCENT)]
  return Number.parseInt(value, 10) > 100 ? [invalid(path, value, 'must not be greater than 100%')] : []
}

export function validateDisruptionBudget({ spec }: PodDisruptionBudget): FieldError[] {
  const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy } = spec ?? {}
  const errors: FieldError[] = []
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    errors.push(
      invalid(
        'spec',
        {
          MinAvailable: minAvailable,
          Selector: selector ?? null,
          MaxUnavailable: maxUnavailable,
          UnhealthyPodEvictionPolicy: unhealthyPodEvictionPolicy ?? null,
        },
        'minAvailable and maxUnavailable cannot be both set',
      ),
    )
  }
  if (minAvailable !== undefined) errors.push(...validateAmount(minAvailable, 'spec.minAvailable'))
  if (maxUnavailable !== undefined) errors.push(...validateAmount(maxUnavailable, 'spec.maxUnavailable'))
  errors.push(...validateLabelSelector(selector, 'spec.selector'))
  return [...errors, ...validateEnum(unhealthyPodEvictionPolicy, 'spec.unhealthyPodEvictionPolicy', ['AlwaysAllow', 'IfHealthyBudget'])]
}

function validateReference(reference: CrossVersionObjectReference | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  for (const field of ['kind', 'name'] as const) {
    const value = reference?.[field]
    if (!value) errors.push(required(`${path}.${field}`))
    else errors.push(...invalidAll(`${path}.${field}`, value, isPathSegmentName(value, false)))
  }
  return errors
}

const METRIC_TYPES = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource']
const SOURCES: Record<string, keyof MetricSpec> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
}

function validateTarget(target: MetricTarget, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (!target.type) errors.push(required(`${path}.type`, 'must specify a metric target type'))
  else if (!['AverageValue', 'Utilization', 'Value'].includes(target.type)) {
    errors.push(invalid(`${path}.type`, target.type, 'must be either Utilization, Value, or AverageValue'))
  }
  if (target.value !== undefined && nanosOf(target.value) <= 0n) errors.push(invalid(`${path}.value`, target.value, 'must be positive'))
  if (target.averageValue !== undefined && nanosOf(target.averageValue) <= 0n)
    errors.push(invalid(`${path}.averageValue`, target.averageValue, 'must be positive'))
  if (target.averageUtilization !== undefined && target.averageUtilization < 1)
    errors.push(invalid(`${path}.averageUtilization`, target.averageUtilization, 'must be greater than 0'))
  return errors
}

function validateIdentifier(metric: MetricIdentifier | undefined, path: string): FieldError[] {
  return metric?.name
    ? invalidAll(`${path}.name`, metric.name, isPathSegmentName(metric.name, false))
    : [required(`${path}.name`, 'must specify a metric name')]
}

/** Utilization or a raw value, one of them. */
function validateResourceTarget(target: MetricTarget, path: string): FieldError[] {
  const errors = validateTarget(target, path)
  const { averageUtilization, averageValue } = target
  if (averageUtilization !== undefined && averageValue !== undefined)
    errors.push(forbidden(`${path}.averageValue`, 'may not set both a target raw value and a target utilization'))
  if (averageUtilization === undefined && averageValue === undefined)
    errors.push(required(`${path}.averageUtilization`, 'must set either a target raw value or a target utilization'))
  return errors
}

function validateSource(metric: MetricSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { object, pods, resource, containerResource, external } = metric
  if (object) {
    errors.push(
      ...validateReference(object.describedObject, `${path}.object.describedObject`),
      ...validateIdentifier(object.metric, `${path}.object.metric`),
    )
    errors.push(...validateTarget(object.target, `${path}.object.target`))
    if (object.target.value === undefined && object.target.averageValue === undefined)
      errors.push(required(`${path}.object.target.averageValue`, 'must set either a target value or averageValue'))
  }
  if (pods) {
    errors.push(...validateIdentifier(pods.metric, `${path}.pods.metric`), ...validateTarget(pods.target, `${path}.pods.target`))
    if (pods.target.averageValue === undefined || nanosOf(pods.target.averageValue) <= 0n)
      errors.push(required(`${path}.pods.target.averageValue`, 'must specify a positive target averageValue'))
  }
  if (resource) {
    if (!resource.name) errors.push(required(`${path}.resource.name`, 'must specify a resource name'))
    errors.push(...validateResourceTarget(resource.target, `${path}.resource.target`))
  }
  if (containerResource) {
    const at = `${path}.containerResource`
    if (!containerResource.name) errors.push(required(`${at}.name`, 'must specify a resource name'))
    if (!containerResource.container) errors.push(required(`${at}.container`, 'must specify a container'))
    else errors.push(...invalidAll(`${at}.container`, containerResource.container, isDns1123Label(containerResource.container)))
    errors.push(...validateResourceTarget(containerResource.target, `${at}.target`))
  }
  if (external) {
    errors.push(
      ...validateIdentifier(external.metric, `${path}.external.metric`),
      ...validateTarget(external.target, `${path}.external.target`),
    )
    if (external.target.value === undefined && external.target.averageValue === undefined)
      errors.push(required(`${path}.external.target.averageValue`, 'must set either a target value for metric or a per-pod target'))
  }
  return errors
}

function validateMetric(metric: MetricSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (!metric.type) errors.push(required(`${path}.type`, 'must specify a metric source type'))
  else if (!METRIC_TYPES.includes(metric.type)) errors.push(notSupported(`${path}.type`, metric.type, METRIC_TYPES))
  errors.push(...validateSource(metric, path))
  const wanted = SOURCES[metric.type]
  if (!wanted) errors.push(notSupported(`${path}.type`, metric.type, METRIC_TYPES))
  else {
    if (!metric[wanted]) errors.push(required(`${path}.${wanted}`, 'must populate information for the given metric source'))
    for (const source of Object.values(SOURCES)) {
      if (source !== wanted && metric[source]) errors.push(forbidden(`${path}.${source}`, 'must populate the given metric source only'))
    }
  }
  return errors
}

const LONGEST_WINDOW_SECONDS = 3_600
const LONGEST_PERIOD_SECONDS = 1_800

function validateScalingRules(rules: HPAScalingRules | undefined, path: string): FieldError[] {
  if (!rules) return []
  const errors: FieldError[] = []
  const window = rules.stabilizationWindowSeconds
  if (window !== undefined && window < 0)
    errors.push(invalid(`${path}.stabilizationWindowSeconds`, window, 'must be greater than or equal to zero'))
  if (window !== undefined && window > LONGEST_WINDOW_SECONDS)
    errors.push(invalid(`${path}.stabilizationWindowSeconds`, window, `must be less than or equal to ${LONGEST_WINDOW_SECONDS}`))
  errors.push(...validateEnum(rules.selectPolicy, `${path}.selectPolicy`, ['Disabled', 'Max', 'Min']))
  if (!rules.policies?.length) errors.push(required(`${path}.policies`, 'must specify at least one Policy'))
  for (const [i, policy] of (rules.policies ?? []).entries()) {
    const at = `${path}.policies[${i}]`
    if (!['Percent', 'Pods'].includes(policy.type)) errors.push(notSupported(`${at}.type`, policy.type, ['Percent', 'Pods']))
    if (policy.value <= 0) errors.push(invalid(`${at}.value`, policy.value, 'must be greater than zero'))
    if (policy.periodSeconds <= 0) errors.push(invalid(`${at}.periodSeconds`, policy.periodSeconds, 'must be greater than zero'))
    if (policy.periodSeconds > LONGEST_PERIOD_SECONDS)
      errors.push(invalid(`${at}.periodSeconds`, policy.periodSeconds, `must be less than or equal to ${LONGEST_PERIOD_SECONDS}`))
  }
  return errors
}

export function validateHorizontalPodAutoscaler({ spec }: HorizontalPodAutoscaler): FieldError[] {
  const { minReplicas, maxReplicas = 0, scaleTargetRef, metrics = [], behavior } = spec ?? {}
  const errors: FieldError[] = []
  if (minReplicas !== undefined && minReplicas < 1)
    errors.push(invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'))
  if (maxReplicas < 1) errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0'))
  if (minReplicas !== undefined && maxReplicas < minReplicas)
    errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'))
  errors.push(...validateReference(scaleTargetRef, 'spec.scaleTargetRef'))
  errors.push(...metrics.flatMap((metric, i) => validateMetric(metric, `spec.metrics[${i}]`)))
  errors.push(...validateScalingRules(behavior?.scaleUp, 'spec.behavior.scaleUp'))
  return [...errors, ...validateScalingRules(behavior?.scaleDown, 'spec.behavior.scaleDown')]
}
