/** When the pods that use a claim's devices must leave, by the devices' taints and what the claim tolerates. No I/O. */
import type { DeviceTaint, DeviceToleration, ResourceClaim, ResourceSlice } from '../../api/kinds/resource/v1.ts'
import { tolerates } from '../../api/tolerations.ts'

const NO_EXECUTE = 'NoExecute'

/** When the devices that are left alone are to be left; undefined where the taint may stay. */
function leaveAtMs(taint: DeviceTaint, tolerations: readonly DeviceToleration[], seenMs: number): number | undefined {
  const { key, value, effect, timeAdded } = taint
  const sinceMs = timeAdded ? Date.parse(timeAdded) : seenMs
  const matching = tolerations.filter(
    (toleration) => toleration.effect === NO_EXECUTE && tolerates(toleration, { key, effect, ...(value !== undefined && { value }) }),
  )
  if (matching.length === 0) return sinceMs
  const limits = matching.map(({ tolerationSeconds }) => tolerationSeconds)
  if (limits.includes(undefined)) return undefined
  return sinceMs + Math.max(0, Math.min(...limits.map((seconds) => seconds ?? 0))) * 1_000
}

/** `seenMs` stands in for the time of a taint that has none. Undefined where the claim may be kept. */
export function claimEvictionMs(claim: ResourceClaim, slices: readonly ResourceSlice[], seenMs: number): number | undefined {
  const times = (claim.status?.allocation?.devices?.results ?? []).flatMap(({ driver, pool, device, tolerations = [] }) => {
    const ofPool = slices.filter(({ spec }) => spec.driver === driver && spec.pool.name === pool)
    // Older generations are on their way out.
    const newest = Math.max(...ofPool.map(({ spec }) => spec.pool.generation))
    const current = ofPool.filter(({ spec }) => spec.pool.generation === newest).flatMap(({ spec }) => spec.devices ?? [])
    const taints = current.find(({ name }) => name === device)?.taints ?? []
    return taints.filter(({ effect }) => effect === NO_EXECUTE).map((taint) => leaveAtMs(taint, tolerations, seenMs))
  })
  const due = times.filter((time) => time !== undefined)
  return due.length === 0 ? undefined : Math.min(...due)
}
