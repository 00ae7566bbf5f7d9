/** What an object uses up of a quota (pkg/quota/v1/evaluator). Amounts in billionths. */
import { nanosOf } from '../../api/validation/quantities.ts'
import { qosClassOf } from '../../api/validation/podQos.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { Container, PersistentVolumeClaim, Pod, ResourceQuota, Service } from '../../api/kinds/core/v1.ts'

export type Usage = Record<string, bigint>

const ONE = 1_000_000_000n
/** Kinds whose number had a name before `count/…` was invented. */
const COUNTED = new Set(['pods', 'services', 'replicationcontrollers', 'resourcequotas', 'secrets', 'configmaps', 'persistentvolumeclaims'])

function add(usage: Usage, name: string, amount: bigint): void {
  usage[name] = (usage[name] ?? 0n) + amount
}

export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
}

function computeOf(container: Container): Usage {
  const usage: Usage = {}
  for (const [name, value] of Object.entries(container.resources?.requests ?? {})) usage[`requests.${name}`] = nanosOf(value)
  for (const [name, value] of Object.entries(container.resources?.limits ?? {})) usage[`limits.${name}`] = nanosOf(value)
  return usage
}

function podUsage(pod: Pod, usage: Usage): void {
  if (isTerminal(pod)) return
  add(usage, 'pods', ONE)
  const compute: Usage = {}
  for (const container of pod.spec?.containers ?? [])
    for (const [name, value] of Object.entries(computeOf(container))) add(compute, name, value)
  for (const container of pod.spec?.initContainers ?? []) {
    for (const [name, value] of Object.entries(computeOf(container))) {
      if (container.restartPolicy === 'Always') add(compute, name, value)
      else if (value > (compute[name] ?? 0n)) compute[name] = value
    }
  }
  for (const [name, value] of Object.entries(pod.spec?.overhead ?? {})) {
    add(compute, `requests.${name}`, nanosOf(value))
    if (compute[`limits.${name}`] !== undefined) add(compute, `limits.${name}`, nanosOf(value))
  }
  for (const [name, value] of Object.entries(compute)) {
    add(usage, name, value)
    if (name.startsWith('requests.')) add(usage, name.slice('requests.'.length), value)
  }
}

function serviceUsage({ spec }: Service, usage: Usage): void {
  add(usage, 'services', ONE)
  const ports = BigInt(spec?.ports?.length ?? 0)
  if (spec?.type === 'NodePort') add(usage, 'services.nodeports', ports * ONE)
  if (spec?.type === 'LoadBalancer') {
    add(usage, 'services.loadbalancers', ONE)
    if (spec.allocateLoadBalancerNodePorts !== false) add(usage, 'services.nodeports', ports * ONE)
  }
}

const OLD_CLASS = 'volume.beta.kubernetes.io/storage-class'

function claimUsage(claim: PersistentVolumeClaim, usage: Usage): void {
  const storage = nanosOf(claim.spec?.resources?.requests?.['storage'])
  add(usage, 'persistentvolumeclaims', ONE)
  add(usage, 'requests.storage', storage)
  const name = claim.metadata.annotations?.[OLD_CLASS] ?? claim.spec?.storageClassName
  if (!name) return
  add(usage, `${name}.storageclass.storage.k8s.io/requests.storage`, storage)
  add(usage, `${name}.storageclass.storage.k8s.io/persistentvolumeclaims`, ONE)
}

export function usageOf(resource: CatalogResource, object: KubeObject): Usage {
  const usage: Usage = {}
  const { group, resource: name } = resource
  add(usage, `count/${name}${group ? `.${group}` : ''}`, ONE)
  if (group !== '') return usage
  if (name === 'pods') podUsage(object as Pod, usage)
  else if (name === 'services') serviceUsage(object as Service, usage)
  else if (name === 'persistentvolumeclaims') claimUsage(object as PersistentVolumeClaim, usage)
  else if (COUNTED.has(name)) add(usage, name, ONE)
  return usage
}

function podMatches(scope: string, pod: Pod, operator: string, values: readonly string[]): boolean {
  const terminating = pod.spec?.activeDeadlineSeconds !== undefined
  const bestEffort = qosClassOf(pod.spec ?? {}) === 'BestEffort'
  switch (scope) {
    case 'Terminating':
      return terminating
    case 'NotTerminating':
      return !terminating
    case 'BestEffort':
      return bestEffort
    case 'NotBestEffort':
      return !bestEffort
    case 'PriorityClass': {
      const name = pod.spec?.priorityClassName ?? ''
      if (operator === 'Exists') return name !== ''
      if (operator === 'DoesNotExist') return name === ''
      return values.includes(name) === (operator === 'In')
    }
    case 'CrossNamespacePodAffinity':
      return [pod.spec?.affinity?.podAffinity, pod.spec?.affinity?.podAntiAffinity].some((affinity) =>
        [
          ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
          ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => term.podAffinityTerm),
        ].some((term) => (term.namespaces ?? []).length > 0 || term.namespaceSelector),
      )
    default:
      return false
  }
}

/** Whether the quota is about this object at all. */
export function quotaSelects(quota: ResourceQuota, resource: CatalogResource, object: KubeObject): boolean {
  const scopes = (quota.spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists', values: [] as string[] }))
  const all = [...scopes, ...(quota.spec?.scopeSelector?.matchExpressions ?? [])]
  if (all.length === 0) return true
  if (resource.group !== '' || resource.resource !== 'pods') return false
  return all.every(({ scopeName, operator, values = [] }) => podMatches(scopeName, object as Pod, operator, values))
}
