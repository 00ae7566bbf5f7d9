/** Tables of autoscalers and of scales. */
import { autoscalerToV2 } from '../../api/conversion/autoscaler.ts'
import type { HorizontalPodAutoscaler as AutoscalerV1, Scale } from '../../api/kinds/autoscaling/v1.ts'
import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus } from '../../api/kinds/autoscaling/v2.ts'
import type { JsonObject, KubeObject } from '../../api/resource.ts'
import { age, integer, name, printer, printerOf, text, nameOf, type Printers } from './columns.ts'
import type { Printer } from './printer.ts'

const METRICS_SHOWN = 2
const UNKNOWN = '<unknown>'
/** What Go writes for a quantity that is not there. */
const NIL = '<nil>'

type Current = MetricValueStatus | undefined
const percent = (utilization: number | undefined, otherwise: string): string => (utilization === undefined ? otherwise : `${utilization}%`)
/** Nothing is known where there is no status; a status without the value is another matter. */
const known = (current: Current, value: 'value' | 'averageValue'): string => (current ? (current[value] ?? NIL) : UNKNOWN)

function resourceMetric(resource: string, target: MetricTarget, current: Current): string {
  if (target.averageValue !== undefined) return `${resource}: ${known(current, 'averageValue')}/${target.averageValue}`
  return `${resource}: ${percent(current?.averageUtilization, UNKNOWN)}/${percent(target.averageUtilization, '<auto>')}`
}

function valueMetric(target: MetricTarget, current: Current): string {
  if (target.averageValue !== undefined) return `${current?.averageValue ?? UNKNOWN}/${target.averageValue} (avg)`
  return `${known(current, 'value')}/${target.value ?? NIL}`
}

function metric({ resource, containerResource, pods, object, external, type }: MetricSpec, status: MetricStatus | undefined): string {
  switch (type) {
    case 'Resource':
      return resource ? resourceMetric(resource.name, resource.target, status?.resource?.current) : ''
    case 'ContainerResource':
      return containerResource ? resourceMetric(containerResource.name, containerResource.target, status?.containerResource?.current) : ''
    case 'Pods':
      return pods ? `${known(status?.pods?.current, 'averageValue')}/${pods.target.averageValue ?? NIL}` : ''
    case 'Object':
      return object ? valueMetric(object.target, status?.object?.current) : ''
    case 'External':
      return external ? valueMetric(external.target, status?.external?.current) : ''
    default:
      return '<unknown type>'
  }
}

function targets({ spec, status }: HorizontalPodAutoscaler): string {
  const metrics = spec?.metrics ?? []
  if (metrics.length === 0) return '<none>'
  const shown = metrics.slice(0, METRICS_SHOWN).map((each, i) => metric(each, status?.currentMetrics?.[i]))
  const more = metrics.length - shown.length
  return shown.join(', ') + (more > 0 ? ` + ${more} more...` : '')
}

/** v1 keeps in annotations what it has no fields for. */
function asV2(o: HorizontalPodAutoscaler | AutoscalerV1): HorizontalPodAutoscaler {
  return (o.apiVersion === 'autoscaling/v1' ? autoscalerToV2(o as unknown as JsonObject) : o) as HorizontalPodAutoscaler
}

export const autoscalingPrinters: Printers = {
  'autoscaling/horizontalpodautoscalers': printerOf(asV2, [
    name,
    text('Reference', ({ spec }) => `${spec?.scaleTargetRef?.kind ?? ''}/${spec?.scaleTargetRef?.name ?? ''}`),
    text('Targets', targets),
    text('MinPods', ({ spec }) => String(spec?.minReplicas ?? '<unset>')),
    text('MaxPods', ({ spec }) => spec?.maxReplicas ?? 0),
    text('Replicas', ({ status }) => status?.currentReplicas ?? 0),
    age,
  ]),
}

/** Of custom resources, whose Scales have columns as they have. */
export const customScalePrinter: Printer = printer<Scale & KubeObject>(
  name,
  { ...integer('Desired', ({ spec }) => spec?.replicas ?? 0), description: 'Number of desired replicas' },
  { ...integer('Available', ({ status }) => status?.replicas ?? 0), description: 'Number of actual replicas' },
  { ...age, type: 'date' },
)

export const scalePrinter: Printer = printer<Scale & KubeObject>(
  text('Name', nameOf),
  integer('Desired', ({ spec }) => spec?.replicas ?? 0),
  integer('Available', ({ status }) => status?.replicas ?? 0),
  age,
)
