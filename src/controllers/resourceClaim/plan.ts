/** What is to be done about a ResourceClaim and about a pod's claims. No I/O. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { ResourceClaim, ResourceClaimTemplate } from '../../api/kinds/resource/v1.ts'
import type { OwnerReference } from '../../api/kinds/meta/v1.ts'
import { isControlledBy, newControllerRef } from '../../api/meta.ts'
import { pods } from '../../api/kinds/core/v1.ts'
import { hasFinished } from '../../api/pods.ts'
import type { Draft } from '../../api/resource.ts'

/** Which of the pod's claims a generated one is. */
export const POD_CLAIM_ANNOTATION = 'resource.kubernetes.io/pod-claim-name'
export const FINALIZER = 'resource.kubernetes.io/delete-protection'
/** As many consumers may share one claim (resource.k8s.io's limit). */
const RESERVED_FOR_MAX = 256

/** It uses no devices any more, or never will. */
export function isDoneWithClaims(pod: Pod): boolean {
  return hasFinished(pod) || (pod.metadata.deletionTimestamp !== undefined && !pod.spec.nodeName)
}

function ownerOf(pod: Pod): OwnerReference {
  const { blockOwnerDeletion: _blocks, ...owner } = newControllerRef(pod, pods)
  return owner
}

export function claimFromTemplate(pod: Pod, name: string, { spec }: ResourceClaimTemplate): Draft<ResourceClaim> {
  const { labels, annotations } = spec.metadata ?? {}
  return {
    metadata: {
      namespace: pod.metadata.namespace,
      generateName: `${pod.metadata.name}-${name}-`,
      // The pod does not wait for its claims to go.
      ownerReferences: [ownerOf(pod)],
      annotations: { ...annotations, [POD_CLAIM_ANNOTATION]: name },
      ...(labels && { labels }),
    },
    spec: spec.spec,
  }
}

/** The claim that was made for one of the pod's entries, if it is there. */
export function generatedClaim(pod: Pod, name: string, claims: readonly ResourceClaim[]): ResourceClaim | undefined {
  return claims.find((claim) => claim.metadata.annotations?.[POD_CLAIM_ANNOTATION] === name && isControlledBy(claim, pod))
}

/** The pod runs (was given a node by somebody else than the scheduler) with a claim that does not know of it yet. */
export function mayReserve({ status }: ResourceClaim, { metadata, spec }: Pod): boolean {
  const reserved = status?.reservedFor ?? []
  return Boolean(
    spec.nodeName && status?.allocation && reserved.length < RESERVED_FOR_MAX && !reserved.some(({ uid }) => uid === metadata.uid),
  )
}

export interface ClaimPlan {
  /** The status to write; undefined where it is right. */
  status?: ResourceClaim['status']
  /** Nothing needs the claim to stay any more. */
  removeFinalizer: boolean
  /** It was made for a pod that is done. */
  remove: boolean
}

/** `isUsing` says whether a consumer is there and not done. */
export function planClaim(
  claim: ResourceClaim,
  isUsing: (consumer: { resource: string; name: string; uid: string }) => boolean,
  owner: Pod | undefined,
): ClaimPlan {
  const { reservedFor = [], allocation } = claim.status ?? {}
  const valid = reservedFor.filter(isUsing)
  const hasFinalizer = claim.metadata.finalizers?.includes(FINALIZER) ?? false
  // The last consumer gives the devices back, for generated claims and those that are going as for all others.
  const isFreed =
    allocation !== undefined &&
    hasFinalizer &&
    valid.length === 0 &&
    (reservedFor.length > 0 || claim.metadata.deletionTimestamp !== undefined)
  const plan: ClaimPlan = {
    removeFinalizer: hasFinalizer && (isFreed || (allocation === undefined && claim.metadata.deletionTimestamp !== undefined)),
    remove:
      claim.metadata.deletionTimestamp === undefined &&
      claim.metadata.annotations?.[POD_CLAIM_ANNOTATION] !== undefined &&
      owner !== undefined &&
      isControlledBy(claim, owner) &&
      isDoneWithClaims(owner),
  }
  if (!isFreed && valid.length === reservedFor.length) return plan
  const { reservedFor: _reserved, allocation: _allocation, devices, ...rest } = claim.status ?? {}
  return {
    ...plan,
    status: {
      ...rest,
      ...(valid.length > 0 && { reservedFor: valid }),
      ...(allocation && !isFreed && { allocation, ...(devices && { devices }) }),
    },
  }
}
