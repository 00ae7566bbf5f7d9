/** The worst that an expression can cost, estimated before it runs (cel-go's checker/cost.go, by whose result upstream accepts rules). */
import { INDICES, ITEMS, KEYS, UNKNOWN, VALUES, add, declaredSize, fixed, isUnbounded, multiply, union } from './sizes.ts'
import { estimateCall } from './calls.ts'
import { lengthOf } from '../values.ts'
import type { CallExpr, ComprehensionExpr, Expr, LiteralExpr } from '../ast.ts'
import type { Environment } from '../program.ts'
import type { Part } from './calls.ts'
import type { Path, Range } from './sizes.ts'
import type { Type } from '../types.ts'

const CREATION = { list: fixed(10), map: fixed(30), struct: fixed(40) }
const NOTHING = fixed(0)
const ONE = fixed(1)
/** What no item can be smaller than, before one is known. */
const NO_ITEM: Range = { min: 2 ** 64, max: 0 }

/** What is known of the keys and the items of a list or map. */
interface Entries {
  isList: boolean
  key: Range
  value: Range
}

interface Local {
  path: Path | undefined
  size: Range | undefined
  entries: Entries | undefined
}

const SCALARS = new Set(['bool', 'double', 'duration', 'int', 'timestamp', 'type', 'uint'])
const isScalar = (type: Type): boolean =>
  SCALARS.has(type.kind) || (type.kind === 'opaque' && type.name === 'optional_type' && isScalar(type.params[0]!))

function sizeOfLiteral(value: LiteralExpr['value']): Range {
  if (typeof value === 'string') return fixed(lengthOf(value))
  return fixed(value instanceof Uint8Array ? value.length : 1)
}

const isBinding = (expr: ComprehensionExpr): boolean =>
  expr.range.kind === 'list' && expr.range.elements.length === 0 && expr.condition.kind === 'literal' && expr.condition.value === false

class Estimator {
  readonly #variables: Environment['variables']
  readonly #paths = new Map<Expr, Path>()
  readonly #sizes = new Map<Expr, Range>()
  readonly #entries = new Map<Expr, Entries>()
  readonly #locals = new Map<string, Local[]>()

  constructor(variables: Environment['variables']) {
    this.#variables = variables
  }

  cost(expr: Expr): Range {
    switch (expr.kind) {
      case 'literal':
        return NOTHING
      case 'ident': {
        const local = this.#local(expr.name)
        this.#paths.set(expr, local ? (local.path ?? []) : [expr.name.replace(/^\./, '')])
        return ONE
      }
      case 'select': {
        if (expr.qualifiedName !== undefined) {
          this.#paths.set(expr, expr.qualifiedName.split('.'))
          return ONE
        }
        const operand = this.cost(expr.operand)
        if (expr.testOnly) return operand
        this.#paths.set(expr, [...(this.#path(expr.operand) ?? []), expr.field])
        return ['map', 'object', 'param'].includes(expr.operand.type.kind) ? add(operand, ONE) : operand
      }
      case 'call':
        return this.#call(expr)
      case 'list': {
        const cost = expr.elements.reduce((sum, element) => add(sum, this.cost(element)), CREATION.list)
        this.#entries.set(expr, { isList: true, key: ONE, value: this.#joint(expr.elements) })
        return cost
      }
      case 'map': {
        const cost = expr.entries.reduce((sum, { key, value }) => add(add(sum, this.cost(key)), this.cost(value)), CREATION.map)
        const [keys, values] = [expr.entries.map(({ key }) => key), expr.entries.map(({ value }) => value)]
        this.#entries.set(expr, { isList: false, key: this.#joint(keys), value: this.#joint(values) })
        return cost
      }
      case 'struct':
        return expr.fields.reduce((sum, { value }) => add(sum, this.cost(value)), CREATION.struct)
      case 'comprehension':
        return isBinding(expr) ? this.#binding(expr) : this.#comprehension(expr)
    }
  }

  #joint(items: readonly Expr[]): Range {
    const start = items.length === 0 ? { ...NO_ITEM, min: 0 } : NO_ITEM
    return items.reduce((joint, item) => union(joint, this.#sizeOrUnknown(item)), start)
  }

  #local(name: string): Local | undefined {
    return this.#locals.get(name)?.at(-1)
  }

  #push(name: string, local: Local): void {
    const known = this.#locals.get(name)
    if (known) known.push(local)
    else this.#locals.set(name, [local])
  }

  #path(expr: Expr): Path | undefined {
    const local = expr.kind === 'ident' ? this.#local(expr.name) : undefined
    return local ? local.path : this.#paths.get(expr)
  }

  #sizeOrUnknown(expr: Expr): Range {
    return this.#size(expr) ?? UNKNOWN
  }

  #size(expr: Expr): Range | undefined {
    const known = this.#sizes.get(expr)
    if (known) return known
    if (expr.kind === 'literal') return sizeOfLiteral(expr.value)
    if (expr.kind === 'list') return fixed(expr.elements.length)
    if (expr.kind === 'map') return fixed(expr.entries.length)
    const declared = declaredSize(this.#path(expr), this.#variables)
    if (declared) {
      this.#sizes.set(expr, declared)
      return declared
    }
    if (isScalar(expr.type)) return ONE
    return expr.kind === 'ident' ? this.#local(expr.name)?.size : undefined
  }

  #entriesOf(expr: Expr): Entries | undefined {
    return this.#entries.get(expr) ?? (expr.kind === 'ident' ? this.#local(expr.name)?.entries : undefined)
  }

  #part(expr: Expr, cost: Range): Part {
    const path = this.#path(expr)
    return {
      size: this.#sizeOrUnknown(expr),
      cost,
      type: expr.type,
      path,
      literal: expr.kind === 'literal' ? expr.value : undefined,
      sizeAt: (at) => declaredSize(at, this.#variables),
    }
  }

  #call(expr: CallExpr): Range {
    if (expr.function === 'dyn') {
      const cost = add(ONE, this.cost(expr.args[0]!))
      this.#copy(expr, expr.args[0]!)
      return cost
    }
    const args = expr.args.map((arg) => this.#part(arg, this.cost(arg)))
    const targetCost = expr.target ? this.cost(expr.target) : NOTHING
    const target = expr.target && this.#part(expr.target, targetCost)
    const partsCost = args.reduce((sum, { cost }) => add(sum, cost), NOTHING)
    let cost: Range = NO_ITEM
    let size: Range | undefined
    for (const { id } of expr.overloads) {
      const special = this.#logical(expr, args)
      const estimate = special ?? estimateCall(expr.function, id, { target, args })
      cost = union(cost, special ? special.cost : add(estimate.cost, partsCost))
      if (estimate.resultSize) size = size ? union(size, estimate.resultSize) : estimate.resultSize
      if (id === 'index_list' || id === 'index_map') {
        const [container] = expr.args
        size = this.#entriesOf(container!)?.value
        this.#paths.set(expr, [...(this.#path(container!) ?? []), id === 'index_list' ? ITEMS : VALUES])
      } else if (id === 'add_list' || id === 'add_string' || id === 'add_bytes') this.#joinEntries(expr, expr.args[0]!, expr.args[1]!)
      size ??= this.#size(expr)
    }
    if (size) this.#sizes.set(expr, size)
    return add(targetCost, cost)
  }

  /** The functions that do not evaluate all of their parts. */
  #logical(expr: CallExpr, [first, second, third]: readonly Part[]): { cost: Range; resultSize?: Range } | undefined {
    if (expr.function === '_&&_' || expr.function === '_||_') {
      return { cost: { min: first!.cost.min, max: add(first!.cost, second!.cost).max } }
    }
    if (expr.function !== '_?_:_') return undefined
    this.#joinEntries(expr, expr.args[1]!, expr.args[2]!)
    return { cost: add(first!.cost, union(second!.cost, third!.cost)), resultSize: union(second!.size, third!.size) }
  }

  #joinEntries(of: Expr, first: Expr, second: Expr): void {
    const [a, b] = [this.#entriesOf(first), this.#entriesOf(second)]
    if (a && b) this.#entries.set(of, { isList: a.isList, key: union(a.key, b.key), value: union(a.value, b.value) })
  }

  #copy(to: Expr, from: Expr): void {
    const size = this.#size(from)
    if (size) this.#sizes.set(to, size)
    const entries = this.#entriesOf(from)
    if (entries) this.#entries.set(to, entries)
  }

  #binding(expr: ComprehensionExpr): Range {
    const start = add(this.cost(expr.range), this.cost(expr.init))
    this.#push(expr.accuVar, { path: this.#path(expr.init), size: this.#size(expr.init), entries: this.#entriesOf(expr.init) })
    const cost = add(start, this.cost(expr.result))
    this.#locals.get(expr.accuVar)!.pop()
    this.#copy(expr, expr.result)
    return cost
  }

  #pushLoopVariables(expr: ComprehensionExpr): void {
    const entries = this.#entriesOf(expr.range)
    const path = this.#path(expr.range) ?? []
    const isList = entries?.isList ?? expr.range.type.kind === 'list'
    const key = { path: [...path, isList ? INDICES : KEYS], size: entries?.key, entries: undefined }
    const value = { path: [...path, isList ? ITEMS : VALUES], size: entries?.value, entries: undefined }
    if (expr.iterVar2 === undefined) this.#push(expr.iterVar, isList ? value : key)
    else {
      this.#push(expr.iterVar, key)
      this.#push(expr.iterVar2, value)
    }
  }

  #comprehension(expr: ComprehensionExpr): Range {
    let cost = add(this.cost(expr.range), this.cost(expr.init))
    this.#push(expr.accuVar, { path: this.#path(expr.init), size: this.#size(expr.init), entries: this.#entriesOf(expr.init) })
    this.#pushLoopVariables(expr)
    const each = add(this.cost(expr.condition), this.cost(expr.step))
    this.#locals.get(expr.iterVar)!.pop()
    if (expr.iterVar2 !== undefined) this.#locals.get(expr.iterVar2)!.pop()
    cost = add(cost, this.cost(expr.result))
    this.#locals.get(expr.accuVar)!.pop()
    const count = this.#sizeOrUnknown(expr.range)
    if (expr.init.kind === 'literal') this.#sizes.set(expr, this.#sizeOrUnknown(expr.init))
    else if (expr.init.kind === 'list' || expr.init.kind === 'map') {
      this.#sizes.set(expr, count)
      const entries = this.#entriesOf(expr.step)
      if (entries) this.#entries.set(expr, entries)
    }
    return add(cost, multiply(count, each))
  }
}

/** In upstream's cost units; Infinity where nothing bounds it. */
export function estimateCost(expr: Expr, { variables }: Environment): number {
  const { max } = new Estimator(variables).cost(expr)
  return isUnbounded(max) ? Infinity : max
}
