/** Tables of apps, batch, autoscaling and policy. */
import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../../api/kinds/apps/v1.ts'
import type { HorizontalPodAutoscaler as AutoscalerV1, Scale } from '../../api/kinds/autoscaling/v1.ts'
import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus } from '../../api/kinds/autoscaling/v2.ts'
import type { CronJob, Job } from '../../api/kinds/batch/v1.ts'
import type { PodDisruptionBudget } from '../../api/kinds/policy/v1.ts'
import { autoscalerToV2 } from '../../api/conversion/autoscaler.ts'
import type { JsonObject, KubeObject } from '../../api/resource.ts'
import { printer } from './core.ts'
import {
  AGE,
  NAME,
  WORKLOAD_WIDE,
  age,
  containerCells,
  formatLabelSelector,
  formatLabels,
  humanDuration,
  integer,
  nameOf,
  printBool,
  selectorText,
  since,
  text,
} from './format.ts'
import type { Cell, Printer } from './printer.ts'

function jobStatus(job: Job): string {
  const is = (type: string): boolean => job.status?.conditions?.find((c) => c.type === type)?.status === 'True'
  if (is('Complete')) return 'Complete'
  if (is('Failed')) return 'Failed'
  if (job.metadata.deletionTimestamp) return 'Terminating'
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(is) ?? 'Running'
}

function jobCompletions({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`
  const parallelism = spec?.parallelism ?? 0
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`
}

function jobCells(job: Job, nowMs: number): Cell[] {
  const { startTime, completionTime } = job.status ?? {}
  const endMs = completionTime ? Date.parse(completionTime) : nowMs
  return [
    nameOf(job),
    jobStatus(job),
    jobCompletions(job),
    startTime ? humanDuration(endMs - Date.parse(startTime)) : '',
    age(job, nowMs),
    ...containerCells(job.spec?.template.spec?.containers),
    formatLabelSelector(job.spec?.selector),
  ]
}

function cronJobCells(o: CronJob, nowMs: number): Cell[] {
  const last = o.status?.lastScheduleTime
  const job = o.spec?.jobTemplate.spec
  return [
    nameOf(o),
    o.spec?.schedule ?? '',
    o.spec?.timeZone ?? '<none>',
    printBool(o.spec?.suspend),
    o.status?.active?.length ?? 0,
    last ? since(last, nowMs) : '<none>',
    age(o, nowMs),
    ...containerCells(job?.template.spec?.containers),
    formatLabelSelector(job?.selector),
  ]
}

/** One metric's current and wanted value; a metric without a status is unknown. */
function metricText(target: MetricTarget, current: MetricValueStatus | undefined, kind: MetricSpec['type']): string {
  const unknown = '<unknown>'
  if (kind === 'Resource' || kind === 'ContainerResource') {
    if (target.averageValue !== undefined) return `${current?.averageValue ?? unknown}/${target.averageValue}`
    const used = current?.averageUtilization
    return `${used === undefined ? unknown : `${used}%`}/${target.averageUtilization === undefined ? '<auto>' : `${target.averageUtilization}%`}`
  }
  if (kind === 'Pods') return `${current?.averageValue ?? unknown}/${target.averageValue ?? ''}`
  if (target.averageValue !== undefined) return `${current?.averageValue ?? unknown}/${target.averageValue} (avg)`
  return `${current?.value ?? unknown}/${target.value ?? ''}`
}

function formatMetric(spec: MetricSpec, status: MetricStatus | undefined): string {
  switch (spec.type) {
    case 'Resource':
      return spec.resource ? `${spec.resource.name}: ${metricText(spec.resource.target, status?.resource?.current, spec.type)}` : ''
    case 'ContainerResource':
      return spec.containerResource
        ? `${spec.containerResource.name}: ${metricText(spec.containerResource.target, status?.containerResource?.current, spec.type)}`
        : ''
    case 'Pods':
      return spec.pods ? metricText(spec.pods.target, status?.pods?.current, spec.type) : ''
    case 'Object':
      return spec.object ? metricText(spec.object.target, status?.object?.current, spec.type) : ''
    case 'External':
      return spec.external ? metricText(spec.external.target, status?.external?.current, spec.type) : ''
    default:
      return '<unknown type>'
  }
}

function formatMetrics(specs: readonly MetricSpec[] | undefined, statuses: readonly MetricStatus[] | undefined): string {
  if (!specs || specs.length === 0) return '<none>'
  const shown = specs
    .slice(0, 2)
    .map((spec, at) => formatMetric(spec, statuses?.[at]))
    .join(', ')
  return specs.length > 2 ? `${shown} + ${specs.length - 2} more...` : shown
}

function autoscalerCells(o: HorizontalPodAutoscaler | AutoscalerV1, nowMs: number): Cell[] {
  // v1 keeps in annotations what it has no fields for.
  const v2 = o.apiVersion === 'autoscaling/v1' ? autoscalerToV2(o as unknown as JsonObject) : o
  const { spec, status } = v2 as HorizontalPodAutoscaler
  const metrics = formatMetrics(spec?.metrics ?? [], status?.currentMetrics ?? undefined)
  return [
    nameOf(o),
    `${spec?.scaleTargetRef?.kind ?? ''}/${spec?.scaleTargetRef?.name ?? ''}`,
    metrics,
    spec?.minReplicas === undefined ? '<unset>' : String(spec.minReplicas),
    spec?.maxReplicas ?? 0,
    status?.currentReplicas ?? 0,
    age(o, nowMs),
  ]
}

function controllerOf(o: ControllerRevision): string {
  const owner = o.metadata.ownerReferences?.find((r) => r.controller)
  if (!owner) return '<none>'
  const group = owner.apiVersion.includes('/') ? owner.apiVersion.split('/')[0] : ''
  return `${(group ? `${owner.kind}.${group}` : owner.kind).toLowerCase()}/${owner.name}`
}

const REPLICAS = [NAME, integer('Desired'), integer('Current'), integer('Ready'), AGE, ...WORKLOAD_WIDE]

export const appsPrinters: Readonly<Record<string, Printer>> = {
  deployments: printer<Deployment>([NAME, text('Ready'), text('Up-to-date'), text('Available'), AGE, ...WORKLOAD_WIDE], (o, now) => [
    nameOf(o),
    `${o.status?.readyReplicas ?? 0}/${o.spec?.replicas ?? 0}`,
    o.status?.updatedReplicas ?? 0,
    o.status?.availableReplicas ?? 0,
    age(o, now),
    ...containerCells(o.spec?.template.spec?.containers),
    selectorText(o.spec?.selector),
  ]),
  replicasets: printer<ReplicaSet>(REPLICAS, (o, now) => [
    nameOf(o),
    o.spec?.replicas ?? 0,
    o.status?.replicas ?? 0,
    o.status?.readyReplicas ?? 0,
    age(o, now),
    ...containerCells(o.spec?.template?.spec?.containers),
    formatLabelSelector(o.spec?.selector),
  ]),
  statefulsets: printer<StatefulSet>([NAME, text('Ready'), AGE, text('Containers', 1), text('Images', 1)], (o, now) => [
    nameOf(o),
    `${o.status?.readyReplicas ?? 0}/${o.spec?.replicas ?? 0}`,
    age(o, now),
    ...containerCells(o.spec?.template.spec?.containers),
  ]),
  daemonsets: printer<DaemonSet>(
    [
      NAME,
      integer('Desired'),
      integer('Current'),
      integer('Ready'),
      integer('Up-to-date'),
      integer('Available'),
      text('Node Selector'),
      AGE,
      ...WORKLOAD_WIDE,
    ],
    (o, now) => [
      nameOf(o),
      o.status?.desiredNumberScheduled ?? 0,
      o.status?.currentNumberScheduled ?? 0,
      o.status?.numberReady ?? 0,
      o.status?.updatedNumberScheduled ?? 0,
      o.status?.numberAvailable ?? 0,
      formatLabels(o.spec?.template.spec?.nodeSelector),
      age(o, now),
      ...containerCells(o.spec?.template.spec?.containers),
      formatLabelSelector(o.spec?.selector),
    ],
  ),
  controllerrevisions: printer<ControllerRevision>([NAME, text('Controller'), text('Revision'), AGE], (o, now) => [
    nameOf(o),
    controllerOf(o),
    o.revision,
    age(o, now),
  ]),
}

export const batchPrinters: Readonly<Record<string, Printer>> = {
  jobs: printer<Job>([NAME, text('Status'), text('Completions'), text('Duration'), AGE, ...WORKLOAD_WIDE], jobCells),
  cronjobs: printer<CronJob>(
    [
      NAME,
      text('Schedule'),
      text('Timezone'),
      { name: 'Suspend', type: 'boolean' },
      integer('Active'),
      text('Last Schedule'),
      AGE,
      ...WORKLOAD_WIDE,
    ],
    cronJobCells,
  ),
}

export const autoscalingPrinters: Readonly<Record<string, Printer>> = {
  horizontalpodautoscalers: printer<HorizontalPodAutoscaler | AutoscalerV1>(
    [NAME, text('Reference'), text('Targets'), text('MinPods'), text('MaxPods'), text('Replicas'), AGE],
    autoscalerCells,
  ),
}

export const scalePrinter: Printer = printer<Scale & KubeObject>(
  [text('Name'), integer('Desired'), integer('Available'), AGE],
  (o, now) => [nameOf(o), o.spec?.replicas ?? 0, o.status?.replicas ?? 0, age(o, now)],
)

export const policyPrinters: Readonly<Record<string, Printer>> = {
  poddisruptionbudgets: printer<PodDisruptionBudget>(
    [NAME, text('Min Available'), text('Max Unavailable'), integer('Allowed Disruptions'), AGE],
    (o, now) => [
      nameOf(o),
      String(o.spec?.minAvailable ?? 'N/A'),
      String(o.spec?.maxUnavailable ?? 'N/A'),
      o.status?.disruptionsAllowed ?? 0,
      age(o, now),
    ],
  ),
}
