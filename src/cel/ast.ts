/** What the parser makes of an expression, macros already expanded, and the checker fills in. */
import { ERROR } from './types.ts'
import type { Overload } from './overloads.ts'
import type { Type } from './types.ts'
import type { Value } from './values.ts'

interface Node {
  /** Where messages point, in UTF-16 units. */
  readonly offset: number
  /** Set by the checker. */
  type: Type
}

export interface LiteralExpr extends Node {
  readonly kind: 'literal'
  readonly value: Value
}

interface IdentExpr extends Node {
  readonly kind: 'ident'
  readonly name: string
}

export interface SelectExpr extends Node {
  readonly kind: 'select'
  readonly operand: Expr
  readonly field: string
  readonly testOnly: boolean
  /** Set by the checker where the whole path is the name of one thing (`google.protobuf.Timestamp`). */
  qualifiedName?: string
}

export interface CallExpr extends Node {
  readonly kind: 'call'
  /** The checker puts the qualified name of a namespaced function here and takes the target away. */
  function: string
  target: Expr | undefined
  readonly args: readonly Expr[]
  /** The candidates, set by the checker. */
  overloads: readonly Overload[]
}

export interface ListExpr extends Node {
  readonly kind: 'list'
  readonly elements: readonly Expr[]
  readonly optionals: ReadonlySet<number>
}

export interface EntryExpr {
  readonly offset: number
  readonly key: Expr
  readonly value: Expr
  readonly optional: boolean
}

export interface MapExpr extends Node {
  readonly kind: 'map'
  readonly entries: readonly EntryExpr[]
}

export interface FieldExpr {
  readonly offset: number
  readonly name: string
  readonly value: Expr
  readonly optional: boolean
}

export interface StructExpr extends Node {
  readonly kind: 'struct'
  readonly typeName: string
  readonly fields: readonly FieldExpr[]
}

export interface ComprehensionExpr extends Node {
  readonly kind: 'comprehension'
  readonly range: Expr
  readonly iterVar: string
  readonly iterVar2?: string
  readonly accuVar: string
  readonly init: Expr
  readonly condition: Expr
  readonly step: Expr
  readonly result: Expr
}

export type Expr = LiteralExpr | IdentExpr | SelectExpr | CallExpr | ListExpr | MapExpr | StructExpr | ComprehensionExpr

export const literal = (offset: number, value: Value): LiteralExpr => ({ kind: 'literal', offset, type: ERROR, value })
export const ident = (offset: number, name: string): IdentExpr => ({ kind: 'ident', offset, type: ERROR, name })
export const select = (offset: number, operand: Expr, field: string, testOnly = false): SelectExpr => ({
  kind: 'select',
  offset,
  type: ERROR,
  operand,
  field,
  testOnly,
})
export const call = (offset: number, name: string, args: readonly Expr[], target?: Expr): CallExpr => ({
  kind: 'call',
  offset,
  type: ERROR,
  function: name,
  target,
  args,
  overloads: [],
})
export const list = (offset: number, elements: readonly Expr[], optionals: ReadonlySet<number> = new Set()): ListExpr => ({
  kind: 'list',
  offset,
  type: ERROR,
  elements,
  optionals,
})
export const map = (offset: number, entries: readonly EntryExpr[]): MapExpr => ({ kind: 'map', offset, type: ERROR, entries })
export const struct = (offset: number, typeName: string, fields: readonly FieldExpr[]): StructExpr => ({
  kind: 'struct',
  offset,
  type: ERROR,
  typeName,
  fields,
})
export const comprehension = (offset: number, parts: Omit<ComprehensionExpr, 'kind' | 'offset' | 'type'>): ComprehensionExpr => ({
  kind: 'comprehension',
  offset,
  type: ERROR,
  ...parts,
})

/** `a.b.c` as one name, where the expression is nothing but names. */
export function qualifiedNameOf(expr: Expr): string | undefined {
  if (expr.kind === 'ident') return expr.name
  if (expr.kind !== 'select' || expr.testOnly) return undefined
  const prefix = qualifiedNameOf(expr.operand)
  return prefix === undefined ? undefined : `${prefix}.${expr.field}`
}

/** The parts of an expression, in the order in which they are evaluated. */
export function childrenOf(expr: Expr): Expr[] {
  switch (expr.kind) {
    case 'select':
      return [expr.operand]
    case 'call':
      return expr.target ? [expr.target, ...expr.args] : [...expr.args]
    case 'list':
      return [...expr.elements]
    case 'map':
      return expr.entries.flatMap(({ key, value }) => [key, value])
    case 'struct':
      return expr.fields.map(({ value }) => value)
    case 'comprehension':
      return [expr.range, expr.init, expr.condition, expr.step, expr.result]
    default:
      return []
  }
}

/** How many parts there are, or at least as many as asked. */
export function countParts(expr: Expr, most: number): number {
  let count = 1
  for (const child of childrenOf(expr)) {
    if (count >= most) return count
    count += countParts(child, most - count)
  }
  return count
}

export function copyExpr<T extends Expr>(expr: T): T {
  const copy = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(copy)
    if (value === null || typeof value !== 'object' || value instanceof Set) return value
    if (!('offset' in value)) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, key === 'type' || key === 'overloads' ? inner : copy(inner)]),
    )
  }
  return copy(expr) as T
}
