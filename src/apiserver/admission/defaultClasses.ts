/** DefaultStorageClass, DefaultIngressClass, StorageObjectInUseProtection, PersistentVolumeClaimResize. */
import { DEFAULT_STORAGE_CLASS, newestDefault } from '../../api/defaultClass.ts'
import { persistentvolumeclaims } from '../../api/kinds/core/v1.ts'
import { ingressclasses, ingresses } from '../../api/kinds/networking/v1.ts'
import { storageclasses } from '../../api/kinds/storage/v1.ts'
import { nanosOf } from '../../api/validation/quantities.ts'
import { forbid, isResource } from './admission.ts'
import type { PersistentVolumeClaim } from '../../api/kinds/core/v1.ts'
import type { Ingress } from '../../api/kinds/networking/v1.ts'
import type { ObjectReader } from '../registry/reader.ts'
import type { AdmissionPlugin } from './admission.ts'

const DEFAULT_INGRESS_CLASS = 'ingressclass.kubernetes.io/is-default-class'
const OLD_CLAIM_CLASS = 'volume.beta.kubernetes.io/storage-class'
const OLD_INGRESS_CLASS = 'kubernetes.io/ingress.class'
const PROTECTIONS: Readonly<Record<string, string>> = {
  '/persistentvolumeclaims': 'kubernetes.io/pvc-protection',
  '/persistentvolumes': 'kubernetes.io/pv-protection',
  'storage.k8s.io/volumeattributesclasses': 'kubernetes.io/vac-protection',
}

export function createDefaultStorageClass(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'DefaultStorageClass',
    admit(request) {
      if (request.operation !== 'CREATE' || !isResource(request, '', persistentvolumeclaims.resource)) return
      const claim = request.object as PersistentVolumeClaim
      if (!claim.spec || claim.spec.storageClassName !== undefined || claim.metadata.annotations?.[OLD_CLAIM_CLASS] !== undefined) return
      const found = newestDefault(reader.list(storageclasses), DEFAULT_STORAGE_CLASS)
      if (found) claim.spec.storageClassName = found.metadata.name
    },
  }
}

export function createDefaultIngressClass(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'DefaultIngressClass',
    admit(request) {
      if (request.operation !== 'CREATE' || !isResource(request, ingresses.group, ingresses.resource)) return
      const ingress = request.object as Ingress
      if (!ingress.spec || ingress.spec.ingressClassName !== undefined || ingress.metadata.annotations?.[OLD_INGRESS_CLASS] !== undefined)
        return
      const found = newestDefault(reader.list(ingressclasses), [DEFAULT_INGRESS_CLASS])
      if (found) ingress.spec.ingressClassName = found.metadata.name
    },
  }
}

/** Volumes and claims stay while they are used: the protection controllers take the finalizer away. */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  admit(request) {
    if (request.operation !== 'CREATE') return
    const { group, resource } = request.resource
    const protection = request.subresource === '' ? PROTECTIONS[`${group}/${resource}`] : undefined
    if (!protection || !request.object) return
    const { metadata } = request.object
    if (!metadata.finalizers?.includes(protection)) metadata.finalizers = [...(metadata.finalizers ?? []), protection]
  },
}

export function createPersistentVolumeClaimResize(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'PersistentVolumeClaimResize',
    validate(request) {
      if (request.operation !== 'UPDATE' || !isResource(request, '', persistentvolumeclaims.resource)) return
      const next = request.object as PersistentVolumeClaim
      const old = request.oldObject as PersistentVolumeClaim
      const wanted = next.spec?.resources?.requests?.['storage']
      const had = old.spec?.resources?.requests?.['storage']
      if (wanted === undefined || had === undefined || nanosOf(wanted) <= nanosOf(had)) return
      if (old.status?.phase !== 'Bound') throw forbid(request, 'only bound persistent volume claims can be expanded')
      const className = next.metadata.annotations?.[OLD_CLAIM_CLASS] ?? next.spec?.storageClassName
      const storageClass = className ? reader.get(storageclasses, '', className) : undefined
      if (!storageClass?.allowVolumeExpansion) {
        throw forbid(
          request,
          'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
        )
      }
    },
  }
}
