/** Horizontal autoscalers (pkg/apis/autoscaling/validation). */
import { forbidden, invalid, invalidAll, invalidTyped, notSupported, required } from './fieldErrors.ts'
import { isDns1123Label, isPathSegmentName } from './names.ts'
import { nanosOf } from './quantities.ts'
import { validateContainerResourceName } from './resourceNames.ts'
import { NOT_NEGATIVE, validateEnum } from './values.ts'
import type {
  CrossVersionObjectReference,
  HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
} from '../kinds/autoscaling/v2.ts'
import type { FieldError } from '../status.ts'

/** Why a group version can't be one of what scales, if so. */
function apiVersionError(apiVersion: string, needsGroup: boolean): string | undefined {
  if (apiVersion === '' || apiVersion === '/') return needsGroup ? 'apiVersion must specify API group' : undefined
  const parts = apiVersion.split('/')
  if (parts.length > 2) return `unexpected GroupVersion string: ${apiVersion}`
  return needsGroup && (parts.length === 1 || parts[0] === '') ? 'apiVersion must specify API group' : undefined
}

function validateReference(
  reference: CrossVersionObjectReference | undefined,
  path: string,
  needsGroup: boolean,
  isExcused: boolean,
): FieldError[] {
  const errors: FieldError[] = []
  for (const field of ['kind', 'name'] as const) {
    const value = reference?.[field]
    if (!value) errors.push(required(`${path}.${field}`))
    else errors.push(...invalidAll(`${path}.${field}`, value, isPathSegmentName(value, false)))
  }
  const apiVersion = reference?.apiVersion ?? ''
  const error = isExcused ? undefined : apiVersionError(apiVersion, needsGroup)
  if (error !== undefined) errors.push(invalid(`${path}.apiVersion`, apiVersion, error))
  return errors
}

const METRIC_TYPES = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource']
const TARGET_TYPES = ['AverageValue', 'Utilization', 'Value']
/** In the order in which upstream looks at them: the first one is checked. */
const SOURCES: Readonly<Record<string, keyof MetricSpec>> = {
  Object: 'object',
  External: 'external',
  Pods: 'pods',
  Resource: 'resource',
  ContainerResource: 'containerResource',
}

const isNotPositive = (quantity: string | undefined): quantity is string => quantity !== undefined && nanosOf(quantity) <= 0n

/** A metric source that names no target has an empty one. */
function validateTarget(target: MetricTarget | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { type = '', value, averageValue, averageUtilization } = target ?? {}
  if (!type) errors.push(required(`${path}.type`, 'must specify a metric target type'))
  if (!TARGET_TYPES.includes(type)) errors.push(invalidTyped(`${path}.type`, type, 'must be either Utilization, Value, or AverageValue'))
  if (isNotPositive(value)) errors.push(invalid(`${path}.value`, value, 'must be positive'))
  if (isNotPositive(averageValue)) errors.push(invalid(`${path}.averageValue`, averageValue, 'must be positive'))
  if (averageUtilization !== undefined && averageUtilization < 1)
    errors.push(invalid(`${path}.averageUtilization`, averageUtilization, 'must be greater than 0'))
  return errors
}

function validateIdentifier(metric: MetricIdentifier | undefined, path: string): FieldError[] {
  return metric?.name
    ? invalidAll(`${path}.name`, metric.name, isPathSegmentName(metric.name, false))
    : [required(`${path}.name`, 'must specify a metric name')]
}

/** Utilization or a raw value, one of them. */
function validateResourceTarget(target: MetricTarget | undefined, path: string): FieldError[] {
  const errors = validateTarget(target, path)
  const { averageUtilization, averageValue } = target ?? {}
  if (averageUtilization === undefined && averageValue === undefined)
    errors.push(required(`${path}.averageUtilization`, 'must set either a target raw value or a target utilization'))
  if (averageUtilization !== undefined && averageValue !== undefined)
    errors.push(forbidden(`${path}.averageValue`, 'may not set both a target raw value and a target utilization'))
  return errors
}

type SourceRule = (metric: MetricSpec, path: string, before: readonly CrossVersionObjectReference[] | undefined) => FieldError[]

const SOURCE_RULES: { readonly [K in keyof MetricSpec]?: SourceRule } = {
  object({ object }, path, before = []) {
    // What was stored with a wrong one may stay so.
    const wereWrong = before.some(({ apiVersion = '' }) => apiVersionError(apiVersion, false) !== undefined)
    const errors = [
      ...validateReference(object?.describedObject, `${path}.describedObject`, false, wereWrong),
      ...validateIdentifier(object?.metric, `${path}.metric`),
      ...validateTarget(object?.target, `${path}.target`),
    ]
    const { value, averageValue } = object?.target ?? {}
    if (value === undefined && averageValue === undefined)
      errors.push(required(`${path}.target.averageValue`, 'must set either a target value or averageValue'))
    return errors
  },
  external({ external }, path) {
    const errors = [...validateIdentifier(external?.metric, `${path}.metric`), ...validateTarget(external?.target, `${path}.target`)]
    const { value, averageValue } = external?.target ?? {}
    const text = 'both a target value for metric and a per-pod target'
    if (value === undefined && averageValue === undefined)
      errors.push(required(`${path}.target.averageValue`, 'must set either a target value for metric or a per-pod target'))
    if (value !== undefined && averageValue !== undefined) errors.push(forbidden(`${path}.target.value`, `may not set ${text}`))
    return errors
  },
  pods({ pods }, path) {
    const errors = [...validateIdentifier(pods?.metric, `${path}.metric`), ...validateTarget(pods?.target, `${path}.target`)]
    if (pods?.target?.averageValue === undefined)
      errors.push(required(`${path}.target.averageValue`, 'must specify a positive target averageValue'))
    return errors
  },
  resource({ resource }, path) {
    const errors = resource?.name ? [] : [required(`${path}.name`, 'must specify a resource name')]
    return [...errors, ...validateResourceTarget(resource?.target, `${path}.target`)]
  },
  containerResource({ containerResource }, path) {
    const { name, container, target } = containerResource ?? {}
    return [
      ...(name ? validateContainerResourceName(name, `${path}.name`) : [required(`${path}.name`, 'must specify a resource name')]),
      ...(container
        ? invalidAll(`${path}.container`, container, isDns1123Label(container))
        : [required(`${path}.container`, 'must specify a container')]),
      ...validateResourceTarget(target, `${path}.target`),
    ]
  },
}

function validateMetric(metric: MetricSpec, path: string, before: readonly CrossVersionObjectReference[] | undefined): FieldError[] {
  const errors: FieldError[] = []
  const { type = '' } = metric
  if (!type) errors.push(required(`${path}.type`, 'must specify a metric source type'))
  if (!METRIC_TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, METRIC_TYPES))
  const present = Object.values(SOURCES).filter((source) => metric[source])
  const first = present[0]
  if (first) errors.push(...(SOURCE_RULES[first]?.(metric, `${path}.${first}`, before) ?? []))
  const wanted = SOURCES[type]
  if (!wanted) errors.push(notSupported(`${path}.type`, type, METRIC_TYPES))
  else if (!metric[wanted]) errors.push(required(`${path}.${wanted}`, 'must populate information for the given metric source'))
  if (present.length === 1) return errors
  const others = present.filter((source) => source !== wanted)
  return [...errors, ...others.map((source) => forbidden(`${path}.${source}`, 'must populate the given metric source only'))]
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
  if (rules.tolerance !== undefined && nanosOf(rules.tolerance) < 0n)
    errors.push(invalid(`${path}.tolerance`, rules.tolerance, NOT_NEGATIVE))
  return errors
}

export function validateHorizontalPodAutoscaler({ spec }: HorizontalPodAutoscaler, old?: HorizontalPodAutoscaler): FieldError[] {
  const { minReplicas, maxReplicas = 0, scaleTargetRef, metrics = [], behavior } = spec ?? {}
  const errors: FieldError[] = []
  if (minReplicas !== undefined && minReplicas < 1)
    errors.push(invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'))
  if (maxReplicas === 0) errors.push(required('spec.maxReplicas', 'must be set and greater than 0'))
  else if (maxReplicas < 0) errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to 1'))
  if (minReplicas !== undefined && maxReplicas < minReplicas)
    errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'))
  const targetBefore = old?.spec?.scaleTargetRef
  const isSame = targetBefore && targetBefore.apiVersion === scaleTargetRef?.apiVersion && targetBefore.kind === scaleTargetRef?.kind
  // The one kind of the core group that can be scaled.
  const needsGroup = scaleTargetRef?.kind !== 'ReplicationController'
  errors.push(...validateReference(scaleTargetRef, 'spec.scaleTargetRef', needsGroup, isSame === true))
  const objectsBefore = old?.spec?.metrics?.flatMap(({ object }) => (object?.describedObject ? [object.describedObject] : []))
  errors.push(...metrics.flatMap((metric, i) => validateMetric(metric, `spec.metrics[${i}]`, objectsBefore)))
  if (minReplicas === 0 && !metrics.some(({ type }) => type === 'Object' || type === 'External'))
    errors.push(forbidden('spec.metrics', 'must specify at least one Object or External metric to support scaling to zero replicas'))
  errors.push(...validateScalingRules(behavior?.scaleUp, 'spec.behavior.scaleUp'))
  return [...errors, ...validateScalingRules(behavior?.scaleDown, 'spec.behavior.scaleDown')]
}
