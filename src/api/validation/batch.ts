/** Jobs and CronJobs (pkg/apis/batch/validation). */
import { asGiven } from '../codec/goShape.ts'
import { deepEqual } from '../meta.ts'
import { labelSelectorMatches } from '../selectors.ts'
import { check, goMap, invalid, invalidTyped, notSupported, required, tooLong } from './fieldErrors.ts'
import { checkPodFailurePolicy, checkSuccessPolicy } from './jobPolicies.ts'
import { goInternal } from './goInternal.ts'
import { shownSelector, validateLabelSelector } from './labels.ts'
import { isDns1123Label, isDns1123Subdomain } from './names.ts'
import { validatePodTemplateSpec } from './pod.ts'
import { validateSchedule } from './schedule.ts'
import { checkImmutable, checkNotNegative, checkOneOf } from './values.ts'
import type { CronJob, CronJobSpec, Job, JobSpec } from '../kinds/batch/v1.ts'
import type { Affinity, Container, PodSpec, PodTemplateSpec } from '../kinds/core/v1.ts'
import type { LabelSelector } from '../kinds/meta/v1.ts'
import type { FieldError } from '../status.ts'

const MODES = ['NonIndexed', 'Indexed']
const MANY_INDEXES = 100_000
const PARALLELISM_OF_MANY = 10_000
const FAILED_OF_MANY = 10_000
const MANAGED_BY_LIMIT_BYTES = 63
const CRON_JOB_NAME_LIMIT = 52
const HTTP_PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+"
const HTTP_PATH_RE = new RegExp(`^${HTTP_PATH}$`)

/** `acme.example/foo`. */
function checkDomainPath(errors: FieldError[], value: string, path: string): void {
  const slash = value.indexOf('/')
  const [domain, rest] = [value.slice(0, Math.max(slash, 0)), value.slice(slash + 1)]
  if (value === '') errors.push(required(path))
  else if (slash < 0 || domain === '' || rest === '')
    errors.push(invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")'))
  else {
    check(errors, path, domain, isDns1123Subdomain(domain))
    if (!HTTP_PATH_RE.test(rest)) errors.push(invalid(path, rest, `Invalid path (regex used for validation is '${HTTP_PATH}')`))
  }
}

function checkIndexed(errors: FieldError[], spec: JobSpec, path: string): void {
  const { completions, parallelism = 0, maxFailedIndexes, backoffLimitPerIndex } = spec
  if (completions === undefined) errors.push(required(`${path}.completions`, 'when completion mode is Indexed'))
  if (parallelism > MANY_INDEXES) {
    errors.push(
      invalid(`${path}.parallelism`, parallelism, `must be less than or equal to ${MANY_INDEXES} when completion mode is Indexed`),
    )
  }
  const failed = maxFailedIndexes ?? 0
  const field = `${path}.maxFailedIndexes`
  if (completions !== undefined && maxFailedIndexes !== undefined && failed > completions)
    errors.push(invalid(field, failed, 'must be less than or equal to completions'))
  if (failed > MANY_INDEXES) errors.push(invalid(field, failed, `must be less than or equal to ${MANY_INDEXES}`))
  if ((completions ?? 0) <= MANY_INDEXES || backoffLimitPerIndex === undefined) return
  if (maxFailedIndexes === undefined) errors.push(required(field, `must be specified when completions is above ${MANY_INDEXES}`))
  const limit = (most: number): string =>
    `must be less than or equal to ${most} when completions are above ${MANY_INDEXES} and used with backoff limit per index`
  if (parallelism > PARALLELISM_OF_MANY) errors.push(invalid(`${path}.parallelism`, parallelism, limit(PARALLELISM_OF_MANY)))
  if (failed > FAILED_OF_MANY) errors.push(invalid(field, failed, limit(FAILED_OF_MANY)))
}

function checkCompletionMode(errors: FieldError[], spec: JobSpec, path: string): void {
  const { completionMode: mode, backoffLimitPerIndex, maxFailedIndexes } = spec
  if (mode !== undefined && !MODES.includes(mode)) errors.push(notSupported(`${path}.completionMode`, mode, MODES))
  if (mode === 'Indexed') checkIndexed(errors, spec, path)
  if (mode !== undefined && mode !== 'NonIndexed') return
  const text = 'requires indexed completion mode'
  if (backoffLimitPerIndex !== undefined) errors.push(invalid(`${path}.backoffLimitPerIndex`, backoffLimitPerIndex, text))
  if (maxFailedIndexes !== undefined) errors.push(invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, text))
}

function checkRestartPolicy(errors: FieldError[], spec: JobSpec, path: string): void {
  const policy = spec.template.spec?.restartPolicy ?? ''
  if (policy === '' || policy === 'Always') errors.push(required(path, 'valid values: "OnFailure", "Never"'))
  else if (policy !== 'OnFailure' && policy !== 'Never') errors.push(notSupported(path, policy, ['OnFailure', 'Never']))
  else if (spec.podFailurePolicy && policy !== 'Never')
    errors.push(invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified'))
}

const COUNTS = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
] as const

/** What jobs and templates of jobs have in common. */
function checkSpec(errors: FieldError[], spec: JobSpec, path: string): void {
  for (const field of COUNTS) checkNotNegative(errors, `${path}.${field}`, spec[field])
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) {
    errors.push(required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'))
  }
  const { managedBy, podReplacementPolicy: replacement, podFailurePolicy, successPolicy } = spec
  if (managedBy !== undefined) {
    checkDomainPath(errors, managedBy, `${path}.managedBy`)
    if (Buffer.byteLength(managedBy) > MANAGED_BY_LIMIT_BYTES) errors.push(tooLong(`${path}.managedBy`, MANAGED_BY_LIMIT_BYTES))
  }
  checkCompletionMode(errors, spec, path)
  if (podFailurePolicy) checkPodFailurePolicy(errors, spec, `${path}.podFailurePolicy`)
  if (successPolicy) {
    if (spec.completionMode === 'Indexed') checkSuccessPolicy(errors, spec, `${path}.successPolicy`)
    else
      errors.push(invalid(`${path}.successPolicy`, goInternal('batch.v1.SuccessPolicy', successPolicy), 'requires indexed completion mode'))
  }
  const replacements = podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed']
  if (replacement !== undefined && !replacements.includes(replacement))
    errors.push(notSupported(`${path}.podReplacementPolicy`, replacement, replacements))
  errors.push(...validatePodTemplateSpec(spec.template, `${path}.template`))
  checkRestartPolicy(errors, spec, `${path}.template.spec.restartPolicy`)
}

/** A selector with mistakes in it is refused for them alone. */
function hasSyntax(selector: LabelSelector | undefined): boolean {
  return validateLabelSelector(selector, '').length === 0
}

function checkJobSpec(errors: FieldError[], spec: JobSpec): void {
  checkSpec(errors, spec, 'spec')
  if (!spec.selector) errors.push(required('spec.selector'))
  else errors.push(...validateLabelSelector(spec.selector, 'spec.selector'))
  const { metadata } = spec.template
  const labels = metadata && asGiven(metadata, 'labels')
  if (hasSyntax(spec.selector) && !labelSelectorMatches(spec.selector, labels))
    errors.push(invalid('spec.template.metadata.labels', goMap(labels), '`selector` does not match template `labels`'))
}

const PREFIXED = 'batch.kubernetes.io/'

/** The labels and the selector that the server made, unless the job knows better. */
function checkGenerated(errors: FieldError[], { metadata: { name = '', uid }, spec }: Job, prefixed: boolean): void {
  if (!spec || spec.manualSelector || !spec.selector) return
  const labels = spec.template.metadata?.labels
  const expected: Record<string, string> = { 'controller-uid': uid, 'job-name': name }
  if (prefixed) Object.assign(expected, { [`${PREFIXED}controller-uid`]: uid, [`${PREFIXED}job-name`]: name })
  for (const [key, value] of Object.entries(expected)) {
    const field = `spec.template.metadata.labels[${key}]`
    if (labels?.[key] === undefined) errors.push(required(field, `must be '${value}'`))
    else if (labels[key] !== value) errors.push(invalid(field, goMap(labels), `must be '${value}'`))
  }
  if (hasSyntax(spec.selector) && !labelSelectorMatches(spec.selector, expected))
    errors.push(invalid('spec.selector', shownSelector(spec.selector), '`selector` not auto-generated'))
}

function validateWhole(job: Job, prefixed: boolean): FieldError[] {
  const errors: FieldError[] = []
  checkGenerated(errors, job, prefixed)
  if (!job.spec) return errors
  checkJobSpec(errors, job.spec)
  const { completionMode, completions = 0 } = job.spec
  const longest = `${job.metadata.name}-${completions - 1}`
  if (completionMode === 'Indexed' && completions > 0 && isDns1123Label(longest).length > 0) {
    errors.push(invalid('metadata.name', job.metadata.name, `will not able to create pod with invalid DNS label: ${longest}`))
  }
  return errors
}

export function validateJob(job: Job): FieldError[] {
  return validateWhole(job, true)
}

/** Before a suspended job's pods run, where they go and what they get may still change. */
function isOpen({ spec, status }: Job): boolean {
  const suspended = status?.conditions?.some(({ type, status: value }) => type === 'Suspended' && value === 'True') ?? false
  return spec?.suspend === true && (status?.startTime === undefined || suspended) && !status?.active
}

function withNodeAffinity(old: Affinity | undefined, next: Affinity | undefined): Affinity | undefined {
  const { nodeAffinity: _, ...others } = old ?? {}
  const result = next?.nodeAffinity ? { ...others, nodeAffinity: next.nodeAffinity } : others
  return Object.keys(result).length === 0 && !next ? undefined : result
}

function withResources(old: readonly Container[] | undefined, next: readonly Container[] | undefined): readonly Container[] | undefined {
  if (!old || old.length !== next?.length) return old
  return old.map((container, i) => {
    const now = next[i]
    const { resources: _, ...rest } = container
    if (now?.name !== container.name) return container
    return now.resources ? { ...rest, resources: now.resources } : rest
  })
}

/** The old template with everything of the new one that an open job may change. */
function withOpenFields({ spec: old }: PodTemplateSpec, next: PodTemplateSpec): object {
  if (!old || !next.spec) return old ?? {}
  const { nodeSelector, tolerations, schedulingGates } = next.spec
  const result: Partial<Record<keyof PodSpec, unknown>> = {
    ...old,
    nodeSelector,
    tolerations,
    schedulingGates,
    affinity: withNodeAffinity(old.affinity, next.spec.affinity),
  }
  result.containers = withResources(old.containers, next.spec.containers)
  result.initContainers = withResources(old.initContainers, next.spec.initContainers)
  return result
}

function checkTemplateUpdate(errors: FieldError[], next: Job, old: Job): void {
  const [template, before] = [next.spec?.template ?? {}, old.spec?.template ?? {}]
  if (!isOpen(old)) checkImmutable(errors, 'spec.template', template, before, goInternal('core.v1.PodTemplateSpec', template))
  else if (!deepEqual(template.spec, withOpenFields(before, template)))
    errors.push(invalid('spec.template.spec', goInternal('core.v1.PodSpec', template.spec), 'field is immutable'))
}

/** What holds of a changed job as of a new one. */
export function validateJobAgain(next: Job, old: Job): FieldError[] {
  const labels = old.spec?.template.metadata?.labels ?? {}
  return validateWhole(next, `${PREFIXED}job-name` in labels && `${PREFIXED}controller-uid` in labels)
}

export function validateJobChange(next: Job, old: Job): FieldError[] {
  const errors: FieldError[] = []
  if (!next.spec || !old.spec) return errors
  const { spec } = next
  checkJobSpec(errors, spec)
  const { completions, parallelism, selector } = spec
  if (spec.completionMode !== 'Indexed') checkImmutable(errors, 'spec.completions', completions, old.spec.completions)
  else if (completions !== undefined && completions !== old.spec.completions && completions !== parallelism) {
    errors.push(invalid('spec.completions', completions, 'can only be modified in tandem with spec.parallelism'))
  }
  checkImmutable(errors, 'spec.selector', selector, old.spec.selector, shownSelector(selector))
  checkTemplateUpdate(errors, next, old)
  const { podFailurePolicy, successPolicy } = spec
  checkImmutable(errors, 'spec.completionMode', spec.completionMode, old.spec.completionMode)
  const shownPolicy = goInternal('batch.v1.PodFailurePolicy', podFailurePolicy)
  checkImmutable(errors, 'spec.podFailurePolicy', podFailurePolicy, old.spec.podFailurePolicy, shownPolicy)
  checkImmutable(errors, 'spec.backoffLimitPerIndex', spec.backoffLimitPerIndex, old.spec.backoffLimitPerIndex)
  checkImmutable(errors, 'spec.managedBy', spec.managedBy, old.spec.managedBy)
  checkImmutable(errors, 'spec.successPolicy', successPolicy, old.spec.successPolicy, goInternal('batch.v1.SuccessPolicy', successPolicy))
  return errors
}

const TIME_ZONE_PART_RE = /^[A-Za-z.\-_0-9+]{1,14}$/

/** Upstream's names are those of files, in their case: all parts begin with a capital, as far as a zone goes by another name here. */
function isTimeZone(name: string): boolean {
  try {
    const { timeZone } = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions()
    return timeZone.toLowerCase() === name.toLowerCase() ? timeZone === name : /^[A-Z][^/]*(\/[A-Z][^/]*)*$/.test(name)
  } catch {
    return false
  }
}

function checkTimeZone(errors: FieldError[], timeZone: string | undefined, path: string): void {
  if (timeZone === undefined) return
  const unknown = invalidTyped(path, timeZone, `unknown time zone ${timeZone}`)
  const isPart = (part: string): boolean => part !== '.' && part !== '..' && !part.startsWith('-') && TIME_ZONE_PART_RE.test(part)
  if (timeZone === '') errors.push(invalid(path, timeZone, 'timeZone must be nil or non-empty string'))
  else if (!timeZone.split('/').every(isPart)) errors.push(unknown)
  else if (timeZone.toLowerCase() === 'local') {
    errors.push(invalid(path, timeZone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones'))
    if (timeZone !== 'Local') errors.push(unknown)
  } else if (!isTimeZone(timeZone)) errors.push(unknown)
}

/** Zones inside schedules are no longer written, but kept where they are. */
function checkSchedule(errors: FieldError[], { schedule, timeZone }: CronJobSpec, old: CronJobSpec | undefined): void {
  if (!schedule) {
    errors.push(required('spec.schedule'))
    return
  }
  const isKept = schedule.includes('TZ') && (old?.schedule.includes('TZ') ?? false)
  check(errors, 'spec.schedule', schedule, validateSchedule(isKept ? schedule.replace(/^(CRON_)?TZ=\S+\s+/, '') : schedule))
  if (isKept && timeZone !== undefined)
    errors.push(invalid('spec.schedule', schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule'))
}

function validateCronJobSpec(spec: CronJobSpec, old: CronJobSpec | undefined): FieldError[] {
  const errors: FieldError[] = []
  checkSchedule(errors, spec, old)
  checkNotNegative(errors, 'spec.startingDeadlineSeconds', spec.startingDeadlineSeconds)
  if (!old || old.timeZone !== spec.timeZone) checkTimeZone(errors, spec.timeZone, 'spec.timeZone')
  checkOneOf(errors, 'spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace'])
  const path = 'spec.jobTemplate.spec'
  const template = spec.jobTemplate.spec
  if (template) {
    checkSpec(errors, template, path)
    if (template.selector) errors.push(invalid(`${path}.selector`, template.selector, '`selector` will be auto-generated'))
    if (template.manualSelector) errors.push(notSupported(`${path}.manualSelector`, true, ['nil', 'false']))
  }
  checkNotNegative(errors, 'spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit)
  checkNotNegative(errors, 'spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit)
  return errors
}

export function validateCronJob({ metadata: { name = '' }, spec }: CronJob): FieldError[] {
  const errors = spec ? validateCronJobSpec(spec, undefined) : []
  if (Buffer.byteLength(name) > CRON_JOB_NAME_LIMIT)
    errors.push(invalid('metadata.name', name, `must be no more than ${CRON_JOB_NAME_LIMIT} characters`))
  return errors
}

export function validateCronJobUpdate(next: CronJob, old: CronJob): FieldError[] {
  return next.spec ? validateCronJobSpec(next.spec, old.spec) : []
}
