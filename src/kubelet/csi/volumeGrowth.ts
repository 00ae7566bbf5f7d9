/** The node's part of growing a volume: its file system follows when the driver has made the volume itself larger. */
import { persistentvolumeclaims, type PersistentVolume, type PersistentVolumeClaim } from '../../api/kinds/core/v1.ts'
import { compareQuantity, quantityValue } from '../../api/quantity.ts'
import type { Client } from '../../client/client.ts'
import { EXPAND_VOLUME, type Socket, type VolumeCall } from './driver.ts'

const OVER_WITH_IT: ReadonlySet<string> = new Set(['Resizing', 'FileSystemResizePending'])

export function wantsToGrow({ spec }: PersistentVolume, claim: PersistentVolumeClaim | undefined): boolean {
  const has = claim?.status?.capacity?.['storage']
  const wanted = spec.capacity?.['storage']
  return has !== undefined && wanted !== undefined && compareQuantity(wanted, has) > 0
}

/** The claim's status once it has what its volume has. */
export function grownStatus({ status }: PersistentVolumeClaim, storage: string): object {
  const { conditions = [], allocatedResourceStatuses } = status ?? {}
  const over = conditions.filter(({ type }) => OVER_WITH_IT.has(type))
  return {
    capacity: { storage },
    ...(over.length > 0 && { conditions: over.map(({ type }) => ({ $patch: 'delete', type })) }),
    ...(allocatedResourceStatuses?.['storage'] && { allocatedResourceStatuses: { storage: null } }),
  }
}

export interface Growth {
  volume: PersistentVolume
  claim: PersistentVolumeClaim
  call: VolumeCall
  /** Where it is mounted, or linked as a device. */
  path: string
}

/** Answers whether the driver grows volumes on the node at all. */
export async function growVolume(
  client: Client,
  driver: Socket,
  { volume, claim, call, path }: Growth,
  signal: AbortSignal,
): Promise<boolean> {
  const capabilities = await driver.capabilities()
  if (!capabilities.has(EXPAND_VOLUME)) return false
  const storage = volume.spec.capacity?.['storage'] ?? '0'
  await driver.expand({ ...call, capabilities }, path, quantityValue(storage))
  const { namespace, name } = claim.metadata
  await client.patch(
    persistentvolumeclaims,
    { namespace, name, subresource: 'status', type: 'application/strategic-merge-patch+json', signal },
    { status: grownStatus(claim, storage) },
  )
  return true
}
