/** What claims for devices count for in a ResourceQuota (pkg/quota/v1/evaluator/core, resource claims). */
import type { Pod } from './kinds/core/v1.ts'
import type { DeviceSubRequest, ExactDeviceRequest, ResourceClaim } from './kinds/resource/v1.ts'
import { controllerOf } from './meta.ts'
import { compareQuantity, newQuantity, subQuantity } from './quantity.ts'
import { podUsage, type Usage } from './quotaUsage.ts'

const CLAIM_COUNT = 'count/resourceclaims.resource.k8s.io'
/** So many devices a claim may be given at most. */
const DEVICES_MAX = 32
const PER_DEVICE_CLASS = '.deviceclass.resource.k8s.io/devices'
const IMPLICIT_EXTENDED = 'requests.deviceclass.resource.kubernetes.io/'
const EXTENDED_CLAIM = 'resource.kubernetes.io/extended-resource-claim'

function deviceCount({ allocationMode, count }: ExactDeviceRequest | DeviceSubRequest): number {
  if (allocationMode === 'All') return DEVICES_MAX
  return allocationMode === 'ExactCount' || allocationMode === undefined ? (count ?? 1) : 0
}

/** Devices by class: of alternatives the most of each class. */
function devicesByClass({ spec }: ResourceClaim): Map<string, number> {
  const total = new Map<string, number>()
  for (const { exactly, firstAvailable = [] } of spec.devices?.requests ?? []) {
    const most = new Map<string, number>()
    for (const request of exactly ? [exactly] : firstAvailable)
      most.set(request.deviceClassName, Math.max(most.get(request.deviceClassName) ?? 0, deviceCount(request)))
    for (const [name, count] of most) total.set(name, (total.get(name) ?? 0) + count)
  }
  return total
}

export interface ClaimSurroundings {
  /** By which pods may ask for the devices of a class, where they may. */
  extendedResourceOf(deviceClass: string): string | undefined
  podOf(namespace: string, name: string): Pod | undefined
}

/** The pod for whose extended resources the scheduler made the claim, and which counts for them itself. */
function countingPod(claim: ResourceClaim, { podOf }: ClaimSurroundings): Pod | undefined {
  const { annotations, namespace, name } = claim.metadata
  const owner = controllerOf(claim)
  if (annotations?.[EXTENDED_CLAIM] !== 'true' || owner?.kind !== 'Pod' || owner.apiVersion !== 'v1') return undefined
  const pod = podOf(namespace, owner.name)
  const known = pod?.status?.extendedResourceClaimStatus?.resourceClaimName
  return pod?.metadata.uid === owner.uid && (known === undefined || known === name) ? pod : undefined
}

export function resourceClaimUsage(claim: ResourceClaim, surroundings: ClaimSurroundings): Usage {
  const usage: Usage = { [CLAIM_COUNT]: newQuantity(1) }
  const pod = countingPod(claim, surroundings)
  const counted = pod ? podUsage(pod) : {}
  for (const [deviceClass, count] of devicesByClass(claim)) {
    const devices = newQuantity(count)
    usage[`${deviceClass}${PER_DEVICE_CLASS}`] = devices
    const extended = surroundings.extendedResourceOf(deviceClass)
    if (extended === undefined) continue
    for (const name of [`${IMPLICIT_EXTENDED}${deviceClass}`, `requests.${extended}`]) {
      const left = subQuantity(devices, counted[name] ?? '0')
      if (compareQuantity(left, '0') > 0) usage[name] = left
    }
  }
  return usage
}
