/** What calls can cost, by the function or the overload: the estimates beside the accounts of `actual.ts`. */
import { ITEMS, UNKNOWN, add, fixed, multiply, scale } from './sizes.ts'
import type { LiteralExpr } from '../ast.ts'
import type { Path, Range } from './sizes.ts'
import type { Type } from '../types.ts'

/** One part of a call. */
export interface Part {
  size: Range
  cost: Range
  type: Type
  path: Path | undefined
  literal: LiteralExpr['value'] | undefined
  /** What it counts among the items of a list in its path. */
  sizeAt(path: Path): Range | undefined
}

interface CallEstimate {
  /** Without that of its parts. */
  cost: Range
  resultSize?: Range
}

interface Call {
  target: Part | undefined
  args: readonly Part[]
}

/** undefined where the estimate does not fit the call, and the next table is asked. */
type Estimate = (call: Call) => CallEstimate | undefined

const TRAVERSAL = 0.1
const REGEX = 0.25
const MAX_NAME_FORMAT_REGEX_SIZE = 128
const ONE = fixed(1)

const constant =
  (cost: number): Estimate =>
  () => ({ cost: fixed(cost) })

const ofTarget =
  (times: number): Estimate =>
  ({ target }) =>
    target && { cost: scale(target.size, times * TRAVERSAL), resultSize: target.size }

const ofArgument =
  (times: number): Estimate =>
  ({ args: [arg] }) =>
    arg && { cost: scale(arg.size, times * TRAVERSAL) }

const ofArgumentKept: Estimate = ({ args: [arg] }) => arg && { cost: scale(arg.size, TRAVERSAL), resultSize: arg.size }

const isText = ({ kind }: Type): boolean => kind === 'string' || kind === 'bytes'

/** How large one item of the list can be. */
const itemSizeOf = (list: Part): Range => (list.path?.length ? list.sizeAt([...list.path, ITEMS]) : undefined) ?? UNKNOWN

const wholeTraversal: Estimate = ({ target }) => {
  if (!target) return undefined
  const item = target.type.params[0]
  if (!item) return { cost: scale(target.size, TRAVERSAL) }
  const each = isText(item) ? add(ONE, scale(itemSizeOf(target), TRAVERSAL)) : ONE
  return { cost: multiply(target.size, each) }
}

const regexCost = (text: Range, pattern: Range): Range => multiply(scale(add(text, ONE), TRAVERSAL), scale(pattern, REGEX))

const find: Estimate = ({ target, args: [pattern] }) =>
  target && pattern && { cost: regexCost(target.size, pattern.size), resultSize: { min: 0, max: target.size.max } }

/** How often something can be replaced, and what stays of the text; by the least and the most that is looked for. */
function replacements(text: number, sought: number, isNoLonger: boolean): { count: number; retained: number } {
  if (sought === 0) return { count: text + 1, retained: text }
  return isNoLonger ? { count: 0, retained: text } : { count: Math.ceil(text / sought), retained: 0 }
}

const replace: Estimate = ({ target, args: [sought, by] }) => {
  if (!target || !sought || !by) return undefined
  const most = replacements(target.size.max, sought.size.min, by.size.max <= sought.size.min)
  const least = replacements(target.size.min, sought.size.max, sought.size.max <= by.size.min)
  const counts = { min: least.count, max: most.count }
  const resultSize = add(multiply(counts, by.size), { min: least.retained, max: most.retained })
  return { cost: scale(target.size, 2 * TRAVERSAL), resultSize }
}

const split: Estimate = ({ target, args: [, limit] }) => {
  if (!target) return undefined
  const max = typeof limit?.literal === 'bigint' && limit.literal >= 0n ? Number(limit.literal) : target.size.max
  return { cost: scale(target.size, 2 * TRAVERSAL), resultSize: { min: 0, max } }
}

const join: Estimate = ({ target, args: [separator] }) => {
  if (!target) return undefined
  let size = multiply(target.size, itemSizeOf(target))
  if (separator) {
    const between = { min: Math.max(0, target.size.min - 1), max: Math.max(0, target.size.max - 1) }
    size = add(size, multiply(separator.size, between))
  }
  return { cost: scale(size, TRAVERSAL), resultSize: size }
}

const selector: Estimate = ({ args: [arg] }) =>
  arg && { cost: add(fixed(10), add(scale(arg.size, TRAVERSAL), scale(scale(arg.size, 0.5), 50))) }

const ADDRESS: Range = { min: 4, max: 16 }

const containsIp =
  (isText_: boolean): Estimate =>
  ({ args: [arg] }) => {
    const cost = scale(add(ADDRESS, ADDRESS), TRAVERSAL)
    return arg && { cost: isText_ ? add(cost, scale(arg.size, TRAVERSAL)) : cost }
  }

const containsCidr =
  (isText_: boolean): Estimate =>
  ({ args: [arg] }) => {
    const cost = add(add(scale(add(ADDRESS, ADDRESS), TRAVERSAL), scale(ADDRESS, TRAVERSAL)), ONE)
    return arg && { cost: isText_ ? add(cost, scale(arg.size, TRAVERSAL)) : cost }
  }

const validate: Estimate = ({ args: [arg] }) => arg && { cost: scale(scale(arg.size, TRAVERSAL), MAX_NAME_FORMAT_REGEX_SIZE * REGEX) }

const LISTS_BASE = fixed(11)
const allocating = (factor: number, size: Range): CallEstimate => ({ cost: add(scale(size, factor), LISTS_BASE), resultSize: size })
const intOf = ({ literal }: Part, otherwise: number): number => (typeof literal === 'bigint' ? Math.max(0, Number(literal)) : otherwise)
const MOST = 2 ** 64

/** Below zero Go's counts begin again at their end. */
const unsigned = (value: number): number => (value < 0 ? MOST : value)

const slice: Estimate = ({ target, args: [start, end] }) =>
  target && start && end && allocating(1, fixed(unsigned(intOf(end, target.size.max) - intOf(start, 0))))
const range: Estimate = ({ args: [count] }) => count && allocating(1, fixed(intOf(count, MOST)))
const flatten: Estimate = ({ target, args: [depth] }) => target && allocating(depth ? intOf(depth, MOST) : 1, target.size)
const squared = (list: Part | undefined, weighsText: boolean): CallEstimate | undefined => {
  if (!list) return undefined
  const item = list.type.params[0]
  return allocating(weighsText && item && isText(item) ? 2 + TRAVERSAL : 2, multiply(list.size, list.size))
}
const sort: Estimate = ({ target, args: [keys] }) => squared(keys ?? target, true)

const sets =
  (factor: number): Estimate =>
  ({ args: [a, b] }) =>
    a && b && { cost: add(scale(multiply(a.size, b.size), factor), ONE) }

const smallestOf = (a: Range, b: Range): Range => {
  const max = Math.min(a.max, b.max)
  return { min: max > 0 ? 1 : 0, max }
}
const smaller: Estimate = ({ args: [a, b] }) => a && b && { cost: scale(smallestOf(a.size, b.size), TRAVERSAL) }

const CHEAP_EQUALITY = new Set([
  ...['net.IP', 'net.CIDR', 'kubernetes.Quantity', 'kubernetes.Semver', 'kubernetes.authorization.Authorizer'],
  ...['PathCheck', 'GroupCheck', 'ResourceCheck', 'Decision'].map((name) => `kubernetes.authorization.${name}`),
])
const MAX_FORMAT_SIZE = 64

const equality: Estimate = (call) => {
  const [a, b] = call.args
  if (!a || !b) return undefined
  if (a.type.kind === 'opaque' && a.type.name === b.type.name) {
    if (CHEAP_EQUALITY.has(a.type.name)) return { cost: ONE }
    if (a.type.name === 'kubernetes.NamedFormat') return { cost: scale({ min: 1, max: MAX_FORMAT_SIZE }, TRAVERSAL) }
    if (a.type.name === 'kubernetes.URL') return { cost: scale({ min: 1, max: b.size.max >= MOST ? 1 : b.size.max }, TRAVERSAL) }
  }
  return smaller(call)
}

const joined: Estimate = ({ args: [a, b] }) => {
  if (!a || !b) return undefined
  const resultSize = add(a.size, b.size)
  return { cost: scale(resultSize, TRAVERSAL), resultSize }
}
const joinedList: Estimate = ({ args: [a, b] }) => a && b && { cost: ONE, resultSize: add(a.size, b.size) }

const contains: Estimate = ({ target, args: [part] }) =>
  target && part && { cost: multiply(scale(target.size, TRAVERSAL), scale(part.size, TRAVERSAL)) }
const matches: Estimate = ({ target, args: [pattern] }) => target && pattern && { cost: regexCost(target.size, pattern.size) }

/** A text of bytes and the bytes of a text: one takes up to four of the other. */
const toBytes: Estimate = ({ args: [text] }) =>
  text && { cost: scale(text.size, TRAVERSAL), resultSize: multiply(text.size, { min: 1, max: 4 }) }
const toText: Estimate = ({ args: [bytes] }) =>
  bytes && { cost: scale(bytes.size, TRAVERSAL), resultSize: { min: Math.floor(bytes.size.min / 4), max: bytes.size.max } }
const quote: Estimate = ({ args: [text] }) =>
  text && { cost: scale(text.size, TRAVERSAL), resultSize: add(multiply(text.size, { min: 1, max: 2 }), fixed(2)) }

const named = (names: string, estimate: Estimate): [string, Estimate][] => names.split(' ').map((name) => [name, estimate])

const BY_OVERLOAD: ReadonlyMap<string, Estimate> = new Map([
  ...named('list_slice', slice),
  ...named('lists_range', range),
  ...named('list_reverse', ({ target }) => target && allocating(1, target.size)),
  ...named('list_flatten list_flatten_int', flatten),
  ...named('list_distinct', ({ target }) => squared(target, false)),
  ...named('list_sets_contains_list list_sets_intersects_list', sets(1)),
  ...named('list_sets_equivalent_list', sets(2)),
  ...named('cidr_ip', constant(1)),
  ...named('cidr_contains_ip_string', containsIp(true)),
  ...named('cidr_contains_ip_ip', containsIp(false)),
  ...named('cidr_contains_cidr_string', containsCidr(true)),
  ...named('cidr_contains_cidr', containsCidr(false)),
])

const BY_FUNCTION: ReadonlyMap<string, Estimate> = new Map([
  ...named('check', constant(350_000)),
  ...named('sort @sortByAssociatedKeys', sort),
  ...named('fieldSelector labelSelector', selector),
  ...named('isSorted sum max min indexOf lastIndexOf', wholeTraversal),
  ...named('url jsonpatch.escapeKey', ofArgumentKept),
  ...named('lowerAscii upperAscii substring trim', ofTarget(1)),
  ...named('replace', replace),
  ...named('split', split),
  ...named('join', join),
  ...named('find findAll', find),
  ...named('cidr isIP isCIDR ip quantity isQuantity semver isSemver', ofArgument(1)),
  ...named('ip.isCanonical', ofArgument(2)),
  ...named('validate', validate),
  ...named('_==_', equality),
])

const STANDARD: ReadonlyMap<string, Estimate> = new Map([
  ...named('string_format', ({ target }) => target && { cost: scale(target.size, TRAVERSAL) }),
  ...named('string_to_bytes', toBytes),
  ...named('bytes_to_string', toText),
  ...named('strings_quote', quote),
  ...named('starts_with_string ends_with_string', ofArgument(1)),
  ...named('in_list', ({ args: [, list] }) => list && { cost: scale(list.size, 1) }),
  ...named('matches_string', matches),
  ...named('contains_string', contains),
  ...named('add_string add_bytes', joined),
  ...named('add_list', joinedList),
  ...named('less_string greater_string less_equals_string greater_equals_string', smaller),
  ...named('less_bytes greater_bytes less_equals_bytes greater_equals_bytes not_equals', smaller),
])

/** What the call costs beside its parts. */
export function estimateCall(name: string, overload: string, call: Call): CallEstimate {
  const estimate = BY_OVERLOAD.get(overload) ?? BY_FUNCTION.get(name) ?? STANDARD.get(overload)
  return estimate?.(call) ?? { cost: ONE }
}
