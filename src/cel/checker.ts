/** Gives every part of an expression its type and every call its overloads, or says with cel-go's words what does not fit. */
import { childrenOf, qualifiedNameOf } from './ast.ts'
import * as types from './types.ts'
import type { CallExpr, ComprehensionExpr, Expr, ListExpr, MapExpr, SelectExpr, StructExpr } from './ast.ts'
import type { Functions, Overload } from './overloads.ts'
import type { SourceErrors } from './sourceErrors.ts'
import type { Type } from './types.ts'

export interface Declarations {
  functions: Functions
  /** The type of a variable, or of the name of a type (which is `type(T)`). */
  lookup(name: string): Type | undefined
  /** The field by the name that expressions use for it. */
  fieldOf(type: Type, field: string): Type | undefined
}

interface Scope {
  readonly names: ReadonlyMap<string, Type>
  readonly outer: Scope | undefined
}

class Checker {
  readonly #declarations: Declarations
  readonly #errors: SourceErrors
  readonly #mapping = new types.Mapping()
  #scope: Scope | undefined
  #typeVariables = 0

  constructor(declarations: Declarations, errors: SourceErrors) {
    this.#declarations = declarations
    this.#errors = errors
  }

  check(expr: Expr): void {
    expr.type = this.#typeOf(expr)
  }

  /** Once everything is checked: what type parameters came to stand for, everywhere. */
  settle(expr: Expr): void {
    expr.type = types.substitute(this.#mapping, expr.type, true)
    for (const child of childrenOf(expr)) this.settle(child)
  }

  #typeOf(expr: Expr): Type {
    switch (expr.kind) {
      case 'literal':
        return literalType(expr.value)
      case 'ident':
        return this.#lookup(expr.name) ?? this.#undeclared(expr.offset, expr.name)
      case 'select':
        return this.#select(expr)
      case 'call':
        return this.#call(expr)
      case 'list':
        return this.#list(expr)
      case 'map':
        return this.#map(expr)
      case 'struct':
        return this.#struct(expr)
      case 'comprehension':
        return this.#comprehension(expr)
    }
  }

  #lookup(name: string): Type | undefined {
    if (name.startsWith('.')) return this.#declarations.lookup(name.slice(1))
    for (let scope = this.#scope; scope; scope = scope.outer) {
      const found = scope.names.get(name)
      if (found) return found
    }
    return this.#declarations.lookup(name)
  }

  #undeclared(offset: number, name: string): Type {
    this.#errors.report(offset, `undeclared reference to '${name}' (in container '')`)
    return types.ERROR
  }

  #newTypeVariable(): Type {
    return types.paramOf(`_var${this.#typeVariables++}`)
  }

  #assign(type: Type, to: Type): boolean {
    return this.#mapping.assign([type], [to])
  }

  #mismatch(offset: number, expected: Type, actual: Type): Type {
    this.#errors.report(offset, `expected type '${types.formatType(expected)}' but found '${types.formatType(actual)}'`)
    return types.ERROR
  }

  #select(expr: SelectExpr): Type {
    const name = expr.testOnly ? undefined : qualifiedNameOf(expr)
    const whole = name === undefined ? undefined : this.#lookup(name)
    if (whole && name !== undefined) {
      expr.qualifiedName = name
      return whole
    }
    const field = this.#field(expr.offset, expr.operand, expr.field, false)
    return expr.testOnly ? types.BOOL : types.substitute(this.#mapping, field, false)
  }

  #field(offset: number, operand: Expr, field: string, makesOptional: boolean): Type {
    this.check(operand)
    const operandType = types.substitute(this.#mapping, operand.type, false)
    const target = types.unwrapOptional(operandType)
    let result: Type = types.DYN
    if (target.kind === 'map') result = target.params[1]!
    else if (target.kind === 'object') result = this.#declarations.fieldOf(target, field) ?? this.#undefinedField(offset, field)
    else if (target.kind === 'param') this.#assign(types.DYN, target)
    else if (target.kind !== 'dyn' && target.kind !== 'error') this.#errors.report(offset, types.hasNoFields(target))
    return target !== operandType || makesOptional ? types.optionalOf(result) : result
  }

  #undefinedField(offset: number, field: string): Type {
    this.#errors.report(offset, `undefined field '${field}'`)
    return types.ERROR
  }

  #call(expr: CallExpr): Type {
    if (expr.function === '_?._') return this.#optionalSelect(expr)
    for (const arg of expr.args) this.check(arg)
    if (!expr.target) {
      const name = expr.function.replace(/^\./, '')
      const overloads = this.#declarations.functions.get(name)
      if (!overloads) return this.#undeclared(expr.offset, expr.function)
      expr.function = name
      return this.#resolve(expr, overloads)
    }
    const prefix = qualifiedNameOf(expr.target)
    const namespaced = prefix === undefined ? undefined : this.#declarations.functions.get(`${prefix}.${expr.function}`)
    if (namespaced) {
      expr.function = `${prefix}.${expr.function}`
      expr.target = undefined
      return this.#resolve(expr, namespaced)
    }
    this.check(expr.target)
    const overloads = this.#declarations.functions.get(expr.function)
    return overloads ? this.#resolve(expr, overloads) : this.#undeclared(expr.offset, expr.function)
  }

  #optionalSelect(expr: CallExpr): Type {
    const [operand, field] = expr.args
    field!.type = types.STRING
    const name = field!.kind === 'literal' ? String(field!.value) : ''
    return types.substitute(this.#mapping, this.#field(expr.offset, operand!, name, true), false)
  }

  #resolve(expr: CallExpr, overloads: readonly Overload[]): Type {
    const args = expr.target ? [expr.target, ...expr.args] : expr.args
    if (expr.function === '_&&_' || expr.function === '_||_') {
      expr.overloads = overloads
      for (const arg of args) if (!this.#assign(arg.type, types.BOOL)) this.#mismatch(arg.offset, types.BOOL, arg.type)
      return types.BOOL
    }
    const argTypes = args.map(({ type }) => type)
    const fitting: Overload[] = []
    let result: Type | undefined
    for (const overload of overloads) {
      if (overload.isMember !== (expr.target !== undefined)) continue
      const fresh = new Map(overload.typeParams.map((name) => [name, this.#newTypeVariable()]))
      const params = overload.params.map((param) => types.substitute(fresh, param, false))
      if (!this.#mapping.assign(argTypes, params)) continue
      fitting.push(overload)
      const type = types.substitute(this.#mapping, types.substitute(fresh, overload.result, false), false)
      if (!result) result = type
      else if (!types.isDyn(result) && !types.sameType(type, result)) result = types.DYN
    }
    expr.overloads = fitting
    if (result) return result
    const shown = argTypes.map((type) => types.substitute(this.#mapping, type, true))
    const signature = types.formatSignature(shown, expr.target !== undefined)
    this.#errors.report(expr.offset, `found no matching overload for '${expr.function}' applied to '${signature}'`)
    return types.ERROR
  }

  /** The type of what an optional item or entry holds. */
  #unwrap(value: Expr, isOptional: boolean): Type {
    if (!isOptional) return value.type
    const inner = types.unwrapOptional(value.type)
    if (inner === value.type && !types.isDyn(inner)) this.#mismatch(value.offset, types.optionalOf(inner), inner)
    return inner
  }

  /** Mixed types make anything; whether they may is for the validators. */
  #join(previous: Type | undefined, current: Type): Type {
    if (!previous) return current
    return this.#assign(previous, current) ? types.mostGeneral(previous, current) : types.DYN
  }

  #list(expr: ListExpr): Type {
    let of: Type | undefined
    expr.elements.forEach((element, i) => {
      this.check(element)
      of = this.#join(of, this.#unwrap(element, expr.optionals.has(i)))
    })
    return types.listOf(of ?? this.#newTypeVariable())
  }

  #map(expr: MapExpr): Type {
    let key: Type | undefined
    let value: Type | undefined
    for (const entry of expr.entries) {
      this.check(entry.key)
      key = this.#join(key, entry.key.type)
      this.check(entry.value)
      value = this.#join(value, this.#unwrap(entry.value, entry.optional))
    }
    return types.mapOf(key ?? this.#newTypeVariable(), value ?? this.#newTypeVariable())
  }

  #struct(expr: StructExpr): Type {
    const named = this.#lookup(expr.typeName)
    if (!named) return this.#undeclared(expr.offset, expr.typeName)
    let type = types.ERROR
    if (named.kind !== 'type') this.#errors.report(expr.offset, `'${types.formatType(named)}' is not a type`)
    else if (named.params[0]?.kind !== 'object')
      this.#errors.report(expr.offset, `'${named.params[0]?.name ?? 'type'}' is not a message type`)
    else type = named.params[0]
    for (const field of expr.fields) {
      this.check(field.value)
      if (type.kind === 'error') continue
      const wanted = this.#declarations.fieldOf(type, field.name) ?? this.#undefinedField(field.offset, field.name)
      const given = this.#unwrap(field.value, field.optional)
      if (this.#assign(wanted, given)) continue
      const [expected, actual] = [types.formatType(wanted), types.formatType(given)]
      this.#errors.report(field.offset, `expected type of field '${field.name}' is '${expected}' but provided type is '${actual}'`)
    }
    return type
  }

  #rangeVariables(range: Expr, isPair: boolean): Type[] {
    const type = types.substitute(this.#mapping, range.type, false)
    if (type.kind === 'list') return isPair ? [types.INT, type.params[0]!] : [type.params[0]!]
    if (type.kind === 'map') return isPair ? [type.params[0]!, type.params[1]!] : [type.params[0]!]
    if (type.kind === 'dyn' || type.kind === 'error' || type.kind === 'param') {
      this.#assign(types.DYN, type)
      return [types.DYN, types.DYN]
    }
    this.#errors.report(
      range.offset,
      `expression of type '${types.formatType(type)}' cannot be range of a comprehension (must be list, map, or dynamic)`,
    )
    return [types.ERROR, types.ERROR]
  }

  #comprehension(expr: ComprehensionExpr): Type {
    this.check(expr.range)
    this.check(expr.init)
    const [first, second] = this.#rangeVariables(expr.range, expr.iterVar2 !== undefined)
    const outer = this.#scope
    const accu: Scope = { names: new Map([[expr.accuVar, expr.init.type]]), outer }
    const names = new Map([[expr.iterVar, first!]])
    if (expr.iterVar2 !== undefined) names.set(expr.iterVar2, second!)
    this.#scope = { names, outer: accu }
    this.check(expr.condition)
    this.#require(expr.condition, types.BOOL)
    this.check(expr.step)
    this.#require(expr.step, expr.init.type)
    this.#scope = accu
    this.check(expr.result)
    this.#scope = outer
    return types.substitute(this.#mapping, expr.result.type, false)
  }

  #require(expr: Expr, type: Type): void {
    if (!this.#assign(type, expr.type)) this.#mismatch(expr.offset, type, expr.type)
  }
}

function literalType(value: Extract<Expr, { kind: 'literal' }>['value']): Type {
  if (value === null) return types.NULL
  if (typeof value === 'boolean') return types.BOOL
  if (typeof value === 'bigint') return types.INT
  if (typeof value === 'number') return types.DOUBLE
  if (typeof value === 'string') return types.STRING
  return value instanceof Uint8Array ? types.BYTES : types.UINT
}

/** What is wrong goes to the errors; where nothing is, every part has its type afterwards. */
export function check(expr: Expr, declarations: Declarations, errors: SourceErrors): void {
  const checker = new Checker(declarations, errors)
  checker.check(expr)
  if (errors.count === 0) checker.settle(expr)
}
