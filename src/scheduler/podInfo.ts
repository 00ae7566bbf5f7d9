/** What the plugins ask of a pod time and again, worked out once. */
import type { Pod, PodAffinityTerm, WeightedPodAffinityTerm } from '../api/kinds/core/v1.ts'
import { claimNamesOf } from '../api/pods.ts'
import { labelMatcher, type Labels } from '../api/selectors.ts'
import { nonZeroRequests, podRequests, type Resources } from './resources.ts'

export interface HostPort {
  ip: string
  protocol: string
  port: number
}

export const ANY_ADDRESS = '0.0.0.0'

/** Labels of a namespace; undefined where it is not known. */
export type NamespaceLabels = (namespace: string) => Labels

export interface AffinityTerm {
  readonly topologyKey: string
  /** 1 for terms without a weight. */
  readonly weight: number
  selects(namespace: string, labels: Labels, labelsOf: NamespaceLabels): boolean
}

/** A pod's wishes about other pods. */
export interface PodWishes {
  readonly requiredAffinity: readonly AffinityTerm[]
  readonly requiredAntiAffinity: readonly AffinityTerm[]
  readonly preferredAffinity: readonly AffinityTerm[]
  readonly preferredAntiAffinity: readonly AffinityTerm[]
}

export const NO_WISHES: PodWishes = { requiredAffinity: [], requiredAntiAffinity: [], preferredAffinity: [], preferredAntiAffinity: [] }

export interface PodInfo {
  readonly pod: Pod
  readonly requests: Resources
  readonly nonZeroRequests: Resources
  readonly hostPorts: readonly HostPort[]
  /** Keys of the claims that it mounts. */
  readonly claims: readonly string[]
  readonly wishes: PodWishes
  /** What it shares with its like. */
  readonly signature: string
}

function affinityTerm(term: PodAffinityTerm, weight: number, { metadata }: Pod): AffinityTerm {
  const matches = labelMatcher(term.labelSelector)
  const own = metadata.labels ?? {}
  const equal = (term.matchLabelKeys ?? []).filter((key) => own[key] !== undefined)
  const different = (term.mismatchLabelKeys ?? []).filter((key) => own[key] !== undefined)
  const hasNames = (term.namespaces ?? []).length > 0
  const named = new Set(hasNames ? term.namespaces : term.namespaceSelector ? [] : [metadata.namespace])
  const inNamespace = term.namespaceSelector ? labelMatcher(term.namespaceSelector) : undefined
  return {
    topologyKey: term.topologyKey,
    weight,
    selects(namespace, labels, labelsOf) {
      if (!named.has(namespace) && !inNamespace?.(labelsOf(namespace) ?? {})) return false
      return matches(labels) && equal.every((key) => labels?.[key] === own[key]) && different.every((key) => labels?.[key] !== own[key])
    },
  }
}

export function wishesOf(pod: Pod): PodWishes {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {}
  if (!podAffinity && !podAntiAffinity) return NO_WISHES
  const required = (terms: readonly PodAffinityTerm[] = []): AffinityTerm[] => terms.map((term) => affinityTerm(term, 1, pod))
  const preferred = (terms: readonly WeightedPodAffinityTerm[] = []): AffinityTerm[] =>
    terms.map(({ podAffinityTerm, weight }) => affinityTerm(podAffinityTerm, weight, pod))
  return {
    requiredAffinity: required(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    requiredAntiAffinity: required(podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    preferredAffinity: preferred(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
    preferredAntiAffinity: preferred(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
  }
}

function hostPortsOf({ spec }: Pod): HostPort[] {
  const ports: HostPort[] = []
  const sidecars = (spec.initContainers ?? []).filter((container) => container.restartPolicy === 'Always')
  for (const container of sidecars.length > 0 ? [...sidecars, ...spec.containers] : spec.containers)
    for (const { hostPort, hostIP, protocol } of container.ports ?? [])
      if (hostPort) ports.push({ ip: hostIP || ANY_ADDRESS, protocol: protocol ?? 'TCP', port: hostPort })
  return ports
}

/** Pods of the same signature are the same to plugins that are local. */
function signatureOf({ spec, metadata, status }: Pod): string {
  const containers = (list: typeof spec.containers | undefined): unknown =>
    list?.map(({ resources, ports, restartPolicy }) => [
      resources?.requests,
      ports?.map((p) => [p.hostPort, p.hostIP, p.protocol]),
      restartPolicy,
    ])
  return JSON.stringify([
    spec.schedulerName,
    spec.nodeName,
    spec.nodeSelector,
    spec.affinity?.nodeAffinity,
    spec.tolerations,
    spec.overhead,
    spec.resources,
    containers(spec.containers),
    containers(spec.initContainers),
    // A pod in the middle of a resize counts by its status.
    status?.containerStatuses || status?.resources ? metadata.uid : 0,
  ])
}

export function newPodInfo(pod: Pod): PodInfo {
  let signature: string | undefined
  return {
    pod,
    requests: podRequests(pod),
    nonZeroRequests: nonZeroRequests(pod),
    hostPorts: hostPortsOf(pod),
    claims: pod.spec.volumes?.length ? claimNamesOf(pod).map((name) => `${pod.metadata.namespace}/${name}`) : [],
    wishes: wishesOf(pod),
    get signature() {
      return (signature ??= signatureOf(pod))
    },
  }
}

const countsByStatus = ({ status }: Pod): boolean =>
  status?.resources !== undefined ||
  (status?.containerStatuses ?? []).some(({ resources }) => resources) ||
  (status?.initContainerStatuses ?? []).some(({ resources }) => resources)

/** The same pod later. What its spec says has not changed with its status. */
export function renewedPodInfo(info: PodInfo, pod: Pod): PodInfo {
  const { generation } = pod.metadata
  const isUnchanged = generation !== undefined && info.pod.metadata.generation === generation
  if (!isUnchanged || countsByStatus(pod) || countsByStatus(info.pod)) return newPodInfo(pod)
  const { requests, nonZeroRequests, hostPorts, claims, wishes } = info
  let signature: string | undefined
  return {
    pod,
    requests,
    nonZeroRequests,
    hostPorts,
    claims,
    wishes,
    get signature() {
      return (signature ??= signatureOf(pod))
    },
  }
}

export const priorityOf = (pod: Pod): number => pod.spec.priority ?? 0
