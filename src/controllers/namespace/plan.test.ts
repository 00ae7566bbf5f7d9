import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deployments } from '../../api/kinds/apps/v1.ts'
import { pods } from '../../api/kinds/core/v1.ts'
import { namespaceConditions } from './plan.ts'

const pod = {
  metadata: { name: 'p', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '', finalizers: ['example.com/hold'] },
}
const messages = (conditions: ReturnType<typeof namespaceConditions>): Record<string, string> =>
  Object.fromEntries(conditions.map((c) => [c.type, `${c.status} ${c.reason}: ${c.message}`]))

test('what remains is told by resource and by finalizer', () => {
  const told = messages(
    namespaceConditions(
      undefined,
      [
        { resource: pods, objects: [pod] },
        { resource: deployments, objects: [pod, pod] },
      ],
      ['no access'],
      0,
    ),
  )
  assert.equal(
    told['NamespaceContentRemaining'],
    'True SomeResourcesRemain: Some resources are remaining: deployments.apps has 2 resource instances, pods. has 1 resource instances',
  )
  assert.equal(
    told['NamespaceFinalizersRemaining'],
    'True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/hold in 3 resource instances',
  )
  assert.equal(
    told['NamespaceDeletionContentFailure'],
    'True ContentDeletionFailed: Failed to delete all resource types, 1 remaining: no access',
  )
})

test('a transition time stays while the status does', () => {
  const before = namespaceConditions(undefined, [{ resource: pods, objects: [pod] }], [], 0)
  const after = namespaceConditions(before, [{ resource: pods, objects: [pod, pod] }], [], 60_000)
  assert.deepEqual(
    after.map((c) => c.lastTransitionTime),
    before.map((c) => c.lastTransitionTime),
  )
  const cleared = namespaceConditions(after, [], [], 60_000)
  assert.equal(cleared.find((c) => c.type === 'NamespaceContentRemaining')?.lastTransitionTime, '1970-01-01T00:01:00Z')
})

test('a server that cannot be asked holds a namespace, and is named', () => {
  const told = messages(namespaceConditions(undefined, [], [], 0, ['g.example/v1: stale GroupVersion discovery: g.example/v1']))
  assert.equal(
    told['NamespaceDeletionDiscoveryFailure'],
    'True DiscoveryFailed: Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: g.example/v1: stale GroupVersion discovery: g.example/v1',
  )
})
