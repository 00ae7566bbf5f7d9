/** What a call costs when it is made, by the function or the overload (k8s.io/apiserver/pkg/cel/library/cost.go and cel-go's own). */
import { ListValue, MapValue, OpaqueValue, Work, sizeOf } from '../values.ts'
import type { Value } from '../values.ts'

export type ActualCost = (args: readonly Value[], result: Value) => number

/** Of strings, for each character of a traversal. */
const TRAVERSAL = 0.1
const REGEX = 0.25

/** Calls of these on constants happen when the expression is compiled, and cost nothing. */
export const OPTIMIZED_CONVERSIONS: ReadonlySet<string> = new Set(
  'bool bytes double duration dyn int string timestamp type uint'.split(' '),
)

const size = (args: readonly Value[], i: number): number => (i < args.length ? sizeOf(args[i]!) : 1)

const traversal =
  (times: number): ActualCost =>
  (args) =>
    Math.ceil(size(args, 0) * times * TRAVERSAL)

const smaller: ActualCost = (args) => (args[0] instanceof OpaqueValue ? 1 : Math.ceil(Math.min(size(args, 0), size(args, 1)) * TRAVERSAL))
const both: ActualCost = (args) => Math.ceil((size(args, 0) + size(args, 1)) * TRAVERSAL)
const regex: ActualCost = (args) => Math.ceil((1 + size(args, 0)) * TRAVERSAL) * Math.ceil(size(args, 1) * REGEX)

function traversalOf(value: Value, work: Work): number {
  work.step()
  if (typeof value === 'string') return Math.trunc(Buffer.byteLength(value) * TRAVERSAL)
  if (value instanceof Uint8Array) return Math.trunc(value.length * TRAVERSAL)
  let cost = 0
  if (value instanceof ListValue) {
    for (const item of value) cost += traversalOf(item, work)
    return cost
  }
  if (!(value instanceof MapValue)) return 1
  for (const key of value.keys()) cost += traversalOf(key, work) + traversalOf(value.get(key)!, work)
  return cost
}

const wholeTraversal: ActualCost = ([value]) => traversalOf(value!, new Work())

const LISTS_BASE = 11

const outputSize: ActualCost = (_, result) => sizeOf(result) + LISTS_BASE
const flattening: ActualCost = (args) => Math.trunc(size(args, 0) * (typeof args[1] === 'bigint' ? Number(args[1]) : 1)) + LISTS_BASE

const comparisons =
  (of: number): ActualCost =>
  (args) => {
    const list = args[of]
    if (!(list instanceof ListValue) || list.size === 0) return LISTS_BASE
    const first = list.at(0)
    const factor = typeof first === 'string' || first instanceof Uint8Array ? 2 + TRAVERSAL : 2
    return Math.trunc(list.size * list.size * factor) + LISTS_BASE
  }

const sets =
  (factor: number): ActualCost =>
  (args) =>
    1 + Math.trunc(size(args, 0) * size(args, 1) * factor)

const constant =
  (cost: number): ActualCost =>
  () =>
    cost

const selector: ActualCost = (args) => 10 + Math.ceil(size(args, 1) * TRAVERSAL) + Math.ceil(Math.ceil(size(args, 1) * 0.5) * 50)

/** First asked: the libraries that come with costs of their own. */
const BY_OVERLOAD: Readonly<Record<string, ActualCost>> = {
  list_slice: outputSize,
  list_flatten: flattening,
  list_flatten_int: flattening,
  lists_range: outputSize,
  list_reverse: outputSize,
  list_distinct: comparisons(0),
  list_sets_contains_list: sets(1),
  list_sets_intersects_list: sets(1),
  list_sets_equivalent_list: sets(2),
}

const containsIp =
  (of: 'string' | 'ip'): ActualCost =>
  (args) =>
    Math.ceil(2 * size(args, 0) * TRAVERSAL) + (of === 'string' ? Math.ceil(size(args, 1) * TRAVERSAL) : 0)

const containsCidr =
  (of: 'string' | 'cidr'): ActualCost =>
  (args) =>
    Math.ceil(2 * size(args, 0) * TRAVERSAL) +
    Math.ceil(size(args, 0) * TRAVERSAL) +
    1 +
    (of === 'string' ? Math.ceil(size(args, 1) * TRAVERSAL) : 0)

const joining: ActualCost = (_, result) => Math.ceil(sizeOf(result) * 2 * TRAVERSAL)

/** Whether the cost is known only afterwards; otherwise a call that costs too much is not made. */
export const costsItsResult = (cost: ActualCost): boolean => cost === outputSize || cost === joining

const named = (names: string, cost: ActualCost): [string, ActualCost][] => names.split(' ').map((name) => [name, cost])

/** Then Kubernetes' table, by the function. */
const BY_FUNCTION: ReadonlyMap<string, ActualCost> = new Map([
  ...named('check', constant(350_000)),
  ...named('serviceAccount path group resource subresource namespace name allowed reason error errored', constant(1)),
  ...named('fieldSelector labelSelector', selector),
  ...named('isSorted sum max min indexOf lastIndexOf', wholeTraversal),
  ...named('url lowerAscii upperAscii substring trim jsonpatch.escapeKey', traversal(1)),
  ...named('replace split', traversal(2)),
  ...named('join', joining),
  ...named('find findAll', regex),
  ...named('cidr isIP isCIDR ip', traversal(1)),
  ...named('ip.isCanonical', traversal(2)),
  ...named('quantity isQuantity semver isSemver', traversal(1)),
  ...named('validate', (args) => Math.ceil((1 + size(args, 1)) * TRAVERSAL) * Math.ceil(size(args, 0) * REGEX)),
])

/** At last cel-go's, by the overload where there is one. */
const STANDARD: ReadonlyMap<string, ActualCost> = new Map([
  ...named('cidr_ip', constant(1)),
  ...named('cidr_contains_ip_string', containsIp('string')),
  ...named('cidr_contains_ip_ip', containsIp('ip')),
  ...named('cidr_contains_cidr_string', containsCidr('string')),
  ...named('cidr_contains_cidr', containsCidr('cidr')),
  ...named('starts_with_string ends_with_string string_to_bytes bytes_to_string strings_quote string_format', traversal(1)),
  ...named('in_list', (args) => size(args, 1)),
  ...named('less_string greater_string less_equals_string greater_equals_string', smaller),
  ...named('less_bytes greater_bytes less_equals_bytes greater_equals_bytes', smaller),
  ...named('equals not_equals', smaller),
  ...named('add_string add_bytes', both),
  ...named('matches_string', regex),
  ...named('contains_string', (args) => Math.ceil(size(args, 0) * TRAVERSAL) * Math.ceil(size(args, 1) * TRAVERSAL)),
])

/** undefined for the calls that cost one. */
export function actualCostOf(name: string, overload: string): ActualCost | undefined {
  if (Object.hasOwn(BY_OVERLOAD, overload)) return BY_OVERLOAD[overload]
  if (/^list_\w+_sort(?:ByAssociatedKeys)?$/.test(overload)) return comparisons(overload.endsWith('Keys') ? 1 : 0)
  if (name === 'ip' && overload === 'cidr_ip') return constant(1)
  return BY_FUNCTION.get(name) ?? STANDARD.get(overload)
}
