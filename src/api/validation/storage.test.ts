import { test } from 'node:test'
import assert from 'node:assert/strict'
import {
  csiDriverWarnings,
  validateCsiDriver,
  validateCsiDriverUpdate,
  validateCsiNodeUpdate,
  validateCsiStorageCapacity,
  validateStorageClass,
  validateStorageClassUpdate,
  validateVolumeAttachment,
  validateVolumeAttachmentUpdate,
  validateVolumeAttributesClassUpdate,
} from './storage.ts'
import type { FieldError } from '../status.ts'
import type { CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment, VolumeAttributesClass } from '../kinds/storage/v1.ts'

const metadata = { name: 'n', uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z', resourceVersion: '1' }
const texts = (errors: FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`)

const storageClass = (fields: object): StorageClass =>
  ({ metadata, provisioner: 'example.com/p', reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate', ...fields }) as StorageClass

test('terms of allowed topologies differ from each other', () => {
  const rule = { key: 'zone', values: ['a'] }
  const of = (allowedTopologies: object[]): string[] => texts(validateStorageClass(storageClass({ allowedTopologies })))
  assert.deepEqual(of([{ matchLabelExpressions: [rule] }, { matchLabelExpressions: [rule] }]), [
    'allowedTopologies[1].matchLabelExpressions: Duplicate value: ""',
  ])
  assert.deepEqual(of([{ matchLabelExpressions: [rule, rule] }]), [
    'allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "zone"',
  ])
  assert.deepEqual(of([{}]), ['allowedTopologies[0].matchLabelExpressions: Duplicate value: ""'])
})

test('a storage class is looked at as a new one when it changes', () => {
  const next = storageClass({ parameters: { b: '2', a: '1' }, reclaimPolicy: 'Keep' })
  assert.deepEqual(texts(validateStorageClassUpdate(next, storageClass({}))), [
    'reclaimPolicy: Unsupported value: "Keep": supported values: "Delete", "Retain"',
    'parameters: Invalid value: {"a":"1","b":"2"}: field is immutable',
    'reclaimPolicy: Invalid value: "Keep": field is immutable',
  ])
})

const driver = (spec: object): CSIDriver => ({ metadata, spec }) as CSIDriver

test('CSI drivers', () => {
  assert.deepEqual(texts(validateCsiDriver(driver({ nodeAllocatableUpdatePeriodSeconds: 9, serviceAccountTokenInSecrets: true }))), [
    'spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds',
    'spec.serviceAccountTokenInSecrets: Invalid value: true: serviceAccountTokenInSecrets is set but no tokenRequests are specified',
  ])
  const old = driver({ attachRequired: true, volumeLifecycleModes: ['Persistent'] })
  assert.deepEqual(texts(validateCsiDriverUpdate(driver({ attachRequired: false, volumeLifecycleModes: ['Ephemeral'] }), old)), [
    'spec.attachedRequired: Invalid value: false: field is immutable',
    'spec.volumeLifecycleModes: Invalid value: ["Ephemeral"]: field is immutable',
  ])
  const asking = driver({ tokenRequests: [{ audience: 'a' }] })
  assert.equal(csiDriverWarnings(asking).length, 1)
  assert.deepEqual(csiDriverWarnings(asking, asking), [])
})

test("a driver of a CSI node keeps all but its node's limits", () => {
  const node = (driver: object): CSINode =>
    ({ metadata, spec: { drivers: [{ name: 'd', nodeID: 'i', topologyKeys: null, ...driver }] } }) as unknown as CSINode
  assert.deepEqual(validateCsiNodeUpdate(node({ allocatable: { count: 2 } }), node({})), [])
  assert.deepEqual(texts(validateCsiNodeUpdate(node({ nodeID: 'j' }), node({}))), [
    'spec.drivers: Invalid value: {"Name":"d","NodeID":"j","TopologyKeys":null,"Allocatable":null}: field is immutable',
  ])
})

const attachment = (source: object, nodeName = 'n'): VolumeAttachment =>
  ({ metadata, spec: { attacher: 'd', nodeName, source }, status: { attached: false } }) as VolumeAttachment

test('volume attachments', () => {
  const csi = { driver: 'd', volumeHandle: 'h' }
  const inline = { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], csi }
  assert.deepEqual(texts(validateVolumeAttachment(attachment({ inlineVolumeSpec: inline }))), [
    'spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes',
  ])
  assert.deepEqual(texts(validateVolumeAttachment(attachment({ inlineVolumeSpec: inline, persistentVolumeName: 'pv' }))), [
    'spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName',
  ])
  const old = attachment({ persistentVolumeName: 'pv' })
  assert.deepEqual(texts(validateVolumeAttachmentUpdate(attachment({ persistentVolumeName: 'pv' }, 'm'), old)), [
    'spec: Invalid value: {"Attacher":"d","Source":{"PersistentVolumeName":"pv","InlineVolumeSpec":null},"NodeName":"m"}: field is immutable',
  ])
})

test('capacities are not negative, attributes stay', () => {
  assert.deepEqual(texts(validateCsiStorageCapacity({ metadata, storageClassName: 'c', capacity: '-1' } as CSIStorageCapacity)), [
    'capacity: Invalid value: "-1": must be greater than or equal to 0',
  ])
  const of = (driverName: string): VolumeAttributesClass => ({ metadata, driverName, parameters: { a: 'b' } }) as VolumeAttributesClass
  assert.deepEqual(texts(validateVolumeAttributesClassUpdate(of('e'), of('d'))), [
    'driverName: Forbidden: updates to driverName are forbidden.',
  ])
})
