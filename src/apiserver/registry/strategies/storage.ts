/** storage.k8s.io, and resource.k8s.io's devices. */
import {
  validateCsiDriver,
  validateCsiNode,
  validateStorageClass,
  validateStorageClassUpdate,
  validateVolumeAttachment,
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
import { semanticEqual } from '../jsonValues.ts'
import { attachmentStatus } from './status.ts'
import { expressionRules } from './expressionRules.ts'
import type { CSIDriver, CSINode, StorageClass, VolumeAttachment, VolumeAttributesClass } from '../../../api/kinds/storage/v1.ts'
import type { DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice } from '../../../api/kinds/resource/v1.ts'
import type { Strategy } from '../strategy.ts'

const storageClasses: Strategy<StorageClass> = {
  returnsDeleted: true,
  validateCreate: validateStorageClass,
  validateUpdate: validateStorageClassUpdate,
}
const COUNTED_BY_DRIVERS = ['tokenRequests', 'requiresRepublish', 'podInfoOnMount', 'storageCapacity', 'seLinuxMount'] as const
const drivers: Strategy<CSIDriver> = {
  returnsDeleted: true,
  allowUnconditionalUpdate: false,
  validateCreate: validateCsiDriver,
  /** Upstream counts, from 0, only changes of what its first version could not change. */
  prepareForUpdate(next, old) {
    if (COUNTED_BY_DRIVERS.some((field) => !semanticEqual(next.spec[field], old.spec[field])))
      next.metadata.generation = (old.metadata.generation ?? 0) + 1
  },
}
const nodes: Strategy<CSINode> = {
  returnsDeleted: true,
  allowUnconditionalUpdate: false,
  validateCreate: validateCsiNode,
  validateUpdate: validateCsiNode,
}
const attachments: Strategy<VolumeAttachment> = {
  ...attachmentStatus,
  checksMetaOnce: true,
  returnsDeleted: true,
  allowUnconditionalUpdate: false,
  validateCreate: validateVolumeAttachment,
}
const attributesClasses: Strategy<VolumeAttributesClass> = {
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
  'storage.k8s.io/csistoragecapacities': { allowUnconditionalUpdate: false },
  'resource.k8s.io/resourceslices': slices as Strategy,
  'resource.k8s.io/deviceclasses': deviceClasses as Strategy,
  'resource.k8s.io/resourceclaims': claims as Strategy,
  'resource.k8s.io/resourceclaimtemplates': claimTemplates as Strategy,
}
