/**
 * What may be said of a job's progress. A rule is asked only where what it is about changes: a status that breaks it already,
 * for instance after its spec has changed, may still be written.
 */
import { duplicate, invalid, invalidShape, required } from './fieldErrors.ts'
import { parseIndexes } from './jobPolicies.ts'
import { checkNotNegative } from './values.ts'
import { deepEqual } from '../meta.ts'
import type { Job, JobStatus } from '../kinds/batch/v1.ts'
import type { FieldError } from '../status.ts'

const COUNTS = ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const
const TERMINAL = ['Failed', 'Complete', 'FailureTarget'] as const
const AT = 'status.conditions'

type Condition = 'Complete' | 'Failed' | 'FailureTarget' | 'SuccessCriteriaMet'

interface View {
  job: Job
  status: JobStatus
  is: Record<Condition | 'Finished', boolean>
}

const hasCondition = ({ conditions }: JobStatus, type: string, wanted: string): boolean =>
  (conditions ?? []).some((condition) => condition.type === type && condition.status === wanted)

function viewOf(job: Job): View {
  const status = job.status ?? {}
  const has = (type: Condition): boolean => hasCondition(status, type, 'True')
  const [Complete, Failed] = [has('Complete'), has('Failed')]
  return {
    job,
    status,
    is: {
      Complete,
      Failed,
      FailureTarget: has('FailureTarget'),
      SuccessCriteriaMet: has('SuccessCriteriaMet'),
      Finished: Complete || Failed,
    },
  }
}

function checkUncounted(errors: FieldError[], { uncountedTerminatedPods }: JobStatus): void {
  const seen = new Set<string>()
  for (const field of ['succeeded', 'failed'] as const) {
    for (const [i, uid] of (uncountedTerminatedPods?.[field] ?? []).entries()) {
      const at = `status.uncountedTerminatedPods.${field}[${i}]`
      if (!uid) errors.push(invalid(at, uid, 'must not be empty'))
      else if (seen.has(uid)) errors.push(duplicate(at, uid))
      seen.add(uid)
    }
  }
}

/** The indexes of those parts of `0-3,5` that can be read. */
function intervalsOf(text: string, completions: number): [first: number, last: number][] {
  return text.split(',').flatMap((part) => {
    if (!part || parseIndexes(part, completions).error) return []
    const limits = part.split('-').map(Number)
    return [[limits[0] ?? 0, limits.at(-1) ?? 0]]
  })
}

function firstOverlap(a: string, b: string, completions: number): number | undefined {
  const [left, right] = [intervalsOf(a, completions), intervalsOf(b, completions)]
  for (let i = 0, j = 0; i < left.length && j < right.length;) {
    const [[aFirst, aLast], [bFirst, bLast]] = [left[i] as [number, number], right[j] as [number, number]]
    if (aFirst <= bLast && bFirst <= aLast) return Math.max(aFirst, bFirst)
    if (aFirst <= bFirst) i++
    else j++
  }
  return undefined
}

function checkTimes(errors: FieldError[], { status, is }: View, changed: Changes): void {
  const { startTime, completionTime } = status
  const at = 'status.completionTime'
  if (changed.is('Complete') || changed.has('completionTime')) {
    if (completionTime && !is.Complete)
      errors.push(invalid(at, completionTime, 'cannot set completionTime when there is no Complete=True condition'))
    if (!completionTime && is.Complete) errors.push(required(at, 'completionTime is required for Complete jobs'))
  }
  if (
    startTime &&
    completionTime &&
    (changed.has('startTime') || changed.has('completionTime')) &&
    Date.parse(completionTime) < Date.parse(startTime)
  ) {
    errors.push(invalid(at, completionTime, 'must be equal to or after `startTime`'))
  }
}

function checkOutcome(errors: FieldError[], { is }: View, changed: Changes): void {
  if (is.Failed && !is.FailureTarget && (changed.is('Failed') || changed.has('failedIndexes'))) {
    errors.push(invalidShape(AT, 'cannot set Failed=True condition without the FailureTarget=true condition'))
  }
  if (is.Complete && !is.SuccessCriteriaMet && (changed.is('Complete') || changed.is('SuccessCriteriaMet'))) {
    errors.push(invalidShape(AT, 'cannot set Complete=True condition without the SuccessCriteriaMet=true condition'))
  }
}

function checkFinished(errors: FieldError[], { job, status, is }: View, changed: Changes): void {
  const { active = 0, startTime, uncountedTerminatedPods: uncounted } = status
  if (!is.Finished) return
  const ends = changed.is('Finished')
  if (active > 0 && (ends || changed.has('active'))) errors.push(invalid('status.active', active, 'active>0 is invalid for finished job'))
  const neverStarts = job.spec.suspend === true && job.spec.completions === 0
  if (!startTime && (ends || changed.has('startTime')) && !neverStarts)
    errors.push(required('status.startTime', 'startTime is required for finished job'))
  const left = [...(uncounted?.failed ?? []), ...(uncounted?.succeeded ?? [])]
  if (left.length > 0 && (ends || changed.has('uncountedTerminatedPods'))) {
    const shown = { Succeeded: uncounted?.succeeded ?? null, Failed: uncounted?.failed ?? null }
    errors.push(invalid('status.uncountedTerminatedPods', shown, 'must be empty for finished job'))
  }
}

function checkIndexes(errors: FieldError[], { job: { spec }, status }: View, changed: Changes): void {
  const { completedIndexes = '', failedIndexes } = status
  const { completions, backoffLimitPerIndex, completionMode } = spec
  const [completedAt, failedAt] = ['status.completedIndexes', 'status.failedIndexes']
  const [completedChanged, failedChanged] = [changed.has('completedIndexes'), changed.has('failedIndexes')]
  if (completions !== undefined && completedChanged) {
    const { error } = parseIndexes(completedIndexes, completions)
    if (error) errors.push(invalid(completedAt, completedIndexes, `error parsing completedIndexes: ${error}`))
  }
  if (completions !== undefined && failedChanged && backoffLimitPerIndex !== undefined && failedIndexes !== undefined) {
    const { error } = parseIndexes(failedIndexes, completions)
    if (error) errors.push(invalid(failedAt, failedIndexes, `error parsing failedIndexes: ${error}`))
  }
  if (completedIndexes && completedChanged && completionMode !== 'Indexed') {
    errors.push(invalid(completedAt, completedIndexes, 'cannot set non-empty completedIndexes when non-indexed completion mode'))
  }
  if (failedIndexes === undefined) return
  if (failedChanged && backoffLimitPerIndex === undefined) {
    errors.push(invalid(failedAt, failedIndexes, 'cannot set non-null failedIndexes when backoffLimitPerIndex is null'))
  }
  if (completions === undefined || !(failedChanged || completedChanged)) return
  const overlap = firstOverlap(completedIndexes, failedIndexes, completions)
  if (overlap !== undefined)
    errors.push(invalid(failedAt, failedIndexes, `failedIndexes and completedIndexes overlap at index: ${overlap}`))
}

function checkSuccess(errors: FieldError[], { job, is }: View): void {
  if (is.SuccessCriteriaMet && is.Failed) errors.push(invalidShape(AT, 'cannot set SuccessCriteriaMet=True and Failed=true conditions'))
  if (is.SuccessCriteriaMet && is.FailureTarget)
    errors.push(invalidShape(AT, 'cannot set SuccessCriteriaMet=True and FailureTarget=true conditions'))
  if (job.spec.successPolicy && !is.SuccessCriteriaMet && is.Complete) {
    errors.push(invalidShape(AT, 'cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True'))
  }
}

interface Changes {
  has(field: keyof JobStatus): boolean
  is(state: keyof View['is']): boolean
}

function checkStatus(errors: FieldError[], view: View, changed: Changes): void {
  const { status, is } = view
  for (const field of COUNTS) checkNotNegative(errors, `status.${field}`, status[field])
  checkUncounted(errors, status)
  if (is.Complete && is.Failed && (changed.is('Complete') || changed.is('Failed'))) {
    errors.push(invalidShape(AT, 'cannot set Complete=True and Failed=true conditions'))
  }
  if (is.Complete && is.FailureTarget && (changed.is('Complete') || changed.is('FailureTarget'))) {
    errors.push(invalidShape(AT, 'cannot set Complete=True and FailureTarget=true conditions'))
  }
  checkTimes(errors, view, changed)
  checkOutcome(errors, view, changed)
  checkFinished(errors, view, changed)
  checkIndexes(errors, view, changed)
  const { ready, active = 0, terminating = 0 } = status
  if (terminating > 0 && is.Finished && (changed.is('Finished') || changed.has('terminating'))) {
    errors.push(invalid('status.terminating', terminating, 'terminating>0 is invalid for finished job'))
  }
  if (ready !== undefined && ready > active && (changed.has('ready') || changed.has('active')))
    errors.push(invalid('status.ready', ready, 'cannot set more ready pods than active'))
  checkSuccess(errors, view)
}

function checkProgress(errors: FieldError[], next: View, old: View): void {
  for (const type of TERMINAL)
    if (old.is[type] && !next.is[type]) errors.push(invalidShape(AT, `cannot disable the terminal ${type}=True condition`))
  const { completionMode, completions, parallelism } = next.job.spec
  const mayScaleDown = completionMode === 'Indexed' && completions === parallelism
  for (const field of ['failed', 'succeeded'] as const) {
    const count = next.status[field] ?? 0
    if (count < (old.status[field] ?? 0) && !(field === 'succeeded' && mayScaleDown))
      errors.push(invalid(`status.${field}`, count, `cannot decrease the ${field} counter`))
  }
}

function checkFixedTimes(errors: FieldError[], next: View, old: View): void {
  const { completionTime, startTime } = next.status
  if (completionTime && old.status.completionTime && completionTime !== old.status.completionTime) {
    errors.push(invalid('status.completionTime', completionTime, 'field is immutable'))
  }
  const resumes = hasCondition(old.status, 'Suspended', 'True') && hasCondition(next.status, 'Suspended', 'False')
  if (old.status.startTime && startTime !== old.status.startTime && !next.job.spec.suspend && !resumes) {
    errors.push(invalid('status.startTime', startTime ?? null, 'field is immutable for unsuspended job once set'))
  }
}

export function validateJobStatusUpdate(nextJob: Job, oldJob: Job): FieldError[] {
  const errors: FieldError[] = []
  const [next, old] = [viewOf(nextJob), viewOf(oldJob)]
  checkStatus(errors, next, {
    has: (field) => !deepEqual(next.status[field] ?? null, old.status[field] ?? null),
    is: (state) => next.is[state] !== old.is[state],
  })
  checkProgress(errors, next, old)
  checkFixedTimes(errors, next, old)
  if (old.is.SuccessCriteriaMet && !next.is.SuccessCriteriaMet)
    errors.push(invalidShape(AT, 'cannot disable the SuccessCriteriaMet=True condition'))
  if (old.is.Complete && !old.is.SuccessCriteriaMet && next.is.SuccessCriteriaMet) {
    errors.push(invalidShape(AT, 'cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions'))
  }
  return errors
}
