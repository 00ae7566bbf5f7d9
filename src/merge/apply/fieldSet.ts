/**
 * Sets of field paths, in the very form in which managedFields stores them (FieldsV1): nested objects whose keys are path
 * elements, `f:name` of a field, `k:{"name":"a"}` of a list item by its keys, `v:"x"` of a set item, `i:0` of an index.
 * A path is in the set if its object is empty or has the key `.`. So stored sets need no decoding, and since sets are
 * never changed in place, the results of the operations share parts with their arguments.
 */

export interface FieldSet {
  readonly [element: string]: FieldSet
}

export const EMPTY: FieldSet = Object.freeze({})
/** A path's own membership, without anything below it. */
export const LEAF: FieldSet = Object.freeze({})
const SELF = '.'

/** Below the root undefined stands for the empty set, since `{}` is a member there. */
type Node = FieldSet | undefined

export function isEmpty(set: FieldSet): boolean {
  for (const _ in set) return false
  return true
}

export function isMember(node: FieldSet): boolean {
  return node[SELF] !== undefined || isEmpty(node)
}

/** Turns gathered children into a node. Every FieldSet that this module makes is made here. */
export function makeNode(member: boolean, children: Record<string, FieldSet>): Node {
  if (isEmpty(children)) return member ? LEAF : undefined
  return member ? { [SELF]: LEAF, ...children } : children
}

/** `a` itself if `b` adds nothing to it. */
function unite(a: Node, b: Node): Node {
  if (!a) return b
  if (!b || a === b) return a
  const member = isMember(a) || isMember(b)
  let changed = member !== isMember(a)
  const children: Record<string, FieldSet> = {}
  for (const element in a) {
    if (element === SELF) continue
    const child = unite(a[element], b[element]) as FieldSet
    if (child !== a[element]) changed = true
    children[element] = child
  }
  for (const element in b) {
    if (element === SELF || a[element]) continue
    changed = true
    children[element] = b[element] as FieldSet
  }
  return changed ? makeNode(member, children) : a
}

function subtract(a: FieldSet, b: FieldSet): Node {
  const member = isMember(a)
  const stays = member && !isMember(b)
  let changed = member !== stays
  const children: Record<string, FieldSet> = {}
  for (const element in a) {
    if (element === SELF) continue
    const [child, taken] = [a[element] as FieldSet, b[element]]
    const left = taken ? subtract(child, taken) : child
    if (left !== child) changed = true
    if (left) children[element] = left
  }
  return changed ? makeNode(stays, children) : a
}

function common(a: FieldSet, b: FieldSet): Node {
  const children: Record<string, FieldSet> = {}
  for (const element in a) {
    const other = element === SELF ? undefined : b[element]
    const child = other && common(a[element] as FieldSet, other)
    if (child) children[element] = child
  }
  return makeNode(isMember(a) && isMember(b), children)
}

function prune(a: FieldSet, b: FieldSet): Node {
  const children: Record<string, FieldSet> = {}
  for (const element in a) {
    if (element === SELF) continue
    const [child, taken] = [a[element] as FieldSet, b[element]]
    const left = !taken ? child : isMember(taken) ? undefined : prune(child, taken)
    if (left) children[element] = left
  }
  return makeNode(isMember(a), children)
}

/** Answers `a` itself if `b` adds nothing to it. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(a)) return b
  return isEmpty(b) ? a : (unite(a, b) ?? EMPTY)
}

/** Without the members of `b`; what is below them stays. Answers `a` itself if nothing is taken from it. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return isEmpty(a) || isEmpty(b) ? a : (subtract(a, b) ?? EMPTY)
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return isEmpty(a) || isEmpty(b) ? EMPTY : (common(a, b) ?? EMPTY)
}

/** Without the members of `b` and all that is below them. */
export function differenceWithBelow(a: FieldSet, b: FieldSet): FieldSet {
  return isEmpty(a) || isEmpty(b) ? a : (prune(a, b) ?? EMPTY)
}

/** The set of some plain field paths, e.g. `[['status'], ['metadata', 'labels']]`. */
export function fieldSetOfPaths(paths: readonly (readonly string[])[]): FieldSet {
  const nest = (path: readonly string[]): FieldSet => path.reduceRight<FieldSet>((below, name) => ({ [`f:${name}`]: below }), LEAF)
  return paths.map(nest).reduce(union, EMPTY)
}

/** Every path of the set, parents before what is below them, as upstream prints them: `.spec.ports[port=80].name`. */
export function pathsOf(set: FieldSet): string[] {
  const paths: string[] = []
  const visit = (node: FieldSet, prefix: string): void => {
    const elements = Object.keys(node)
      .filter((element) => element !== SELF)
      .sort(compareElements)
    for (const element of elements) if (isMember(node[element] as FieldSet)) paths.push(prefix + printElement(element))
    for (const element of elements) visit(node[element] as FieldSet, prefix + printElement(element))
  }
  visit(set, '')
  return paths
}

function printElement(element: string): string {
  const rest = element.slice(2)
  if (element.startsWith('f:')) return `.${rest}`
  if (element.startsWith('v:')) return `[=${rest}]`
  if (element.startsWith('i:')) return `[${rest}]`
  const keys = Object.entries(JSON.parse(rest) as Record<string, unknown>)
  return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`
}

const KINDS = 'fkvi'

function compareElements(a: string, b: string): number {
  if (a[0] !== b[0]) return KINDS.indexOf(a[0] as string) - KINDS.indexOf(b[0] as string)
  if (a.startsWith('f:')) return compareScalars(a, b)
  const [left, right] = [JSON.parse(a.slice(2)) as unknown, JSON.parse(b.slice(2)) as unknown]
  if (!a.startsWith('k:')) return compareScalars(left, right)
  const [ours, theirs] = [Object.entries(left as object), Object.entries(right as object)]
  for (const [i, [name, value]] of ours.entries()) {
    const other = theirs[i]
    if (!other) return 1
    const order = compareScalars(name, other[0]) || compareScalars(value, other[1])
    if (order !== 0) return order
  }
  return ours.length - theirs.length
}

const isNumber = (value: unknown): boolean => typeof value === 'number' || typeof value === 'bigint'

function compareScalars(a: unknown, b: unknown): number {
  if (isNumber(a) !== isNumber(b)) return isNumber(a) ? -1 : 1
  if (a === b) return 0
  return (a as string) < (b as string) ? -1 : 1
}

/** The same set with its keys in upstream's order. */
export function canonical(set: FieldSet): FieldSet {
  const elements = Object.keys(set)
  if (elements.length === 0 || (elements.length === 1 && set[SELF])) return LEAF
  const sorted: Record<string, FieldSet> = {}
  if (set[SELF]) sorted[SELF] = LEAF
  // Most sets are in order as they are, and sorting costs far more than a look.
  const inOrder = elements.every((element, i) => i === 0 || compareElements(elements[i - 1] as string, element) <= 0)
  if (!inOrder) elements.sort(compareElements)
  for (const element of elements) if (element !== SELF) sorted[element] = canonical(set[element] as FieldSet)
  return sorted
}

/**
 * Some JSON as a field set, without elements of kinds that nobody knows yet; undefined if it is none. The very same where there is
 * nothing to leave out.
 */
export function readFieldSet(value: unknown): FieldSet | undefined {
  const node = readNode(value)
  if (!node?.[SELF]) return node
  const { [SELF]: _, ...set } = node
  return set
}

function readNode(value: unknown): FieldSet | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const known: [string, FieldSet][] = []
  let same = true
  for (const [element, below] of Object.entries(value)) {
    if (/^[^fkvi]:/.test(element)) {
      same = false
      continue
    }
    const node = element === SELF || isElement(element) ? readNode(below) : undefined
    if (!node) return undefined
    known.push([element, node])
    if (node !== below) same = false
  }
  return same ? (value as FieldSet) : Object.fromEntries(known)
}

function isElement(element: string): boolean {
  if (element.startsWith('f:')) return true
  if (!/^[kvi]:/.test(element)) return false
  try {
    const value: unknown = JSON.parse(element.slice(2))
    return !element.startsWith('k:') || (typeof value === 'object' && value !== null)
  } catch {
    return false
  }
}
