import assert from 'node:assert/strict'
import { test } from 'node:test'
import { driverOf, successorOf } from './csiSuccessors.ts'

test('volumes of former drivers are told by their successors', () => {
  for (const [source, driver, handle] of [
    [{ awsElasticBlockStore: { volumeID: 'aws://us-east-1a/vol-1' } }, 'ebs.csi.aws.com', 'vol-1'],
    [{ azureDisk: { diskName: 'd', diskURI: '/subscriptions/x' } }, 'disk.csi.azure.com', '/subscriptions/x'],
    [{ cinder: { volumeID: 'c' } }, 'cinder.csi.openstack.org', 'c'],
    [{ gcePersistentDisk: { pdName: 'pd' } }, 'pd.csi.storage.gke.io', 'projects/UNSPECIFIED/zones/z/disks/pd'],
    [{ portworxVolume: { volumeID: 'p' } }, 'pxd.portworx.com', 'p'],
  ] as const)
    assert.deepEqual(successorOf(source, 'z'), { driver, handle })
  assert.equal(successorOf({}), undefined)
})

test('a provisioner is its own driver unless it has a successor', () => {
  assert.deepEqual([driverOf('kubernetes.io/aws-ebs'), driverOf('ex.com/p')], ['ebs.csi.aws.com', 'ex.com/p'])
})
