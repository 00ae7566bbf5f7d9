/** Jobs and CronJobs. */
import { validateCronJob, validateCronJobUpdate, validateJob, validateJobAgain, validateJobChange } from '../../../api/validation/batch.ts'
import { validateJobStatusUpdate } from '../../../api/validation/jobStatus.ts'
import { cronJobWarnings, jobWarnings } from '../../../api/validation/warnings.ts'
import { deepEqual } from '../../../api/meta.ts'
import { dropDisabledTemplateFields } from './disabledFields.ts'
import type { CronJob, Job } from '../../../api/kinds/batch/v1.ts'
import type { Strategy } from '../strategy.ts'

const UID_LABELS = ['controller-uid', 'batch.kubernetes.io/controller-uid']
const NAME_LABELS = ['job-name', 'batch.kubernetes.io/job-name']

/** A job selects its pods by its own uid, unless it says that it knows better. */
function generateSelector(job: Job): void {
  const { name = '', uid } = job.metadata
  if (job.spec.manualSelector) return
  const template = job.spec.template
  template.metadata ??= {}
  const labels = (template.metadata.labels = { ...template.metadata.labels })
  // Labels that defaulting took from the template go on to follow it.
  const follows = deepEqual(job.metadata.labels ?? {}, labels)
  for (const label of NAME_LABELS) labels[label] ??= name
  for (const label of UID_LABELS) labels[label] ??= uid
  const matchLabels = { 'batch.kubernetes.io/controller-uid': uid, ...job.spec.selector?.matchLabels }
  job.spec.selector = { ...job.spec.selector, matchLabels }
  if (follows) job.metadata.labels = { ...labels }
}

const jobs: Strategy<Job> = {
  updateChecks: ['new', 'own', 'change', 'changed'],
  managesGeneration: true,
  statusKeepsMetadata: true,
  defaultPropagation: 'Orphan',
  warnsOfOrphans: true,
  prepareForCreate(job) {
    generateSelector(job)
    dropDisabledTemplateFields(job.spec.template)
  },
  prepareForUpdate(next, old) {
    dropDisabledTemplateFields(next.spec.template, old.spec.template)
  },
  validateCreate: validateJob,
  validateUpdate: validateJobAgain,
  validateChanged: validateJobChange,
  validateStatusUpdate: validateJobStatusUpdate,
  warningsOnCreate: (job) => jobWarnings(job),
  warningsOnUpdate: jobWarnings,
  selectableFields: { 'status.successful': (job) => String(job.status?.succeeded ?? 0) },
  unknownFieldLabel: (label) => `field label "${label}" not supported for Job`,
}

const cronJobs: Strategy<CronJob> = {
  prepareForCreate: ({ spec }) => dropDisabledTemplateFields(spec?.jobTemplate?.spec?.template),
  prepareForUpdate: ({ spec }, old) => dropDisabledTemplateFields(spec?.jobTemplate?.spec?.template, old.spec?.jobTemplate?.spec?.template),
  managesGeneration: true,
  statusKeepsMetadata: true,
  validateCreate: validateCronJob,
  validateUpdate: validateCronJobUpdate,
  warningsOnCreate: (job) => cronJobWarnings(job),
  warningsOnUpdate: cronJobWarnings,
}

export const batchStrategies: Record<string, Strategy> = { 'batch/jobs': jobs as Strategy, 'batch/cronjobs': cronJobs as Strategy }
