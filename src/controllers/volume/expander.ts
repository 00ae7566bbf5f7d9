/**
 * The persistentvolume-expander controller: a bound claim that asks for more than it has is grown where the volume is the default
 * storage class's own, whose directory grows by itself; all others are for their driver's resizer (upstream's
 * pkg/controller/volume/expand). Which claims may grow at all, admission decides by the storage class.
 */
import { PROVISIONED_BY, PROVISIONER } from '../../api/hostPathClass.ts'
import { persistentvolumeclaims, persistentvolumes, type PersistentVolume, type PersistentVolumeClaim } from '../../api/kinds/core/v1.ts'
import { compareQuantity } from '../../api/quantity.ts'
import { keyOf } from '../../api/resource.ts'
import { watch, type Controller, type ControllerContext } from '../../reconcile/controller.ts'

const RESIZING = new Set(['Resizing', 'FileSystemResizePending'])

/** `grow`: by this controller; `wait`: somebody else does it. */
export function planExpansion(claim: PersistentVolumeClaim, volume: PersistentVolume | undefined): 'nothing' | 'grow' | 'wait' {
  const wanted = claim.spec.resources?.requests?.['storage']
  const has = claim.status?.capacity?.['storage']
  const isOurs = volume?.spec.claimRef?.uid === claim.metadata.uid && claim.status?.phase === 'Bound'
  if (!volume || !isOurs || wanted === undefined || has === undefined) return 'nothing'
  if (claim.metadata.deletionTimestamp !== undefined || compareQuantity(wanted, has) <= 0) return 'nothing'
  return volume.metadata.annotations?.[PROVISIONED_BY] === PROVISIONER ? 'grow' : 'wait'
}

export function persistentVolumeExpander({ client, informers, events }: ControllerContext): Controller {
  const claims = informers.for(persistentvolumeclaims)
  const volumes = informers.for(persistentvolumes)

  async function grow(claim: PersistentVolumeClaim, volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    const storage = claim.spec.resources?.requests?.['storage'] ?? '0'
    // The volume first: a claim must never say that it has more than its volume.
    if (compareQuantity(volume.spec.capacity?.['storage'] ?? '0', storage) < 0) {
      const spec = { ...volume.spec, capacity: { ...volume.spec.capacity, storage } }
      await client.update(persistentvolumes, { ...volume, spec }, { signal })
    }
    const { conditions = [], capacity, allocatedResources, allocatedResourceStatuses: _, ...rest } = claim.status ?? {}
    const left = conditions.filter(({ type }) => !RESIZING.has(type))
    const status = {
      ...rest,
      capacity: { ...capacity, storage },
      allocatedResources: { ...allocatedResources, storage },
      ...(left.length > 0 && { conditions: left }),
    }
    await client.update(persistentvolumeclaims, { ...claim, status }, { subresource: 'status', signal })
    const message = `ExpandVolume succeeded for volume ${keyOf(claim)}`
    events.record(claim, { type: 'Normal', reason: 'VolumeResizeSuccessful', message })
  }

  return {
    name: 'persistentvolume-expander-controller',
    watches: [
      watch(persistentvolumeclaims, (claim) => [keyOf(claim)]),
      watch(persistentvolumes, ({ spec }) => (spec.claimRef?.name ? [`${spec.claimRef.namespace}/${spec.claimRef.name}`] : [])),
    ],
    async reconcile(key, signal) {
      const claim = claims.get(key)
      if (!claim) return
      const volume = volumes.get(claim.spec.volumeName ?? '')
      const plan = planExpansion(claim, volume)
      if (plan === 'grow' && volume) await grow(claim, volume, signal)
      if (plan === 'wait') {
        const message = 'waiting for an external controller to expand this PVC'
        events.record(claim, { type: 'Normal', reason: 'ExternalExpanding', message })
      }
    },
  }
}
