/** The claims that the scheduler makes for extended resources itself: written when the node is chosen, gone when the pod is not bound after all. */
import { pods, type ContainerExtendedResourceRequest, type Pod } from '../../api/kinds/core/v1.ts'
import { resourceclaims, type DeviceRequest, type ResourceClaim } from '../../api/kinds/resource/v1.ts'
import type { Draft } from '../../api/resource.ts'
import { isConflict, isNotFound } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'

const WRITE_TRIES = 5
const FINALIZER = 'resource.kubernetes.io/delete-protection'

export function createExtendedClaim(
  client: Client,
  template: ResourceClaim,
  requests: DeviceRequest[],
  signal: AbortSignal,
): Promise<ResourceClaim> {
  const { namespace, generateName, annotations, ownerReferences } = template.metadata
  const draft = {
    apiVersion: template.apiVersion,
    kind: template.kind,
    // So that nothing of it is given to others before the devices are ready for that.
    metadata: { namespace, generateName, annotations, ownerReferences, finalizers: [FINALIZER] },
    spec: { devices: { requests } },
  }
  return client.create(resourceclaims, draft as Draft<ResourceClaim>, { signal })
}

/** The kubelet gives containers their devices by what stands here. */
export async function tellPod(
  client: Client,
  { metadata: { name, namespace } }: Pod,
  resourceClaimName: string,
  requestMappings: ContainerExtendedResourceRequest[],
  signal: AbortSignal,
): Promise<void> {
  const at = { namespace, name, subresource: 'status' as const, type: 'application/strategic-merge-patch+json' as const, signal }
  await client.patch(pods, at, { status: { extendedResourceClaimStatus: { resourceClaimName, requestMappings } } })
}

export async function removeExtendedClaim(client: Client, { metadata }: ResourceClaim, signal: AbortSignal): Promise<void> {
  const at = { namespace: metadata.namespace, name: metadata.name, signal }
  for (let tries = 1; ; tries++) {
    try {
      const claim = await client.get(resourceclaims, at)
      const finalizers = (claim.metadata.finalizers ?? []).filter((name) => name !== FINALIZER)
      if (finalizers.length !== (claim.metadata.finalizers ?? []).length)
        await client.update(resourceclaims, { ...claim, metadata: { ...claim.metadata, finalizers } }, { signal })
      await client.delete(resourceclaims, at, { preconditions: { uid: metadata.uid } })
      return
    } catch (error) {
      if (isNotFound(error)) return
      if (!isConflict(error) || tries === WRITE_TRIES) throw error
    }
  }
}
