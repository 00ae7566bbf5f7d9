import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validatePersistentVolumeUpdate } from './persistentVolumes.ts'
import type { PersistentVolume } from '../kinds/core/v1.ts'

const volumeOn = (...keys: string[]): PersistentVolume => ({
  metadata: { name: 'v', uid: 'u', resourceVersion: '1', creationTimestamp: '' },
  spec: {
    accessModes: ['ReadWriteOnce'],
    capacity: { storage: '1Gi' },
    hostPath: { path: '/a' },
    ...(keys.length > 0 && {
      nodeAffinity: {
        required: { nodeSelectorTerms: [{ matchExpressions: keys.map((key) => ({ key, operator: 'In', values: ['b'] })) }] },
      },
    }),
  },
})
const told = (next: PersistentVolume, old: PersistentVolume): string[] =>
  validatePersistentVolumeUpdate(next, old).map(({ field, message }) => `${field}: ${message}`)

test('where a volume is stays, but for the names of labels', () => {
  const why = 'field is immutable, except for updating from beta label to GA'
  assert.deepEqual(told(volumeOn('a'), volumeOn()), [])
  assert.deepEqual(told(volumeOn('topology.kubernetes.io/zone'), volumeOn('failure-domain.beta.kubernetes.io/zone')), [])
  assert.deepEqual(told(volumeOn('b'), volumeOn('a')), [
    `nodeAffinity: Invalid value: {"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"b","Operator":"In","Values":["b"]}],"MatchFields":null}]}}: ${why}`,
  ])
  assert.deepEqual(told(volumeOn(), volumeOn('a')), [`nodeAffinity: Invalid value: null: ${why}`])
})
