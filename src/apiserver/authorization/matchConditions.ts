/** Expressions that say which requests an authorization webhook is asked about. */
import { compile } from '../../cel/compile.ts'
import { CompileError, CostExceededError, EvaluationError } from '../../cel/program.ts'
import type { CelType, Environment, Program } from '../../cel/program.ts'
import type { JsonObject } from '../../api/resource.ts'

const STRING: CelType = { kind: 'string' }
const listOf = (of: CelType): CelType => ({ kind: 'list', of })
const object = (name: string, fields: Readonly<Record<string, CelType>>): CelType => ({
  kind: 'object',
  name,
  fields: new Map(Object.entries(fields)),
})
const selector = (name: string): CelType =>
  object(`kubernetes.${name}SelectorAttributes`, {
    rawSelector: STRING,
    requirements: listOf(object(`kubernetes.${name}SelectorRequirement`, { key: STRING, operator: STRING, values: listOf(STRING) })),
  })

const ENVIRONMENT: Environment = {
  variables: {
    request: object('kubernetes.SubjectAccessReviewSpec', {
      resourceAttributes: object('kubernetes.ResourceAttributes', {
        namespace: STRING,
        verb: STRING,
        group: STRING,
        version: STRING,
        resource: STRING,
        subresource: STRING,
        name: STRING,
        fieldSelector: selector('Field'),
        labelSelector: selector('Label'),
      }),
      nonResourceAttributes: object('kubernetes.NonResourceAttributes', { path: STRING, verb: STRING }),
      user: STRING,
      groups: listOf(STRING),
      extra: { kind: 'map', of: listOf(STRING) },
      uid: STRING,
    }),
  },
}

/** @throws CompileError */
export function compileMatchCondition(expression: string): Program {
  const program = compile(expression, ENVIRONMENT)
  if (program.resultTypeText !== 'bool') throw new NoConditionError()
  return program
}

class NoConditionError extends CompileError {
  constructor() {
    super('must evaluate to bool')
  }

  override get reason(): string {
    return this.message
  }
}

/** Whether all hold; one that does not decides, whatever the others are. Throws what is wrong with those that cannot be told. */
export function allHold(conditions: readonly Program[], request: JsonObject): boolean {
  const errors: string[] = []
  for (const program of conditions) {
    try {
      if (program.evaluate({ request }) === false) return false
    } catch (error) {
      if (!(error instanceof EvaluationError) && !(error instanceof CostExceededError)) throw error
      errors.push(`cel evaluation error: expression '${program.expression}' resulted in error: ${error.message}`)
    }
  }
  if (errors.length > 0) throw new Error(errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`)
  return true
}
