/** Jobs and CronJobs. */
import { IMMUTABLE, invalid, invalidAll, notSupported, required } from './fieldErrors.ts'
import { validateLabelSelector } from './labels.ts'
import { validatePodTemplateSpec } from './podSpec.ts'
import { validateSchedule } from './schedule.ts'
import { validateEnum, validateNotNegative } from './values.ts'
import { labelSelectorMatches } from '../selectors.ts'
import type { CronJob, Job, JobSpec, PodFailurePolicy } from '../kinds/batch/v1.ts'
import type { FieldError } from '../status.ts'

const LONGEST_CRON_JOB_NAME = 52
const LARGEST_INDEXED_PARALLELISM = 100_000
const MISMATCH = '`selector` does not match template `labels`'

function validateFailurePolicy(policy: PodFailurePolicy | undefined, path: string): FieldError[] {
  return (policy?.rules ?? []).flatMap((rule, i) => {
    const at = `${path}.rules[${i}]`
    const errors: FieldError[] = []
    if (!rule.action) errors.push(required(`${at}.action`, 'valid values: "Count", "FailIndex", "FailJob", "Ignore"'))
    else if (!['Count', 'FailIndex', 'FailJob', 'Ignore'].includes(rule.action)) errors.push(notSupported(`${at}.action`, rule.action, ['Count', 'FailIndex', 'FailJob', 'Ignore']))
    const hasConditions = (rule.onPodConditions ?? []).length > 0
    if (rule.onExitCodes && hasConditions) errors.push({ type: 'FieldValueInvalid', field: at, message: 'Invalid value: specifying both OnExitCodes and OnPodConditions is not supported' })
    if (!rule.onExitCodes && !hasConditions) errors.push({ type: 'FieldValueInvalid', field: at, message: 'Invalid value: specifying one of OnExitCodes and OnPodConditions is required' })
    if (rule.onExitCodes) {
      const { operator } = rule.onExitCodes
      const values = rule.onExitCodes.values ?? []
      if (!['In', 'NotIn'].includes(operator)) errors.push(notSupported(`${at}.onExitCodes.operator`, operator, ['In', 'NotIn']))
      if (operator === 'In') for (const [j, value] of values.entries()) if (value === 0) errors.push(invalid(`${at}.onExitCodes.values[${j}]`, 0, 'must not be 0 for the In operator'))
      if (values.length === 0) errors.push(invalid(`${at}.onExitCodes.values`, [], 'at least one value is required'))
    }
    return errors
  })
}

function validateJobTemplate(spec: JobSpec | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  for (const field of ['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished', 'backoffLimitPerIndex', 'maxFailedIndexes'] as const) {
    errors.push(...validateNotNegative(spec?.[field], `${path}.${field}`))
  }
  errors.push(...validateEnum(spec?.completionMode, `${path}.completionMode`, ['NonIndexed', 'Indexed']))
  if (spec?.completionMode === 'Indexed') {
    if (spec.completions === undefined) errors.push(required(`${path}.completions`, 'when completion mode is Indexed'))
    if ((spec.parallelism ?? 0) > LARGEST_INDEXED_PARALLELISM) errors.push(invalid(`${path}.parallelism`, spec.parallelism, `must be less than or equal to ${LARGEST_INDEXED_PARALLELISM} when completion mode is Indexed`))
  }
  errors.push(...validateFailurePolicy(spec?.podFailurePolicy, `${path}.podFailurePolicy`))
  if (spec?.podFailurePolicy && spec.template?.spec?.restartPolicy !== 'Never') {
    errors.push(invalid(`${path}.template.spec.restartPolicy`, spec.template?.spec?.restartPolicy ?? '', 'only "Never" is supported when podFailurePolicy is specified'))
  }
  errors.push(...validatePodTemplateSpec(spec?.template, `${path}.template`))
  const restartPolicy = spec?.template?.spec?.restartPolicy ?? ''
  if (restartPolicy === '' || restartPolicy === 'Always') errors.push(required(`${path}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"'))
  else if (!['OnFailure', 'Never'].includes(restartPolicy)) errors.push(notSupported(`${path}.template.spec.restartPolicy`, restartPolicy, ['OnFailure', 'Never']))
  return errors
}

const GENERATED = ['batch.kubernetes.io/controller-uid', 'batch.kubernetes.io/job-name', 'controller-uid', 'job-name']

function validateGenerated(job: Job): FieldError[] {
  const { spec, metadata } = job
  if (spec?.manualSelector) return []
  const errors: FieldError[] = []
  const wanted = JSON.stringify({ matchLabels: { 'batch.kubernetes.io/controller-uid': metadata.uid } })
  if (spec?.selector && JSON.stringify(spec.selector) !== wanted) errors.push(invalid('spec.selector', spec.selector, '`selector` not auto-generated'))
  const labels = spec?.template?.metadata?.labels ?? {}
  for (const label of GENERATED) {
    const value = label.endsWith('uid') ? metadata.uid : metadata.name
    if (labels[label] === undefined) errors.push(required('spec.template.metadata.labels', `must be '${value}'`))
    else if (labels[label] !== value) errors.push(invalid('spec.template.metadata.labels', labels, `must be '${value}'`))
  }
  return errors
}

function validateJobSpec(job: Job): FieldError[] {
  const { spec } = job
  const errors = validateJobTemplate(spec, 'spec')
  if (!spec?.selector) errors.push(required('spec.selector'))
  else errors.push(...validateLabelSelector(spec.selector, 'spec.selector'))
  const labels = spec?.template?.metadata?.labels
  if (!spec?.selector || !labelSelectorMatches(spec.selector, labels ?? {})) errors.push(invalid('spec.template.metadata.labels', labels ?? null, MISMATCH))
  return errors
}

export function validateJob(job: Job): FieldError[] {
  return [...validateGenerated(job), ...validateJobSpec(job)]
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) =>
    typeof v === 'object' && v !== null && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).toSorted(([a], [b]) => (a < b ? -1 : 1))) : v) ?? ''
}

/** A suspended job that has not started may still be told where its pods go. */
function schedulingOf(job: Job): object {
  const { nodeSelector: _, affinity: _a, tolerations: _t, schedulingGates: _g, ...spec } = job.spec?.template?.spec ?? {}
  return spec
}

function validateTemplateUnchanged(next: Job, old: Job): FieldError[] {
  const before = old.spec?.template
  const after = next.spec?.template
  if (sorted(before) === sorted(after)) return []
  const notStarted = old.spec?.suspend === true && old.status?.startTime === undefined
  if (notStarted && sorted(schedulingOf(next)) === sorted(schedulingOf(old))) return []
  return [invalid('spec.template', after ?? null, IMMUTABLE)]
}

export function validateJobUpdate(next: Job, old: Job): FieldError[] {
  const errors = validateJobSpec(next)
  const { spec } = next
  const before = old.spec
  const indexed = spec?.completionMode === 'Indexed' && before?.completionMode === 'Indexed'
  const elastic = indexed && spec?.completions === spec?.parallelism
  if (!elastic && spec?.completions !== before?.completions) errors.push(invalid('spec.completions', spec?.completions ?? null, IMMUTABLE))
  if (sorted(spec?.selector) !== sorted(before?.selector)) errors.push(invalid('spec.selector', spec?.selector ?? null, IMMUTABLE))
  errors.push(...validateTemplateUnchanged(next, old))
  for (const field of ['completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const) {
    if (sorted(spec?.[field]) !== sorted(before?.[field])) errors.push(invalid(`spec.${field}`, spec?.[field] ?? null, IMMUTABLE))
  }
  return errors
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

export function validateCronJob(job: CronJob): FieldError[] {
  const errors = validateCronJobSpec(job)
  if (job.metadata.name.length > LONGEST_CRON_JOB_NAME) errors.push(invalid('metadata.name', job.metadata.name, `must be no more than ${LONGEST_CRON_JOB_NAME} characters`))
  return errors
}

function validateCronJobSpec({ spec }: CronJob): FieldError[] {
  const errors: FieldError[] = []
  if (!spec?.schedule) errors.push(required('spec.schedule'))
  else errors.push(...invalidAll('spec.schedule', spec.schedule, validateSchedule(spec.schedule)))
  if (spec?.timeZone !== undefined) {
    if (!spec.timeZone) errors.push(invalid('spec.timeZone', spec.timeZone, 'timeZone must be nil or non-empty string'))
    else if (spec.timeZone.toLowerCase() === 'local') errors.push(invalid('spec.timeZone', spec.timeZone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones'))
    else if (!isTimeZone(spec.timeZone)) errors.push(invalid('spec.timeZone', spec.timeZone, `unknown time zone ${spec.timeZone}`))
  }
  errors.push(...validateNotNegative(spec?.startingDeadlineSeconds, 'spec.startingDeadlineSeconds'))
  const policy = spec?.concurrencyPolicy
  if (!policy) errors.push(required('spec.concurrencyPolicy'))
  else errors.push(...validateEnum(policy, 'spec.concurrencyPolicy', ['Allow', 'Forbid', 'Replace']))
  const template = spec?.jobTemplate
  errors.push(...validateJobTemplate(template?.spec, 'spec.jobTemplate.spec'))
  if (template?.spec?.selector) errors.push(invalid('spec.jobTemplate.spec.selector', template.spec.selector, '`selector` will be auto-generated'))
  if (template?.spec?.manualSelector !== undefined) errors.push(notSupported('spec.jobTemplate.spec.manualSelector', template.spec.manualSelector, ['nil', 'false']))
  errors.push(...validateNotNegative(spec?.successfulJobsHistoryLimit, 'spec.successfulJobsHistoryLimit'))
  return [...errors, ...validateNotNegative(spec?.failedJobsHistoryLimit, 'spec.failedJobsHistoryLimit')]
}

export function validateCronJobUpdate(next: CronJob): FieldError[] {
  return validateCronJobSpec(next)
}

