/** Follows a JSONPath through an object, with the habits of k8s.io/client-go/util/jsonpath: missing fields are passed over, what does not fit is an error. */
import type { JsonPath, Step } from './jsonPath.ts'

class SearchError extends Error {}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A text has its bytes inside. Of maps the order is that of their keys. */
function children(value: unknown): unknown[] {
  if (Array.isArray(value)) return value
  if (typeof value === 'string') return [...Buffer.from(value)]
  if (!isRecord(value)) return []
  return Object.keys(value)
    .sort()
    .map((key) => value[key])
}

/** Whatever has something in it, the outermost first. */
function descendants(values: readonly unknown[]): unknown[] {
  return values.flatMap((value) => {
    const inner = children(value)
    return inner.length > 0 ? [value, ...descendants(inner)] : []
  })
}

function slice({ from, to, step = 1, single }: Step & { type: 'slice' }, value: unknown): unknown[] {
  if (value === null) return []
  if (!Array.isArray(value)) throw new SearchError('not an array')
  const { length } = value
  let start = from ?? 0
  if (single) {
    if (start < 0) start += length
    if (start < 0 || start >= length) throw new SearchError('array index out of bounds')
    return [value[start]]
  }
  if (start < 0) start += length
  let end = to ?? length
  if (end < 0) end += length
  if (start === end) return []
  if (start < 0 || start >= length || end < 0 || end > length) throw new SearchError('array index out of bounds')
  if (start > end || step <= 0) throw new SearchError('no such part of an array')
  return value.slice(start, end).filter((_, i) => i % step === 0)
}

type Scalar = string | number | bigint | boolean

/** Whole numbers and others are different kinds, which Go does not compare. */
function kindOf(value: unknown): 'integer' | 'float' | 'string' | 'boolean' {
  if (typeof value === 'bigint') return 'integer'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'float'
  if (typeof value === 'string' || typeof value === 'boolean') return typeof value as 'string' | 'boolean'
  throw new SearchError('bad type for comparison')
}

function compares(operator: string, left: Scalar, right: Scalar): boolean {
  const kind = kindOf(left)
  if (kind !== kindOf(right)) throw new SearchError('incompatible types for comparison')
  if (operator === '==') return left === right
  if (operator === '!=') return left !== right
  if (kind === 'boolean') throw new SearchError('bad type for comparison')
  switch (operator) {
    case '<':
      return left < right
    case '<=':
      return left <= right
    case '>':
      return left > right
    case '>=':
      return left >= right
    default:
      throw new SearchError(`unrecognized filter operator ${operator}`)
  }
}

function one(values: readonly unknown[]): Scalar {
  if (values.length > 1) throw new SearchError('can only compare one element at a time')
  return values[0] as Scalar
}

function passes({ left, operator, right }: Step & { type: 'filter' }, item: unknown): boolean {
  // A path that does not fit the item has still begun with something.
  if (operator === 'exists') return (findAll(left, item) ?? [item]).length > 0
  const lefts = follow(left, [item])
  if (lefts.length === 0) return false
  const leftValue = one(lefts)
  const rights = follow(right, [item])
  return rights.length > 0 && compares(operator, leftValue, one(rights))
}

function filter(step: Step & { type: 'filter' }, value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new SearchError('not an array and cannot be filtered')
  return value.filter((item) => passes(step, item))
}

function apply(step: Step, values: readonly unknown[]): unknown[] {
  switch (step.type) {
    case 'field':
      return values.flatMap((value) => (isRecord(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : []))
    case 'slice':
      return values.flatMap((value) => slice(step, value))
    case 'union':
      return step.paths.flatMap((path) => follow(path, values))
    case 'filter':
      return values.flatMap((value) => filter(step, value))
    case 'literal':
      return typeof step.value === 'string' ? [step.value] : values.map(() => step.value)
    case 'identifier':
      throw new SearchError('unrecognized identifier')
    case 'children':
      return values.flatMap(children)
    case 'descendants':
      return descendants(values)
  }
}

function follow(path: JsonPath, values: readonly unknown[]): readonly unknown[] {
  return path.reduce((at, step) => apply(step, at), values)
}

/** Undefined where something on the way is not what the path takes it for. */
export function findAll(path: JsonPath, value: unknown): readonly unknown[] | undefined {
  try {
    return follow(path, [value])
  } catch (error) {
    if (error instanceof SearchError) return undefined
    throw error
  }
}
