/** Which ResourceClaims a pod has, and which of their requests a container uses. Pure; texts are upstream's. */
import type { Container, Pod } from '../../api/kinds/core/v1.ts'
import type { ResourceClaim } from '../../api/kinds/resource/v1.ts'

export interface PodClaim {
  claimName: string
  /** It was made for the pod. */
  own: boolean
}

type Entry = NonNullable<NonNullable<Pod['spec']>['resourceClaims']>[number]

/** What is known of the claim behind an entry of `spec.resourceClaims`: its name, or that none is needed. */
function known(pod: Pod, { name, resourceClaimName }: Entry): { claimName?: string } | undefined {
  if (resourceClaimName !== undefined) return { claimName: resourceClaimName }
  const told = pod.status?.resourceClaimStatuses?.find((status) => status.name === name)
  return told && (told.resourceClaimName === undefined ? {} : { claimName: told.resourceClaimName })
}

function whyUnknown({ metadata: { namespace, name } }: Pod, entry: Entry): string {
  return entry.resourceClaimTemplateName === undefined
    ? `pod "${namespace}/${name}", spec.resourceClaim "${entry.name}": none of the supported fields are set`
    : `pod "${namespace}/${name}": ResourceClaim not created yet`
}

/** Throws an Error while a claim that is made for the pod is not there. */
export function claimsOf(pod: Pod): PodClaim[] {
  const named = (pod.spec?.resourceClaims ?? []).flatMap((entry): PodClaim[] => {
    const found = known(pod, entry)
    if (!found) throw new Error(whyUnknown(pod, entry))
    return found.claimName === undefined ? [] : [{ claimName: found.claimName, own: entry.resourceClaimName === undefined }]
  })
  const extended = pod.status?.extendedResourceClaimStatus?.resourceClaimName
  return extended === undefined ? named : [...named, { claimName: extended, own: false }]
}

export interface ContainerRequest {
  claimName: string
  /** Empty: all of the claim's. */
  request: string
  /** As the container's status names it; undefined for what stands for an extended resource. */
  statusName: string | undefined
}

export function requestsOf(pod: Pod, container: Container): ContainerRequest[] {
  const named = (container.resources?.claims ?? []).flatMap(({ name, request = '' }): ContainerRequest[] => {
    const entry = pod.spec?.resourceClaims?.find((one) => one.name === name)
    const claimName = entry && known(pod, entry)?.claimName
    return claimName === undefined ? [] : [{ claimName, request, statusName: `claim:${name}${request && `/${request}`}` }]
  })
  const { resourceClaimName: claimName = '', requestMappings = [] } = pod.status?.extendedResourceClaimStatus ?? {}
  const extended = requestMappings
    .filter(({ containerName, resourceName }) => containerName === container.name && container.resources?.requests?.[resourceName])
    .map(({ requestName: request }): ContainerRequest => ({ claimName, request, statusName: undefined }))
  return [...named, ...extended]
}

/** Throws an Error with the reason why the pod may not use the claim, or cannot yet. */
export function checkClaim(pod: Pod, claim: ResourceClaim, own: boolean): void {
  const { namespace, name, uid } = pod.metadata
  const isOwner = claim.metadata.ownerReferences?.some((owner) => owner.controller && owner.uid === uid)
  if (own && !isOwner)
    throw new Error(
      `ResourceClaim ${claim.metadata.namespace}/${claim.metadata.name} was not created for Pod ${namespace}/${name} (Pod is not owner)`,
    )
  if (!claim.status?.reservedFor?.some((consumer) => consumer.resource === 'pods' && !consumer.apiGroup && consumer.uid === uid))
    throw new Error(`pod ${name} (${uid}) is not allowed to use ResourceClaim ${claim.metadata.name} (${claim.metadata.uid})`)
  if (!claim.status.allocation) throw new Error(`ResourceClaim ${claim.metadata.name}: not allocated`)
}

export function driversOf({ status }: ResourceClaim): string[] {
  return [...new Set((status?.allocation?.devices?.results ?? []).map(({ driver }) => driver))]
}
