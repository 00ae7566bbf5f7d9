/** storage.k8s.io, and resource.k8s.io's devices. */
import {
  csiDriverWarnings,
  validateCsiDriver,
  validateCsiDriverUpdate,
  validateCsiNode,
  validateCsiNodeUpdate,
  validateCsiStorageCapacity,
  validateCsiStorageCapacityUpdate,
  validateStorageClass,
  validateStorageClassUpdate,
  validateVolumeAttachment,
  validateVolumeAttachmentUpdate,
  validateVolumeAttributesClass,
  validateVolumeAttributesClassUpdate,
} from '../../../api/validation/storage.ts'
import {
  validateDeviceClass,
  validateResourceClaim,
  validateResourceClaimStatusUpdate,
  validateResourceClaimTemplate,
  validateResourceClaimTemplateUpdate,
  validateResourceClaimUpdate,
} from '../../../api/validation/deviceClaims.ts'
import { validateResourceSlice, validateResourceSliceUpdate } from '../../../api/validation/resourceSlices.ts'
import { storageCapacityWarnings, storageClassWarnings } from '../../../api/validation/warnings.ts'
import { semanticEqual } from '../jsonValues.ts'
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
import type { DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice } from '../../../api/kinds/resource/v1.ts'
import type { Strategy } from '../strategy.ts'

const storageClasses: Strategy<StorageClass> = {
  checksMetaAsNew: true,
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
    if (!semanticEqual(next.spec, old.spec)) next.metadata.generation = (old.metadata.generation ?? 0) + 1
  },
}
/** The feature is off by default. */
function dropGated(spec: CSIDriver['spec']): void {
  delete spec.preventPodSchedulingIfMissing
}
const nodes: Strategy<CSINode> = {
  checksMetaAsNew: true,
  returnsDeleted: true,
  allowUnconditionalUpdate: false,
  validateCreate: validateCsiNode,
  validateUpdate: validateCsiNodeUpdate,
}
const attachments: Strategy<VolumeAttachment> = {
  ...attachmentStatus,
  checksMetaAsNew: true,
  returnsDeleted: true,
  allowUnconditionalUpdate: false,
  validateCreate: validateVolumeAttachment,
  validateUpdate: validateVolumeAttachmentUpdate,
  validateStatusUpdate: validateVolumeAttachmentUpdate,
}
const capacities: Strategy<CSIStorageCapacity> = {
  checksMetaAsNew: true,
  allowUnconditionalUpdate: false,
  validateCreate: validateCsiStorageCapacity,
  validateUpdate: validateCsiStorageCapacityUpdate,
  warningsOnCreate: storageCapacityWarnings,
  warningsOnUpdate: storageCapacityWarnings,
}
const attributesClasses: Strategy<VolumeAttributesClass> = {
  checksMetaAsNew: true,
  returnsDeleted: true,
  validateCreate: validateVolumeAttributesClass,
  validateUpdate: validateVolumeAttributesClassUpdate,
}
const slices: Strategy<ResourceSlice> = {
  returnsDeleted: true,
  managesGeneration: true,
  selectsNamespace: false,
  selectableFields: { 'spec.nodeName': (slice) => slice.spec.nodeName ?? '', 'spec.driver': (slice) => slice.spec.driver },
  unknownFieldLabel: (label) => `field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: ${label}`,
  validateCreate: validateResourceSlice,
  validateUpdate: validateResourceSliceUpdate,
}
const deviceClasses: Strategy<DeviceClass> = {
  returnsDeleted: true,
  managesGeneration: true,
  checksOnlyName: true,
  validateCreate: (deviceClass) => validateDeviceClass(deviceClass, expressionRules),
  validateUpdate: (deviceClass) => validateDeviceClass(deviceClass, expressionRules),
}
const claims: Strategy<ResourceClaim> = {
  returnsDeleted: true,
  validateCreate: (claim) => validateResourceClaim(claim, expressionRules),
  validateUpdate: validateResourceClaimUpdate,
  validateStatusUpdate: validateResourceClaimStatusUpdate,
}
const claimTemplates: Strategy<ResourceClaimTemplate> = {
  returnsDeleted: true,
  validateCreate: (template) => validateResourceClaimTemplate(template, expressionRules),
  validateUpdate: validateResourceClaimTemplateUpdate,
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
