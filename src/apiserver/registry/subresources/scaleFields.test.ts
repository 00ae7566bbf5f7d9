import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parentManagedFields, scaleManagedFields } from './scaleFields.ts'
import type { ManagedFieldsEntry } from '../../../api/kinds/meta/v1.ts'

const TIME = '2026-01-01T00:00:00Z'

function entry(
  manager: string,
  operation: 'Apply' | 'Update',
  apiVersion: string,
  spec: readonly string[],
  subresource?: string,
): ManagedFieldsEntry {
  const fieldsV1 = { 'f:spec': Object.fromEntries(spec.map((field) => [`f:${field}`, {}])) }
  return {
    manager,
    operation,
    apiVersion,
    time: TIME,
    fieldsType: 'FieldsV1',
    fieldsV1,
    ...(subresource && { subresource }),
  } as ManagedFieldsEntry
}

const brief = (entries: readonly ManagedFieldsEntry[] | undefined): string[] =>
  (entries ?? []).map(
    ({ manager, apiVersion, fieldsV1, time }) =>
      `${manager} ${apiVersion} ${Object.keys((fieldsV1 as unknown as Record<string, object>)['f:spec'] ?? {}).join(' ')}${time ? '' : ' (no time)'}`,
  )

test('a Scale shows who owns the replicas, at its own version', () => {
  const parent = [entry('a', 'Apply', 'apps/v1', ['replicas', 'selector']), entry('b', 'Update', 'apps/v1', ['template'])]
  assert.deepEqual(brief(scaleManagedFields(parent)), ['a autoscaling/v1 f:replicas'])
})

test('an applier that still owns the replicas keeps its entry; one that lost them keeps the rest', () => {
  const parent = [entry('a', 'Apply', 'apps/v1', ['replicas', 'selector'])]
  const scale = scaleManagedFields(parent)
  assert.deepEqual(brief(parentManagedFields(parent, scale, 'apps/v1')), ['a apps/v1 f:replicas f:selector'])
  const taken = [entry('s', 'Apply', 'autoscaling/v1', ['replicas'], 'scale')]
  assert.deepEqual(brief(parentManagedFields(parent, taken, 'apps/v1')), ['s apps/v1 f:replicas (no time)', 'a apps/v1 f:selector'])
})

test('nobody is left with nothing', () => {
  const parent = [entry('a', 'Update', 'apps/v1', ['replicas'])]
  assert.deepEqual(brief(parentManagedFields(parent, [entry('s', 'Update', 'autoscaling/v1', ['replicas'], 'scale')], 'apps/v1')), [
    's apps/v1 f:replicas (no time)',
  ])
})

test('who owns other parts of the Scale owns nothing of the object', () => {
  const parent = [entry('a', 'Apply', 'apps/v1', ['selector'])]
  const scale = [entry('before-first-apply', 'Update', 'autoscaling/v1', ['selector'], 'scale')]
  assert.deepEqual(brief(parentManagedFields(parent, scale, 'apps/v1')), ['a apps/v1 f:selector'])
})
