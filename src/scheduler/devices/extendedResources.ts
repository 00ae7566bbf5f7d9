/**
 * Extended resources that device classes stand for: a container asks for `gpu.example.com/a100: 2` as ever, and on nodes without a
 * device plugin for it the scheduler makes a ResourceClaim of that (KEP-5004). Purely: which class, which requests, who gets which.
 */
import { randomUUID } from 'node:crypto'
import { pods, type Container, type ContainerExtendedResourceRequest, type Pod } from '../../api/kinds/core/v1.ts'
import type { DeviceClass, DeviceRequest, ResourceClaim } from '../../api/kinds/resource/v1.ts'
import { isControlledBy, newControllerRef } from '../../api/meta.ts'
import { quantityValue } from '../../api/quantity.ts'
import { isExtendedResource } from '../../api/validation/resourceNames.ts'

/** Every class is a resource of this name, too. */
const CLASS_PREFIX = 'deviceclass.resource.kubernetes.io/'
const EXTENDED_RESOURCE_CLAIM = 'resource.kubernetes.io/extended-resource-claim'

/** The class behind a resource. */
export type ClassOf = (resource: string) => DeviceClass | undefined

interface Classes {
  get(key: string): DeviceClass | undefined
  list(): readonly DeviceClass[]
}

const isNewer = (a: DeviceClass, b: DeviceClass): boolean => {
  const [ofA, ofB] = [Date.parse(a.metadata.creationTimestamp), Date.parse(b.metadata.creationTimestamp)]
  return ofA === ofB ? a.metadata.name < b.metadata.name : ofA > ofB
}

/** Of several classes for one name the newest counts, so that one may take another's place. */
export function classResolver(classes: Classes): ClassOf {
  return (resource) => {
    if (resource.startsWith(CLASS_PREFIX)) return classes.get(resource.slice(CLASS_PREFIX.length))
    if (!isExtendedResource(resource)) return undefined
    let found: DeviceClass | undefined
    for (const known of classes.list()) if (known.spec.extendedResourceName === resource && (!found || isNewer(known, found))) found = known
    return found
  }
}

/** The claim that an earlier attempt made for the pod. */
export function madeFor(pod: Pod, claims: readonly ResourceClaim[]): ResourceClaim | undefined {
  return claims.find((claim) => claim.metadata.annotations?.[EXTENDED_RESOURCE_CLAIM] === 'true' && isControlledBy(claim, pod))
}

/** What stands for the claim until there is one: it has no name, and its requests depend on the node. */
export function claimTemplate(pod: Pod): ResourceClaim {
  const { name, namespace } = pod.metadata
  const { blockOwnerDeletion: _blocks, ...owner } = newControllerRef(pod, pods)
  const metadata = {
    name: '',
    generateName: `${name}-extended-resources-`,
    namespace,
    uid: randomUUID(),
    annotations: { [EXTENDED_RESOURCE_CLAIM]: 'true' },
    ownerReferences: [owner],
  }
  return { apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaim', metadata: metadata as unknown as ResourceClaim['metadata'], spec: {} }
}

export interface ExtendedRequests {
  requests: DeviceRequest[]
  /** Which request gives a container its resource. */
  mappings: ContainerExtendedResourceRequest[]
}

interface Ask {
  request?: DeviceRequest
  mappings: ContainerExtendedResourceRequest[]
}

const countOf = (request: DeviceRequest): number => request.exactly?.count ?? 0

/** What one container needs of a resource beyond what it may take from `reusable`, which nobody uses yet while it runs. */
function ask(at: number, { name, resources }: Container, resource: string, className: string, reusable: readonly DeviceRequest[]): Ask {
  const mappings: ContainerExtendedResourceRequest[] = []
  const amount = resources?.requests?.[resource]
  const wanted = amount === undefined ? 0 : quantityValue(amount)
  if (!Number.isInteger(wanted) || wanted === 0) return { mappings }
  let had = 0
  for (const request of reusable) {
    had += countOf(request)
    mappings.push({ containerName: name, resourceName: resource, requestName: request.name })
    if (had >= wanted) return { mappings }
  }
  const requestName = `container-${at}-request-${Object.keys(resources?.requests ?? {})
    .sort()
    .indexOf(resource)}`
  mappings.push({ containerName: name, resourceName: resource, requestName })
  const exactly = { deviceClassName: className, allocationMode: 'ExactCount', count: wanted - had }
  return { request: { name: requestName, exactly }, mappings }
}

function askFor(pod: Pod, resource: string, className: string): ExtendedRequests {
  const inits = pod.spec.initContainers ?? []
  const containers = [...inits, ...pod.spec.containers]
  const endsEarly = (at: number): boolean => at < inits.length && containers[at]?.restartPolicy !== 'Always'
  const lasting: (DeviceRequest | undefined)[] = []
  const mappings: ContainerExtendedResourceRequest[] = []
  for (const [at, container] of containers.entries()) {
    if (endsEarly(at)) continue
    const own = ask(at, container, resource, className, [])
    lasting[at] = own.request
    mappings.push(...own.mappings)
  }
  // Init containers run one after the other: they share what the largest of them needs, and use what those behind them will have.
  let largest: DeviceRequest | undefined
  const early: { request?: DeviceRequest; mappings: ContainerExtendedResourceRequest[] }[] = []
  for (const [at, container] of containers.entries()) {
    if (!endsEarly(at)) continue
    const later = lasting.slice(at).filter((request) => request !== undefined)
    const own = ask(at, container, resource, className, later)
    if (own.request && (!largest || countOf(largest) < countOf(own.request))) largest = own.request
    early.push(own)
  }
  const shared = new Set(early.flatMap(({ request }) => request?.name ?? []))
  for (const mapping of early.flatMap((own) => own.mappings)) {
    const requestName = largest && shared.has(mapping.requestName) ? largest.name : mapping.requestName
    mappings.push({ ...mapping, requestName })
  }
  return { requests: [...(largest ? [largest] : []), ...lasting.filter((request) => request !== undefined)], mappings }
}

/** The requests of a claim for these resources of a pod. */
export function extendedRequests(pod: Pod, resources: readonly string[], classOf: ClassOf): ExtendedRequests {
  const all: ExtendedRequests = { requests: [], mappings: [] }
  for (const resource of resources.toSorted()) {
    const known = classOf(resource)
    if (!known) continue
    const { requests, mappings } = askFor(pod, resource, known.metadata.name)
    all.requests.push(...requests)
    all.mappings.push(...mappings)
  }
  all.requests.sort((a, b) => (a.name < b.name ? -1 : 1))
  return all
}
