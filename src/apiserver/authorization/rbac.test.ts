import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject } from '../../api/kinds/rbac/v1.ts'
import type { RequestAttributes, UserInfo } from '../request.ts'
import { Rbac } from './rbac.ts'
import { compactRules, describeRule, missingRights, ruleAllows } from './rules.ts'

const GROUP = 'rbac.authorization.k8s.io'
const user = (name: string, ...groups: string[]): UserInfo => ({ name, groups, extra: {} })

function attributes(of: UserInfo, verb: string, resource: string, more: Partial<RequestAttributes> = {}): RequestAttributes {
  const [name = '', subresource = ''] = resource.split('/')
  return { user: of, verb, group: '', version: 'v1', resource: name, subresource, namespace: '', name: '', path: '', ...more }
}

function binding(name: string, kind: 'Role' | 'ClusterRole', role: string, subjects: Subject[], namespace?: string): RoleBinding {
  return { metadata: { name, ...(namespace && { namespace }) }, roleRef: { apiGroup: GROUP, kind, name: role }, subjects } as RoleBinding
}

function rbac(objects: {
  clusterRoles?: Record<string, PolicyRule[]>
  roles?: Record<string, PolicyRule[]>
  cluster?: RoleBinding[]
  local?: RoleBinding[]
}): Rbac {
  const { clusterRoles = {}, roles = {}, cluster = [], local = [] } = objects
  return new Rbac({
    clusterRole: (name) => (clusterRoles[name] ? ({ rules: clusterRoles[name] } as unknown as ClusterRole) : undefined),
    role: (namespace, name) => (roles[`${namespace}/${name}`] ? ({ rules: roles[`${namespace}/${name}`] } as unknown as Role) : undefined),
    clusterRoleBindings: () => cluster as unknown as ClusterRoleBinding[],
    roleBindings: () => local,
  })
}

test('rules match verbs, groups, resources, names and paths', () => {
  const jane = user('jane')
  const cases: [PolicyRule, RequestAttributes, boolean][] = [
    [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }, attributes(jane, 'get', 'pods'), true],
    [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }, attributes(jane, 'get', 'pods/log'), false],
    [{ verbs: ['get'], apiGroups: [''], resources: ['*/log'] }, attributes(jane, 'get', 'pods/log'), true],
    [{ verbs: ['get'], apiGroups: [''], resources: ['*/log'] }, attributes(jane, 'get', 'pods'), false],
    [{ verbs: ['get'], apiGroups: ['apps'], resources: ['*'] }, attributes(jane, 'get', 'pods'), false],
    [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], resourceNames: ['a'] }, attributes(jane, 'get', 'pods', { name: 'a' }), true],
    [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], resourceNames: ['a'] }, attributes(jane, 'list', 'pods'), false],
    [{ verbs: ['get'], nonResourceURLs: ['/api/*'] }, attributes(jane, 'get', '', { path: '/api/v1' }), true],
    [{ verbs: ['get'], nonResourceURLs: ['/api/*'] }, attributes(jane, 'get', '', { path: '/apis' }), false],
    [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, attributes(jane, 'get', '', { path: '/api' }), false],
  ]
  for (const [rule, asked, allowed] of cases) assert.equal(ruleAllows(rule, asked), allowed, JSON.stringify([rule, asked]))
})

test('bindings reach users, groups and service accounts, in their namespace', () => {
  const read: PolicyRule[] = [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }]
  const access = rbac({
    clusterRoles: { reader: read },
    roles: { 'a/r': read },
    cluster: [binding('all', 'ClusterRole', 'reader', [{ kind: 'Group', name: 'ops' }])],
    local: [
      binding(
        'b',
        'Role',
        'r',
        [
          { kind: 'User', name: 'jane' },
          { kind: 'ServiceAccount', name: 'bot' },
        ],
        'a',
      ),
    ],
  })
  const allowed = (of: UserInfo, namespace: string): boolean => access.authorize(attributes(of, 'get', 'pods', { namespace })).allowed
  assert.equal(allowed(user('x', 'ops'), 'anywhere'), true)
  assert.equal(allowed(user('jane'), 'a'), true)
  assert.equal(allowed(user('jane'), 'b'), false)
  assert.equal(allowed(user('system:serviceaccount:a:bot'), 'a'), true)
  assert.equal(allowed(user('system:serviceaccount:b:bot'), 'a'), false)
  assert.equal(
    access.authorize(attributes(user('jane'), 'get', 'pods', { namespace: 'a' })).reason,
    'RBAC: allowed by RoleBinding "b/a" of Role "r" to User "jane"',
  )
})

test('a missing role is told, and a change shows once it is made known', () => {
  const roles: Record<string, PolicyRule[]> = {}
  const access = rbac({ roles, local: [binding('b', 'Role', 'later', [{ kind: 'User', name: 'jane' }], 'a')] })
  const asked = attributes(user('jane'), 'get', 'pods', { namespace: 'a' })
  assert.deepEqual(access.authorize(asked), { allowed: false, reason: 'RBAC: role.rbac.authorization.k8s.io "later" not found' })
  roles['a/later'] = [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }]
  access.invalidate()
  assert.equal(access.authorize(asked).allowed, true)
})

test('nobody grants what they do not hold', () => {
  const access = rbac({
    clusterRoles: { own: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }] },
    cluster: [binding('b', 'ClusterRole', 'own', [{ kind: 'User', name: 'u' }])],
  })
  const u = user('u', 'system:authenticated')
  assert.equal(access.escalation(u, 'n', [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }]), undefined)
  assert.equal(
    access.escalation(u, 'n', [{ verbs: ['get', 'delete'], apiGroups: [''], resources: ['pods', 'secrets'] }]),
    'user "u" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' +
      '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}',
  )
})

const word = fc.constantFrom('a', 'b', 'c', '*')
const words = fc.uniqueArray(word, { minLength: 1, maxLength: 3 })
const anyRule: fc.Arbitrary<PolicyRule> = fc.record({ verbs: words, apiGroups: words, resources: words })

test('law: rights that are not missing are rights that are allowed', () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 3 }), anyRule, word, word, (held, wanted, verb, resource) => {
      if (missingRights(held, [wanted]).length > 0) return
      const asked = attributes(user('u'), verb, resource, { group: 'a' })
      if (ruleAllows(wanted, asked)) assert.ok(held.some((rule) => ruleAllows(rule, asked)))
    }),
  )
})

test('law: everyone holds what they hold', () => {
  fc.assert(fc.property(fc.array(anyRule, { maxLength: 4 }), (rules) => assert.deepEqual(missingRights(rules, rules), [])))
})

test('rules are described as upstream describes them', () => {
  const rules = compactRules([
    { verbs: ['get'], nonResourceURLs: ['/x'] },
    { verbs: ['put'], nonResourceURLs: ['/x'] },
  ])
  const described = ['{NonResourceURLs:["/x"], Verbs:["get"]}', '{NonResourceURLs:["/x"], Verbs:["put"]}']
  assert.deepEqual(rules.map(describeRule), described)
})
