/** storage.k8s.io, and resource.k8s.io's devices. */
import { increment } from '../../../api/codec/longIntegers.ts'
import {
  csiDriverWarnings,
  validateCsiDriver,
  validateCsiDriverUpdate,
  validateCsiNode,
  validateCsiNodeUpdate,
  validateCsiStorageCapacity,
  validateCsiStorageCapacityChange,
  validateStorageClass,
  validateStorageClassUpdate,
  validateVolumeAttachment,
  validateVolumeAttachmentUpdate,
  validateVolumeAttributesClass,
  validateVolumeAttributesClassUpdate,
} from '../../../api/validation/storage.ts'
import {
  checkAdminAccess,
  placeOf,
  validateDeviceClass,
  validateResourceClaim,
  validateResourceClaimStatusUpdate,
  validateResourceClaimTemplate,
  validateResourceClaimTemplateChange,
  validateResourceClaimUpdate,
} from '../../../api/validation/deviceClaims.ts'
import { quote } from '../../../api/quote.ts'
import { isLongName } from '../../../api/validation/names.ts'
import { validateResourceSlice, validateResourceSliceUpdate } from '../../../api/validation/resourceSlices.ts'
import { storageCapacityWarnings, storageClassWarnings } from '../../../api/validation/warnings.ts'
import { semanticEqual } from '../../../api/jsonValues.ts'
import { claimStatusErrors } from './claimStatus.ts'
import { attachmentStatus } from './status.ts'
import { expressionRules } from './expressionRules.ts'
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '../../../api/kinds/storage/v1.ts'
import type { DeviceClaim, DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice } from '../../../api/kinds/resource/v1.ts'
import { namespaces } from '../../../api/kinds/core/v1.ts'
import type { FieldError } from '../../../api/status.ts'
import type { KubeObject } from '../../../api/resource.ts'
import type { Strategy, StrategyContext } from '../strategy.ts'

const storageClasses: Strategy<StorageClass> = {
  updateChecks: ['new', 'change'],
  returnsDeleted: true,
  validateCreate: validateStorageClass,
  validateUpdate: validateStorageClassUpdate,
  warningsOnCreate: storageClassWarnings,
  warningsOnUpdate: storageClassWarnings,
}
const drivers: Strategy<CSIDriver> = {
  returnsDeleted: true,
  allowUnconditionalUpdate: false,
  validateCreate: validateCsiDriver,
  validateUpdate: validateCsiDriverUpdate,
  warningsOnCreate: (driver) => csiDriverWarnings(driver),
  warningsOnUpdate: csiDriverWarnings,
  prepareForCreate: ({ spec }) => dropGated(spec),
  /** Upstream counts changes from 0. */
  prepareForUpdate(next, old) {
    if (old.spec.preventPodSchedulingIfMissing === undefined) dropGated(next.spec)
    if (!semanticEqual(next.spec, old.spec)) next.metadata.generation = increment(old.metadata.generation ?? 0)
  },
}
/** The feature is off by default. */
function dropGated(spec: CSIDriver['spec']): void {
  delete spec.preventPodSchedulingIfMissing
}
const nodes: Strategy<CSINode> = {
  updateChecks: ['new'],
  returnsDeleted: true,
  allowUnconditionalUpdate: false,
  validateCreate: validateCsiNode,
  validateUpdate: validateCsiNodeUpdate,
}
const attachments: Strategy<VolumeAttachment> = {
  checksMetaOfParts: true,
  ...attachmentStatus,
  updateChecks: ['new'],
  returnsDeleted: true,
  allowUnconditionalUpdate: false,
  validateCreate: validateVolumeAttachment,
  validateUpdate: validateVolumeAttachmentUpdate,
  validateStatusUpdate: validateVolumeAttachmentUpdate,
}
const capacities: Strategy<CSIStorageCapacity> = {
  updateChecks: ['new', 'own', 'change', 'changed'],
  allowUnconditionalUpdate: false,
  validateCreate: validateCsiStorageCapacity,
  validateUpdate: validateCsiStorageCapacity,
  validateChanged: validateCsiStorageCapacityChange,
  warningsOnCreate: storageCapacityWarnings,
  warningsOnUpdate: storageCapacityWarnings,
}
const attributesClasses: Strategy<VolumeAttributesClass> = {
  updateChecks: ['change', 'new'],
  returnsDeleted: true,
  validateCreate: validateVolumeAttributesClass,
  validateUpdate: validateVolumeAttributesClassUpdate,
}
const LIST_ATTRIBUTES = ['bools', 'ints', 'strings', 'versions'] as const

/** Features that are off by default: their fields stay only where a slice has them already. */
function dropGatedDevices({ spec }: ResourceSlice, old: ResourceSlice | undefined): void {
  const before = old?.spec.devices ?? []
  const keepsMappings = before.some(({ nodeAllocatableResourceMappings }) => nodeAllocatableResourceMappings)
  const keepsLists = before.some(({ attributes = {} }) =>
    Object.values(attributes).some((attribute) => LIST_ATTRIBUTES.some((field) => attribute[field])),
  )
  for (const device of spec.devices ?? []) {
    if (!keepsMappings) delete device.nodeAllocatableResourceMappings
    if (keepsLists) continue
    for (const attribute of Object.values(device.attributes ?? {})) for (const field of LIST_ATTRIBUTES) delete attribute[field]
  }
}
function sliceWarnings({ spec }: ResourceSlice): string[] {
  if (spec.driver === spec.driver.toLowerCase()) return []
  return [`spec.driver: driver names should be lowercase; ${quote(spec.driver)} contains uppercase characters`]
}
const slices: Strategy<ResourceSlice> = {
  returnsDeleted: true,
  managesGeneration: true,
  generationCountsDropped: true,
  selectsNamespace: false,
  selectableFields: { 'spec.nodeName': (slice) => slice.spec.nodeName ?? '', 'spec.driver': (slice) => slice.spec.driver },
  unknownFieldLabel: (label) => `field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: ${label}`,
  prepareForCreate: (next) => dropGatedDevices(next, undefined),
  prepareForUpdate: dropGatedDevices,
  warningsOnCreate: sliceWarnings,
  warningsOnUpdate: sliceWarnings,
  validateCreate: validateResourceSlice,
  validateUpdate: validateResourceSliceUpdate,
}
const deviceClasses: Strategy<DeviceClass> = {
  updateChecks: ['change', 'new'],
  returnsDeleted: true,
  managesGeneration: true,
  checksOnlyName: true,
  validateName: isLongName,
  validateCreate: (deviceClass) => validateDeviceClass(deviceClass, expressionRules),
  validateUpdate: (deviceClass) => validateDeviceClass(deviceClass, expressionRules),
}
type Results = readonly { adminAccess?: boolean }[]
const resultsOf = ({ status }: ResourceClaim): Results => status?.allocation?.devices?.results ?? []

/** Whoever asks for devices as an administrator does so in a namespace that is marked for it. */
function adminErrors({ metadata }: KubeObject, devices: DeviceClaim | undefined, { reader }: StrategyContext): FieldError[] {
  const errors: FieldError[] = []
  const requests = (devices?.requests ?? []).map(({ exactly }) => exactly ?? {})
  checkAdminAccess(errors, requests, () => reader.get(namespaces, '', metadata.namespace ?? '')?.metadata.labels, 'spec.devices.requests')
  return errors
}
/** What is told of a device goes with its allocation. */
function dropDeallocated({ status }: ResourceClaim, old: ResourceClaim): void {
  if (!status?.devices) return
  const allocated = new Set((status.allocation?.devices?.results ?? []).map(placeOf))
  const gone = new Set((old.status?.allocation?.devices?.results ?? []).map(placeOf).filter((place) => !allocated.has(place)))
  status.devices = status.devices.filter((device) => !gone.has(placeOf(device)))
}
const claims: Strategy<ResourceClaim> = {
  updateChecks: ['new', 'change'],
  returnsDeleted: true,
  validateCreate: (claim, context) => [
    ...adminErrors(claim, claim.spec?.devices, context),
    ...validateResourceClaim(claim, expressionRules),
  ],
  prepareForStatusUpdate: dropDeallocated,
  validateUpdate: validateResourceClaimUpdate,
  validateStatusUpdate(next, old, context) {
    const { reader } = context
    const errors: FieldError[] = []
    const [results, before]: [Results, Results] = [resultsOf(next), resultsOf(old)]
    const labels = () => reader.get(namespaces, '', next.metadata.namespace ?? '')?.metadata.labels
    if (!before.some(({ adminAccess }) => adminAccess)) checkAdminAccess(errors, results, labels, 'status.allocation.devices.results')
    return [...errors, ...claimStatusErrors(next, old, context), ...validateResourceClaimStatusUpdate(next, old)]
  },
}
const claimTemplates: Strategy<ResourceClaimTemplate> = {
  updateChecks: ['new', 'own', 'change', 'changed'],
  returnsDeleted: true,
  validateCreate: (template, context) => [
    ...adminErrors(template, template.spec?.spec?.devices, context),
    ...validateResourceClaimTemplate(template, expressionRules),
  ],
  validateUpdate: (template) => validateResourceClaimTemplate(template, expressionRules),
  validateChanged: validateResourceClaimTemplateChange,
}

export const storageStrategies: Record<string, Strategy> = {
  'storage.k8s.io/storageclasses': storageClasses as Strategy,
  'storage.k8s.io/csidrivers': drivers as Strategy,
  'storage.k8s.io/csinodes': nodes as Strategy,
  'storage.k8s.io/volumeattachments': attachments as Strategy,
  'storage.k8s.io/volumeattributesclasses': attributesClasses as Strategy,
  'storage.k8s.io/csistoragecapacities': capacities as Strategy,
  'resource.k8s.io/resourceslices': slices as Strategy,
  'resource.k8s.io/deviceclasses': deviceClasses as Strategy,
  'resource.k8s.io/resourceclaims': claims as Strategy,
  'resource.k8s.io/resourceclaimtemplates': claimTemplates as Strategy,
}
