import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkConditions } from './conditions.ts'
import type { Condition } from '../kinds/meta/v1.ts'
import type { FieldError } from '../status.ts'

test('conditions', () => {
  const good: Condition = {
    type: 'a.b/Ready',
    status: 'True',
    lastTransitionTime: '2026-01-01T00:00:00Z',
    reason: 'SomeReason',
    message: '',
  }
  const judge = (...conditions: Condition[]): string[] => {
    const errors: FieldError[] = []
    checkConditions(errors, conditions, 'c')
    return errors.map(({ type, field }) => `${type} ${field}`)
  }
  assert.deepEqual(judge(good), [])
  assert.deepEqual(judge(good, good), ['FieldValueDuplicate c[1].type'])
  assert.deepEqual(judge({ ...good, status: 'maybe' }), ['FieldValueNotSupported c[0].status'])
  assert.deepEqual(judge({ ...good, reason: '' }), ['FieldValueRequired c[0].reason'])
  assert.deepEqual(judge({ ...good, reason: '1st' }), ['FieldValueInvalid c[0].reason'])
  assert.deepEqual(judge({ ...good, message: 'x'.repeat(32_769) }), ['FieldValueTooLong c[0].message'])
})
