/** What the language says of the expressions in policies, webhook configurations and device selectors (see src/cel). */
import { CompileError } from '../../../cel/program.ts'
import { ExpressionError, compileFor, environmentOf } from '../../../cel/admissionExpressions.ts'
import { compileDeviceSelector, isTooComplex } from '../../../cel/deviceSelector.ts'
import type { CelType, Environment } from '../../../cel/program.ts'
import type { ExpressionRules, ExpressionUse } from '../../../api/validation/admissionRules.ts'

type Options = Parameters<ExpressionRules['errorOf']>[2]

const ENVIRONMENTS_LIMIT = 100
const environments = new Map<string, Environment>()

/** The same declarations make the same environment, so that what was compiled stays known. */
function knownEnvironment(key: string, make: () => Environment): Environment {
  let environment = environments.get(key)
  if (!environment) {
    environment = make()
    if (environments.size >= ENVIRONMENTS_LIMIT) environments.delete(environments.keys().next().value!)
    environments.set(key, environment)
  }
  return environment
}

/** A variable sees those before it. What cannot be compiled may be anything to those after it: it is told once. */
function variableTypes({ hasParams, variables }: Options): Map<string, CelType> {
  const types = new Map<string, CelType>()
  for (const { name, expression } of variables) {
    try {
      const environment = policyEnvironment({ hasParams, variables: [] }, 'variable', types)
      types.set(name, compileFor('variable', expression, environment).resultType)
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      types.set(name, { kind: 'dyn' })
    }
  }
  return types
}

function policyEnvironment({ hasParams, variables }: Options, use: ExpressionUse, known?: ReadonlyMap<string, CelType>): Environment {
  const hasAuthorizer = use !== 'message'
  if (use === 'matchCondition') {
    return knownEnvironment(`matchCondition ${hasParams}`, () => environmentOf({ hasParams, hasAuthorizer }))
  }
  if (known) return environmentOf({ hasParams, hasAuthorizer, variables: new Map(known) })
  const key = JSON.stringify([use, hasParams, variables.map(({ name, expression }) => [name, expression])])
  return knownEnvironment(key, () =>
    environmentOf({ hasParams, hasAuthorizer, ...(variables.length > 0 && { variables: variableTypes({ hasParams, variables }) }) }),
  )
}

function selectorError(expression: string): string | undefined {
  try {
    const { kind } = compileDeviceSelector(expression).resultType
    return kind === 'bool' || kind === 'dyn' ? undefined : `must evaluate to bool or the unknown type, not ${kind}`
  } catch (error) {
    if (error instanceof CompileError) return error.reason
    throw error
  }
}

export const expressionRules: ExpressionRules = {
  errorOf(expression, use, options) {
    if (use === 'deviceSelector') return selectorError(expression)
    const before = options.variables.findIndex((variable) => variable.expression === expression)
    const variables = use === 'variable' && before >= 0 ? options.variables.slice(0, before) : options.variables
    // A policy with variables knows of them everywhere, its first one of none.
    const known = use === 'variable' && options.variables.length > 0 ? variableTypes({ ...options, variables }) : undefined
    try {
      compileFor(use, expression, policyEnvironment({ hasParams: options.hasParams, variables }, use, known))
      return undefined
    } catch (error) {
      if (error instanceof ExpressionError) return error.message
      throw error
    }
  },
  isTooComplex: (expression) => isTooComplex(compileDeviceSelector(expression)),
}
