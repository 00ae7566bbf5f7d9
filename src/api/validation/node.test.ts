import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validateNode } from './node.ts'

const annotated = (key: string, text: string): string[] =>
  validateNode({
    spec: {},
    metadata: {
      name: 'n',
      uid: 'u',
      resourceVersion: '1',
      creationTimestamp: '',
      annotations: { [`scheduler.alpha.kubernetes.io/${key}`]: text },
    },
  }).map(({ field, message }) => `${field}: ${message}`)

test('what annotations say of taints and of pods to avoid', () => {
  assert.deepEqual(annotated('preferAvoidPods', ''), [])
  assert.deepEqual(annotated('preferAvoidPods', 'x'), [
    `metadata.annotations.AvoidPods: Invalid value: "scheduler.alpha.kubernetes.io/preferAvoidPods": invalid character 'x' looking for beginning of value`,
  ])
  assert.deepEqual(annotated('preferAvoidPods', '{"preferAvoidPods":[{},{"podSignature":{"podController":{"controller":true}}}]}'), [
    'metadata.annotations.scheduler.alpha.kubernetes.io/preferAvoidPods[0].PodSignature: Required value',
  ])
  assert.deepEqual(annotated('taints', '[{"key":"a"}]'), [
    'metadata.annotations.scheduler.alpha.kubernetes.io/taints[0].effect: Required value',
  ])
})
