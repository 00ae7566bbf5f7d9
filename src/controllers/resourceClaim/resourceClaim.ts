/**
 * The resource claim controller: makes the ResourceClaims that pods ask for by template, and takes back claims and devices from
 * pods that are done (upstream's pkg/controller/resourceclaim). Allocation itself is the scheduler's.
 */
import { pods, type Pod } from '../../api/kinds/core/v1.ts'
import { resourceclaims, resourceclaimtemplates, type ResourceClaim } from '../../api/kinds/resource/v1.ts'
import { controllerOf } from '../../api/meta.ts'
import { keyOf } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext } from '../../reconcile/controller.ts'
import { at } from '../ownership.ts'
import { claimFromTemplate, FINALIZER, generatedClaim, isDoneWithClaims, mayReserve, planClaim } from './plan.ts'

const POD = 'pod:'
const CLAIM = 'claim:'
const BY_CLAIM = 'resourceClaim'

/** `namespace/name` of the claims that a pod names or was given. */
function claimKeys({ spec, status, metadata }: Pod): string[] {
  const named = (spec.resourceClaims ?? []).flatMap(({ resourceClaimName }) => resourceClaimName ?? [])
  const given = (status?.resourceClaimStatuses ?? []).flatMap(({ resourceClaimName }) => resourceClaimName ?? [])
  // The scheduler made this one, for extended resources.
  const extended = status?.extendedResourceClaimStatus?.resourceClaimName
  return [...named, ...given, ...(extended ? [extended] : [])].map((name) => `${metadata.namespace}/${name}`)
}

const hasClaims = ({ spec, status }: Pod): boolean => Boolean(spec.resourceClaims?.length || status?.extendedResourceClaimStatus)

function keysOfPod(pod: Pod): string[] {
  if (!hasClaims(pod)) return []
  const isDone = isDoneWithClaims(pod) || pod.metadata.deletionTimestamp !== undefined
  return [`${POD}${keyOf(pod)}`, ...(isDone ? claimKeys(pod).map((key) => `${CLAIM}${key}`) : [])]
}

export function resourceClaimController({ client, informers, events }: ControllerContext): Controller {
  const [ofPods, ofClaims, ofTemplates] = [informers.for(pods), informers.for(resourceclaims), informers.for(resourceclaimtemplates)]
  ofPods.addIndex(BY_CLAIM, (pod) => (hasClaims(pod) ? claimKeys(pod) : []))

  /** The name of the claim behind one of the pod's entries that asks for a template; made where it is missing. */
  async function ensureClaim(pod: Pod, name: string, templateName: string, signal: AbortSignal): Promise<string> {
    const { namespace } = pod.metadata
    const known = generatedClaim(pod, name, ofClaims.list(namespace))
    if (known) return known.metadata.name
    // The cache may not have the one that was just made.
    const live = generatedClaim(pod, name, (await client.list(resourceclaims, { namespace, signal })).items)
    if (live) return live.metadata.name
    const template = ofTemplates.get(`${namespace}/${templateName}`)
    if (!template)
      throw new Error(`resource claim template "${templateName}": resourceclaimtemplate.resource.k8s.io "${templateName}" not found`)
    return (await client.create(resourceclaims, claimFromTemplate(pod, name, template), { signal })).metadata.name
  }

  async function syncPod(pod: Pod, signal: AbortSignal): Promise<void> {
    const statuses = pod.status?.resourceClaimStatuses ?? []
    const made: { name: string; resourceClaimName: string }[] = []
    for (const { name, resourceClaimTemplateName } of pod.spec.resourceClaims ?? []) {
      if (resourceClaimTemplateName === undefined) continue
      const status = statuses.find((one) => one.name === name)
      if (status && (status.resourceClaimName === undefined || ofClaims.get(`${pod.metadata.namespace}/${status.resourceClaimName}`)))
        continue
      try {
        made.push({ name, resourceClaimName: await ensureClaim(pod, name, resourceClaimTemplateName, signal) })
      } catch (error) {
        const message = `PodResourceClaim ${name}: ${error instanceof Error ? error.message : String(error)}`
        events.record(pod, { type: 'Warning', reason: 'FailedResourceClaimCreation', message })
        throw error
      }
    }
    if (made.length > 0) {
      const { uid, name, namespace } = pod.metadata
      // An apply takes away what it does not name: what an earlier one told goes along.
      const resourceClaimStatuses = [...statuses.filter((known) => !made.some((one) => one.name === known.name)), ...made]
      const applied = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, uid }, status: { resourceClaimStatuses } }
      const how = { type: 'application/apply-patch+yaml' as const, fieldManager: 'ResourceClaimController', force: true }
      await client.patch(pods, { ...at(pod), subresource: 'status', signal, ...how }, applied)
    }
    for (const key of claimKeys(pod)) {
      const claim = ofClaims.get(key)
      if (claim && mayReserve(claim, pod)) await reserve(claim, pod, signal)
    }
  }

  function reserve(claim: ResourceClaim, { metadata: { name, uid } }: Pod, signal: AbortSignal): Promise<ResourceClaim> {
    const reservedFor = [...(claim.status?.reservedFor ?? []), { resource: 'pods', name, uid }]
    return client.update(resourceclaims, { ...claim, status: { ...claim.status, reservedFor } }, { subresource: 'status', signal })
  }

  /** Whether consumers are there and not done; the cache may lag behind, so that only the API's word frees a claim. */
  async function usingPods(claim: ResourceClaim, signal: AbortSignal): Promise<Set<string>> {
    const using = new Set<string>()
    for (const { resource, name, uid } of claim.status?.reservedFor ?? []) {
      if (resource !== 'pods') {
        using.add(uid)
        continue
      }
      const { namespace } = claim.metadata
      let pod = ofPods.get(`${namespace}/${name}`)
      if (pod?.metadata.uid !== uid)
        pod = await client.get(pods, { namespace, name, signal }).catch((error: unknown) => {
          if (isNotFound(error)) return undefined
          throw error
        })
      if (pod?.metadata.uid === uid && !isDoneWithClaims(pod)) using.add(uid)
    }
    return using
  }

  async function syncClaim(claim: ResourceClaim, signal: AbortSignal): Promise<void> {
    const using = await usingPods(claim, signal)
    const owner = ofPods.get(`${claim.metadata.namespace}/${controllerOf(claim)?.name ?? ''}`)
    const plan = planClaim(claim, ({ uid }) => using.has(uid), owner)
    let now = claim
    if (plan.status) now = await client.update(resourceclaims, { ...now, status: plan.status }, { subresource: 'status', signal })
    if (plan.removeFinalizer) {
      const finalizers = (now.metadata.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER)
      await client.update(resourceclaims, { ...now, metadata: { ...now.metadata, finalizers } }, { signal })
    }
    if (plan.remove) await client.delete(resourceclaims, { ...at(claim), signal }, { preconditions: { uid: claim.metadata.uid } })
  }

  return {
    name: 'resourceclaim-controller',
    watches: [
      watch(pods, keysOfPod),
      watch(resourceclaims, (claim) => [
        `${CLAIM}${keyOf(claim)}`,
        ...ofPods.byIndex(BY_CLAIM, keyOf(claim)).map((pod) => `${POD}${keyOf(pod)}`),
      ]),
      watch(resourceclaimtemplates, ({ metadata: { namespace, name } }) =>
        ofPods
          .list(namespace)
          .filter(({ spec }) => spec.resourceClaims?.some(({ resourceClaimTemplateName }) => resourceClaimTemplateName === name))
          .map((pod) => `${POD}${keyOf(pod)}`),
      ),
    ],
    async reconcile(key, signal) {
      try {
        const pod = key.startsWith(POD) ? ofPods.get(key.slice(POD.length)) : undefined
        if (pod && pod.metadata.deletionTimestamp === undefined && !isDoneWithClaims(pod)) await syncPod(pod, signal)
        const claim = key.startsWith(CLAIM) ? ofClaims.get(key.slice(CLAIM.length)) : undefined
        if (claim) await syncClaim(claim, signal)
      } catch (error) {
        if (!isNotFound(error)) throw error
      }
    },
  }
}
