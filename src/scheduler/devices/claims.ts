/** Which claims a pod has, and what is allocated to claims already. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { ResourceClaim } from '../../api/kinds/resource/v1.ts'
import { isControlledBy } from '../../api/meta.ts'
import { quantityValue } from '../../api/quantity.ts'
import { keyOf } from '../../api/resource.ts'
import type { Lister } from '../../client/informer.ts'
import type { Taken } from './allocator.ts'
import { deviceId } from './pools.ts'

/** As many pods may use one claim at a time (resource.k8s.io's limit). */
export const RESERVED_FOR_MAX = 256

/** A pod's claims, or why it cannot have them yet. */
export function claimsOf(pod: Pod, lister: Lister<ResourceClaim>): ResourceClaim[] | string {
  const claims: ResourceClaim[] = []
  for (const { name, resourceClaimName, resourceClaimTemplateName } of pod.spec.resourceClaims ?? []) {
    let claimName = resourceClaimName
    if (claimName === undefined) {
      if (resourceClaimTemplateName === undefined) return `pod "${keyOf(pod)}", spec.resourceClaim[${name}]: not supported`
      const status = pod.status?.resourceClaimStatuses?.find((one) => one.name === name)
      if (!status) return `pod "${keyOf(pod)}": ResourceClaim not created yet`
      // Nothing was made because nothing is needed.
      if (status.resourceClaimName === undefined) continue
      claimName = status.resourceClaimName
    }
    const claim = lister.get(`${pod.metadata.namespace}/${claimName}`)
    if (!claim) return `could not find ResourceClaim "${pod.metadata.namespace}/${claimName}"`
    if (claim.metadata.deletionTimestamp !== undefined) return `resourceclaim "${claimName}" is being deleted`
    if (resourceClaimName === undefined && !isControlledBy(claim, pod))
      return `ResourceClaim ${keyOf(claim)} was not created for pod ${keyOf(pod)} (pod is not owner)`
    claims.push(claim)
  }
  return claims
}

export const isReservedFor = ({ status }: ResourceClaim, { metadata }: Pod): boolean =>
  (status?.reservedFor ?? []).some(({ uid }) => uid === metadata.uid)

/** Everything that is allocated; decisions in progress included. */
export function takenBy(allocations: Iterable<NonNullable<ResourceClaim['status']>['allocation']>): Taken {
  const devices = new Set<string>()
  const capacity = new Map<string, Map<string, number>>()
  for (const allocation of allocations)
    for (const { driver, pool, device, adminAccess, shareID, consumedCapacity } of allocation?.devices?.results ?? []) {
      if (adminAccess) continue
      const id = deviceId(driver, pool, device)
      if (shareID === undefined) {
        devices.add(id)
        continue
      }
      const used = capacity.get(id) ?? new Map<string, number>()
      capacity.set(id, used)
      for (const [name, amount] of Object.entries(consumedCapacity ?? {})) used.set(name, (used.get(name) ?? 0) + quantityValue(amount))
    }
  return { devices, capacity }
}
