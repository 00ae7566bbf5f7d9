/** Which expressions of a policy do not fit the types of the objects that it is about. Pure. */
import type { ExpressionWarning, ValidatingAdmissionPolicy } from '../../api/kinds/admissionregistration/v1.ts'
import { ExpressionError, compileFor, environmentOf } from '../../cel/admissionExpressions.ts'
import { compile } from '../../cel/compile.ts'
import { CompileError } from '../../cel/program.ts'
import type { CelType, Environment } from '../../cel/program.ts'

/** A kind as it is written in warnings: `apps/v1, Kind=Deployment`. */
export interface TypedKind {
  text: string
  type: CelType
}

export interface KindTypes {
  ofResource(group: string, version: string, resource: string): TypedKind | undefined
  ofKind(apiVersion: string, kind: string): TypedKind | undefined
}

/** Kinds that one policy is checked against. */
const MAX_KINDS = 10

/** The kinds that the policy's rules name; rules with wildcards name none. */
export function kindsToCheck({ spec }: ValidatingAdmissionPolicy, types: KindTypes): TypedKind[] {
  const found = new Map<string, TypedKind>()
  for (const { apiGroups = [], apiVersions = [], resources = [] } of spec.matchConstraints?.resourceRules ?? []) {
    if ([...apiGroups, ...apiVersions].some((name) => name.includes('*'))) continue
    const plain = resources.filter((resource) => !/[*/]/.test(resource))
    for (const group of apiGroups.toSorted()) {
      for (const version of apiVersions.toSorted()) {
        for (const resource of plain.toSorted()) {
          const kind = found.size < MAX_KINDS ? types.ofResource(group, version, resource) : undefined
          if (kind) found.set(kind.text, kind)
        }
      }
    }
  }
  return [...found.values()].toSorted((a, b) => (a.text < b.text ? -1 : 1))
}

function environmentFor({ spec }: ValidatingAdmissionPolicy, object: CelType, params: CelType | undefined): Environment {
  const scope = { hasParams: spec.paramKind !== undefined, hasAuthorizer: true, types: { object, ...(params && { params }) } }
  const variables = new Map<string, CelType>()
  for (const { name, expression } of spec.variables ?? []) {
    try {
      variables.set(name, compileFor('variable', expression, environmentOf({ ...scope, variables: new Map(variables) })).resultType)
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      variables.set(name, { kind: 'dyn' })
    }
  }
  return environmentOf({ ...scope, variables })
}

function problemsOf(expression: string, environments: readonly { kind: TypedKind; environment: Environment }[]): string {
  const problems = environments.flatMap(({ kind, environment }) => {
    try {
      compile(expression, environment)
      return []
    } catch (error) {
      if (error instanceof CompileError) return [`${kind.text}: ${error.message}\n`]
      throw error
    }
  })
  return problems.join('\n')
}

export function typeCheck(policy: ValidatingAdmissionPolicy, types: KindTypes): ExpressionWarning[] {
  const { paramKind, validations = [] } = policy.spec
  const params = paramKind && types.ofKind(paramKind.apiVersion ?? '', paramKind.kind ?? '')?.type
  const environments = kindsToCheck(policy, types).map((kind) => ({ kind, environment: environmentFor(policy, kind.type, params) }))
  return validations.flatMap(({ expression, messageExpression }, i) =>
    Object.entries({ expression, messageExpression }).flatMap(([field, text]) => {
      const warning = text ? problemsOf(text, environments) : ''
      return warning ? [{ fieldRef: `spec.validations[${i}].${field}`, warning }] : []
    }),
  )
}
