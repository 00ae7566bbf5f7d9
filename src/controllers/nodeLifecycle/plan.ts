/** What a node's heartbeat and conditions mean for its taints, its pods and its status. No I/O. */
import type { Node, NodeCondition, Taint } from '../../api/kinds/core/v1.ts'
import { findCondition, timestamp } from '../../api/meta.ts'

export const NOT_READY = 'node.kubernetes.io/not-ready'
export const UNREACHABLE = 'node.kubernetes.io/unreachable'
export const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable'

const PRESSURE_TAINTS: Readonly<Record<string, string>> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
}
/** The taints that follow from a node's state; all others are their owners'. */
const MANAGED = new Set([NOT_READY, UNREACHABLE, UNSCHEDULABLE, ...Object.values(PRESSURE_TAINTS)])

export function readiness(node: Node): 'True' | 'False' | 'Unknown' {
  const status = findCondition(node.status?.conditions, 'Ready')?.status
  return status === 'True' || status === 'False' ? status : 'Unknown'
}

/** A node that never reported says nothing of its readiness, and is not tainted for it. */
export function readinessTaint(node: Node): string | undefined {
  const ready = findCondition(node.status?.conditions, 'Ready')
  if (!ready || ready.status === 'True') return undefined
  return ready.status === 'Unknown' ? UNREACHABLE : NOT_READY
}

/** Pods are driven away from this node by now. */
export function isEvicting(node: Node): boolean {
  return node.spec?.taints?.some(({ key, effect }) => effect === 'NoExecute' && (key === NOT_READY || key === UNREACHABLE)) ?? false
}

function sameTaint(a: Taint, b: Taint): boolean {
  return a.key === b.key && a.effect === b.effect
}

/** The taints as they should be; undefined when they already are. `evicts`: nodes that are not ready drive their pods away. */
export function planTaints(node: Node, evicts: boolean, nowMs: number): Taint[] | undefined {
  const current = node.spec?.taints ?? []
  const wanted: Taint[] = []
  const timeAdded = timestamp(nowMs)
  const readyTaint = readinessTaint(node)
  if (readyTaint) wanted.push({ key: readyTaint, effect: 'NoSchedule', timeAdded })
  for (const [type, key] of Object.entries(PRESSURE_TAINTS)) {
    if (findCondition(node.status?.conditions, type)?.status === 'True') wanted.push({ key, effect: 'NoSchedule', timeAdded })
  }
  if (node.spec?.unschedulable) wanted.push({ key: UNSCHEDULABLE, effect: 'NoSchedule', timeAdded })
  if (readyTaint && evicts) wanted.push({ key: readyTaint, effect: 'NoExecute', timeAdded })
  const isManaged = (taint: Taint): boolean => MANAGED.has(taint.key) && taint.effect !== 'PreferNoSchedule'
  const kept = current.filter((taint) => !isManaged(taint) || wanted.some((other) => sameTaint(other, taint)))
  const added = wanted.filter((taint) => !current.some((other) => sameTaint(other, taint)))
  return added.length === 0 && kept.length === current.length ? undefined : [...kept, ...added]
}

/** Labels that have a name from before they were stable. */
const FORMER_LABELS: Readonly<Record<string, string>> = {
  'kubernetes.io/os': 'beta.kubernetes.io/os',
  'kubernetes.io/arch': 'beta.kubernetes.io/arch',
}

/** What is missing of the former labels, or is not what the stable ones say. */
export function planLabels({ metadata: { labels = {} } }: Node): Record<string, string> | undefined {
  const missing = Object.entries(FORMER_LABELS).flatMap(([key, former]) => {
    const value = labels[key]
    return value === undefined || labels[former] === value ? [] : [[former, value] as const]
  })
  return missing.length > 0 ? Object.fromEntries(missing) : undefined
}

const HEARTBEAT_CONDITIONS = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']

/** The conditions of a node that has not been heard of: all that its kubelet reports becomes Unknown. Undefined: they already are. */
export function planUnknown(node: Node, nowMs: number): NodeCondition[] | undefined {
  const conditions = [...(node.status?.conditions ?? [])]
  const now = timestamp(nowMs)
  let changed = false
  for (const type of HEARTBEAT_CONDITIONS) {
    const at = conditions.findIndex((condition) => condition.type === type)
    const known = conditions[at]
    if (known?.status === 'Unknown') continue
    changed = true
    if (known) {
      conditions[at] = {
        ...known,
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
        lastTransitionTime: now,
      }
    } else {
      const message = 'Kubelet never posted node status.'
      conditions.push({
        type,
        status: 'Unknown',
        reason: 'NodeStatusNeverUpdated',
        message,
        lastHeartbeatTime: node.metadata.creationTimestamp,
        lastTransitionTime: now,
      })
    }
  }
  return changed ? conditions : undefined
}
