/** What admission webhooks and admission policies share: the requests they are about. */
import { check, duplicate, internalError, invalid, notSupported, required, tooMany } from './fieldErrors.ts'
import { validateLabelSelector } from './labels.ts'
import { isPathSegmentName, isQualifiedName } from './names.ts'
import type { MatchCondition, MatchResources, NamedRuleWithOperations, RuleWithOperations } from '../kinds/admissionregistration/v1.ts'
import type { FieldError } from '../status.ts'

/** What an expression is for decides which variables it has and what it may answer. */
export type ExpressionUse =
  | 'matchCondition'
  | 'variable'
  | 'validation'
  | 'message'
  | 'auditAnnotation'
  | 'applyConfiguration'
  | 'jsonPatch'
  | 'deviceSelector'

/** Where constants cannot be worked out upstream blames itself. */
export function expressionError(field: string, shown: string, error: string): FieldError {
  return error.startsWith('program instantiation failed: ') ? internalError(field, error) : invalid(field, shown, error)
}

/** The language's own rules, which live above this room: what is wrong with an expression, in upstream's words. */
export interface ExpressionRules {
  errorOf(
    expression: string,
    use: ExpressionUse,
    options: { hasParams: boolean; variables: readonly { name: string; expression: string }[] },
  ): string | undefined
  /** Whether a device selector that compiles could cost too much. */
  isTooComplex(expression: string): boolean
}

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']
const SCOPES = ['*', 'Cluster', 'Namespaced']
const CONDITIONS_LIMIT = 64

/** `*` stands for all, so nothing stands beside it. */
function checkAlone(errors: FieldError[], list: readonly string[], what: string, path: string): void {
  if (list.length > 1 && list.includes('*')) errors.push(invalid(path, list, `if '*' is present, must not specify other ${what}`))
}

function checkResources(errors: FieldError[], resources: readonly string[], path: string): void {
  if (resources.length === 0) errors.push(required(path))
  const [allSubresources, allResources] = [new Set<string>(), new Set<string>()]
  let isPlain = false
  for (const [i, name] of resources.entries()) {
    const at = `${path}[${i}]`
    if (name === '') {
      errors.push(required(at))
      continue
    }
    const slash = name.indexOf('/')
    if (slash < 0) {
      isPlain = name !== '*'
      continue
    }
    const [resource, subresource] = [name.slice(0, slash), name.slice(slash + 1)]
    if (allSubresources.has(resource)) errors.push(invalid(at, name, `if '${resource}/*' is present, must not specify ${name}`))
    if (allResources.has(subresource)) errors.push(invalid(at, name, `if '*/${subresource}' is present, must not specify ${name}`))
    if (subresource === '*') allSubresources.add(resource)
    if (resource === '*') allResources.add(subresource)
  }
  if (resources.length > 1 && resources.includes('*/*'))
    errors.push(invalid(path, resources, "if '*/*' is present, must not specify other resources"))
  if (resources.includes('*') && isPlain)
    errors.push(invalid(path, resources, "if '*' is present, must not specify other resources without subresources"))
}

export function checkOperationsRule(errors: FieldError[], rule: RuleWithOperations, path: string): void {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope } = rule
  if (operations.length === 0) errors.push(required(`${path}.operations`))
  checkAlone(errors, operations, 'operations', `${path}.operations`)
  operations.forEach((operation, i) => {
    if (!OPERATIONS.includes(operation)) errors.push(notSupported(`${path}.operations[${i}]`, operation, OPERATIONS))
  })
  if (apiGroups.length === 0) errors.push(required(`${path}.apiGroups`))
  checkAlone(errors, apiGroups, 'API groups', `${path}.apiGroups`)
  if (apiVersions.length === 0) errors.push(required(`${path}.apiVersions`))
  checkAlone(errors, apiVersions, 'API versions', `${path}.apiVersions`)
  apiVersions.forEach((version, i) => {
    if (version === '') errors.push(required(`${path}.apiVersions[${i}]`))
  })
  checkResources(errors, resources, `${path}.resources`)
  if (scope !== undefined && !SCOPES.includes(scope)) errors.push(notSupported(`${path}.scope`, scope, SCOPES))
}

function checkNamedRule(errors: FieldError[], rule: NamedRuleWithOperations, path: string): void {
  const names = rule.resourceNames ?? []
  for (const [i, name] of names.entries()) {
    check(errors, `${path}.resourceNames[${i}]`, name, isPathSegmentName(name, false))
    if (names.indexOf(name) < i) errors.push(duplicate(`${path}.resourceNames[${i}]`, name))
  }
  checkOperationsRule(errors, rule, path)
}

export function checkMatchResources(errors: FieldError[], resources: MatchResources, path: string): void {
  const { matchPolicy, resourceRules = [], excludeResourceRules = [] } = resources
  if (matchPolicy === undefined) errors.push(required(`${path}.matchPolicy`))
  else if (matchPolicy !== 'Equivalent' && matchPolicy !== 'Exact')
    errors.push(notSupported(`${path}.matchPolicy`, matchPolicy, ['Equivalent', 'Exact']))
  for (const field of ['namespaceSelector', 'objectSelector'] as const) {
    if (!resources[field]) errors.push(required(`${path}.${field}`))
    else errors.push(...validateLabelSelector(resources[field], `${path}.${field}`))
  }
  resourceRules.forEach((rule, i) => checkNamedRule(errors, rule, `${path}.resourceRules[${i}]`))
  excludeResourceRules.forEach((rule, i) => checkNamedRule(errors, rule, `${path}.excludeResourceRules[${i}]`))
}

export function checkMatchConditions(
  errors: FieldError[],
  conditions: readonly MatchCondition[],
  hasParams: boolean,
  rules: ExpressionRules | undefined,
  path: string,
): void {
  if (conditions.length > CONDITIONS_LIMIT) errors.push(tooMany(path, conditions.length, CONDITIONS_LIMIT))
  const names = new Set<string>()
  for (const [i, { name, expression }] of conditions.entries()) {
    const text = expression.trim()
    const error = text ? rules?.errorOf(text, 'matchCondition', { hasParams, variables: [] }) : undefined
    if (!text) errors.push(required(`${path}[${i}].expression`))
    else if (error) errors.push(expressionError(`${path}[${i}].expression`, text, error))
    if (!name) errors.push(required(`${path}[${i}].name`))
    else check(errors, `${path}[${i}].name`, name, isQualifiedName(name))
    if (name && names.has(name)) errors.push(duplicate(`${path}[${i}].name`, name))
    names.add(name)
  }
}
