/** From an expression to a program. */
import { Frame } from './frame.ts'
import { CompileError, EvaluationError, INSTANTIATION_FAILED } from './program.ts'
import { Fault } from './values.ts'
import { Planner } from './interpreter.ts'
import { SourceErrors } from './sourceErrors.ts'
import { celTypeOf, declarationsOf } from './environment.ts'
import { authorizerVariables } from './library/authorization.ts'
import { check } from './checker.ts'
import { childrenOf } from './ast.ts'
import { checkTypesByPath } from './construction.ts'
import { estimateCost } from './cost/estimate.ts'
import { parse } from './parser.ts'
import { describeType } from './types.ts'
import { toJson } from './adapting.ts'
import { validate } from './validators.ts'
import type { Compile, Environment, Evaluation, Program } from './program.ts'
import type { Expr } from './ast.ts'
import type { Input, Run } from './frame.ts'
import type { Value } from './values.ts'

const PROGRAMS_LIMIT_PER_ENVIRONMENT = 2000

function readNames(expr: Expr, names: Set<string>): Set<string> {
  if (expr.kind === 'ident') names.add(expr.name.replace(/^\./, ''))
  for (const child of childrenOf(expr)) readNames(child, names)
  return names
}

/** Errors of cel-go leave the room as errors, whatever else is thrown as itself. */
function guarded<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof Fault) throw new EvaluationError(error.message)
    // What grows past what the engine can hold (a text, a list).
    if (error instanceof RangeError) throw new EvaluationError(error.message, { cause: error })
    throw error
  }
}

class CompiledProgram implements Program {
  readonly expression: string
  readonly resultType
  readonly resultTypeText: string
  readonly #expr: Expr
  readonly #environment: Environment
  readonly #run: Run
  readonly #inputs: readonly Input[]
  #names: Set<string> | undefined
  #estimatedCost: number | undefined

  constructor(expression: string, expr: Expr, environment: Environment) {
    this.expression = expression
    this.resultType = celTypeOf(expr.type)
    this.resultTypeText = describeType(expr.type)
    this.#expr = expr
    this.#environment = environment
    const planner = new Planner(declarationsOf(environment).variables)
    this.#run = planner.run(expr)
    this.#inputs = planner.inputs
  }

  get estimatedCost(): number {
    this.#estimatedCost ??= estimateCost(this.#expr, this.#environment)
    return this.#estimatedCost
  }

  uses(variable: string): boolean {
    this.#names ??= readNames(this.#expr, new Set())
    return this.#names.has(variable)
  }

  evaluate(variables: Readonly<Record<string, unknown>>, options: Evaluation = {}): unknown {
    return guarded(() => {
      const value = this.#value(variables, options)
      checkTypesByPath(value)
      return options.staysValue ? value : toJson(value)
    })
  }

  #value(variables: Readonly<Record<string, unknown>>, { budget, signal, authorizer }: Evaluation): Value {
    const known = authorizer ? { ...variables, ...authorizerVariables(authorizer) } : variables
    const frame = new Frame(this.#inputs, known, signal)
    try {
      return this.#run(frame)
    } finally {
      if (budget) budget.remaining -= frame.cost
    }
  }
}

function build(expression: string, environment: Environment): Program {
  const errors = new SourceErrors(expression)
  const { declarations, macros } = declarationsOf(environment)
  const expr = parse(expression, macros, errors)
  if (expr) check(expr, declarations, errors)
  if (expr && errors.count === 0) validate(expr, errors)
  if (!expr || errors.count > 0) throw new CompileError(errors.toString())
  try {
    return new CompiledProgram(expression, expr, environment)
  } catch (error) {
    const result = { resultType: celTypeOf(expr.type), resultTypeText: describeType(expr.type) }
    if (error instanceof Fault) throw new CompileError(`${INSTANTIATION_FAILED}${error.message}`, result)
    throw error
  }
}

const programs = new WeakMap<Environment, Map<string, Program>>()

/** The same expression in the same environment (the very object) is compiled once. */
export const compile: Compile = (expression, environment) => {
  let known = programs.get(environment)
  if (!known) programs.set(environment, (known = new Map()))
  let program = known.get(expression)
  if (!program) {
    program = build(expression, environment)
    if (known.size >= PROGRAMS_LIMIT_PER_ENVIRONMENT) known.delete(known.keys().next().value!)
    known.set(expression, program)
  }
  return program
}
