import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validateNewPersistentVolume, validatePersistentVolumeUpdate } from './persistentVolumes.ts'
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
const annotated = (volume: PersistentVolume, annotations: Record<string, string>): PersistentVolume => ({
  ...volume,
  metadata: { ...volume.metadata, annotations },
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

test('mount options and places belong to some kinds of volumes', () => {
  const of = (volume: PersistentVolume): string[] => validateNewPersistentVolume(volume).map(({ field, message }) => `${field}: ${message}`)
  const options = { 'volume.beta.kubernetes.io/mount-options': 'ro' }
  const { hostPath, ...spec } = volumeOn().spec ?? {}
  const nfs = { ...volumeOn(), spec: { ...spec, nfs: { server: 's', path: '/' } } }
  assert.deepEqual(of(annotated(nfs, options)), [])
  assert.deepEqual(of(annotated(volumeOn(), options)), [
    'metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not specify mount options for this volume type',
  ])
  const local = { path: '/a' }
  assert.deepEqual(of({ ...volumeOn(), spec: { ...spec, local } }), [
    'spec.nodeAffinity: Required value: Local volume requires node affinity',
  ])
  const both = of({ ...volumeOn(), spec: { ...spec, ...(hostPath && { hostPath }), local } })
  assert.deepEqual(both, ['spec.local: Forbidden: may not specify more than 1 volume type'], 'of the first one alone is more said')
  const flexVolume = { driver: 'example.com/d' }
  assert.deepEqual(
    of({ ...volumeOn(), spec: { ...spec, ...(hostPath && { hostPath }), flexVolume } }),
    [],
    'upstream takes it beside another',
  )
})
