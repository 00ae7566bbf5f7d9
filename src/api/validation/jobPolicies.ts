/** When a job's pods may fail, and when enough of them have succeeded. */
import { asGiven } from '../codec/goShape.ts'
import { check, duplicate, invalid, invalidShape, notSupported, required, tooLong, tooMany } from './fieldErrors.ts'
import { quote } from '../quote.ts'
import { isQualifiedName } from './names.ts'
import { checkNotNegative } from './values.ts'
import type {
  JobSpec,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyOnPodConditionsPattern,
  PodFailurePolicyRule,
  SuccessPolicyRule,
} from '../kinds/batch/v1.ts'
import type { FieldError } from '../status.ts'

const ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore']
const OPERATORS = ['In', 'NotIn']
const STATUSES = ['False', 'True', 'Unknown']
const RULES_LIMIT = 20
const EXIT_CODES_LIMIT = 255
const CONDITIONS_LIMIT = 20
const INDEXES_LIMIT_BYTES = 64 * 1024

const valid = (values: readonly string[]): string => `valid values: [${values.map((value) => quote(value)).join(' ')}]`

function checkExitCodes(
  errors: FieldError[],
  onExitCodes: PodFailurePolicyOnExitCodesRequirement,
  containers: ReadonlySet<string>,
  path: string,
): void {
  const { operator, containerName } = onExitCodes
  const values = onExitCodes.values ?? []
  if (!operator) errors.push(required(`${path}.operator`, valid(OPERATORS)))
  else if (!OPERATORS.includes(operator)) errors.push(notSupported(`${path}.operator`, operator, OPERATORS))
  if (containerName !== undefined && !containers.has(containerName)) {
    errors.push(invalid(`${path}.containerName`, containerName, 'must be one of the container or initContainer names in the pod template'))
  }
  if (values.length === 0) errors.push(invalid(`${path}.values`, asGiven(onExitCodes, 'values') ?? null, 'at least one value is required'))
  else if (values.length > EXIT_CODES_LIMIT) errors.push(tooMany(`${path}.values`, values.length, EXIT_CODES_LIMIT))
  for (const [i, value] of values.entries()) {
    if (operator === 'In' && value === 0) errors.push(invalid(`${path}.values[${i}]`, value, 'must not be 0 for the In operator'))
    if (values.indexOf(value) < i) errors.push(duplicate(`${path}.values[${i}]`, value))
  }
  if (values.some((value, i) => value < (values[i - 1] ?? value))) errors.push(invalid(`${path}.values`, values, 'must be ordered'))
}

function checkConditions(errors: FieldError[], patterns: readonly PodFailurePolicyOnPodConditionsPattern[], path: string): void {
  if (patterns.length > CONDITIONS_LIMIT) errors.push(tooMany(path, patterns.length, CONDITIONS_LIMIT))
  for (const [i, { type, status }] of patterns.entries()) {
    check(errors, `${path}[${i}].type`, type, isQualifiedName(type))
    if (!status) errors.push(required(`${path}[${i}].status`, valid(STATUSES)))
    else if (!STATUSES.includes(status)) errors.push(notSupported(`${path}[${i}].status`, status, STATUSES))
  }
}

function checkFailureRule(
  errors: FieldError[],
  rule: PodFailurePolicyRule,
  spec: JobSpec,
  containers: ReadonlySet<string>,
  path: string,
): void {
  const { action, onExitCodes, onPodConditions = [] } = rule
  if (!action) errors.push(required(`${path}.action`, valid(ACTIONS)))
  else if (!ACTIONS.includes(action)) errors.push(notSupported(`${path}.action`, action, ACTIONS))
  else if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined) {
    errors.push(invalid(`${path}.action`, action, 'requires the backoffLimitPerIndex to be set'))
  }
  if (onExitCodes) checkExitCodes(errors, onExitCodes, containers, `${path}.onExitCodes`)
  if (onPodConditions.length > 0) checkConditions(errors, onPodConditions, `${path}.onPodConditions`)
  if (onExitCodes && onPodConditions.length > 0)
    errors.push(invalidShape(path, 'specifying both OnExitCodes and OnPodConditions is not supported'))
  if (!onExitCodes && onPodConditions.length === 0)
    errors.push(invalidShape(path, 'specifying one of OnExitCodes and OnPodConditions is required'))
}

export function checkPodFailurePolicy(errors: FieldError[], spec: JobSpec, path: string): void {
  const rules = spec.podFailurePolicy?.rules ?? []
  if (rules.length > RULES_LIMIT) errors.push(tooMany(`${path}.rules`, rules.length, RULES_LIMIT))
  const { containers, initContainers } = spec.template.spec ?? {}
  const names = new Set([...(containers ?? []), ...(initContainers ?? [])].map(({ name }) => name))
  rules.forEach((rule, i) => checkFailureRule(errors, rule, spec, names, `${path}.rules[${i}]`))
}

/** What is wrong with a list like `0-3,5`, or how many indexes it names. */
export function parseIndexes(text: string, completions: number): { total: number; error?: string } {
  let last = -1
  let total = 0
  if (text === '') return { total }
  const fail = (error: string): { total: number; error: string } => ({ total: 0, error })
  for (const interval of text.split(',')) {
    const limits = interval.split('-')
    if (limits.length > 2)
      return fail(
        `the fragment ${quote(interval)} violates the requirement that an index interval can have at most two parts separated by '-'`,
      )
    for (const limit of limits) {
      if (!/^[+-]?\d+$/.test(limit)) return fail(`cannot convert string to integer for index: ${quote(limit)}`)
      if (Number(limit) >= completions) return fail(`too large index: ${quote(limit)}`)
    }
    const first = Number(limits[0])
    const end = Number(limits.at(-1))
    if (limits.length === 2 && first >= end) return fail(`non-increasing order, previous: ${first}, current: ${end}`)
    if (last >= first) return fail(`non-increasing order, previous: ${last}, current: ${first}`)
    total += end - first + 1
    last = end
  }
  return { total }
}

function checkSuccessRule(
  errors: FieldError[],
  { succeededCount, succeededIndexes }: SuccessPolicyRule,
  completions: number,
  path: string,
): void {
  if (succeededCount === undefined && succeededIndexes === undefined) {
    errors.push(required(path, 'at least one of succeededCount or succeededIndexes must be specified'))
  }
  let total = 0
  if (succeededIndexes !== undefined) {
    const field = `${path}.succeededIndexes`
    if (Buffer.byteLength(succeededIndexes) > INDEXES_LIMIT_BYTES) errors.push(tooLong(field, INDEXES_LIMIT_BYTES))
    const parsed = parseIndexes(succeededIndexes, completions)
    total = parsed.total
    if (parsed.error) errors.push(invalid(field, succeededIndexes, `error parsing succeededIndexes: ${parsed.error}`))
  }
  if (succeededCount === undefined) return
  const field = `${path}.succeededCount`
  checkNotNegative(errors, field, succeededCount)
  if (succeededCount > completions)
    errors.push(invalid(field, succeededCount, `must be less than or equal to ${completions} (the number of specified completions)`))
  if (succeededIndexes !== undefined && succeededCount > total) {
    errors.push(
      invalid(
        field,
        succeededCount,
        `must be less than or equal to ${total} (the number of indexes in the specified succeededIndexes field)`,
      ),
    )
  }
}

export function checkSuccessPolicy(errors: FieldError[], spec: JobSpec, path: string): void {
  const rules = spec.successPolicy?.rules ?? []
  if (rules.length === 0) errors.push(required(`${path}.rules`, 'at least one rules must be specified when the successPolicy is specified'))
  if (rules.length > RULES_LIMIT) errors.push(tooMany(`${path}.rules`, rules.length, RULES_LIMIT))
  rules.forEach((rule, i) => checkSuccessRule(errors, rule, spec.completions ?? 0, `${path}.rules[${i}]`))
}
