/** Conversions between versions whose shapes differ. Every other pair of versions differs in its apiVersion alone. */
import type { Event as CoreEvent } from '../../api/kinds/core/v1.ts'
import type { Event as NewEvent } from '../../api/kinds/events/v1.ts'
import type { HorizontalPodAutoscaler as AutoscalerV1 } from '../../api/kinds/autoscaling/v1.ts'
import type { HorizontalPodAutoscaler as AutoscalerV2, MetricSpec, MetricStatus } from '../../api/kinds/autoscaling/v2.ts'
import type { KubeObject } from '../../api/resource.ts'

/** Where autoscaling/v1 keeps what it has no field for. */
const METRICS = 'autoscaling.alpha.kubernetes.io/metrics'
const CURRENT_METRICS = 'autoscaling.alpha.kubernetes.io/current-metrics'
const CONDITIONS = 'autoscaling.alpha.kubernetes.io/conditions'
const BEHAVIOR = 'autoscaling.alpha.kubernetes.io/behavior'

function withoutUndefined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
}

function toCoreEvent(event: NewEvent): CoreEvent {
  const { note, regarding, deprecatedSource, deprecatedFirstTimestamp, deprecatedLastTimestamp, deprecatedCount, reportingController, ...rest } = event
  return withoutUndefined({
    ...rest,
    involvedObject: regarding ?? {},
    message: note,
    source: deprecatedSource ?? {},
    firstTimestamp: deprecatedFirstTimestamp ?? null,
    lastTimestamp: deprecatedLastTimestamp ?? null,
    count: deprecatedCount,
    reportingComponent: reportingController ?? '',
    reportingInstance: rest.reportingInstance ?? '',
  }) as unknown as CoreEvent
}

function toNewEvent(event: CoreEvent): NewEvent {
  const { message, involvedObject, source, firstTimestamp, lastTimestamp, count, reportingComponent, ...rest } = event
  return withoutUndefined({
    ...rest,
    regarding: involvedObject,
    note: message,
    deprecatedSource: source,
    deprecatedFirstTimestamp: firstTimestamp ?? null,
    deprecatedLastTimestamp: lastTimestamp ?? null,
    deprecatedCount: count,
    reportingController: reportingComponent || undefined,
    reportingInstance: rest.reportingInstance || undefined,
  }) as unknown as NewEvent
}

function cpuUtilization(metric: MetricSpec): number | undefined {
  const { resource } = metric
  return metric.type === 'Resource' && resource?.name === 'cpu' && resource.target.type === 'Utilization' ? resource.target.averageUtilization : undefined
}

function currentCpu(metric: MetricStatus): number | undefined {
  return metric.type === 'Resource' && metric.resource?.name === 'cpu' ? metric.resource.current.averageUtilization : undefined
}

/** The first CPU utilization has a field of its own in v1; everything else travels in annotations. */
function toAutoscalerV1(hpa: AutoscalerV2): AutoscalerV1 {
  const { metrics = [], behavior, ...spec } = hpa.spec
  const { currentMetrics, conditions, ...status } = hpa.status ?? { desiredReplicas: 0 }
  const cpu = metrics.findIndex((metric) => cpuUtilization(metric) !== undefined)
  const others = metrics.filter((_, i) => i !== cpu)
  const cpuNow = currentMetrics?.map(currentCpu).find((value) => value !== undefined)
  const annotations = {
    ...hpa.metadata.annotations,
    ...(others.length > 0 && { [METRICS]: JSON.stringify(others) }),
    ...(currentMetrics?.length && { [CURRENT_METRICS]: JSON.stringify(currentMetrics) }),
    ...(conditions?.length && { [CONDITIONS]: JSON.stringify(conditions) }),
    ...(behavior && { [BEHAVIOR]: JSON.stringify(behavior) }),
  }
  return {
    ...hpa,
    metadata: { ...hpa.metadata, ...(Object.keys(annotations).length > 0 && { annotations }) },
    spec: { ...spec, ...(cpu >= 0 && { targetCPUUtilizationPercentage: cpuUtilization(metrics[cpu] as MetricSpec) as number }) },
    status: {
      ...status,
      currentReplicas: status.currentReplicas ?? 0,
      ...(cpuNow !== undefined && { currentCPUUtilizationPercentage: cpuNow }),
    },
  }
}

function parseList<T>(text: string | undefined): T[] {
  if (!text) return []
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? (value as T[]) : []
  } catch {
    return []
  }
}

function toAutoscalerV2(hpa: AutoscalerV1): AutoscalerV2 {
  const { [METRICS]: metricsText, [CURRENT_METRICS]: currentText, [CONDITIONS]: conditionsText, [BEHAVIOR]: behaviorText, ...annotations } = hpa.metadata.annotations ?? {}
  const { targetCPUUtilizationPercentage: target, ...spec } = hpa.spec
  const { currentCPUUtilizationPercentage: _, ...status } = hpa.status ?? { currentReplicas: 0, desiredReplicas: 0 }
  const cpu: MetricSpec[] = target === undefined
    ? []
    : [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: target } } }]
  const metrics = [...cpu, ...parseList<MetricSpec>(metricsText)]
  const { annotations: _old, ...metadata } = hpa.metadata
  const behavior = parseList<NonNullable<AutoscalerV2['spec']['behavior']>>(behaviorText && `[${behaviorText}]`)[0]
  const conditions = parseList<NonNullable<NonNullable<AutoscalerV2['status']>['conditions']>[number]>(conditionsText)
  const currentMetrics = parseList<MetricStatus>(currentText)
  return {
    ...hpa,
    metadata: { ...metadata, ...(Object.keys(annotations).length > 0 && { annotations }) },
    spec: { ...spec, ...(metrics.length > 0 && { metrics }), ...(behavior && { behavior }) },
    status: {
      ...status,
      currentMetrics: currentMetrics.length > 0 ? currentMetrics : null,
      ...(conditions.length > 0 && { conditions }),
    },
  } as unknown as AutoscalerV2
}

type Convert = (object: KubeObject) => KubeObject

/** By `group/version/Kind group/version`. */
export const conversions: ReadonlyMap<string, Convert> = new Map<string, Convert>([
  ['events.k8s.io/v1/Event /v1', (object) => toCoreEvent(object as NewEvent)],
  ['/v1/Event events.k8s.io/v1', (object) => toNewEvent(object as CoreEvent)],
  ['autoscaling/v1/HorizontalPodAutoscaler autoscaling/v2', (object) => toAutoscalerV2(object as AutoscalerV1)],
  ['autoscaling/v2/HorizontalPodAutoscaler autoscaling/v1', (object) => toAutoscalerV1(object as AutoscalerV2)],
])
