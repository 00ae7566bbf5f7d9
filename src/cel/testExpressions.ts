/** For this room's tests: an expression, and what comes of it as JSON, or the error in its words. */
import { compile } from './compile.ts'
import { CompileError, CostExceededError, EvaluationError } from './program.ts'
import type { CelType, Environment } from './program.ts'

const DYN: CelType = { kind: 'dyn' }

export function environmentOf(variables: Readonly<Record<string, unknown>>): Environment {
  return { variables: Object.fromEntries(Object.keys(variables).map((name) => [name, DYN])), hasBindings: true, hasPatchTypes: true }
}

/** Variables are of no declared type. Compile errors come without the lines that show the place. */
export function outcomeOf(
  expression: string,
  variables: Readonly<Record<string, unknown>> = {},
  environment: Environment = environmentOf(variables),
): unknown {
  try {
    const value = compile(expression, environment).evaluate(variables)
    return value !== null && typeof value === 'object' ? (JSON.parse(JSON.stringify(value)) as unknown) : value
  } catch (error) {
    if (error instanceof CompileError) return `compile: ${error.message.split('\n')[0]!.replace(/^ERROR: <input>:/, '')}`
    if (error instanceof EvaluationError || error instanceof CostExceededError) return `error: ${error.message}`
    throw error
  }
}
