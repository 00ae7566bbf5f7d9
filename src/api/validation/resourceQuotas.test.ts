import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validateResourceQuota, validateResourceQuotaStatus, validateResourceQuotaUpdate } from './resourceQuotas.ts'
import type { ResourceQuota, ResourceQuotaSpec } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const metadata = { name: 'n', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' }
const told = (errors: readonly FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`)

test('scopes of quotas concern the standard resources', () => {
  const quota = (spec: ResourceQuotaSpec): string[] => told(validateResourceQuota({ metadata, spec }))
  assert.deepEqual(quota({ hard: { 'example.com/x': '1', pods: '1' }, scopes: ['BestEffort'] }), [])
  assert.deepEqual(quota({ hard: { services: '1', secrets: '1' }, scopes: ['BestEffort'] }), [
    'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
    'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
  ])
  assert.deepEqual(quota({ hard: { 'count/pods': '1', 'limits.ephemeral-storage': '1' }, scopes: ['Terminating'] }), [
    'spec.scopes: Invalid value: ["Terminating"]: unsupported scope applied to resource',
  ])
  assert.deepEqual(quota({ hard: { services: '1' }, scopes: ['x'] }), ['spec.scopes: Invalid value: ["x"]: unsupported scope'])
})

test('scope selectors of quotas', () => {
  const quota = (hard: Record<string, string>, scopeName: string, operator: string, values?: string[]): string[] =>
    told(
      validateResourceQuota({
        metadata,
        spec: { hard, scopeSelector: { matchExpressions: [{ scopeName, operator, ...(values && { values }) }] } },
      }),
    )
  assert.deepEqual(quota({ pods: '1' }, 'PriorityClass', 'In', ['a']), [])
  assert.deepEqual(quota({ 'hugepages-2Mi': '0' }, 'PriorityClass', 'In', ['a']), [
    'spec.scopeSelector.matchExpressions: Invalid value: {"MatchExpressions":[{"ScopeName":"PriorityClass","Operator":"In","Values":["a"]}]}: unsupported scope applied to resource',
  ])
  assert.deepEqual(
    quota({ pods: '1' }, 'Terminating', 'x').map((text) => text.split(': ')[0]),
    ['spec.scopeSelector.matchExpressions.operator', 'spec.scopeSelector.matchExpressions.operator'],
  )
})

test('the scopes of a quota stay', () => {
  const change = (...scopes: (string[] | undefined)[]): string[] => {
    const [next, old] = scopes.map((list): ResourceQuota => ({ metadata, spec: { ...(list && { scopes: list }) } }))
    return told(validateResourceQuotaUpdate(next as ResourceQuota, old as ResourceQuota))
  }
  assert.deepEqual(change(['Terminating', 'BestEffort'], ['BestEffort', 'Terminating']), [])
  assert.deepEqual(change(['Terminating'], ['BestEffort']), ['spec.scopes: Invalid value: ["Terminating"]: field is immutable'])
  assert.deepEqual(change(undefined, ['BestEffort']), ['spec.scopes: Invalid value: null: field is immutable'])
})

test('statuses of quotas', () => {
  const quota = {
    metadata: { name: 'a', resourceVersion: '1' },
    status: { hard: { pods: '1.5' }, used: { pods: '-1' } },
  } as unknown as ResourceQuota
  assert.deepEqual(
    validateResourceQuotaStatus(quota).map(({ field }) => field),
    ['status.hard[pods]', 'status.used[pods]'],
  )
})
