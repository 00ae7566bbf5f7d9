import assert from 'node:assert/strict'
import test from 'node:test'
import type { JsonObject } from '../../api/resource.ts'
import { localErrors, metadataErrors, specErrors, subjectErrors } from './reviewValidation.ts'

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

test('a review has no metadata of its own, but a local one its namespace', () => {
  const managedFields = [{ manager: 'kubectl' }]
  const messages = (metadata: JsonObject, isLocal: boolean): string[] => metadataErrors(metadata, isLocal).map(({ message }) => message)
  assert.deepEqual(messages({ managedFields, labels: {} }, false), [])
  assert.deepEqual(messages({ managedFields, namespace: 'a' }, true), [])
  assert.deepEqual(messages({ name: 'a' }, false), ['Invalid value: {"name":"a"}: must be empty'])
  assert.deepEqual(messages({ namespace: 'n', labels: { a: 'b' } }, true), [
    'Invalid value: {"namespace":"n","labels":{"a":"b"}}: must be empty except for namespace',
  ])
})

test('a local review asks about its own namespace', () => {
  const fields = (spec: Parameters<typeof localErrors>[0]): string[] => localErrors(spec, 'n').map(({ field }) => field ?? '')
  assert.deepEqual(fields({ resourceAttributes: { namespace: 'n' } }), [])
  assert.deepEqual(fields({ resourceAttributes: {} }), ['spec.resourceAttributes.namespace'])
  assert.deepEqual(fields({ nonResourceAttributes: { path: '/' } }), ['spec.nonResourceAttributes'])
})
