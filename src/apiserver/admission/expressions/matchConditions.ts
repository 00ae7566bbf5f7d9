/** matchConditions: expressions that all have to hold for a webhook or a policy to be about a request. */
import type { MatchCondition } from '../../../api/kinds/admissionregistration/v1.ts'
import type { Environment, Program } from '../../../cel/program.ts'
import { ExpressionError, compileFor } from '../../../cel/admissionExpressions.ts'
import { ExpressionFailure, MATCH_CONDITIONS_COST_BUDGET, OutOfBudget, evaluate } from './evaluation.ts'
import type { ExpressionInput } from './evaluation.ts'

/** `error` is set where it could not be decided and failurePolicy says that that is a failure. */
export interface ConditionsResult {
  matches: boolean
  error?: string
}

/** What an expression was compiled to, or why it could not be. */
export type Compiled = { program: Program } | { error: string }

export function tryCompile(...given: Parameters<typeof compileFor>): Compiled {
  try {
    return { program: compileFor(...given) }
  } catch (error) {
    if (error instanceof ExpressionError) return { error: `compilation error: ${error.message}` }
    throw error
  }
}

export class MatchConditions {
  readonly #conditions: readonly Compiled[]
  readonly #failurePolicy: string

  constructor(conditions: readonly MatchCondition[], environment: Environment, failurePolicy = 'Fail') {
    this.#conditions = conditions.map(({ expression }) => tryCompile('matchCondition', expression, environment))
    this.#failurePolicy = failurePolicy
  }

  /** One that is false decides, whatever the others are; failures decide only among those that hold. */
  decide(input: ExpressionInput): ConditionsResult {
    const budget = { remaining: MATCH_CONDITIONS_COST_BUDGET }
    const errors: string[] = []
    for (const condition of this.#conditions) {
      try {
        if ('error' in condition) errors.push(condition.error)
        else if (evaluate(condition.program, input, budget) === false) return { matches: false }
      } catch (error) {
        if (!(error instanceof ExpressionFailure) && !(error instanceof OutOfBudget)) throw error
        errors.push(error.message)
        if (error instanceof OutOfBudget) break
      }
    }
    if (errors.length === 0) return { matches: true }
    if (this.#failurePolicy === 'Ignore') return { matches: false }
    return { matches: false, error: errors.length === 1 ? (errors[0] as string) : `[${errors.join(', ')}]` }
  }
}
