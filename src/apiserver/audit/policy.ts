/** The audit policy (audit.k8s.io/v1 Policy): which requests are written down, how much of them, and at which stages. Pure. */
import { parseYaml } from '../../api/codec/yaml.ts'
import type { RequestAttributes } from '../request.ts'

export const LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'] as const
export type Level = (typeof LEVELS)[number]
export const STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const
export type Stage = (typeof STAGES)[number]

interface GroupResources {
  group?: string
  resources?: string[]
  resourceNames?: string[]
}

interface PolicyRule {
  level: Level
  users?: string[]
  userGroups?: string[]
  verbs?: string[]
  resources?: GroupResources[]
  namespaces?: string[]
  nonResourceURLs?: string[]
  omitStages?: Stage[]
  omitManagedFields?: boolean
}

export interface AuditPolicy {
  rules: readonly PolicyRule[]
  omitStages?: readonly Stage[]
  omitManagedFields?: boolean
}

/** What of one request is written down. */
export interface AuditConfig {
  level: Level
  omitStages: readonly Stage[]
  omitManagedFields: boolean
}

export class AuditPolicyError extends Error {}

const RULE_FIELDS = new Set([
  'level',
  'users',
  'userGroups',
  'verbs',
  'resources',
  'namespaces',
  'nonResourceURLs',
  'omitStages',
  'omitManagedFields',
])

function checkRule(rule: Record<string, unknown>, at: string): void {
  for (const key of Object.keys(rule)) if (!RULE_FIELDS.has(key)) throw new AuditPolicyError(`${at}.${key}: unknown field`)
  if (!LEVELS.includes(rule['level'] as Level))
    throw new AuditPolicyError(`${at}.level: Unsupported value: ${JSON.stringify(rule['level'] ?? '')}`)
  checkStages(rule['omitStages'], `${at}.omitStages`)
  const urls = (rule['nonResourceURLs'] ?? []) as string[]
  if (urls.length > 0 && (rule['resources'] !== undefined || rule['namespaces'] !== undefined))
    throw new AuditPolicyError(`${at}.nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs`)
  for (const url of urls) {
    const star = url.indexOf('*')
    if (url !== '*' && (!url.startsWith('/') || (star >= 0 && star !== url.length - 1)))
      throw new AuditPolicyError(`${at}.nonResourceURLs: Invalid value: ${JSON.stringify(url)}`)
  }
}

function checkStages(stages: unknown, at: string): void {
  if (stages === undefined || stages === null) return
  for (const stage of stages as unknown[])
    if (!STAGES.includes(stage as Stage)) throw new AuditPolicyError(`${at}: Unsupported value: ${JSON.stringify(stage)}`)
}

/** Of a policy file, YAML or JSON. Throws an AuditPolicyError that says what is wrong with it. */
export function parseAuditPolicy(text: string): AuditPolicy {
  let parsed: unknown
  try {
    parsed = parseYaml(text).value
  } catch (cause) {
    throw new AuditPolicyError(`the audit policy is not YAML: ${String(cause)}`, { cause })
  }
  const policy = (parsed ?? {}) as Record<string, unknown>
  if (policy['kind'] !== 'Policy' || policy['apiVersion'] !== 'audit.k8s.io/v1')
    throw new AuditPolicyError('the audit policy must be a Policy of audit.k8s.io/v1')
  const rules = policy['rules']
  if (!Array.isArray(rules) || rules.length === 0) throw new AuditPolicyError('the audit policy has no rules')
  for (const [i, rule] of rules.entries()) checkRule(rule as Record<string, unknown>, `rules[${i}]`)
  checkStages(policy['omitStages'], 'omitStages')
  return policy as unknown as AuditPolicy
}

function matchesPath(path: string, pattern: string): boolean {
  return pattern === '*' || pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.replace(/\*+$/, '')))
}

function matchesResources(wanted: readonly GroupResources[], { group, resource, subresource, name }: RequestAttributes): boolean {
  const combined = subresource ? `${resource}/${subresource}` : resource
  const matches = (pattern: string): boolean =>
    pattern === '*' || pattern === combined || (subresource !== '' && pattern === `*/${subresource}`) || pattern === `${resource}/*`
  return wanted.some(({ group: wantedGroup = '', resources = [], resourceNames = [] }) => {
    if (wantedGroup !== '*' && wantedGroup !== group) return false
    if (resources.length === 0) return true
    return (resourceNames.length === 0 || resourceNames.includes(name)) && resources.some(matches)
  })
}

function matchesRule(rule: PolicyRule, attributes: RequestAttributes): boolean {
  const { users = [], userGroups = [], verbs = [], namespaces = [], resources = [], nonResourceURLs = [] } = rule
  const { user, verb, path } = attributes
  if (users.length > 0 && !users.includes(user.name)) return false
  if (userGroups.length > 0 && !user.groups.some((group) => userGroups.includes(group))) return false
  if (verbs.length > 0 && !verbs.includes(verb)) return false
  const isResource = attributes.path === ''
  if (namespaces.length > 0 || resources.length > 0) {
    if (!isResource || (namespaces.length > 0 && !namespaces.includes(attributes.namespace))) return false
    return resources.length === 0 || matchesResources(resources, attributes)
  }
  if (nonResourceURLs.length > 0) return !isResource && nonResourceURLs.some((pattern) => matchesPath(path, pattern))
  return true
}

/** The first rule that matches counts; what none matches is not written down. */
export function auditConfigOf(policy: AuditPolicy, attributes: RequestAttributes): AuditConfig {
  const { omitStages = [], omitManagedFields = false } = policy
  const rule = policy.rules.find((each) => matchesRule(each, attributes))
  if (!rule) return { level: 'None', omitStages, omitManagedFields }
  return {
    level: rule.level,
    omitStages: [...omitStages, ...(rule.omitStages ?? [])],
    omitManagedFields: rule.omitManagedFields ?? omitManagedFields,
  }
}
