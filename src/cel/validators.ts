/** What upstream refuses of expressions whose types fit: literals that can mean nothing, and lists and maps of mixed types. */
import { STANDARD } from './library/standard.ts'
import { childrenOf } from './ast.ts'
import { clauseError, clausesOf } from './library/textFormat.ts'
import { formatType, isDyn, runtimeNameOf, sameType, unwrapOptional } from './types.ts'
import { patternError } from './library/re2.ts'
import { Fault } from './values.ts'
import type { CallExpr, Expr } from './ast.ts'
import type { SourceErrors } from './sourceErrors.ts'
import type { Type } from './types.ts'
import type { Value } from './values.ts'

/** Whether the function takes the literal, tried on it. */
function isTaken(name: string, value: Value): boolean {
  const overload = STANDARD.find((known) => known.function === name && known.accepts[0]!(value))
  try {
    overload?.run(value)
    return true
  } catch (error) {
    if (error instanceof Fault) return false
    throw error
  }
}

const LITERALS: Readonly<Record<string, (value: Value) => boolean>> = {
  duration: (value) => isTaken('duration', value),
  timestamp: (value) => isTaken('timestamp', value),
  matches: (value) => typeof value !== 'string' || patternError(value) === undefined,
}

function checkLiteral(expr: CallExpr, errors: SourceErrors): void {
  const isValid = Object.hasOwn(LITERALS, expr.function) ? LITERALS[expr.function] : undefined
  const [arg] = expr.args
  if (isValid && arg?.kind === 'literal' && !isValid(arg.value)) errors.report(arg.offset, `invalid ${expr.function} argument`)
}

const mismatch = (errors: SourceErrors, expr: Expr, expected: Type): void =>
  errors.report(expr.offset, `expected type '${formatType(expected)}' but found '${formatType(expr.type)}'`)

function checkList(expr: Extract<Expr, { kind: 'list' }>, errors: SourceErrors): void {
  let type: Type | undefined
  for (const [i, element] of expr.elements.entries()) {
    const own = expr.optionals.has(i) ? unwrapOptional(element.type) : element.type
    type ??= own
    if (sameType(type, own)) continue
    mismatch(errors, element, type)
    return
  }
}

function checkMap(expr: Extract<Expr, { kind: 'map' }>, errors: SourceErrors): void {
  const [first] = expr.entries
  if (!first) return
  const valueOf = ({ value, optional }: typeof first): Type => (optional ? unwrapOptional(value.type) : value.type)
  const [keyType, valueType] = [first.key.type, valueOf(first)]
  for (const entry of expr.entries) {
    if (!sameType(keyType, entry.key.type)) mismatch(errors, entry.key, keyType)
    if (!sameType(valueType, valueOf(entry))) mismatch(errors, entry.value, valueType)
  }
}

function checkFormat(expr: CallExpr, errors: SourceErrors): void {
  const [args] = expr.args
  if (expr.target?.kind !== 'literal' || typeof expr.target.value !== 'string' || args?.kind !== 'list') return
  try {
    const clauses = clausesOf(expr.target.value)
    const count = clauses.length
    for (const [i, { letter }] of clauses.entries()) {
      const arg = args.elements[i]
      const error = arg && !isDyn(arg.type) ? clauseError(letter, arg.type.kind, runtimeNameOf(arg.type)) : undefined
      if (arg && error !== undefined) {
        errors.report(arg.offset, error)
        return
      }
    }
    if (args.elements.length < count) errors.report(expr.offset, `index ${args.elements.length} out of range`)
    if (args.elements.length > count) {
      errors.report(expr.offset, `too many arguments supplied to string.format (expected ${count}, got ${args.elements.length})`)
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    errors.report(expr.offset, error.message)
  }
}

/** Texts are formatted from lists of anything, so there types may be mixed. */
export function validate(expr: Expr, errors: SourceErrors, isWithinFormat = false): void {
  if (expr.kind === 'call') checkLiteral(expr, errors)
  if (expr.kind === 'list' && !isWithinFormat) checkList(expr, errors)
  if (expr.kind === 'map' && !isWithinFormat) checkMap(expr, errors)
  const isFormat = expr.kind === 'call' && expr.function === 'format'
  if (isFormat) checkFormat(expr, errors)
  for (const child of childrenOf(expr)) validate(child, errors, isWithinFormat || isFormat)
}
