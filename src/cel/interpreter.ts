/**
 * Turns a checked expression into closures. Each adds what it costs by cel-go's account, where a path through objects
 * (`a.b[c]`) costs one for its beginning and one for each step.
 */
import { OPTIMIZED_CONVERSIONS, actualCostOf, costsItsResult } from './cost/actual.ts'
import { noOverload } from './comparing.ts'
import { adapterOf } from './adapting.ts'
import { faultOf } from './frame.ts'
import { createObject } from './construction.ts'
import { compileComprehension } from './folding.ts'
import { index, optionalIndex, select } from './qualifying.ts'
import { patternError } from './library/re2.ts'
import { ArrayList, EntryMap, Fault, ListValue, NONE, OptionalValue, TypeValue, toMapKey, typeNameOf } from './values.ts'
import type { CallExpr, Expr, ListExpr, MapExpr, SelectExpr, StructExpr } from './ast.ts'
import type { Frame, Input, Run } from './frame.ts'
import type { ActualCost } from './cost/actual.ts'
import type { CelType } from './program.ts'
import type { Overload } from './overloads.ts'
import type { Value } from './values.ts'

interface Step {
  run: Run
  /** A path, whose beginning costs one where it stands for itself. */
  isPath?: boolean
  constant?: Value
}

const CREATION_COSTS = { list: 10, map: 30, struct: 40 }

export class Planner {
  readonly inputs: Input[] = []
  readonly #variables: Readonly<Record<string, CelType>>
  readonly #slots = new Map<string, number>()
  readonly #scopes: Map<string, number>[] = []
  #slotCount = 0

  constructor(variables: Readonly<Record<string, CelType>>) {
    this.#variables = variables
  }

  run(expr: Expr): Run {
    return this.plan(expr, false).run
  }

  /** Without the cost of a path's beginning when it is bare. */
  plan(expr: Expr, isBare: boolean): Step {
    switch (expr.kind) {
      case 'literal': {
        const { value } = expr
        return { run: () => value, constant: value }
      }
      case 'ident':
        return this.#ident(expr.name, isBare)
      case 'select':
        return expr.qualifiedName === undefined ? this.#select(expr, isBare) : this.#ident(expr.qualifiedName, isBare)
      case 'call':
        return this.#call(expr, isBare)
      case 'list':
        return this.#list(expr)
      case 'map':
        return this.#map(expr)
      case 'struct':
        return this.#struct(expr)
      case 'comprehension':
        return { run: compileComprehension(this, expr) }
    }
  }

  /** A slot for a variable of the expression's own, known by its name until the scope ends. */
  inScope<T>(names: readonly string[], within: (slots: number[]) => T): T {
    const slots = names.map(() => this.#newSlot())
    this.#scopes.push(new Map(names.map((name, i) => [name, slots[i]!])))
    try {
      return within(slots)
    } finally {
      this.#scopes.pop()
    }
  }

  #newSlot(input?: Input): number {
    if (input) this.inputs[this.#slotCount] = input
    return this.#slotCount++
  }

  #slotOf(name: string): number | undefined {
    for (let i = this.#scopes.length - 1; i >= 0; i--) {
      const slot = this.#scopes[i]!.get(name)
      if (slot !== undefined) return slot
    }
    const known = this.#slots.get(name)
    if (known !== undefined) return known
    const declared = Object.hasOwn(this.#variables, name) ? this.#variables[name] : undefined
    if (!declared) return undefined
    const slot = this.#newSlot({ name, adapt: adapterOf(declared) })
    this.#slots.set(name, slot)
    return slot
  }

  #ident(written: string, isBare: boolean): Step {
    const name = written.replace(/^\./, '')
    const slot = this.#slotOf(name)
    if (slot === undefined) {
      const constant = new TypeValue(name)
      return { run: () => constant, constant }
    }
    if (isBare) return { isPath: true, run: (frame) => frame.read(slot) }
    return {
      isPath: true,
      run: (frame) => {
        frame.charge(1)
        return frame.read(slot)
      },
    }
  }

  /** What a step of a path starts from. */
  #origin(expr: Expr, isBare: boolean): Run {
    const { run, isPath } = this.plan(expr, isBare)
    if (isPath || isBare) return run
    return (frame) => {
      frame.charge(1)
      return run(frame)
    }
  }

  #select(expr: SelectExpr, isBare: boolean): Step {
    const { field, testOnly } = expr
    const operand = this.#origin(expr.operand, isBare || testOnly)
    if (testOnly) {
      return {
        run: (frame) => {
          const value = operand(frame)
          frame.charge(1)
          return select(value, field, true) !== undefined
        },
      }
    }
    return {
      isPath: true,
      run: (frame) => {
        const value = operand(frame)
        frame.charge(1)
        const found = select(value, field, false)
        if (found === undefined) throw new Fault(`no such key: ${field}`)
        return found
      },
    }
  }

  #call(expr: CallExpr, isBare: boolean): Step {
    switch (expr.function) {
      case '_&&_':
        return { run: this.#logical(expr, false) }
      case '_||_':
        return { run: this.#logical(expr, true) }
      case '_?_:_':
        return this.#conditional(expr)
      case '@not_strictly_false':
        return { run: this.#notStrictlyFalse(expr) }
      case '_[_]':
        return this.#index(expr, isBare)
      case '_?._':
      case '_[?_]':
        return this.#optionalIndex(expr, isBare)
      case 'or':
      case 'orValue':
        return { run: this.#or(expr) }
      case '@in':
        return this.#in(expr)
      default:
        return this.#function(expr)
    }
  }

  /** An error on one side does not count when the other side decides. */
  #logical(expr: CallExpr, decisive: boolean): Run {
    const [left, right] = expr.args.map((arg) => this.run(arg))
    return (frame) => {
      let fault: Fault | undefined
      for (const run of [left!, right!]) {
        try {
          const value = run(frame)
          if (value === decisive) return decisive
          if (typeof value !== 'boolean') fault ??= noOverload()
        } catch (error) {
          const caught = faultOf(error)
          fault ??= caught
        }
      }
      if (fault) throw fault
      return !decisive
    }
  }

  #conditional(expr: CallExpr): Step {
    const [condition, whenTrue, whenFalse] = expr.args
    const test = this.run(condition!)
    const yes = this.plan(whenTrue!, true).run
    const no = this.plan(whenFalse!, true).run
    return {
      isPath: true,
      run: (frame) => {
        const value = test(frame)
        if (value === true) return yes(frame)
        if (value === false) return no(frame)
        throw noOverload()
      },
    }
  }

  #notStrictlyFalse(expr: CallExpr): Run {
    const operand = this.run(expr.args[0]!)
    return (frame) => {
      let result = true
      try {
        result = operand(frame) !== false
      } catch (error) {
        faultOf(error)
      }
      frame.charge(1)
      return result
    }
  }

  #key(expr: Expr): Run {
    return this.plan(expr, true).run
  }

  #index(expr: CallExpr, isBare: boolean): Step {
    const operand = this.#origin(expr.args[0]!, isBare)
    const key = this.#key(expr.args[1]!)
    return {
      isPath: true,
      run: (frame) => {
        const value = operand(frame)
        const at = key(frame)
        frame.charge(1)
        return index(value, at)
      },
    }
  }

  #optionalIndex(expr: CallExpr, isBare: boolean): Step {
    const operand = this.#origin(expr.args[0]!, isBare)
    const key = this.#key(expr.args[1]!)
    return {
      isPath: true,
      run: (frame) => {
        const value = operand(frame)
        const found = optionalIndex(value, key(frame))
        if (found === undefined) return NONE
        frame.charge(1)
        return found
      },
    }
  }

  #or(expr: CallExpr): Run {
    const [left, right] = [this.run(expr.target!), this.run(expr.args[0]!)]
    const unwraps = expr.function === 'orValue'
    return (frame) => {
      const value = left(frame)
      if (!(value instanceof OptionalValue)) throw noOverload()
      if (value.value === undefined) return right(frame)
      return unwraps ? value.value : value
    }
  }

  /** Membership in a constant list costs nothing of its own. */
  #in(expr: CallExpr): Step {
    const [item, list] = expr.args
    const members = this.plan(list!, false).constant
    if (!(members instanceof ListValue) || expr.overloads.length !== 1) return this.#function(expr)
    if (members.size === 0) return { run: () => false, constant: false }
    const keys = [...members].map(toMapKey)
    const doubles = [...members].some((member) => typeof member === 'number')
    if (doubles || keys.some((key) => typeof key === 'object' && key !== null)) return this.#function(expr)
    const set = new Set(keys)
    const run = this.run(item!)
    return {
      run: (frame) => {
        return set.has(toMapKey(run(frame)))
      },
    }
  }

  #function(expr: CallExpr): Step {
    const args = (expr.target ? [expr.target, ...expr.args] : expr.args).map((arg) => this.plan(arg, false))
    const invoke = dispatch(expr.function, expr.overloads)
    if (args.length === 1 && args[0]!.constant !== undefined && OPTIMIZED_CONVERSIONS.has(expr.function)) {
      const constant = invoke([args[0]!.constant])
      return { run: () => constant, constant }
    }
    if (PATTERN_FUNCTIONS.has(expr.function)) checkPattern(args[1]?.constant)
    const cost = actualCostOf(expr.function, expr.overloads.length === 1 ? expr.overloads[0]!.id : '')
    return {
      run: invocation(
        args.map(({ run }) => run),
        invoke,
        cost,
      ),
    }
  }

  #list(expr: ListExpr): Step {
    const steps = expr.elements.map((element) => this.plan(element, false))
    if (expr.optionals.size === 0 && steps.every(({ constant }) => constant !== undefined)) {
      const constant = new ArrayList(steps.map((step) => step.constant!))
      return { run: () => constant, constant }
    }
    const runs = steps.map(({ run }) => run)
    const { optionals } = expr
    return {
      run: (frame) => {
        const items: Value[] = []
        for (const [i, run] of runs.entries()) {
          const value = run(frame)
          if (!optionals.has(i)) items.push(value)
          else if (!(value instanceof OptionalValue)) throw new Fault('cannot initialize optional list element from non-optional value')
          else if (value.value !== undefined) items.push(value.value)
        }
        frame.charge(CREATION_COSTS.list)
        return new ArrayList(items)
      },
    }
  }

  #map(expr: MapExpr): Step {
    const entries = expr.entries.map(({ key, value, optional }) => ({
      key: this.plan(key, false),
      value: this.plan(value, false),
      optional,
    }))
    if (entries.every(({ key, value, optional }) => !optional && key.constant !== undefined && value.constant !== undefined)) {
      const constant = EntryMap.of(entries.map(({ key, value }) => [key.constant!, value.constant!]))
      return { run: () => constant, constant }
    }
    return {
      run: (frame) => {
        const pairs: [Value, Value][] = []
        for (const { key, value, optional } of entries) {
          const name = key.run(frame)
          const held = unwrapEntry(value.run(frame), optional, name)
          if (held !== undefined) pairs.push([name, held])
        }
        frame.charge(CREATION_COSTS.map)
        return EntryMap.of(pairs)
      },
    }
  }

  #struct(expr: StructExpr): Step {
    const fields = expr.fields.map(({ name, value, optional }) => ({ name, run: this.run(value), optional }))
    const { type } = expr
    return {
      run: (frame) => {
        const values: [string, Value][] = []
        for (const { name, run, optional } of fields) {
          const held = unwrapEntry(run(frame), optional, name)
          if (held !== undefined) values.push([name, held])
        }
        frame.charge(CREATION_COSTS.struct)
        return createObject(type, values)
      },
    }
  }
}

/** Constant patterns are compiled with the expression. */
const PATTERN_FUNCTIONS: ReadonlySet<string> = new Set(['find', 'findAll'])

function checkPattern(pattern: Value | undefined): void {
  const error = typeof pattern === 'string' ? patternError(pattern) : undefined
  if (error !== undefined) throw new Fault(error)
}

const MOST_PARTS_EVALUATED_DESPITE_ERRORS = 2

/** A call costs what it costs also where a part of it is an error, and of two parts both are evaluated. */
function invocation(runs: readonly Run[], invoke: (values: readonly Value[]) => Value, cost: ActualCost | undefined): Run {
  const chargesFirst = cost === undefined || !costsItsResult(cost)
  return (frame) => {
    const values: Value[] = []
    let fault: Fault | undefined
    let result: Value = null
    try {
      for (const run of runs) values.push(run(frame))
      if (chargesFirst) frame.charge(cost?.(values, null) ?? 1)
      result = invoke(values)
    } catch (error) {
      fault = faultOf(error)
    }
    const wasShort = values.length < runs.length
    if (fault && wasShort) {
      if (runs.length > MOST_PARTS_EVALUATED_DESPITE_ERRORS) throw fault
      values.push(null)
      if (values.length < runs.length) values.push(attempt(runs[1]!, frame))
    }
    if (!chargesFirst || wasShort) frame.charge(cost?.(values, result) ?? 1)
    if (fault) throw fault
    return result
  }
}

function attempt(run: Run, frame: Frame): Value {
  try {
    return run(frame)
  } catch (error) {
    faultOf(error)
    return null
  }
}

function unwrapEntry(value: Value, isOptional: boolean, key: Value): Value | undefined {
  if (!isOptional) return value
  if (value instanceof OptionalValue) return value.value
  throw new Fault(`cannot initialize optional entry '${String(toMapKey(key))}' from non-optional value`)
}

/** The overload is chosen by what the arguments are, among those that their types allow. */
function dispatch(name: string, overloads: readonly Overload[]): (values: readonly Value[]) => Value {
  return (values) => {
    for (const { accepts, run } of overloads) {
      if (accepts.length === values.length && accepts.every((accept, i) => accept(values[i]!))) return run(...values)
    }
    if (!/^[a-z]/i.test(name)) throw noOverload()
    throw new Fault(`no such overload: ${name}(${values.map(typeNameOf).join(', ')})`)
  }
}
