import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterRole, ClusterRoleBinding } from '../../api/kinds/rbac/v1.ts'
import { ruleAllows } from '../authorization/rules.ts'
import { withMissingRules, withMissingSubjects } from './bootstrap.ts'
import { CLUSTER_ROLES } from './clusterRoles.ts'
import { CONTROLLER_ROLES } from './controllerRoles.ts'
import { CLUSTER_ROLE_BINDINGS } from './namespaceRoles.ts'
import { clusterRole, clusterRoleBinding, controllerBinding, policyRule } from './rows.ts'

test('rows become rules', () => {
  assert.deepEqual(policyRule(['get,list', ',apps', 'pods,deployments/scale', 'a']), {
    verbs: ['get', 'list'],
    apiGroups: ['', 'apps'],
    resources: ['pods', 'deployments/scale'],
    resourceNames: ['a'],
  })
  assert.deepEqual(policyRule(['get', '/healthz,/livez']), { verbs: ['get'], nonResourceURLs: ['/healthz', '/livez'] })
})

function role(name: string): ClusterRole {
  const row = CLUSTER_ROLES.find((r) => r.name === name)
  assert.ok(row, name)
  return clusterRole(row, CLUSTER_ROLES) as ClusterRole
}

function allows(name: string, verb: string, resource: string): boolean {
  const user = { name: 'u', groups: [], extra: {} }
  return (role(name).rules ?? []).some((rule) =>
    ruleAllows(rule, {
      user,
      verb,
      group: '',
      version: 'v1',
      resource,
      subresource: '',
      namespace: 'n',
      name: '',
      path: '',
    }),
  )
}

test('admin, edit and view hold each other from the first moment on', () => {
  assert.deepEqual(
    ['view', 'edit', 'admin'].map((name) => allows(name, 'get', 'pods')),
    [true, true, true],
  )
  assert.deepEqual(
    ['view', 'edit', 'admin'].map((name) => allows(name, 'create', 'pods')),
    [false, true, true],
  )
  assert.deepEqual(
    ['view', 'edit', 'admin'].map((name) => allows(name, 'get', 'secrets')),
    [false, true, true],
  )
  assert.deepEqual(role('edit').aggregationRule, {
    clusterRoleSelectors: [{ matchLabels: { 'rbac.authorization.k8s.io/aggregate-to-edit': 'true' } }],
  })
})

test('every controller has a role and its binding, every binding a role', () => {
  assert.deepEqual(clusterRoleBinding(controllerBinding({ name: 'system:controller:job-controller' })).subjects, [
    { kind: 'ServiceAccount', name: 'job-controller', namespace: 'kube-system' },
  ])
  const names = new Set([...CLUSTER_ROLES, ...CONTROLLER_ROLES].map((r) => r.name))
  for (const { role: bound } of CLUSTER_ROLE_BINDINGS) assert.ok(names.has(bound), bound)
})

test('what a role lost comes back, what it was given stays, and who forbids it is left alone', () => {
  const wanted = [{ verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] }]
  const own = { verbs: ['get'], apiGroups: ['x'], resources: ['y'] }
  const existing = {
    metadata: { name: 'r' },
    rules: [own, { verbs: ['get'], apiGroups: [''], resources: ['pods'] }],
  } as unknown as ClusterRole
  assert.deepEqual(withMissingRules(existing, wanted)?.rules?.slice(2), [{ verbs: ['list'], apiGroups: [''], resources: ['pods'] }])
  assert.equal(withMissingRules({ ...existing, rules: [own, ...wanted] }, wanted), undefined)
  const frozen = {
    ...existing,
    metadata: { ...existing.metadata, annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' } },
  }
  assert.equal(withMissingRules(frozen, wanted), undefined)
})

test('subjects that a binding lost come back', () => {
  const jane = { kind: 'User', name: 'jane' }
  const masters = { kind: 'Group', name: 'system:masters' }
  const existing = { metadata: { name: 'b' }, subjects: [jane] } as unknown as ClusterRoleBinding
  assert.deepEqual(withMissingSubjects(existing, [masters])?.subjects, [jane, masters])
  assert.equal(withMissingSubjects(existing, [jane]), undefined)
})
