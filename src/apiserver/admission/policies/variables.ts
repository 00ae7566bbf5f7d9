/** Variables of a policy: expressions with names, each evaluated when another expression first asks for it. */
import type { Variable } from '../../../api/kinds/admissionregistration/v1.ts'
import { CostExceededError, EvaluationError } from '../../../cel/program.ts'
import type { CelType, CostBudget, Program } from '../../../cel/program.ts'
import { ExpressionError, compileFor, environmentOf } from '../../../cel/admissionExpressions.ts'
import type { ExpressionScope } from '../../../cel/admissionExpressions.ts'
import type { ExpressionInput } from '../expressions/evaluation.ts'

interface CompiledVariable {
  name: string
  compiled: { program: Program } | { error: string }
}

/** What variables answer goes on as the type that they answer it as, where it has one that is the language's own. */
function declaredType(type: CelType): CelType {
  return type.kind === 'object' || type.kind === 'opaque' ? { kind: 'dyn' } : type
}

export class PolicyVariables {
  readonly #variables: readonly CompiledVariable[]
  readonly types: ReadonlyMap<string, CelType>

  /** Each sees those before it. */
  constructor(variables: readonly Variable[], scope: Omit<ExpressionScope, 'variables'>) {
    const types = new Map<string, CelType>()
    this.#variables = variables.map(({ name, expression }) => {
      const environment = environmentOf({ ...scope, variables: new Map(types) })
      try {
        const program = compileFor('variable', expression, environment)
        types.set(name, declaredType(program.resultType))
        return { name, compiled: { program } }
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error
        types.set(name, { kind: 'dyn' })
        return { name, compiled: { error: error.message } }
      }
    })
    this.types = types
  }

  /** The input with `variables` in it, whose evaluation is charged to the budget. */
  bind(input: ExpressionInput, budget: CostBudget): ExpressionInput {
    const values: Record<string, unknown> = {}
    const bound: ExpressionInput = { ...input, variables: { ...input.variables, variables: values } }
    for (const { name, compiled } of this.#variables) {
      let known: { value: unknown } | undefined
      const get = (): unknown => (known ??= { value: valueOf(name, compiled, bound, budget) }).value
      Object.defineProperty(values, name, { get, enumerable: true })
    }
    return bound
  }
}

function valueOf(name: string, compiled: CompiledVariable['compiled'], input: ExpressionInput, budget: CostBudget): unknown {
  if ('error' in compiled) throw new EvaluationError(`composited variable "${name}" fails to compile: ${compiled.error}`)
  const { variables, authorizer, signal } = input
  try {
    return compiled.program.evaluate(variables, { budget, authorizer, signal, staysValue: true })
  } catch (error) {
    if (!(error instanceof EvaluationError) && !(error instanceof CostExceededError)) throw error
    throw new EvaluationError(`composited variable "${name}" fails to evaluate: ${error.message}`, { cause: error })
  }
}
