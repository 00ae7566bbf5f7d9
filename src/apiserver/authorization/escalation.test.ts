import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../../api/catalog/load.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { AdmissionRequest } from '../admission/admission.ts'
import type { Authorizer } from '../request.ts'
import { createEscalationCheck } from './escalation.ts'

const catalog = loadCatalog()
const RULE = { verbs: ['get'], apiGroups: [''], resources: ['pods'] }

/** May do what is listed as `verb resource name`, and holds no right but those to get pods. */
function authorizerOf(...rights: string[]): Authorizer {
  return {
    authorize: ({ verb, resource, name }) => ({ allowed: rights.includes(`${verb} ${resource} ${name}`), reason: '' }),
    escalation: (_user, _namespace, rules) => (rules.every((rule) => rule.verbs.join() === 'get') ? undefined : 'more than is held'),
    rulesOf: () => [{ ...RULE, verbs: ['delete'] }],
  }
}

function role(more: object = {}, metadata: object = {}): KubeObject {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'r', ...metadata },
    rules: [],
    ...more,
  } as unknown as KubeObject
}

async function outcome(authorizer: Authorizer, resource: string, object: KubeObject, oldObject?: KubeObject): Promise<string> {
  const request = {
    operation: oldObject ? 'UPDATE' : 'CREATE',
    resource: catalog.resource('rbac.authorization.k8s.io', 'v1', resource) as CatalogResource,
    namespace: '',
    name: 'r',
    object,
    ...(oldObject && { oldObject }),
    user: { name: 'u', groups: [], extra: {} },
  } as unknown as AdmissionRequest
  try {
    await createEscalationCheck(authorizer).inspect?.(request)
    return 'allowed'
  } catch (error) {
    return (error as Error).message.replace(/^.* is forbidden: /, '')
  }
}

test('roles grant what their writer holds, or may escalate', async () => {
  const more = { rules: [{ ...RULE, verbs: ['delete'] }] }
  const aggregated = { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] } }
  const all = 'must have cluster-admin privileges to use the aggregationRule'
  const cases: [string, Authorizer, KubeObject, KubeObject | undefined, string][] = [
    ['no rules', authorizerOf(), role(), undefined, 'allowed'],
    ['held rules', authorizerOf(), role({ rules: [RULE] }), undefined, 'allowed'],
    ['more', authorizerOf(), role(more), undefined, 'more than is held'],
    ['a new role has no name to escalate', authorizerOf('escalate clusterroles r'), role(more), undefined, 'more than is held'],
    ['escalate', authorizerOf('escalate clusterroles '), role(more), undefined, 'allowed'],
    ['escalate by name', authorizerOf('escalate clusterroles r'), role(more), role(), 'allowed'],
    ['labels of a role with more', authorizerOf(), role(more, { labels: { a: 'b' } }), role(more), 'more than is held'],
    ['finalizers of it', authorizerOf(), role(more, { finalizers: ['a/b'] }), role(more, { ownerReferences: [] }), 'allowed'],
    ['aggregation', authorizerOf(), role(aggregated), undefined, all],
    ['aggregation taken away', authorizerOf(), role(), role(aggregated), all],
    ['aggregation of nothing', authorizerOf(), role({ aggregationRule: {} }), undefined, 'allowed'],
  ]
  for (const [name, authorizer, object, old, expected] of cases)
    assert.equal(await outcome(authorizer, 'clusterroles', object, old), expected, name)
})

test('bindings grant what their writer holds, or may bind', async () => {
  const bound = { kind: 'ClusterRoleBinding', roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'x' } }
  const binding = (metadata: object = {}): KubeObject => role(bound, metadata)
  const cases: [Authorizer, KubeObject, KubeObject | undefined, string][] = [
    [authorizerOf(), binding(), undefined, 'more than is held'],
    [authorizerOf('bind clusterroles x'), binding(), undefined, 'allowed'],
    [authorizerOf(), binding({ labels: { a: 'b' } }), binding(), 'more than is held'],
    [authorizerOf(), binding({ finalizers: [] }), binding({ finalizers: ['a/b'] }), 'allowed'],
    [authorizerOf(), role({ roleRef: { kind: 'Role', name: 'x' } }), undefined, 'Namespace parameter required.'],
    [authorizerOf(), role({ roleRef: { kind: 'ClusterRole', name: '' } }), undefined, 'Name parameter required.'],
    [authorizerOf(), role({ roleRef: { kind: 'Group', name: 'x' } }), undefined, 'unsupported role reference kind: "Group"'],
  ]
  for (const [authorizer, object, old, expected] of cases)
    assert.equal(await outcome(authorizer, 'clusterrolebindings', object, old), expected)
})
