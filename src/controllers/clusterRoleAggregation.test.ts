import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterRole } from '../api/kinds/rbac/v1.ts'
import { aggregatedRules } from './clusterRoleAggregation.ts'

function role(name: string, verb: string, labels: Record<string, string> = {}): ClusterRole {
  return {
    metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: '', labels },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: [verb] }],
  }
}

test('the rules of all that match, by name, each once', () => {
  const sum: ClusterRole = {
    ...role('sum', 'old', { part: 'yes' }),
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { part: 'yes' } }, { matchLabels: { also: 'yes' } }] },
  }
  const all = [
    sum,
    role('z', 'get', { also: 'yes' }),
    role('b', 'list', { part: 'yes' }),
    role('a', 'get', { part: 'yes' }),
    role('other', 'delete'),
  ]
  assert.deepEqual(
    aggregatedRules(sum, all).map((rule) => rule.verbs),
    [['get'], ['list']],
  )
})
