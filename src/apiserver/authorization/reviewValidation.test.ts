import assert from 'node:assert/strict'
import test from 'node:test'
import { specErrors, subjectErrors } from './reviewValidation.ts'

const fieldsOf = (spec: Parameters<typeof specErrors>[0]): string[] => specErrors(spec).map(({ field }) => field)

test('what an access review asks for has to be one thing, told completely', () => {
  const selectors = 'spec.resourceAttributes'
  assert.deepEqual(fieldsOf({}), ['spec.resourceAttributes'])
  assert.deepEqual(fieldsOf({ resourceAttributes: {}, nonResourceAttributes: {} }), ['spec.nonResourceAttributes'])
  assert.deepEqual(fieldsOf({ resourceAttributes: { fieldSelector: {} } }), [`${selectors}.fieldSelector.requirements`])
  const both = { rawSelector: 'a=b', requirements: [{ key: 'a', operator: 'In', values: ['b'] }] }
  assert.deepEqual(fieldsOf({ resourceAttributes: { fieldSelector: both } }), [`${selectors}.fieldSelector.rawSelector`])
  const labels = {
    requirements: [
      { key: 'a', operator: 'New' },
      { key: 'b', operator: 'In' },
      { key: 'c', operator: 'Exists', values: ['x'] },
    ],
  }
  const at = `${selectors}.labelSelector.requirements`
  assert.deepEqual(fieldsOf({ resourceAttributes: { labelSelector: labels } }), [`${at}[1].values`, `${at}[2].values`])
  assert.equal(subjectErrors({})[0]?.message, 'Invalid value: "": at least one of user or group must be specified')
})
