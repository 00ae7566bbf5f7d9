/** Jobs and CronJobs. */
import { validateCronJob, validateCronJobUpdate, validateJob, validateJobUpdate } from '../../../api/validation/batch.ts'
import type { CronJob, Job } from '../../../api/kinds/batch/v1.ts'
import type { Strategy } from '../strategy.ts'

const UID_LABELS = ['controller-uid', 'batch.kubernetes.io/controller-uid']
const NAME_LABELS = ['job-name', 'batch.kubernetes.io/job-name']

/** A job selects its pods by its own uid, unless it says that it knows better. */
function generateSelector(job: Job): void {
  const { name, uid } = job.metadata
  if (job.spec.manualSelector) return
  const template = job.spec.template
  template.metadata ??= {}
  const labels = (template.metadata.labels = { ...template.metadata.labels })
  for (const label of UID_LABELS) labels[label] = uid
  for (const label of NAME_LABELS) labels[label] = name
  const matchLabels = { ...job.spec.selector?.matchLabels, 'batch.kubernetes.io/controller-uid': uid }
  job.spec.selector = { ...job.spec.selector, matchLabels }
  if (Object.keys(job.metadata.labels ?? {}).length === 0) job.metadata.labels = { ...labels }
}

const jobs: Strategy<Job> = {
  managesGeneration: true,
  statusKeepsMetadata: true,
  defaultPropagation: 'Orphan',
  warnsOfOrphans: true,
  prepareForCreate: generateSelector,
  prepareForUpdate(next, old) {
    if (!next.spec.selector && old.spec.selector) next.spec.selector = old.spec.selector
  },
  validateCreate: validateJob,
  validateUpdate: validateJobUpdate,
  selectableFields: { 'status.successful': (job) => String(job.status?.succeeded ?? 0) },
  unknownFieldLabel: (label) => `field label "${label}" not supported for Job`,
}

const cronJobs: Strategy<CronJob> = {
  managesGeneration: true,
  statusKeepsMetadata: true,
  validateCreate: validateCronJob,
  validateUpdate: validateCronJobUpdate,
}

export const batchStrategies: Record<string, Strategy> = { 'batch/jobs': jobs as Strategy, 'batch/cronjobs': cronJobs as Strategy }
