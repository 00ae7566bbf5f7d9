import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import { approvalOf, isProtectedGroup } from './approval.ts'
import { compareVersions } from './definitions.ts'
import { planStatus } from './definitionStatus.ts'

const NOW = '2026-01-01T00:00:00Z'

function definition(
  plural: string,
  kind: string,
  rest: Partial<CustomResourceDefinition> = {},
  shortNames?: string[],
): CustomResourceDefinition {
  const names = { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List`, ...(shortNames && { shortNames }) }
  return {
    metadata: { name: `${plural}.g.example.com`, uid: plural, resourceVersion: '1', creationTimestamp: NOW },
    spec: { group: 'g.example.com', scope: 'Namespaced', names, versions: [{ name: 'v1', served: true, storage: true }] },
    ...rest,
  }
}

const shown = (status: ReturnType<typeof planStatus>): string[] =>
  (status?.conditions ?? []).map(({ type, status: is, reason }) => `${type}=${is} ${reason}`)

test('names are granted where nobody has them, and then the definition is established', () => {
  const status = planStatus(definition('widgets', 'Widget', {}, ['w']), [], NOW)
  assert.deepEqual(shown(status), ['NamesAccepted=True NoConflicts', 'Established=True InitialNamesAccepted'])
  assert.deepEqual(status?.acceptedNames, {
    plural: 'widgets',
    singular: 'widget',
    kind: 'Widget',
    listKind: 'WidgetList',
    shortNames: ['w'],
  })
  assert.equal(planStatus(definition('widgets', 'Widget', { status: status as object }, ['w']), [], NOW), undefined)
})

test('what somebody else has is not granted; what was granted stays', () => {
  const first = definition('widgets', 'Widget', {}, ['w'])
  const holder = { ...first, status: planStatus(first, [], NOW) as object }
  const second = planStatus(definition('wheels', 'Wheel', {}, ['w', 'wh']), [holder], NOW)
  assert.deepEqual(shown(second), ['NamesAccepted=False ShortNamesConflict', 'Established=False NotAccepted'])
  assert.equal(second?.conditions?.[0]?.message, '"w" is already in use')
  assert.deepEqual(second?.acceptedNames, { plural: 'wheels', singular: 'wheel', kind: 'Wheel', listKind: 'WheelList' })
  const freed = planStatus(definition('wheels', 'Wheel', { status: second as object }, ['w', 'wh']), [], NOW)
  assert.deepEqual(shown(freed), ['NamesAccepted=True NoConflicts', 'Established=True InitialNamesAccepted'])
})

test('versions: stable ones first, the newest of each first, odd ones last', () => {
  const names = ['foo1', 'v1beta1', 'v10', 'v2', 'v1alpha2', 'v1', 'v11beta2', 'v10beta3', 'foo10']
  assert.deepEqual(names.toSorted(compareVersions), ['v10', 'v2', 'v1', 'v11beta2', 'v10beta3', 'v1beta1', 'v1alpha2', 'foo1', 'foo10'])
})

test('groups of the community say where they were approved', () => {
  assert.deepEqual(['k8s.io', 'x.k8s.io', 'x.kubernetes.io', 'xk8s.io', 'k8s.io.com'].map(isProtectedGroup), [
    true,
    true,
    true,
    false,
    false,
  ])
  const state = (annotation?: string): string =>
    approvalOf(annotation === undefined ? {} : { 'api-approved.kubernetes.io': annotation }).state
  assert.deepEqual(
    [state(), state('unapproved, for tests'), state('https://github.com/x/y/pull/1'), state('yes')],
    ['Missing', 'Bypassed', 'Approved', 'Invalid'],
  )
})
