/** What a ValidatingAdmissionPolicy decides about one object with one set of parameters. */
import type { AuditAnnotation, Validation, ValidatingAdmissionPolicy } from '../../../api/kinds/admissionregistration/v1.ts'
import type { CostBudget } from '../../../cel/program.ts'
import { environmentOf } from '../../../cel/admissionExpressions.ts'
import type { ExpressionScope } from '../../../cel/admissionExpressions.ts'
import { ExpressionFailure, OutOfBudget, POLICY_COST_BUDGET, evaluate } from '../expressions/evaluation.ts'
import type { ExpressionInput } from '../expressions/evaluation.ts'
import { MatchConditions, tryCompile } from '../expressions/matchConditions.ts'
import type { Compiled } from '../expressions/matchConditions.ts'
import { PolicyVariables } from './variables.ts'

export interface Decision {
  action: 'admit' | 'deny'
  /** The expression could not be evaluated. */
  isError: boolean
  message: string
  reason?: string
}

export interface PolicyAuditAnnotation {
  key: string
  /** What is to be published; '' is nothing. */
  value: string
  error?: string
}

export interface PolicyVerdict {
  /** One for each validation, in order; a policy that does not apply has none. */
  decisions: readonly Decision[]
  auditAnnotations: readonly PolicyAuditAnnotation[]
}

const NO_VERDICT: PolicyVerdict = { decisions: [], auditAnnotations: [] }
const MESSAGE_LIMIT_BYTES = 5 * 1024

interface CompiledValidation {
  validation: Validation
  expression: Compiled
  message?: Compiled
}

export class Validator {
  readonly #failurePolicy: string
  readonly #variables: PolicyVariables
  readonly #conditions: MatchConditions | undefined
  readonly #validations: readonly CompiledValidation[]
  readonly #auditAnnotations: readonly { annotation: AuditAnnotation; value: Compiled }[]

  constructor({ spec }: ValidatingAdmissionPolicy) {
    const { failurePolicy = 'Fail', paramKind, variables = [], matchConditions = [], validations = [], auditAnnotations = [] } = spec
    this.#failurePolicy = failurePolicy
    const scope: ExpressionScope = { hasParams: paramKind !== undefined, hasAuthorizer: true }
    this.#variables = new PolicyVariables(variables, scope)
    const environment = environmentOf({ ...scope, variables: this.#variables.types })
    const forMessages = environmentOf({ ...scope, hasAuthorizer: false, variables: this.#variables.types })
    if (matchConditions.length > 0) this.#conditions = new MatchConditions(matchConditions, environment, failurePolicy)
    this.#validations = validations.map((validation) => ({
      validation,
      expression: tryCompile('validation', validation.expression, environment),
      ...(validation.messageExpression && { message: tryCompile('message', validation.messageExpression, forMessages) }),
    }))
    this.#auditAnnotations = auditAnnotations.map((annotation) => ({
      annotation,
      value: tryCompile('auditAnnotation', annotation.valueExpression, environment),
    }))
  }

  validate(given: ExpressionInput): PolicyVerdict {
    const conditionsBudget = { remaining: POLICY_COST_BUDGET }
    const conditions = this.#conditions?.decide(this.#variables.bind(given, conditionsBudget))
    if (conditions?.error !== undefined) return { decisions: [this.#failed(conditions.error)], auditAnnotations: [] }
    if (conditions && !conditions.matches) return NO_VERDICT
    const budget = { remaining: POLICY_COST_BUDGET }
    const input = this.#variables.bind(given, budget)
    try {
      const results = this.#validations.map((validation) => ({ validation, result: attempt(validation.expression, input, budget) }))
      const decisions = results.map(({ validation, result }) => this.#decide(validation, result, given, budget))
      return { decisions, auditAnnotations: this.#annotate(given) }
    } catch (error) {
      if (!(error instanceof OutOfBudget)) throw error
      return { decisions: [this.#failed(error.message)], auditAnnotations: [] }
    }
  }

  #failed(message: string): Decision {
    return { action: this.#failurePolicy === 'Ignore' ? 'admit' : 'deny', isError: true, message }
  }

  #decide({ validation, message }: CompiledValidation, result: Attempt, given: ExpressionInput, budget: CostBudget): Decision {
    if ('error' in result) return this.#failed(result.error)
    if (result.value === true) return { action: 'admit', isError: false, message: '' }
    const own = message && this.#message(message, given, budget)
    const text = own || validation.message?.trim() || `failed expression: ${validation.expression.trim()}`
    return { action: 'deny', isError: false, message: text, reason: validation.reason ?? 'Invalid' }
  }

  /** '' where it answers nothing that could be shown. */
  #message(message: Compiled, given: ExpressionInput, budget: CostBudget): string {
    const result = attempt(message, this.#variables.bind(given, budget), budget)
    if ('error' in result || typeof result.value !== 'string') return ''
    const text = result.value.trim()
    return text.includes('\n') || Buffer.byteLength(text) > MESSAGE_LIMIT_BYTES ? '' : text
  }

  #annotate(given: ExpressionInput): PolicyAuditAnnotation[] {
    const budget = { remaining: POLICY_COST_BUDGET }
    const input = this.#variables.bind(given, budget)
    return this.#auditAnnotations.map(({ annotation: { key }, value }) => {
      const result = attempt(value, input, budget)
      if ('error' in result) return { key, value: '', ...(this.#failurePolicy !== 'Ignore' && { error: result.error }) }
      return { key, value: typeof result.value === 'string' ? result.value.trim() : '' }
    })
  }
}

type Attempt = { value: unknown } | { error: string }

/** Throws OutOfBudget alone. */
function attempt(compiled: Compiled, input: ExpressionInput, budget: CostBudget): Attempt {
  if ('error' in compiled) return compiled
  try {
    return { value: evaluate(compiled.program, input, budget) }
  } catch (error) {
    if (error instanceof ExpressionFailure) return { error: error.message }
    throw error
  }
}
