/** Admission policies and their bindings (pkg/apis/admissionregistration/validation). */
import { checkMatchConditions, checkMatchResources, expressionError } from './admissionRules.ts'
import { checkConditions } from './conditions.ts'
import { check, duplicate, forbidden, invalid, notSupported, required } from './fieldErrors.ts'
import { validateLabelSelector } from './labels.ts'
import { isDns1035Label, isDns1123Subdomain, isPathSegmentName, isQualifiedName, nameIsDnsSubdomain } from './names.ts'
import type {
  AuditAnnotation,
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingAdmissionPolicySpec,
  Mutation,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingAdmissionPolicySpec,
  Validation,
  Variable,
} from '../kinds/admissionregistration/v1.ts'
import type { FieldError } from '../status.ts'
import type { ExpressionRules, ExpressionUse } from './admissionRules.ts'

const FAILURE_POLICIES = ['Fail', 'Ignore']
const REASONS = ['Forbidden', 'Invalid', 'RequestEntityTooLarge']
const ACTIONS = ['Audit', 'Deny', 'Warn']
const MUTATING_OPERATIONS = ['*', 'CONNECT', 'CREATE', 'UPDATE']
const REINVOCATION_POLICIES = ['IfNeeded', 'Never']
const AUDIT_ANNOTATIONS_LIMIT = 20
const AUDIT_EXPRESSION_LIMIT_BYTES = 5 * 1024
const IDENTIFIER_RE = /^[_a-zA-Z][_a-zA-Z0-9]*$/
const RESERVED = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(' '),
)

type PolicySpec = ValidatingAdmissionPolicySpec | MutatingAdmissionPolicySpec

/** Checks of expressions, if the room above has brought the language along. */
interface Expressions {
  check(errors: FieldError[], expression: string, use: ExpressionUse, path: string, shown?: string): void
}

function expressionsOf(spec: PolicySpec, rules: ExpressionRules | undefined): Expressions {
  const options = {
    hasParams: spec.paramKind !== undefined,
    variables: (spec.variables ?? []).filter(({ expression }) => expression?.trim()),
  }
  return {
    check(errors, expression, use, path, shown = expression) {
      const error = rules?.errorOf(expression, use, options)
      if (error) errors.push(expressionError(path, shown, error))
    },
  }
}

function checkParamKind(errors: FieldError[], { apiVersion = '', kind = '' }: ParamKind, path: string): void {
  const parts = apiVersion.split('/')
  const field = `${path}.apiVersion`
  if (!apiVersion) errors.push(required(field))
  else if (parts.length > 2) errors.push(invalid(field, apiVersion, `unexpected GroupVersion string: ${apiVersion}`))
  else {
    const [group, version] = parts.length === 2 ? parts : ['', parts[0]]
    const join = (value: string | undefined, rule: (text: string) => string[]): void => {
      const broken = value ? rule(value) : []
      if (broken.length > 0) errors.push(invalid(field, value, broken.join(',')))
    }
    join(group, isDns1123Subdomain)
    if (!version) errors.push(invalid(field, apiVersion, 'version must be specified'))
    join(version, isDns1035Label)
  }
  const broken = kind ? isDns1035Label(kind.toLowerCase()) : []
  if (!kind) errors.push(required(`${path}.kind`))
  else if (broken.length > 0)
    errors.push(invalid(`${path}.kind`, kind, `may have mixed case, but should otherwise match: ${broken.join(',')}`))
}

function checkVariable(errors: FieldError[], { name, expression }: Variable, expressions: Expressions, path: string): void {
  if (!name.trim()) errors.push(required(`${path}.name`, 'name is not specified'))
  else if (!IDENTIFIER_RE.test(name) || RESERVED.has(name)) errors.push(invalid(`${path}.name`, name, 'must be a valid CEL identifier'))
  if (!expression.trim()) errors.push(required(`${path}.expression`, 'expression is not specified'))
  else expressions.check(errors, expression, 'variable', `${path}.expression`)
}

/** What both sorts of policies say of themselves. */
function checkCommon(errors: FieldError[], spec: PolicySpec, rules: ExpressionRules | undefined, expressions: Expressions): void {
  const { failurePolicy, paramKind, matchConstraints } = spec
  if (failurePolicy === undefined) errors.push(required('spec.failurePolicy'))
  else if (!FAILURE_POLICIES.includes(failurePolicy)) errors.push(notSupported('spec.failurePolicy', failurePolicy, FAILURE_POLICIES))
  if (paramKind) checkParamKind(errors, paramKind, 'spec.paramKind')
  if (!matchConstraints) errors.push(required('spec.matchConstraints'))
  else {
    checkMatchResources(errors, matchConstraints, 'spec.matchConstraints')
    if (!matchConstraints.resourceRules?.length) errors.push(required('spec.matchConstraints.resourceRules'))
  }
  checkMatchConditions(errors, spec.matchConditions ?? [], paramKind !== undefined, rules, 'spec.matchConditions')
  spec.variables?.forEach((variable, i) => checkVariable(errors, variable, expressions, `spec.variables[${i}]`))
}

function checkValidation(errors: FieldError[], validation: Validation, expressions: Expressions, path: string): void {
  const { expression, message = '', messageExpression = '', reason } = validation
  if (!expression.trim()) errors.push(required(`${path}.expression`, 'expression is not specified'))
  else expressions.check(errors, expression, 'validation', `${path}.expression`)
  if (messageExpression && !messageExpression.trim())
    errors.push(invalid(`${path}.messageExpression`, messageExpression, 'must be non-empty if specified'))
  else if (messageExpression) expressions.check(errors, messageExpression, 'message', `${path}.messageExpression`)
  if (message && !message.trim()) errors.push(invalid(`${path}.message`, message, 'must be non-empty if specified'))
  else if (/[\n\r]/.test(message.trim())) errors.push(invalid(`${path}.message`, message, 'must not contain line breaks'))
  if (reason !== undefined && !REASONS.includes(reason)) errors.push(notSupported(`${path}.reason`, reason, REASONS))
}

function checkAuditAnnotation(
  errors: FieldError[],
  { key, valueExpression }: AuditAnnotation,
  policy: string | undefined,
  expressions: Expressions,
  path: string,
): void {
  if (!policy) errors.push(invalid(`${path}.key`, key, 'requires metadata.name be non-empty'))
  else check(errors, `${path}.key`, `${policy}/${key}`, isQualifiedName(`${policy}/${key}`))
  const text = valueExpression.trim()
  const field = `${path}.valueExpression`
  if (!text) errors.push(required(field, 'valueExpression is not specified'))
  else if (Buffer.byteLength(text) > AUDIT_EXPRESSION_LIMIT_BYTES)
    errors.push(required(field, `must not exceed ${AUDIT_EXPRESSION_LIMIT_BYTES} bytes in length`))
  else expressions.check(errors, text, 'auditAnnotation', field, valueExpression)
}

export function validateValidatingAdmissionPolicy({ metadata, spec }: ValidatingAdmissionPolicy, rules?: ExpressionRules): FieldError[] {
  const errors: FieldError[] = []
  if (!spec) return errors
  const expressions = expressionsOf(spec, rules)
  checkCommon(errors, spec, rules, expressions)
  const { validations = [], auditAnnotations = [] } = spec
  if (validations.length === 0 && auditAnnotations.length === 0) {
    const text = 'validations or auditAnnotations must contain at least one item'
    errors.push(required('spec.validations', text), required('spec.auditAnnotations', text))
    return errors
  }
  validations.forEach((validation, i) => checkValidation(errors, validation, expressions, `spec.validations[${i}]`))
  if (auditAnnotations.length > AUDIT_ANNOTATIONS_LIMIT) {
    errors.push(invalid('spec.auditAnnotations', auditAnnotations, `must not have more than ${AUDIT_ANNOTATIONS_LIMIT} auditAnnotations`))
  }
  const keys = new Set<string>()
  for (const [i, annotation] of auditAnnotations.entries()) {
    checkAuditAnnotation(errors, annotation, metadata.name, expressions, `spec.auditAnnotations[${i}]`)
    if (keys.has(annotation.key)) errors.push(duplicate(`spec.auditAnnotations[${i}].key`, annotation.key))
    keys.add(annotation.key)
  }
  return errors
}

const PATCH_FIELDS = { ApplyConfiguration: 'applyConfiguration', JSONPatch: 'jsonPatch' } as const

function checkMutation(errors: FieldError[], mutation: Mutation, expressions: Expressions, path: string): void {
  const { patchType } = mutation
  const own = PATCH_FIELDS[patchType as keyof typeof PATCH_FIELDS]
  if (!patchType) errors.push(required(`${path}.patchType`))
  else if (!own) errors.push(notSupported(`${path}.patchType`, patchType, Object.keys(PATCH_FIELDS)))
  if (!own) return
  const text = mutation[own]?.expression?.trim()
  const other = own === 'jsonPatch' ? 'applyConfiguration' : 'jsonPatch'
  if (!mutation[own]) errors.push(required(`${path}.${own}`, `must be specified when patchType is ${patchType}`))
  else if (!text) errors.push(required(`${path}.${own}.expression`))
  else expressions.check(errors, text, own, `${path}.${own}.expression`)
  if (mutation[other]) errors.push(invalid(`${path}.${other}`, `{${other}}`, `must not be specified when patchType is ${patchType}`))
}

/** There is nothing left to change in what is being deleted. */
function checkMutatingOperations(errors: FieldError[], { resourceRules = [] }: MatchResources, path: string): void {
  for (const operation of resourceRules.flatMap(({ operations = [] }) => operations)) {
    if (!MUTATING_OPERATIONS.includes(operation))
      errors.push(notSupported(`${path}.resourceRules.operations`, operation, MUTATING_OPERATIONS))
  }
}

export function validateMutatingAdmissionPolicy({ spec }: MutatingAdmissionPolicy, rules?: ExpressionRules): FieldError[] {
  const errors: FieldError[] = []
  if (!spec) return errors
  const expressions = expressionsOf(spec, rules)
  checkCommon(errors, spec, rules, expressions)
  const { mutations = [], reinvocationPolicy, matchConstraints } = spec
  if (matchConstraints) checkMutatingOperations(errors, matchConstraints, 'spec.matchConstraints')
  if (mutations.length === 0) errors.push(required('spec.mutations', 'mutations must contain at least one item'))
  mutations.forEach((mutation, i) => checkMutation(errors, mutation, expressions, `spec.mutations[${i}]`))
  if (!reinvocationPolicy) errors.push(required('spec.reinvocationPolicy'))
  else if (!REINVOCATION_POLICIES.includes(reinvocationPolicy))
    errors.push(notSupported('spec.reinvocationPolicy', reinvocationPolicy, REINVOCATION_POLICIES))
  return errors
}

function checkParamRef(errors: FieldError[], { name, selector, parameterNotFoundAction: action }: ParamRef, path: string): void {
  const exclusive = 'name and selector are mutually exclusive'
  if (name) check(errors, `${path}.name`, name, isPathSegmentName(name, false))
  if (name && selector) errors.push(forbidden(`${path}.name`, exclusive))
  errors.push(...validateLabelSelector(selector, `${path}.selector`))
  if (name && selector) errors.push(forbidden(`${path}.selector`, exclusive))
  if (!name && !selector) errors.push(required(path, 'one of name or selector must be specified'))
  if (!action) errors.push(required(`${path}.parameterNotFoundAction`))
  else if (action !== 'Deny' && action !== 'Allow') errors.push(notSupported(`${path}.parameterNotFoundAction`, action, ['Deny', 'Allow']))
}

interface BindingSpec {
  policyName?: string
  paramRef?: ParamRef
  matchResources?: MatchResources
}

function checkBinding(errors: FieldError[], { policyName, paramRef, matchResources }: BindingSpec): void {
  if (!policyName) errors.push(required('spec.policyName'))
  else check(errors, 'spec.policyName', policyName, nameIsDnsSubdomain(policyName, false))
  if (paramRef) checkParamRef(errors, paramRef, 'spec.paramRef')
  if (matchResources) checkMatchResources(errors, matchResources, 'spec.matchResources')
}

export function validateValidatingAdmissionPolicyStatus({ status }: ValidatingAdmissionPolicy): FieldError[] {
  const errors: FieldError[] = []
  for (const [i, { fieldRef, warning }] of (status?.typeChecking?.expressionWarnings ?? []).entries()) {
    const at = `status.typeChecking.expressionWarnings[${i}]`
    if (!fieldRef) errors.push(required(`${at}.fieldRef`))
    if (!warning) errors.push(required(`${at}.warning`))
  }
  checkConditions(errors, status?.conditions, 'status.conditions')
  return errors
}

export function validateValidatingAdmissionPolicyBinding({ spec }: ValidatingAdmissionPolicyBinding): FieldError[] {
  const errors: FieldError[] = []
  if (!spec) return errors
  checkBinding(errors, spec)
  const actions = spec.validationActions ?? []
  const path = 'spec.validationActions'
  for (const [i, action] of actions.entries()) {
    if (!ACTIONS.includes(action)) errors.push(notSupported(`${path}[${i}]`, action, ACTIONS))
    if (actions.indexOf(action) < i) errors.push(duplicate(`${path}[${i}]`, action))
  }
  if (actions.includes('Deny') && actions.includes('Warn')) {
    const why = 'repeating the same validation failure information in the API response and headers serves no purpose'
    errors.push(invalid(path, actions, `must not contain both Deny and Warn (${why})`))
  }
  if (actions.length === 0) errors.push(required(path, 'at least one validation action is required'))
  return errors
}

export function validateMutatingAdmissionPolicyBinding({ spec }: MutatingAdmissionPolicyBinding): FieldError[] {
  const errors: FieldError[] = []
  if (!spec) return errors
  checkBinding(errors, spec)
  if (spec.matchResources) checkMutatingOperations(errors, spec.matchResources, 'spec.matchResources')
  return errors
}
