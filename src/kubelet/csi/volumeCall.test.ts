import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PersistentVolume, Pod } from '../../api/kinds/core/v1.ts'
import { inlineCall, persistentCall } from './volumeCall.ts'

const told = { publishContext: new Map([['lun', '3']]), volumeContext: new Map(), secrets: new Map() }
const HANDLE_HASH = '5beaf05be853dd384371173590d908df67a61be78e800ac951e932e652ca3e79'

test('how a persistent volume is described to its driver', () => {
  const source = { driver: 'disks.example.com', volumeHandle: 'v-1' }
  const cases: [spec: Partial<PersistentVolume['spec']>, fsType: string | undefined, block: boolean, expected: object][] = [
    [{}, undefined, false, { accessMode: 'ReadWriteOnce', fsType: '', mountOptions: [], block: false }],
    [
      { accessModes: ['ReadOnlyMany', 'ReadWriteOnce'], mountOptions: ['noatime'] },
      'ext4',
      false,
      { accessMode: 'ReadOnlyMany', fsType: 'ext4', mountOptions: ['noatime'], block: false },
    ],
    [{ accessModes: ['ReadWriteOncePod'] }, undefined, true, { accessMode: 'ReadWriteOncePod', fsType: '', mountOptions: [], block: true }],
  ]
  for (const [spec, fsType, block, expected] of cases) {
    const volume = { metadata: { name: 'pv' }, spec } as PersistentVolume
    const call = persistentCall('/root', volume, { ...source, ...(fsType && { fsType }) }, block, told)
    const stagingPath = `/root/plugins/kubernetes.io/csi/disks.example.com/${HANDLE_HASH}/${block ? 'device' : 'globalmount'}`
    assert.deepEqual(call, { ...told, volumeId: 'v-1', stagingPath, ...expected })
  }
})

test("a pod's own volume has a handle made of the pod and is never staged", () => {
  const of = (uid: string, name: string) =>
    inlineCall({ metadata: { namespace: 'ns', uid } } as Pod, { name, csi: { driver: 'd', fsType: 'xfs' } }, told)
  assert.match(of('u1', 'a').volumeId, /^csi-[0-9a-f]{64}$/)
  assert.equal(new Set([of('u1', 'a'), of('u1', 'b'), of('u2', 'a'), of('u1', 'a')].map(({ volumeId }) => volumeId)).size, 3)
  const { publishContext, stagingPath, fsType, accessMode } = of('u1', 'a')
  assert.deepEqual([publishContext.size, stagingPath, fsType, accessMode], [0, '', 'xfs', 'ReadWriteOnce'])
})
