/** The compact rows of the bootstrap policy, and the objects that they stand for. Pure. */
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject } from '../../api/kinds/rbac/v1.ts'
import type { Draft } from '../../api/resource.ts'

/** [verbs, paths], or [verbs, groups, resources] and names. */
export type RuleRow = readonly [verbs: string, urls: string] | readonly [verbs: string, groups: string, resources: string, names?: string]

export interface RoleRow {
  name: string
  /** Of a cluster role that others take their rules from: `admin`, `edit`, `view`. */
  aggregateTo?: readonly string[]
  /** Of one that takes its rules from those labelled so. */
  aggregates?: readonly string[]
  rules?: readonly RuleRow[]
}

export interface BindingRow {
  name: string
  role: string
  /** `user name`, `group name`, `account namespace/name`. */
  subjects: readonly string[]
}

const GROUP = 'rbac.authorization.k8s.io'
const API_VERSION = `${GROUP}/v1`
const AGGREGATE_LABEL = `${GROUP}/aggregate-to-`
export const AUTOUPDATE_ANNOTATION = 'rbac.authorization.kubernetes.io/autoupdate'

function metadata(
  name: string,
  labels: Record<string, string> = {},
): { name: string; labels: Record<string, string>; annotations: Record<string, string> } {
  return { name, labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels }, annotations: { [AUTOUPDATE_ANNOTATION]: 'true' } }
}

export function policyRule(row: RuleRow): PolicyRule {
  const split = (text: string): string[] => text.split(',')
  if (row.length === 2) return { verbs: split(row[0]), nonResourceURLs: split(row[1]) }
  const [verbs, groups, resources, names] = row
  return { verbs: split(verbs), apiGroups: split(groups), resources: split(resources), ...(names && { resourceNames: split(names) }) }
}

/** The rules of all rows that aggregate to `target`, through rows that aggregate themselves. */
function aggregatedRules(rows: readonly RoleRow[], target: string): PolicyRule[] {
  const sources = rows.filter((row) => row.aggregateTo?.includes(target)).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const rules = sources.flatMap((row) => [
    ...(row.rules ?? []).map(policyRule),
    ...(row.aggregates ?? []).flatMap((inner) => aggregatedRules(rows, inner)),
  ])
  const seen = new Set<string>()
  return rules.filter((rule) => !seen.has(JSON.stringify(rule)) && seen.add(JSON.stringify(rule)))
}

/** Aggregated roles get their rules at once, not only when the aggregation controller has come round. */
export function clusterRole(row: RoleRow, rows: readonly RoleRow[]): Draft<ClusterRole> {
  const labels = Object.fromEntries((row.aggregateTo ?? []).map((target) => [`${AGGREGATE_LABEL}${target}`, 'true']))
  const selectors = row.aggregates?.map((target) => ({ matchLabels: { [`${AGGREGATE_LABEL}${target}`]: 'true' } }))
  const rules = row.aggregates ? row.aggregates.flatMap((target) => aggregatedRules(rows, target)) : (row.rules ?? []).map(policyRule)
  return {
    apiVersion: API_VERSION,
    kind: 'ClusterRole',
    metadata: metadata(row.name, labels),
    ...(selectors && { aggregationRule: { clusterRoleSelectors: selectors } }),
    rules,
  }
}

export function role(row: RoleRow & { namespace: string }): Draft<Role> {
  return {
    apiVersion: API_VERSION,
    kind: 'Role',
    metadata: { ...metadata(row.name), namespace: row.namespace },
    rules: (row.rules ?? []).map(policyRule),
  }
}

function subject(text: string): Subject {
  const space = text.indexOf(' ')
  const [kind, name] = [text.slice(0, space), text.slice(space + 1)]
  if (kind === 'account') {
    const slash = name.indexOf('/')
    return { kind: 'ServiceAccount', name: name.slice(slash + 1), namespace: name.slice(0, slash) }
  }
  return { kind: kind === 'group' ? 'Group' : 'User', apiGroup: GROUP, name }
}

export function clusterRoleBinding(row: BindingRow): Draft<ClusterRoleBinding> {
  return {
    apiVersion: API_VERSION,
    kind: 'ClusterRoleBinding',
    metadata: metadata(row.name),
    roleRef: { apiGroup: GROUP, kind: 'ClusterRole', name: row.role },
    ...(row.subjects.length > 0 && { subjects: row.subjects.map(subject) }),
  }
}

export function roleBinding(row: BindingRow & { namespace: string }): Draft<RoleBinding> {
  return {
    apiVersion: API_VERSION,
    kind: 'RoleBinding',
    metadata: { ...metadata(row.name), namespace: row.namespace },
    roleRef: { apiGroup: GROUP, kind: 'Role', name: row.role },
    subjects: row.subjects.map(subject),
  }
}

/** The binding of a controller's role to its service account. */
export function controllerBinding(row: RoleRow): BindingRow {
  return { name: row.name, role: row.name, subjects: [`account kube-system/${row.name.replace('system:controller:', '')}`] }
}
