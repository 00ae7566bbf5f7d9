/** What objects count for in a ResourceQuota (pkg/quota/v1/evaluator): admission charges by it, the quota controller counts by it. */
import type { Container, PersistentVolumeClaim, Pod, ResourceQuota, Service } from './kinds/core/v1.ts'
import { addQuantity, compareQuantity, formatQuantity, newQuantity, type Quantity, type QuantityLike } from './quantity.ts'
import { hasFinished } from './pods.ts'
import { qosClassOf } from './validation/podQos.ts'

export type Usage = Record<string, QuantityLike>

export function addUsage(a: Usage, b: Usage): Usage {
  const sum = { ...a }
  for (const [name, value] of Object.entries(b)) sum[name] = name in sum ? addQuantity(sum[name] as QuantityLike, value) : value
  return sum
}

type ResourceList = Readonly<Record<string, QuantityLike>> | undefined

function largest(a: Usage, b: ResourceList): Usage {
  const result = { ...a }
  for (const [name, value] of Object.entries(b ?? {})) {
    const known = result[name]
    if (known === undefined || compareQuantity(known, value) < 0) result[name] = value
  }
  return result
}

type Kind = 'requests' | 'limits'

/** During a resize a container counts with the larger of what it has, what it was promised and what it asks for, unless that never fits. */
function containerUsage({ status }: Pod, kind: Kind): (container: Container) => Usage {
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])]
  const isInfeasible = status?.conditions?.find(({ type }) => type === 'PodResizePending')?.reason === 'Infeasible'
  return ({ name, resources }) => {
    const told = statuses.find((of) => of.name === name)
    if (!told?.resources) return resources?.[kind] ?? {}
    const has = largest({ ...told.resources[kind] }, kind === 'requests' ? told.allocatedResources : undefined)
    return isInfeasible ? has : largest(has, resources?.[kind])
  }
}

const isPodLevel = (name: string): boolean => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-')

export function hasPodLevelResources(spec: Pod['spec'] | undefined): boolean {
  return [spec?.resources?.requests, spec?.resources?.limits].some((list) => Object.keys(list ?? {}).some(isPodLevel))
}

/** What a pod asks for: the sum of what runs together, or the most that an init container needs on its way; what it says for all of them goes before that. */
function podResources(pod: Pod, kind: Kind): Usage {
  const { spec } = pod
  const usageOf = containerUsage(pod, kind)
  let running: Usage = {}
  for (const container of spec.containers) running = addUsage(running, usageOf(container))
  let sidecars: Usage = {}
  let init: Usage = {}
  for (const container of spec.initContainers ?? []) {
    const own = usageOf(container)
    if (container.restartPolicy === 'Always') sidecars = addUsage(sidecars, own)
    else init = largest(init, addUsage(sidecars, own))
  }
  const whole = Object.entries(spec.resources?.[kind] ?? {}).filter(([name]) => isPodLevel(name))
  const together = { ...largest(addUsage(running, sidecars), init), ...Object.fromEntries(whole) }
  // The overhead raises a limit that is there, and sets none.
  const overhead = Object.entries(spec.overhead ?? {}).filter(([name]) => kind === 'requests' || name in together)
  return addUsage(together, Object.fromEntries(overhead))
}

const COMPUTE = ['cpu', 'memory', 'ephemeral-storage']
/** Names that any quota may limit. `count/` names stand for kinds; `requests.` before a name with a domain for an extended resource. */
const PLAIN_NAMES: ReadonlySet<string> = new Set([
  ...COMPUTE,
  ...COMPUTE.flatMap((name) => [`requests.${name}`, `limits.${name}`]),
  ...['pods', 'services', 'services.nodeports', 'services.loadbalancers', 'configmaps', 'secrets', 'replicationcontrollers'],
  ...['resourcequotas', 'persistentvolumeclaims', 'requests.storage'],
])
const PREFIXES = ['count/', 'hugepages-', 'requests.hugepages-', 'requests.deviceclass.resource.kubernetes.io/']
const SUFFIXES = [
  '.storageclass.storage.k8s.io/requests.storage',
  '.storageclass.storage.k8s.io/persistentvolumeclaims',
  '.deviceclass.resource.k8s.io/devices',
]

/** Whether anything counts by that name. A quota may limit others, too; their use is not told then. */
export function isQuotaName(name: string): boolean {
  if (PLAIN_NAMES.has(name) || PREFIXES.some((prefix) => name.startsWith(prefix))) return true
  if (SUFFIXES.some((suffix) => name.endsWith(suffix))) return true
  return name.startsWith('requests.') && name.includes('/') && !name.includes('kubernetes.io/')
}

export function podUsage(pod: Pod): Usage {
  const usage: Usage = { 'count/pods': newQuantity(1) }
  // Finished pods take up a place in the store, and nothing else.
  if (hasFinished(pod)) return usage
  usage['pods'] = newQuantity(1)
  for (const [name, value] of Object.entries(podResources(pod, 'requests'))) {
    usage[`requests.${name}`] = value
    if (!name.includes('/')) usage[name] = value
  }
  for (const [name, value] of Object.entries(podResources(pod, 'limits')))
    if (isQuotaName(`limits.${name}`)) usage[`limits.${name}`] = value
  return usage
}

export function serviceUsage({ spec }: Service): Usage {
  const ports = spec?.ports?.length ?? 0
  const usage: Usage = { 'count/services': newQuantity(1), services: newQuantity(1) }
  const hasNodePorts = spec?.type === 'NodePort' || (spec?.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false)
  if (hasNodePorts) usage['services.nodeports'] = newQuantity(ports)
  if (spec?.type === 'LoadBalancer') usage['services.loadbalancers'] = newQuantity(1)
  return usage
}

const OLD_CLASS = 'volume.beta.kubernetes.io/storage-class'

export function claimUsage(claim: PersistentVolumeClaim): Usage {
  const one = newQuantity(1)
  const storage = claim.status?.allocatedResources?.['storage'] ?? claim.spec.resources?.requests?.['storage'] ?? '0'
  const usage: Usage = { 'count/persistentvolumeclaims': one, persistentvolumeclaims: one, 'requests.storage': storage }
  const storageClass = claim.metadata.annotations?.[OLD_CLASS] ?? claim.spec.storageClassName
  if (storageClass) {
    usage[`${storageClass}.storageclass.storage.k8s.io/requests.storage`] = storage
    usage[`${storageClass}.storageclass.storage.k8s.io/persistentvolumeclaims`] = one
  }
  return usage
}

function inScope(pod: Pod, scope: string, operator: string, values: readonly string[]): boolean {
  const terms = [pod.spec.affinity?.podAffinity, pod.spec.affinity?.podAntiAffinity].flatMap((affinity) => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((weighted) => weighted.podAffinityTerm),
  ])
  switch (scope) {
    case 'Terminating':
      return (pod.spec.activeDeadlineSeconds ?? -1) >= 0
    case 'NotTerminating':
      return pod.spec.activeDeadlineSeconds === undefined
    case 'BestEffort':
      return qosClassOf(pod.spec) === 'BestEffort'
    case 'NotBestEffort':
      return qosClassOf(pod.spec) !== 'BestEffort'
    case 'CrossNamespacePodAffinity':
      return terms.some((term) => (term.namespaces ?? []).length > 0 || term.namespaceSelector !== undefined)
    case 'PriorityClass': {
      const name = pod.spec.priorityClassName ?? ''
      if (operator === 'Exists') return name !== ''
      if (operator === 'DoesNotExist') return name === ''
      return (operator === 'In') === values.includes(name)
    }
    default:
      return false
  }
}

/** By the classes of which a claim is, was, or is becoming one. */
function claimInScope({ spec, status }: PersistentVolumeClaim, scope: string, operator: string, values: readonly string[]): boolean {
  if (scope !== 'VolumeAttributesClass') return false
  const target = status?.modifyVolumeStatus?.targetVolumeAttributesClassName
  const classes = [spec.volumeAttributesClassName, status?.currentVolumeAttributesClassName, target].filter(Boolean) as string[]
  if (operator === 'Exists') return classes.length > 0
  if (operator === 'DoesNotExist') return classes.length === 0
  if (operator === 'In') return classes.some((name) => values.includes(name))
  return classes.length === 0 || classes.some((name) => !values.includes(name))
}

type InScope = (scope: string, operator: string, values: readonly string[]) => boolean

function meetsScopes({ spec }: ResourceQuota, meets: InScope): boolean {
  const expressions = spec?.scopeSelector?.matchExpressions ?? []
  return (
    (spec?.scopes ?? []).every((scope) => meets(scope, 'Exists', [])) &&
    expressions.every(({ scopeName, operator, values = [] }) => meets(scopeName, operator, values))
  )
}

/** Whether a quota's scopes let it count a pod. Quotas with scopes count nothing but pods and claims. */
export const countsPod = (quota: ResourceQuota, pod: Pod): boolean =>
  meetsScopes(quota, (scope, operator, values) => inScope(pod, scope, operator, values))

export const countsClaim = (quota: ResourceQuota, claim: PersistentVolumeClaim): boolean =>
  meetsScopes(quota, (scope, operator, values) => claimInScope(claim, scope, operator, values))

export function hasScopes({ spec }: ResourceQuota): boolean {
  return (spec?.scopes ?? []).length > 0 || (spec?.scopeSelector?.matchExpressions ?? []).length > 0
}

/** The usage as the status shows it: for what the quota limits, and nothing else. */
export function usedOf(quota: ResourceQuota, usage: Usage): Record<string, string> {
  const zero: Quantity = newQuantity(0)
  const names = Object.keys(quota.spec?.hard ?? {}).filter(isQuotaName)
  return Object.fromEntries(names.map((name) => [name, formatQuantity(usage[name] ?? zero)]))
}
