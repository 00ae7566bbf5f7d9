/** What one RBAC rule allows, and whether a set of rules holds everything that another grants. Pure. */
import type { PolicyRule } from '../../api/kinds/rbac/v1.ts'
import type { RequestAttributes } from '../request.ts'

const ALL = '*'

function has(values: readonly string[] | undefined, value: string): boolean {
  return values !== undefined && (values.includes(value) || values.includes(ALL))
}

function resourceMatches(rule: PolicyRule, resource: string, subresource: string): boolean {
  const resources = rule.resources
  if (!resources) return false
  const full = subresource ? `${resource}/${subresource}` : resource
  for (const one of resources) {
    if (one === ALL || one === full) return true
    if (subresource && one.length === subresource.length + 2 && one.startsWith('*/') && one.endsWith(subresource)) return true
  }
  return false
}

function pathMatches(pattern: string, path: string): boolean {
  return pattern === ALL || pattern === path || (pattern.endsWith(ALL) && path.startsWith(pattern.replace(/\*+$/, '')))
}

export function ruleAllows(rule: PolicyRule, attributes: RequestAttributes): boolean {
  if (!has(rule.verbs, attributes.verb)) return false
  if (attributes.resource === '') return (rule.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, attributes.path))
  if (!has(rule.apiGroups, attributes.group)) return false
  if (!resourceMatches(rule, attributes.resource, attributes.subresource)) return false
  return !rule.resourceNames || rule.resourceNames.length === 0 || rule.resourceNames.includes(attributes.name)
}

/** A rule with one verb, one resource (or path) and at most one name for each combination. */
function breakDown(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = []
  const names = rule.resourceNames && rule.resourceNames.length > 0 ? rule.resourceNames : [undefined]
  for (const group of rule.apiGroups ?? []) {
    for (const resource of rule.resources ?? []) {
      for (const verb of rule.verbs) {
        for (const name of names) {
          parts.push({ apiGroups: [group], resources: [resource], verbs: [verb], ...(name !== undefined && { resourceNames: [name] }) })
        }
      }
    }
  }
  for (const url of rule.nonResourceURLs ?? []) for (const verb of rule.verbs) parts.push({ nonResourceURLs: [url], verbs: [verb] })
  return parts
}

function coversResource(held: readonly string[] | undefined, resource: string): boolean {
  if (has(held, resource)) return true
  const slash = resource.indexOf('/')
  return slash >= 0 && (held ?? []).includes(`*/${resource.slice(slash + 1)}`)
}

/** `part` comes out of breakDown. */
function covers(held: PolicyRule, part: PolicyRule): boolean {
  if (!part.verbs.every((verb) => has(held.verbs, verb))) return false
  if (part.nonResourceURLs) {
    return part.nonResourceURLs.every((path) => (held.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, path)))
  }
  if (!(part.apiGroups ?? []).every((group) => has(held.apiGroups, group))) return false
  if (!(part.resources ?? []).every((resource) => coversResource(held.resources, resource))) return false
  const heldNames = held.resourceNames ?? []
  if (heldNames.length === 0) return true
  return part.resourceNames !== undefined && part.resourceNames.every((name) => heldNames.includes(name))
}

/** The atomic rights among `wanted` that no rule of `held` includes. */
export function missingRights(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakDown).filter((part) => !held.some((rule) => covers(rule, part)))
}

/** Rules on resources that differ in their verb alone become one. */
export function compactRules(rules: readonly PolicyRule[]): PolicyRule[] {
  const byRest = new Map<string, PolicyRule>()
  for (const [at, rule] of rules.entries()) {
    const key = rule.nonResourceURLs
      ? String(at)
      : JSON.stringify([rule.apiGroups, rule.resources, rule.resourceNames, rule.nonResourceURLs])
    const known = byRest.get(key)
    if (known) known.verbs = [...new Set([...known.verbs, ...rule.verbs])]
    else byRest.set(key, { ...rule, verbs: [...rule.verbs] })
  }
  return [...byRest.values()]
}

function goList(values: readonly string[]): string {
  return `[${values.map((v) => JSON.stringify(v)).join(' ')}]`
}

/** `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get"]}`. */
export function describeRule(rule: PolicyRule): string {
  const parts: string[] = []
  if (rule.apiGroups?.length) parts.push(`APIGroups:${goList(rule.apiGroups)}`)
  if (rule.resources?.length) parts.push(`Resources:${goList(rule.resources)}`)
  if (rule.nonResourceURLs?.length) parts.push(`NonResourceURLs:${goList(rule.nonResourceURLs)}`)
  if (rule.resourceNames?.length) parts.push(`ResourceNames:${goList(rule.resourceNames)}`)
  if (rule.verbs.length > 0) parts.push(`Verbs:${goList(rule.verbs)}`)
  return `{${parts.join(', ')}}`
}
