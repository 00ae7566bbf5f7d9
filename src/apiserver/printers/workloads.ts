/** Tables of what runs pods. */
import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../../api/kinds/apps/v1.ts'
import type { CronJob, CronJobSpec, Job, JobSpec } from '../../api/kinds/batch/v1.ts'
import type { PodTemplateSpec, ReplicationController } from '../../api/kinds/core/v1.ts'
import type { LabelSelector } from '../../api/kinds/meta/v1.ts'
import type { PodDisruptionBudget } from '../../api/kinds/policy/v1.ts'
import { isConditionTrue } from '../../api/meta.ts'
import { age, inside, integer, name, printer, text, wide, type Printers } from './columns.ts'
import {
  containerImages,
  containerNames,
  formatLabelSelector,
  formatLabels,
  humanDuration,
  printBool,
  selectorText,
  since,
} from './format.ts'

interface Templated {
  spec?: { template?: PodTemplateSpec } | undefined
}

interface Selecting {
  spec?: { selector?: LabelSelector } | undefined
}

interface Replicated {
  spec?: { replicas?: number } | undefined
  status?: { replicas?: number; readyReplicas?: number } | undefined
}

const containersAndImages = [
  wide(text('Containers', ({ spec }: Templated) => containerNames(spec?.template?.spec?.containers))),
  wide(text('Images', ({ spec }: Templated) => containerImages(spec?.template?.spec?.containers))),
] as const
const selector = wide(text('Selector', ({ spec }: Selecting) => formatLabelSelector(spec?.selector)))
const replicas = [
  integer('Desired', ({ spec }: Replicated) => spec?.replicas ?? 0),
  integer('Current', ({ status }: Replicated) => status?.replicas ?? 0),
  integer('Ready', ({ status }: Replicated) => status?.readyReplicas ?? 0),
] as const
const ready = text('Ready', ({ spec, status }: Replicated) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`)

function jobStatus({ metadata, status }: Job): string {
  const is = (type: string): boolean => isConditionTrue(status?.conditions, type)
  if (is('Complete')) return 'Complete'
  if (is('Failed')) return 'Failed'
  if (metadata.deletionTimestamp) return 'Terminating'
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(is) ?? 'Running'
}

function completions({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`
  const parallelism = spec?.parallelism ?? 0
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`
}

function jobDuration({ status }: Job, nowMs: number): string {
  const { startTime, completionTime } = status ?? {}
  const endMs = completionTime ? Date.parse(completionTime) : nowMs
  return startTime ? humanDuration(endMs - Date.parse(startTime)) : ''
}

/** The empty object of a bookmark has not even a template. */
const jobOf = ({ spec }: CronJob): { spec?: Partial<JobSpec> | undefined } => ({
  spec: (spec as Partial<CronJobSpec> | undefined)?.jobTemplate?.spec,
})

function controllerOf({ metadata }: ControllerRevision): string {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller)
  if (!owner) return '<none>'
  const [group, version] = owner.apiVersion.split('/')
  const kind = version === undefined ? owner.kind : `${owner.kind}.${group}`
  return `${kind.toLowerCase()}/${owner.name}`
}

export const workloadPrinters: Printers = {
  '/replicationcontrollers': printer<ReplicationController>(
    name,
    ...replicas,
    age,
    ...containersAndImages,
    wide(text('Selector', ({ spec }) => formatLabels(spec?.selector))),
  ),
  'apps/replicasets': printer<ReplicaSet>(name, ...replicas, age, ...containersAndImages, selector),
  'apps/deployments': printer<Deployment>(
    name,
    ready,
    text('Up-to-date', ({ status }) => status?.updatedReplicas ?? 0),
    text('Available', ({ status }) => status?.availableReplicas ?? 0),
    age,
    ...containersAndImages,
    wide(text('Selector', ({ spec }) => selectorText(spec?.selector))),
  ),
  'apps/statefulsets': printer<StatefulSet>(name, ready, age, ...containersAndImages),
  'apps/daemonsets': printer<DaemonSet>(
    name,
    integer('Desired', ({ status }) => status?.desiredNumberScheduled ?? 0),
    integer('Current', ({ status }) => status?.currentNumberScheduled ?? 0),
    integer('Ready', ({ status }) => status?.numberReady ?? 0),
    integer('Up-to-date', ({ status }) => status?.updatedNumberScheduled ?? 0),
    integer('Available', ({ status }) => status?.numberAvailable ?? 0),
    text('Node Selector', ({ spec }: Templated) => formatLabels(spec?.template?.spec?.nodeSelector)),
    age,
    ...containersAndImages,
    selector,
  ),
  'apps/controllerrevisions': printer<ControllerRevision>(
    name,
    text('Controller', controllerOf),
    text('Revision', ({ revision }) => revision),
    age,
  ),
  'batch/jobs': printer<Job>(
    name,
    text('Status', jobStatus),
    text('Completions', completions),
    text('Duration', jobDuration),
    age,
    ...containersAndImages,
    selector,
  ),
  'batch/cronjobs': printer<CronJob>(
    name,
    text('Schedule', ({ spec }) => spec?.schedule ?? ''),
    text('Timezone', ({ spec }) => spec?.timeZone ?? '<none>'),
    { ...text('Suspend', ({ spec }) => printBool(spec?.suspend)), type: 'boolean' },
    integer('Active', ({ status }) => status?.active?.length ?? 0),
    text('Last Schedule', ({ status }, nowMs) => (status?.lastScheduleTime ? since(status.lastScheduleTime, nowMs) : '<none>')),
    age,
    ...containersAndImages.map((column) => inside(jobOf, column)),
    inside(jobOf, selector),
  ),
  'policy/poddisruptionbudgets': printer<PodDisruptionBudget>(
    name,
    text('Min Available', ({ spec }) => String(spec?.minAvailable ?? 'N/A')),
    text('Max Unavailable', ({ spec }) => String(spec?.maxUnavailable ?? 'N/A')),
    integer('Allowed Disruptions', ({ status }) => status?.disruptionsAllowed ?? 0),
    age,
  ),
}
