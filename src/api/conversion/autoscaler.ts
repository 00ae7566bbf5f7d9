/**
 * HorizontalPodAutoscaler: v1 knows the CPU target alone; everything else that v2 can say travels in annotations, in v1's own
 * old shapes, so that an object read and written as v1 loses nothing.
 */
import type * as v1 from '../kinds/autoscaling/v1.ts'
import type * as v2 from '../kinds/autoscaling/v2.ts'
import type { JsonObject } from '../resource.ts'
import { currentMetricToV1, currentMetricToV2, metricToV1, metricToV2, type V1Metric, type V1MetricStatus } from './autoscalerMetrics.ts'

const ANNOTATION = 'autoscaling.alpha.kubernetes.io/'
const METRICS = `${ANNOTATION}metrics`
const CURRENT_METRICS = `${ANNOTATION}current-metrics`
const CONDITIONS = `${ANNOTATION}conditions`
const BEHAVIOR = `${ANNOTATION}behavior`
const ROUND_TRIP = [METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR, `${ANNOTATION}scale-down-tolerance`, `${ANNOTATION}scale-up-tolerance`]

const DEFAULT_CPU_UTILIZATION_PERCENT = 80

type Annotations = Record<string, string>

/** undefined where nothing is left. */
function withoutRoundTrip(annotations: Annotations | undefined): Annotations | undefined {
  const left = Object.entries(annotations ?? {}).filter(([name]) => !ROUND_TRIP.includes(name))
  return left.length > 0 ? Object.fromEntries(left) : undefined
}

function withAnnotations<T extends { annotations?: Annotations }>(
  metadata: T,
  annotations: Annotations | undefined,
): Omit<T, 'annotations'> {
  const { annotations: _, ...rest } = metadata
  return annotations && Object.keys(annotations).length > 0 ? { ...rest, annotations } : rest
}

/** What an annotation holds, or undefined where it is missing or nonsense. */
function parsed(annotations: Annotations | undefined, name: string): unknown {
  const text = annotations?.[name]
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function parsedList<T extends object>(annotations: Annotations | undefined, name: string): T[] | undefined {
  const list = parsed(annotations, name)
  const isList = Array.isArray(list) && list.every((item) => typeof item === 'object' && item !== null && !Array.isArray(item))
  return isList ? (list as T[]) : undefined
}

/** The internal struct that upstream writes here has no JSON names: its members are capitalized, and none is left out. */
function encodeBehavior(behavior: v2.HorizontalPodAutoscalerBehavior): string {
  const rules = (r: v2.HPAScalingRules | undefined): JsonObject | null =>
    r
      ? {
          StabilizationWindowSeconds: r.stabilizationWindowSeconds ?? null,
          SelectPolicy: r.selectPolicy ?? null,
          Policies: r.policies?.map((p) => ({ Type: p.type, Value: p.value, PeriodSeconds: p.periodSeconds })) ?? null,
          Tolerance: r.tolerance ?? null,
        }
      : null
  return JSON.stringify({ ScaleUp: rules(behavior.scaleUp), ScaleDown: rules(behavior.scaleDown) })
}

function uncapitalized(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(uncapitalized)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).filter(([, member]) => member !== null)
  return Object.fromEntries(members.map(([name, member]) => [name.charAt(0).toLowerCase() + name.slice(1), uncapitalized(member)]))
}

function decodeBehavior(annotations: Annotations | undefined): v2.HorizontalPodAutoscalerBehavior | undefined {
  const behavior = uncapitalized(parsed(annotations, BEHAVIOR)) as v2.HorizontalPodAutoscalerBehavior | undefined
  return behavior && Object.keys(behavior).length > 0 ? behavior : undefined
}

const isCpuUtilization = (metric: v2.MetricSpec): boolean =>
  metric.type === 'Resource' && metric.resource?.name === 'cpu' && metric.resource.target.averageUtilization !== undefined

function cpuUtilization(percent: number): v2.MetricSpec {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } } }
}

export function autoscalerToV1(object: JsonObject): JsonObject {
  const { metadata, spec, status } = object as unknown as v2.HorizontalPodAutoscaler
  const metrics = spec.metrics ?? []
  const annotations = withoutRoundTrip(metadata.annotations) ?? {}
  const others = metrics.filter((m) => !isCpuUtilization(m)).map(metricToV1)
  if (others.length) annotations[METRICS] = JSON.stringify(others)
  if (status?.currentMetrics?.length) annotations[CURRENT_METRICS] = JSON.stringify(status.currentMetrics.map(currentMetricToV1))
  if (spec.behavior) annotations[BEHAVIOR] = encodeBehavior(spec.behavior)
  if (status?.conditions?.length) annotations[CONDITIONS] = JSON.stringify(status.conditions)

  const target = metrics.find(isCpuUtilization)?.resource?.target.averageUtilization
  const current = status?.currentMetrics?.findLast(
    (m) => m.type === 'Resource' && m.resource?.name === 'cpu' && m.resource.current.averageUtilization !== undefined,
  )
  const { currentMetrics: _metrics, conditions: _conditions, ...statusV1 } = status ?? ({} as v2.HorizontalPodAutoscalerStatus)
  return {
    metadata: withAnnotations(metadata, annotations),
    spec: {
      scaleTargetRef: spec.scaleTargetRef,
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      targetCPUUtilizationPercentage: target,
    },
    status: { ...statusV1, currentCPUUtilizationPercentage: current?.resource?.current.averageUtilization },
  } as unknown as JsonObject
}

export function autoscalerToV2(object: JsonObject): JsonObject {
  const { metadata, spec, status } = object as unknown as v1.HorizontalPodAutoscaler
  const { annotations } = metadata
  const cpu = spec.targetCPUUtilizationPercentage
  const others = parsedList<V1Metric>(annotations, METRICS)?.map(metricToV2) ?? []
  const metrics = [...others, ...(cpu === undefined ? [] : [cpuUtilization(cpu)])]
  const behavior = decodeBehavior(annotations)
  const { currentCPUUtilizationPercentage, ...statusV2 } = status ?? ({} as v1.HorizontalPodAutoscalerStatus)
  const fromPercent =
    currentCPUUtilizationPercentage === undefined
      ? undefined
      : [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: currentCPUUtilizationPercentage } } }]
  const currentMetrics = parsedList<V1MetricStatus>(annotations, CURRENT_METRICS)?.map(currentMetricToV2) ?? fromPercent
  const conditions = parsedList<v2.HorizontalPodAutoscalerCondition>(annotations, CONDITIONS)
  const kept = withoutRoundTrip(annotations)
  return {
    metadata: withAnnotations(metadata, kept),
    spec: {
      scaleTargetRef: spec.scaleTargetRef,
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      metrics: metrics.length ? metrics : [cpuUtilization(DEFAULT_CPU_UTILIZATION_PERCENT)],
      ...(behavior && { behavior }),
    },
    status: { ...statusV2, ...(currentMetrics && { currentMetrics }), ...(conditions && { conditions }) },
  } as unknown as JsonObject
}
