import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeSpec } from './kinds/core/v1.ts'
import { freeVolumes, misfitOf, reservedVolume } from './volumeMatching.ts'

function volume(name: string, storage: string, spec: Partial<PersistentVolumeSpec> = {}, phase = 'Available'): PersistentVolume {
  return {
    metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: '', labels: { name } },
    spec: { capacity: { storage }, accessModes: ['ReadWriteOnce'], storageClassName: 's', ...spec },
    status: { phase },
  }
}
function claim(spec: Partial<PersistentVolumeClaimSpec> = {}): PersistentVolumeClaim {
  return {
    metadata: { name: 'c', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' },
    spec: { accessModes: ['ReadWriteOnce'], storageClassName: 's', resources: { requests: { storage: '5Gi' } }, ...spec },
  }
}

test('the volume for a claim', () => {
  const free = [
    volume('big', '50Gi'),
    volume('fits', '5Gi'),
    volume('tiny', '1Gi'),
    volume('other class', '5Gi', { storageClassName: 'x' }),
    volume('taken', '5Gi', { claimRef: { name: 'z', namespace: 'ns', uid: 'z' } }),
  ]
  const reserved = volume('reserved', '80Gi', { claimRef: { name: 'c', namespace: 'ns' } })
  const cases: [string, PersistentVolume[], PersistentVolumeClaim, boolean, string | undefined][] = [
    ['the smallest that fits', free, claim(), false, 'fits'],
    ['one that names the claim goes first', [...free, reserved], claim(), false, 'reserved'],
    ['and is all there is for one that waits', free, claim(), true, undefined],
    ['but it must fit', [volume('small', '1Gi', { claimRef: { name: 'c', namespace: 'ns' } })], claim(), true, undefined],
    ['of another uid', [volume('old', '9Gi', { claimRef: { name: 'c', namespace: 'ns', uid: 'before' } })], claim(), false, undefined],
    ['by selector', free, claim({ selector: { matchLabels: { name: 'big' } } }), false, 'big'],
    ['access modes', free, claim({ accessModes: ['ReadWriteMany'] }), false, undefined],
    ['volume mode', free, claim({ volumeMode: 'Block' }), false, undefined],
    ['released ones are not free', [volume('used', '5Gi', {}, 'Released')], claim(), false, undefined],
  ]
  for (const [name, volumes, subject, delayed, expected] of cases)
    assert.equal(
      (reservedVolume(volumes, subject) ?? (delayed ? undefined : freeVolumes(volumes, subject)[0]))?.metadata.name,
      expected,
      name,
    )
})

test('why a claim cannot have the volume that it names', () => {
  for (const [given, why] of [
    [volume('v', '5Gi'), undefined],
    [volume('v', '1Gi', { storageClassName: 'x' }), 'requested PV is too small'],
    [volume('v', '5Gi', { storageClassName: 'x' }), 'storageClassName does not match'],
    [volume('v', '5Gi', { volumeAttributesClassName: 'gold' }), 'volumeAttributesClassName does not match'],
    [volume('v', '5Gi', { volumeMode: 'Block' }), 'incompatible volumeMode'],
    [volume('v', '5Gi', { accessModes: ['ReadOnlyMany'] }), 'incompatible accessMode'],
  ] as const)
    assert.equal(misfitOf(given, claim()), why)
})
