import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/kinds/core/v1.ts'
import { planExpansion } from './expander.ts'

function claim(wanted: string, has: string | undefined, phase = 'Bound'): PersistentVolumeClaim {
  return {
    metadata: { name: 'c', namespace: 'ns', uid: 'c', resourceVersion: '1', creationTimestamp: '' },
    spec: { volumeName: 'v', resources: { requests: { storage: wanted } } },
    status: { phase, ...(has && { capacity: { storage: has } }) },
  }
}

function volume(provisioner: string, claimUid = 'c'): PersistentVolume {
  const annotations = { 'pv.kubernetes.io/provisioned-by': provisioner }
  return {
    metadata: { name: 'v', uid: 'v', resourceVersion: '1', creationTimestamp: '', annotations },
    spec: { claimRef: { uid: claimUid, name: 'c', namespace: 'ns' } },
  }
}

test('which claims grow', () => {
  const ours = volume('minicube.local/host-path')
  const cases: [string, PersistentVolumeClaim, PersistentVolume | undefined, string][] = [
    ['asks for more', claim('2Gi', '1Gi'), ours, 'grow'],
    ['has it', claim('1Gi', '1Gi'), ours, 'nothing'],
    ['has it in other words', claim('1024Mi', '1Gi'), ours, 'nothing'],
    ['a driver of its own', claim('2Gi', '1Gi'), volume('csi.example'), 'wait'],
    ['not bound yet', claim('2Gi', undefined, 'Pending'), undefined, 'nothing'],
    ['the volume is another claim’s', claim('2Gi', '1Gi'), volume('minicube.local/host-path', 'other'), 'nothing'],
  ]
  for (const [name, subject, of, expected] of cases) assert.equal(planExpansion(subject, of), expected, name)
})
