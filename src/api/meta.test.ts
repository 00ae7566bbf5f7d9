import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AnyCondition, deepEqual, withCondition } from './meta.ts'
import { generateName, safeEncode } from './names.ts'

test('equality is that of JSON', () => {
  assert.ok(deepEqual({ a: 1, b: [{ c: 'x' }] }, { b: [{ c: 'x' }], a: 1 }))
  assert.ok(deepEqual({ a: undefined }, {}))
  assert.ok(deepEqual({}, { a: undefined }))
  assert.ok(!deepEqual({ a: null }, {}))
  assert.ok(!deepEqual([1, 2], [2, 1]))
  assert.ok(!deepEqual([], {}))
  assert.ok(!deepEqual({ a: 1 }, { b: 1 }))
})

test('a condition moves its time only with its status', () => {
  const before: AnyCondition[] = [
    { type: 'Ready', status: 'True', reason: 'A', lastTransitionTime: 't0' },
    { type: 'Other', status: 'True' },
  ]
  assert.equal(withCondition(before, { type: 'Ready', status: 'True', reason: 'A' }, 't1'), before)
  assert.deepEqual(withCondition(before, { type: 'Ready', status: 'True', reason: 'B' }, 't1')[0], {
    type: 'Ready',
    status: 'True',
    reason: 'B',
    lastTransitionTime: 't0',
  })
  assert.equal(withCondition(before, { type: 'Ready', status: 'False' }, 't1')[0]?.lastTransitionTime, 't1')
  assert.equal(withCondition(before, { type: 'New', status: 'True' }, 't1').length, 3)
})

test('generated names are labels', () => {
  assert.match(generateName('web-'), /^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  assert.equal(
    generateName('x'.repeat(70), () => 0),
    `${'x'.repeat(58)}bbbbb`,
  )
  assert.match(safeEncode('1234567890'), /^[bcdfghjklmnpqrstvwxz2456789]{10}$/)
})
