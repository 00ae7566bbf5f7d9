import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../../../api/catalog/load.ts'
import type { RuleWithOperations } from '../../../api/kinds/admissionregistration/v1.ts'
import type { KubeObject, Resource } from '../../../api/resource.ts'
import { isNotFound } from '../../../api/status.ts'
import { storedKind } from '../../registry/kind.ts'
import type { ObjectReader } from '../../registry/reader.ts'
import type { AdmissionRequest } from '../admission.ts'
import { matchRequest } from './rules.ts'
import type { MatchCriteria } from './rules.ts'

const catalog = loadCatalog()

const objects: Record<string, Record<string, string>> = { default: { env: 'test' } }
const reader: ObjectReader = {
  get: <T extends KubeObject>(_: Resource<T>, __: string, name: string): T | undefined =>
    objects[name] && ({ metadata: { name, labels: objects[name] } } as unknown as T),
  list: () => [],
}

interface Asked {
  group?: string
  version?: string
  resource?: string
  subresource?: string
  namespace?: string
  name?: string
  operation?: AdmissionRequest['operation']
  labels?: Record<string, string>
}

function request(asked: Asked): AdmissionRequest {
  const { group = '', version = 'v1', resource = 'configmaps', subresource = '', name = 'x', operation = 'CREATE', labels } = asked
  const requested = catalog.resource(group, version, resource)
  assert.ok(requested, `${group}/${version} ${resource}`)
  const namespace = asked.namespace ?? (requested.namespaced ? 'default' : '')
  return {
    operation,
    resource: requested,
    requested,
    stored: storedKind(requested, {}, false),
    kind: { group, version, kind: requested.kind },
    subresource,
    namespace,
    name,
    object: { metadata: { name, ...(labels && { labels }) } } as KubeObject,
    options: {},
    dryRun: false,
    user: { name: 'u', groups: [], extra: {} },
    warnings: [],
    signal: new AbortController().signal,
    round: 0,
    wantsReinvocation: false,
  }
}

const rule = (changes: Partial<RuleWithOperations> = {}): RuleWithOperations => ({
  operations: ['CREATE'],
  apiGroups: [''],
  apiVersions: ['v1'],
  resources: ['configmaps'],
  ...changes,
})

const match = (criteria: Partial<MatchCriteria>, asked: Asked = {}) =>
  matchRequest({ rules: [rule()], emptyMatches: false, ...criteria }, request(asked), { catalog, reader })

test('operations, groups, versions, resources and subresources, with wildcards', () => {
  const cases: [rule: Partial<RuleWithOperations>, asked: Asked, matches: boolean][] = [
    [{}, {}, true],
    [{}, { operation: 'DELETE' }, false],
    [{ operations: ['*'] }, { operation: 'CONNECT' }, true],
    [{ apiGroups: ['*'] }, { group: 'apps', resource: 'deployments' }, false],
    [{ apiGroups: ['*'], resources: ['*'] }, { group: 'apps', resource: 'deployments' }, true],
    [{ apiVersions: ['v2'] }, {}, false],
    [{ resources: ['*'] }, { resource: 'pods', subresource: 'status' }, false],
    [{ resources: ['*/*'] }, { resource: 'pods', subresource: 'status' }, true],
    [{ resources: ['*/*'] }, { resource: 'pods' }, true],
    [{ resources: ['pods/*'] }, { resource: 'pods', subresource: 'exec' }, true],
    [{ resources: ['*/status'] }, { resource: 'pods', subresource: 'exec' }, false],
    [{ resources: ['pods/exec'] }, { resource: 'pods' }, false],
    [{ scope: 'Cluster' }, {}, false],
    [{ scope: 'Namespaced' }, {}, true],
    [{ scope: 'Cluster', resources: ['nodes'] }, { resource: 'nodes' }, true],
    [{ scope: 'Namespaced', resources: ['namespaces'] }, { resource: 'namespaces', name: 'default' }, false],
    [{ scope: 'Cluster', resources: ['namespaces'] }, { resource: 'namespaces', name: 'default' }, true],
  ]
  for (const [changes, asked, matches] of cases) {
    assert.equal(match({ rules: [rule(changes)] }, asked) !== undefined, matches, JSON.stringify([changes, asked]))
  }
})

test('no rules match everything for policies, nothing for webhooks; excluded rules go first', () => {
  assert.equal(match({ rules: [] }), undefined)
  assert.ok(match({ rules: [], emptyMatches: true }))
  assert.equal(match({ emptyMatches: true, excludeRules: [rule()] }), undefined)
  assert.ok(match({ emptyMatches: true, excludeRules: [{ ...rule(), resourceNames: ['other'] }] }))
  assert.equal(match({ rules: [{ ...rule(), resourceNames: ['other'] }] }), undefined)
})

test('equivalent versions are met by the one that the rule names', () => {
  const rules = [rule({ apiGroups: ['autoscaling'], resources: ['horizontalpodautoscalers'] })]
  const asked = { group: 'autoscaling', version: 'v2', resource: 'horizontalpodautoscalers' }
  assert.equal(match({ rules, matchPolicy: 'Exact' }, asked), undefined)
  assert.deepEqual(match({ rules, matchPolicy: 'Equivalent' }, asked)?.kind, {
    group: 'autoscaling',
    version: 'v1',
    kind: 'HorizontalPodAutoscaler',
  })
  const events = [rule({ apiGroups: ['events.k8s.io'], resources: ['events'] })]
  assert.equal(match({ rules: events, matchPolicy: 'Equivalent' }, { resource: 'events' })?.resource.group, 'events.k8s.io')
})

test('selectors: of the object or the one before, of the namespace, of a namespace itself', () => {
  const objectSelector = { matchLabels: { a: 'b' } }
  assert.equal(match({ objectSelector }), undefined)
  assert.ok(match({ objectSelector }, { labels: { a: 'b' } }))
  const namespaceSelector = { matchLabels: { env: 'test' } }
  assert.ok(match({ namespaceSelector }))
  assert.equal(match({ namespaceSelector: { matchLabels: { env: 'prod' } } }), undefined)
  const ofNamespaces = { rules: [rule({ resources: ['namespaces'] })], namespaceSelector }
  assert.ok(match(ofNamespaces, { resource: 'namespaces', name: 'new', labels: { env: 'test' } }))
  assert.equal(match(ofNamespaces, { resource: 'namespaces', name: 'new' }), undefined)
  assert.ok(match({ rules: [rule({ resources: ['nodes'] })], namespaceSelector }, { resource: 'nodes' }))
})

test('a namespace that is gone is an answer only to requests that would match', () => {
  const namespaceSelector = { matchLabels: { env: 'test' } }
  assert.throws(() => match({ namespaceSelector }, { namespace: 'gone' }), isNotFound)
  assert.equal(match({ namespaceSelector, rules: [rule({ resources: ['pods'] })] }, { namespace: 'gone' }), undefined)
})

test('what has no metadata is selected by nothing but an empty selector', () => {
  const asked = {
    ...request({ resource: 'pods', subresource: 'exec', operation: 'CONNECT' }),
    object: { kind: 'PodExecOptions' } as KubeObject,
  }
  const rules = [rule({ operations: ['CONNECT'], resources: ['pods/exec'] })]
  const matches = (objectSelector: NonNullable<MatchCriteria['objectSelector']>): boolean =>
    matchRequest({ rules, emptyMatches: false, objectSelector }, asked, { catalog, reader }) !== undefined
  assert.equal(matches({}), true)
  assert.equal(matches({ matchExpressions: [{ key: 'skip', operator: 'DoesNotExist' }] }), false)
})
