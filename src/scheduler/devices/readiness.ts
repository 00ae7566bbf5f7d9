/** Devices that have to be made ready before the pod is bound say in the claim's status whether they are. */
import type { ResourceClaim } from '../../api/kinds/resource/v1.ts'
import { findCondition, isConditionTrue } from '../../api/meta.ts'

/** Waiting for a driver can come to nothing. */
export const BINDING_TIMEOUT = 'device binding timeout'

const resultsWithConditions = ({ status }: ResourceClaim) =>
  (status?.allocation?.devices?.results ?? []).filter(({ bindingConditions = [] }) => bindingConditions.length > 0)

export const hasBindingConditions = (claim: ResourceClaim): boolean => resultsWithConditions(claim).length > 0

/** @throws when a driver says that it failed */
export function isReadyForBinding(claim: ResourceClaim): boolean {
  const { metadata, status } = claim
  if (!status?.allocation) return false
  for (const { driver, pool, device, bindingConditions = [], bindingFailureConditions = [] } of resultsWithConditions(claim)) {
    const told = status.devices?.find((one) => one.driver === driver && one.pool === pool && one.device === device)
    if (!told) return false
    for (const type of bindingFailureConditions) {
      const failure = findCondition(told.conditions, type)
      if (failure?.status !== 'True') continue
      const why = `reason=${failure.reason}, message=${JSON.stringify(failure.message ?? '')}`
      throw new Error(`device binding failed: claim=${metadata.name}, ${why}`)
    }
    if (!bindingConditions.every((type) => isConditionTrue(told.conditions, type))) return false
  }
  return true
}

export function isBindingTimedOut(claim: ResourceClaim, nowMs: number, timeoutMs: number): boolean {
  const allocatedAt = claim.status?.allocation?.allocationTimestamp
  return allocatedAt !== undefined && hasBindingConditions(claim) && Date.parse(allocatedAt) + timeoutMs < nowMs
}

/** Whether a claim that is allocated is of no use to anybody who waits for it. */
export function isBindingHopeless(claim: ResourceClaim, nowMs: number, timeoutMs: number): boolean {
  try {
    return !isReadyForBinding(claim) && isBindingTimedOut(claim, nowMs, timeoutMs)
  } catch {
    return true
  }
}
