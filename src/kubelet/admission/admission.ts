/**
 * Whether the node takes a pod that was bound to it: a pod may be bound past the scheduler, or two schedulers may have
 * bound at once. Pure. Reasons and messages are those of upstream's kubelet; clients and controllers look for them.
 */
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { matchesRequiredNodeAffinity } from '../../api/nodeSelector.ts'
import { tolerates } from '../../api/tolerations.ts'
import { amountOf } from '../pods/amounts.ts'
import { podAmounts } from '../resources/podResources.ts'
import { podQosClass } from '../resources/qos.ts'
import type { Condition } from '../eviction/pressure.ts'
import { isCritical } from '../pods/critical.ts'
import { allSpecContainers } from '../pods/podSpec.ts'
import type { Rejection } from '../pods/rejection.ts'
import type { Needs } from './preemption.ts'

export interface AdmissionInput {
  pod: Pod
  /** The node as the API has it; what depends on it is not looked at while it is unknown. */
  node: Node | undefined
  /** The pods that the node has taken and that are not over. */
  others: readonly Pod[]
  allocatable: Readonly<Record<string, string>>
  /** What the node runs short of. */
  pressures?: readonly Condition[]
  /** Names, or their beginnings with a star behind, that pods may set though they are not known to be safe. */
  allowedUnsafeSysctls?: readonly string[]
  /** The kernel confines processes by AppArmor profiles. */
  hasAppArmor?: boolean
  /** The node is about to stop. */
  isStopping?: boolean
}

/** Namespaced, isolated and harmless: a pod may set these without the node's leave. */
const SAFE_SYSCTLS: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
])

/** The namespace that a sysctl belongs to: a pod that shares the node's may not set it. */
function namespaceOf(sysctl: string): 'ipc' | 'net' | undefined {
  if (sysctl.startsWith('net.')) return 'net'
  return /^(?:kernel\.(?:shm|msg|sem)|fs\.mqueue\.)/.test(sysctl) ? 'ipc' : undefined
}

function whySysctlForbidden({ spec }: Pod, name: string, allowed: readonly string[] = []): string | undefined {
  const isAllowed = (one: string): boolean => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : one.replaceAll('/', '.') === name)
  if (!SAFE_SYSCTLS.has(name) && !allowed.some(isAllowed)) return `"${name}" not allowlisted`
  const namespace = namespaceOf(name)
  const isShared = (namespace === 'net' && spec?.hostNetwork) || (namespace === 'ipc' && spec?.hostIPC)
  return isShared ? `"${name}" not allowed with host ${namespace} enabled` : undefined
}

function forbiddenSysctl(pod: Pod, allowed: readonly string[] | undefined): Rejection | undefined {
  for (const { name } of pod.spec?.securityContext?.sysctls ?? []) {
    const why = whySysctlForbidden(pod, name.replaceAll('/', '.'), allowed)
    if (why) return { reason: 'SysctlForbidden', message: `forbidden sysctl: ${why}` }
  }
  return undefined
}

function asksForAppArmor(pod: Pod): boolean {
  const ofPod = pod.spec?.securityContext?.appArmorProfile
  return allSpecContainers(pod).some(({ securityContext }) => {
    const type = (securityContext?.appArmorProfile ?? ofPod)?.type
    return type !== undefined && type !== 'Unconfined'
  })
}

const predicate = (name: string, description: string): Rejection => ({ reason: name, message: `Predicate ${name} failed: ${description}` })

interface Lack {
  resource: string
  requested: number
  used: number
  capacity: number
}

/** Resources in the order in which they are told. */
const FIRST_TOLD = ['cpu', 'memory', 'ephemeral-storage']

function lacks({ pod, others, allocatable }: AdmissionInput): Lack[] {
  const maxPods = amountOf('pods', allocatable['pods'])
  const tooMany = others.length + 1 > maxPods ? [{ resource: 'pods', requested: 1, used: others.length, capacity: maxPods }] : []
  const requests = podAmounts(pod, 'requests')
  const taken = others.map((other) => podAmounts(other, 'requests'))
  const names = [...new Set([...FIRST_TOLD, ...Object.keys(allocatable)])].filter((name) => name in allocatable && name !== 'pods')
  const short = names.flatMap((resource): Lack[] => {
    const requested = amountOf(resource, requests[resource])
    if (requested === 0) return []
    const used = taken.reduce((sum, other) => sum + amountOf(resource, other[resource]), 0)
    const capacity = amountOf(resource, allocatable[resource])
    return requested > capacity - used ? [{ resource, requested, used, capacity }] : []
  })
  return [...tooMany, ...short]
}

function insufficient({ resource, requested, used, capacity }: Lack): Rejection {
  return {
    reason: `OutOf${resource}`,
    message: `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  }
}

const ANY_ADDRESS = '0.0.0.0'

interface HostPort {
  ip: string
  protocol: string
  port: number
}

function hostPorts({ spec }: Pod): HostPort[] {
  const sidecars = (spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always')
  const ports = [...sidecars, ...(spec?.containers ?? [])].flatMap((container) => container.ports ?? [])
  return ports.flatMap(({ hostPort, hostIP, protocol }) =>
    hostPort ? [{ ip: hostIP || ANY_ADDRESS, protocol: protocol ?? 'TCP', port: hostPort }] : [],
  )
}

function portTaken(pod: Pod, others: readonly Pod[]): boolean {
  const wanted = hostPorts(pod)
  if (wanted.length === 0) return false
  const taken = others.flatMap(hostPorts)
  const overlap = (a: string, b: string): boolean => a === b || a === ANY_ADDRESS || b === ANY_ADDRESS
  return wanted.some((a) => taken.some((b) => a.port === b.port && a.protocol === b.protocol && overlap(a.ip, b.ip)))
}

function isRepelled(pod: Pod, node: Node): boolean {
  const taints = (node.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute')
  return taints.some((taint) => !(pod.spec?.tolerations ?? []).some((toleration) => tolerates(toleration, taint)))
}

const MEMORY_TAINT = { key: 'node.kubernetes.io/memory-pressure', effect: 'NoSchedule' }

/** A node that runs short takes no more of what it would end first. */
function underPressure(pod: Pod, pressures: readonly Condition[]): Rejection | undefined {
  if (pressures.length === 0 || isCritical(pod)) return undefined
  if (pressures.every((condition) => condition === 'MemoryPressure')) {
    const tolerated = (pod.spec?.tolerations ?? []).some((toleration) => tolerates(toleration, MEMORY_TAINT))
    if (tolerated || podQosClass(pod) !== 'BestEffort') return undefined
  }
  return { reason: 'Evicted', message: `The node had condition: [${pressures.join(' ')}]. ` }
}

const OS = 'linux'
const OS_LABEL = 'kubernetes.io/os'

function wrongSystem({ metadata, spec }: Pod): Rejection | undefined {
  const label = metadata.labels?.[OS_LABEL]
  if (label !== undefined && label !== OS)
    return {
      reason: 'PodOSSelectorNodeLabelDoesNotMatch',
      message: `Failed to admit pod as the \`${OS_LABEL}\` label doesn't match node label`,
    }
  const os = spec?.os?.name
  if (os && os !== OS) return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" }
  return undefined
}

/** What other pods' end would not change. */
function misplaced({ pod, node, others }: AdmissionInput): Rejection | undefined {
  if (node && !matchesRequiredNodeAffinity(pod.spec, node))
    return predicate('NodeAffinity', "node(s) didn't match Pod's node affinity/selector")
  if (portTaken(pod, others)) return predicate('NodePorts', "node(s) didn't have free ports for the requested pod ports")
  if (node && isRepelled(pod, node)) return predicate('TaintToleration', "node(s) had taints that the pod didn't tolerate")
  return undefined
}

function unconfined({ pod, hasAppArmor }: AdmissionInput): Rejection | undefined {
  return hasAppArmor === false && asksForAppArmor(pod)
    ? { reason: 'AppArmor', message: 'Cannot enforce AppArmor: AppArmor is not enabled on the host' }
    : undefined
}

function stopping({ isStopping }: AdmissionInput): Rejection | undefined {
  return isStopping ? { reason: 'NodeShutdown', message: 'Pod was rejected as the node is shutting down.' } : undefined
}

/** Why the pod may not run; else what it lacks as long as others run, with the words for it. */
export type Verdict = { rejection: Rejection } | { needs?: Needs; short?: Rejection }

/** What is not a matter of room goes first where the pod is critical: room can be made for it. */
export function judge(input: AdmissionInput): Verdict {
  const { pod, pressures = [] } = input
  const before = underPressure(pod, pressures) ?? forbiddenSysctl(pod, input.allowedUnsafeSysctls) ?? wrongSystem(pod)
  if (before) return { rejection: before }
  const short = lacks(input)
  const [first] = short
  if (first && !isCritical(pod)) return { rejection: insufficient(first) }
  const after = misplaced(input) ?? unconfined(input) ?? stopping(input)
  if (after) return { rejection: after }
  if (!first) return {}
  const needs = new Map(short.map(({ resource, requested, used, capacity }) => [resource, requested - (capacity - used)]))
  return { needs, short: insufficient(first) }
}
