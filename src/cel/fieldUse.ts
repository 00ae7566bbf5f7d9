/** Which fields of a variable an expression reads, as it is written. */
import { childrenOf } from './ast.ts'
import type { Expr } from './ast.ts'
import { MACROS } from './macros.ts'
import { parse } from './parser.ts'
import { SourceErrors } from './sourceErrors.ts'

/** Whether the expression says `variable.field`, or `variable.?field`. */
export function readsField(expression: string, variable: string, field: string): boolean {
  const parsed = parse(expression, MACROS, new SourceErrors(expression))
  const isVariable = (expr: Expr | undefined): boolean => expr?.kind === 'ident' && expr.name === variable
  const reads = (expr: Expr): boolean => {
    if (expr.kind === 'select' && expr.field === field && isVariable(expr.operand)) return true
    if (expr.kind === 'call' && expr.function === '_?._') {
      const [operand, name] = expr.args
      if (isVariable(operand) && name?.kind === 'literal' && name.value === field) return true
    }
    return childrenOf(expr).some(reads)
  }
  return parsed !== undefined && reads(parsed)
}
