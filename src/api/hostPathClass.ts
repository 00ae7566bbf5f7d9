/** How volumes of the default storage class are known: the provisioner names them, the kubelet makes their directories. */
import type { PersistentVolume } from './kinds/core/v1.ts'

export const PROVISIONER = 'minicube.local/host-path'
export const PROVISIONED_BY = 'pv.kubernetes.io/provisioned-by'

export function isOfHostPathClass({ metadata }: PersistentVolume): boolean {
  return metadata.annotations?.[PROVISIONED_BY] === PROVISIONER
}
