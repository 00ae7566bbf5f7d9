/** Requests that get one of their first alternatives score higher. */
import type { AllocationResult, ResourceClaim } from '../../api/kinds/resource/v1.ts'

/** What a request's first alternative scores over its last (resource.k8s.io allows 8). */
const ALTERNATIVES_MAX = 8

export function alternativesScore(claim: ResourceClaim, allocation: AllocationResult | undefined): number {
  const given = new Set((allocation?.devices?.results ?? []).map(({ request }) => request))
  let score = 0
  for (const { name, firstAvailable = [] } of claim.spec.devices?.requests ?? [])
    for (const [at, alternative] of firstAvailable.entries()) if (given.has(`${name}/${alternative.name}`)) score += ALTERNATIVES_MAX - at
  return score
}
