/** Flow schemas and priority levels (pkg/apis/flowcontrol/validation). */
import { deepEqual } from '../meta.ts'
import { check, duplicate, forbidden, invalid, notSupported, required } from './fieldErrors.ts'
import { goInternal } from './goInternal.ts'
import { nameIsDnsLabel, nameIsDnsSubdomain } from './names.ts'
import type {
  FlowSchema,
  FlowSchemaSpec,
  LimitResponse,
  LimitedPriorityLevelConfiguration,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
  QueuingConfiguration,
  ResourcePolicyRule,
  Subject,
} from '../kinds/flowcontrol/v1.ts'
import type { FieldError } from '../status.ts'

const PRECEDENCE_LIMIT = 10_000
const QUEUES_LIMIT = 10_000_000
const HASH_BITS_LIMIT = 60
const METHODS = ['ByNamespace', 'ByUser']
const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch']

function everybody(groups: readonly string[]): PolicyRulesWithSubjects {
  return {
    subjects: groups.map((name) => ({ kind: 'Group', group: { name } })),
    resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
    nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
  }
}

/** The two that have to be as they are: nobody must be able to lock the administrator out. */
const FIXED_SCHEMAS: Readonly<Record<string, FlowSchemaSpec>> = {
  exempt: { priorityLevelConfiguration: { name: 'exempt' }, matchingPrecedence: 1, rules: [everybody(['system:masters'])] },
  'catch-all': {
    priorityLevelConfiguration: { name: 'catch-all' },
    matchingPrecedence: PRECEDENCE_LIMIT,
    distinguisherMethod: { type: 'ByUser' },
    rules: [everybody(['system:unauthenticated', 'system:authenticated'])],
  },
}

const FIXED_CATCH_ALL: PriorityLevelConfigurationSpec = {
  type: 'Limited',
  limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: 'Reject' } },
}

const SUBJECT_FIELDS = { ServiceAccount: 'serviceAccount', User: 'user', Group: 'group' } as const
const SUBJECT_KINDS = ['Group', 'ServiceAccount', 'User']

function checkSubject(errors: FieldError[], subject: Subject, path: string): void {
  const own = SUBJECT_FIELDS[subject.kind as keyof typeof SUBJECT_FIELDS]
  if (!own) {
    errors.push(notSupported(`${path}.kind`, subject.kind, SUBJECT_KINDS))
    return
  }
  const given = subject[own]
  const field = `${path}.${own}`
  if (!given) errors.push(required(field, `${own} is required when subject kind is '${subject.kind}'`))
  else if (!given.name) errors.push(required(`${field}.name`))
  const account = subject.serviceAccount
  if (own === 'serviceAccount' && account) {
    if (account.name && account.name !== '*') check(errors, `${field}.name`, account.name, nameIsDnsSubdomain(account.name, false))
    if (account.namespace) check(errors, `${field}.namespace`, account.namespace, nameIsDnsLabel(account.namespace, false))
    else errors.push(required(`${field}.namespace`, 'must specify namespace for service account'))
  }
  for (const [kind, other] of Object.entries(SUBJECT_FIELDS)) {
    if (other !== own && subject[other])
      errors.push(forbidden(`${path}.${other}`, `${other} is forbidden when subject kind is not '${kind}'`))
  }
}

/** A list that is not empty, and where `*` stands alone. Answers whether its members are worth a look. */
function checkList(
  errors: FieldError[],
  list: readonly string[] | null | undefined,
  path: string,
  emptyText: string,
  what: string,
): list is readonly string[] {
  if (!list?.length) errors.push(required(path, emptyText))
  else if (list.includes('*')) {
    if (list.length > 1) errors.push(invalid(path, list, `if '*' is present, must not specify other ${what}`))
  } else return true
  return false
}

function checkVerbs(errors: FieldError[], verbs: readonly string[] | null, path: string): void {
  if (checkList(errors, verbs, path, 'verbs must contain at least one value', 'verbs') && !verbs.every((verb) => VERBS.includes(verb)))
    errors.push(notSupported(path, verbs, VERBS))
}

function urlError(url: string): string | undefined {
  if (url === '') return 'must not be empty'
  if (url === '/') return undefined
  if (!url.startsWith('/')) return 'must start with slash'
  if (url.includes(' ')) return 'must not contain white-space'
  if (url.includes('//')) return 'must not contain double slash'
  const stars = url.split('*').length - 1
  return stars > 1 || (stars === 1 && !url.endsWith('/*')) ? 'wildcard can only do suffix matching' : undefined
}

function checkNonResourceRule(errors: FieldError[], { verbs, nonResourceURLs: urls }: NonResourcePolicyRule, path: string): void {
  checkVerbs(errors, verbs, `${path}.verbs`)
  const field = `${path}.nonResourceURLs`
  if (!checkList(errors, urls, field, 'nonResourceURLs must contain at least one value', 'non-resource URLs')) return
  for (const [i, url] of urls.entries()) {
    const error = urlError(url)
    if (error) errors.push(invalid(`${field}[${i}]`, url, error))
  }
}

function checkResourceRule(errors: FieldError[], rule: ResourcePolicyRule, path: string): void {
  const { verbs, apiGroups, resources, clusterScope } = rule
  const namespaces = rule.namespaces ?? []
  checkVerbs(errors, verbs, `${path}.verbs`)
  checkList(errors, apiGroups, `${path}.apiGroups`, 'resource rules must supply at least one api group', 'api groups')
  checkList(errors, resources, `${path}.resources`, 'resource rules must supply at least one resource', 'resources')
  if (namespaces.length === 0 && clusterScope) return
  const empty = 'resource rules that are not cluster scoped must supply at least one namespace'
  if (!checkList(errors, namespaces, `${path}.namespaces`, empty, 'namespaces')) return
  for (const [i, name] of namespaces.entries()) {
    const broken = nameIsDnsLabel(name, false).map((error) => `each member of this list must be '*' or a DNS-1123 label; ${error}`)
    check(errors, `${path}.namespaces[${i}]`, name, broken)
  }
}

function checkRules(
  errors: FieldError[],
  { subjects, resourceRules = [], nonResourceRules = [] }: PolicyRulesWithSubjects,
  path: string,
): void {
  if (!subjects?.length) errors.push(required(`${path}.subjects`, 'subjects must contain at least one value'))
  subjects?.forEach((subject, i) => checkSubject(errors, subject, `${path}.subjects[${i}]`))
  if (resourceRules.length === 0 && nonResourceRules.length === 0) {
    errors.push(required(path, 'at least one of resourceRules and nonResourceRules has to be non-empty'))
  }
  resourceRules.forEach((rule, i) => checkResourceRule(errors, rule, `${path}.resourceRules[${i}]`))
  nonResourceRules.forEach((rule, i) => checkNonResourceRule(errors, rule, `${path}.nonResourceRules[${i}]`))
}

function checkConditions(errors: FieldError[], conditions: readonly { type?: string }[] | undefined): void {
  const seen = new Set<string>()
  for (const [i, { type = '' }] of (conditions ?? []).entries()) {
    if (seen.has(type)) errors.push(duplicate(`status.conditions[${i}].type`, type))
    seen.add(type)
    if (!type) errors.push(required(`status.conditions[${i}].type`))
  }
}

export function validateFlowSchema({ metadata: { name }, spec, status }: FlowSchema): FieldError[] {
  const errors: FieldError[] = []
  if (!spec) return errors
  const { matchingPrecedence: precedence = 0, distinguisherMethod: method, priorityLevelConfiguration: level } = spec
  const field = 'spec.matchingPrecedence'
  if (precedence <= 0) errors.push(invalid(field, precedence, 'must be a positive value'))
  if (precedence > PRECEDENCE_LIMIT) errors.push(invalid(field, precedence, `must not be greater than ${PRECEDENCE_LIMIT}`))
  if (precedence === 1 && name !== 'exempt')
    errors.push(invalid(field, precedence, "only the schema named 'exempt' may have matchingPrecedence 1"))
  if (method && !METHODS.includes(method.type)) errors.push(notSupported('spec.distinguisherMethod.type', { Type: method.type }, METHODS))
  if (level?.name) check(errors, 'spec.priorityLevelConfiguration.name', level.name, nameIsDnsSubdomain(level.name, false))
  else errors.push(required('spec.priorityLevelConfiguration.name', 'must reference a priority level'))
  spec.rules?.forEach((rule, i) => checkRules(errors, rule, `spec.rules[${i}]`))
  const fixed = FIXED_SCHEMAS[name ?? '']
  if (fixed && !deepEqual(spec, fixed))
    errors.push(invalid('spec', goInternal('flowcontrol.v1.FlowSchemaSpec', spec), `spec of '${name}' must equal the fixed value`))
  checkConditions(errors, status?.conditions)
  return errors
}

function checkQueuing(errors: FieldError[], { queues = 0, handSize = 0, queueLengthLimit = 0 }: QueuingConfiguration, path: string): void {
  if (queueLengthLimit <= 0) errors.push(invalid(`${path}.queueLengthLimit`, queueLengthLimit, 'must be positive'))
  if (queues <= 0) errors.push(invalid(`${path}.queues`, queues, 'must be positive'))
  else if (queues > QUEUES_LIMIT) errors.push(invalid(`${path}.queues`, queues, `must not be greater than ${QUEUES_LIMIT}`))
  const field = `${path}.handSize`
  if (handSize <= 0) errors.push(invalid(field, handSize, 'must be positive'))
  else if (handSize > queues) errors.push(invalid(field, handSize, `should not be greater than queues (${queues})`))
  else if (Math.ceil(Math.log2(queues) * handSize) > HASH_BITS_LIMIT) {
    const text = `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${HASH_BITS_LIMIT}`
    errors.push(invalid(field, handSize, text))
  }
}

function checkLimitResponse(errors: FieldError[], { type, queuing }: LimitResponse, path: string): void {
  if (type === 'Reject') {
    if (queuing) errors.push(forbidden(`${path}.queuing`, 'must be nil if limited.limitResponse.type is not Limited'))
  } else if (type !== 'Queue') errors.push(notSupported(`${path}.type`, type, ['Queue', 'Reject']))
  else if (queuing) checkQueuing(errors, queuing, `${path}.queuing`)
  else errors.push(required(`${path}.queuing`, 'must not be empty if limited.limitResponse.type is Limited'))
}

interface Shares {
  nominalConcurrencyShares?: number
  lendablePercent?: number
}

function checkShares(errors: FieldError[], { nominalConcurrencyShares: shares }: Shares, path: string): void {
  if (shares !== undefined && shares < 0) errors.push(invalid(`${path}.nominalConcurrencyShares`, shares, 'must be a non-negative integer'))
}

function checkLendable(errors: FieldError[], { lendablePercent: percent }: Shares, path: string): void {
  if (percent !== undefined && (percent < 0 || percent > 100))
    errors.push(invalid(`${path}.lendablePercent`, percent, 'must be between 0 and 100, inclusive'))
}

function checkLimited(errors: FieldError[], limited: LimitedPriorityLevelConfiguration, path: string): void {
  checkShares(errors, limited, path)
  checkLimitResponse(errors, limited.limitResponse ?? { type: '' }, `${path}.limitResponse`)
  checkLendable(errors, limited, path)
  const borrowing = limited.borrowingLimitPercent
  if (borrowing !== undefined && borrowing < 0)
    errors.push(invalid(`${path}.borrowingLimitPercent`, borrowing, 'if specified, must be a non-negative integer'))
}

export function validatePriorityLevelConfiguration({ metadata: { name }, spec, status }: PriorityLevelConfiguration): FieldError[] {
  const errors: FieldError[] = []
  if (!spec) return errors
  const { type, limited, exempt } = spec
  if ((name === 'exempt') !== (type === 'Exempt'))
    errors.push(invalid('spec.type', type, "must be 'Exempt' if and only if `name` is 'exempt'"))
  if (type === 'Exempt') {
    if (limited) errors.push(forbidden('spec.limited', 'must be nil if the type is not Limited'))
    if (exempt) {
      checkShares(errors, exempt, 'spec.exempt')
      checkLendable(errors, exempt, 'spec.exempt')
    }
  } else if (type === 'Limited') {
    if (exempt) errors.push(forbidden('spec.exempt', 'must be nil if the type is Limited'))
    if (limited) checkLimited(errors, limited, 'spec.limited')
    else errors.push(required('spec.limited', 'must not be empty when type is Limited'))
  } else errors.push(notSupported('spec.type', type, ['Exempt', 'Limited']))
  const shown = goInternal('flowcontrol.v1.PriorityLevelConfigurationSpec', spec)
  const wanted = { type: 'Exempt', ...(exempt && { exempt }) }
  if (name === 'exempt' && !deepEqual(spec, wanted))
    errors.push(invalid('spec', shown, "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value"))
  if (name === 'catch-all' && !deepEqual(spec, FIXED_CATCH_ALL))
    errors.push(invalid('spec', shown, "spec of 'catch-all' must equal the fixed value"))
  checkConditions(errors, status?.conditions)
  return errors
}

/** Of either kind: each type of condition once. */
export function validateFlowControlStatus({ status }: { status?: { conditions?: readonly { type?: string }[] } }): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string | undefined>()
  for (const [i, { type }] of (status?.conditions ?? []).entries()) {
    if (seen.has(type)) errors.push(duplicate(`status.conditions[${i}].type`, type ?? ''))
    seen.add(type)
    if (!type) errors.push(required(`status.conditions[${i}].type`))
  }
  return errors
}
