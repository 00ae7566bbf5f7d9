/** Roles and bindings (pkg/apis/rbac/validation). */
import { invalid, invalidAll, notSupportedText, required } from './fieldErrors.ts'
import { isPathSegmentName, nameIsDnsSubdomain } from './names.ts'
import { validateLabelSelector } from './labels.ts'
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject } from '../kinds/rbac/v1.ts'
import type { FieldError } from '../status.ts'

const GROUP = 'rbac.authorization.k8s.io'

function validateRule(rule: PolicyRule, namespaced: boolean, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { nonResourceURLs = [], apiGroups = [], resources = [], resourceNames = [] } = rule
  if (!rule.verbs?.length) errors.push(required(`${path}.verbs`, 'verbs must contain at least one value'))
  if (nonResourceURLs.length > 0) {
    if (namespaced) errors.push(invalid(`${path}.nonResourceURLs`, nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs'))
    if (apiGroups.length > 0 || resources.length > 0 || resourceNames.length > 0) {
      errors.push(invalid(`${path}.nonResourceURLs`, nonResourceURLs, 'rules cannot apply to both regular resources and non-resource URLs'))
    }
    return errors
  }
  if (apiGroups.length === 0) errors.push(required(`${path}.apiGroups`, 'resource rules must supply at least one api group'))
  if (resources.length === 0) errors.push(required(`${path}.resources`, 'resource rules must supply at least one resource'))
  return errors
}

export function validateRole(role: Role): FieldError[] {
  return (role.rules ?? []).flatMap((rule, i) => validateRule(rule, true, `rules[${i}]`))
}

export function validateClusterRole(role: ClusterRole): FieldError[] {
  const errors = (role.rules ?? []).flatMap((rule, i) => validateRule(rule, false, `rules[${i}]`))
  if (!role.aggregationRule) return errors
  const path = 'aggregationRule.clusterRoleSelectors'
  const selectors = role.aggregationRule.clusterRoleSelectors ?? []
  if (selectors.length === 0) errors.push(required(path, 'at least one clusterRoleSelector required if aggregationRule is non-nil'))
  for (const [i, selector] of selectors.entries()) {
    const found = validateLabelSelector(selector, `${path}[${i}]`)
    errors.push(...found)
    if (found.length > 0) errors.push(invalid(`${path}[${i}]`, null, 'invalid label selector.'))
  }
  return errors
}

function validateSubject(subject: Subject, namespaced: boolean, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { name, kind, namespace } = subject
  const apiGroup = subject.apiGroup ?? ''
  if (!name) errors.push(required(`${path}.name`))
  switch (kind) {
    case 'ServiceAccount':
      if (name) errors.push(...invalidAll(`${path}.name`, name, nameIsDnsSubdomain(name, false)))
      if (apiGroup) errors.push(notSupportedText(`${path}.apiGroup`, apiGroup, ['']))
      if (!namespaced && !namespace) errors.push(required(`${path}.namespace`))
      break
    case 'User':
    case 'Group':
      if (apiGroup !== GROUP) errors.push(notSupportedText(`${path}.apiGroup`, apiGroup, [GROUP]))
      break
    default:
      errors.push(notSupportedText(`${path}.kind`, kind ?? '', ['ServiceAccount', 'User', 'Group']))
  }
  return errors
}

export function validateBinding(binding: RoleBinding | ClusterRoleBinding, namespaced: boolean): FieldError[] {
  const { roleRef, subjects = [] } = binding
  const errors: FieldError[] = []
  const { apiGroup = '', kind = '', name = '' } = roleRef ?? {}
  if (apiGroup !== GROUP) errors.push(notSupportedText('roleRef.apiGroup', apiGroup, [GROUP]))
  const kinds = namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole']
  if (!kinds.includes(kind)) errors.push(notSupportedText('roleRef.kind', kind, kinds))
  if (!name) errors.push(required('roleRef.name'))
  else errors.push(...invalidAll('roleRef.name', name, isPathSegmentName(name, false)))
  return [...errors, ...subjects.flatMap((subject, i) => validateSubject(subject, namespaced, `subjects[${i}]`))]
}

export function validateBindingChange(next: RoleBinding | ClusterRoleBinding, old: RoleBinding | ClusterRoleBinding): FieldError[] {
  const { apiGroup, kind, name } = next.roleRef
  const before = old.roleRef
  if (apiGroup === before.apiGroup && kind === before.kind && name === before.name) return []
  return [invalid('roleRef', { APIGroup: apiGroup, Kind: kind, Name: name }, 'cannot change roleRef')]
}
