/**
 * What changes in a cluster as far as scheduling is concerned, and which plugin's verdict a change may turn
 * (kube-scheduler's cluster events and queueing hints).
 */
import type { Node, Pod } from '../api/kinds/core/v1.ts'
import { deepEqual } from '../api/meta.ts'
import type { KubeObject } from '../api/resource.ts'
import { podRequests } from './resources.ts'

export type EventResource =
  | 'Pod'
  | 'Node'
  | 'PersistentVolumeClaim'
  | 'PersistentVolume'
  | 'StorageClass'
  | 'CSINode'
  | 'CSIDriver'
  | 'CSIStorageCapacity'
  | 'VolumeAttachment'
  | 'ResourceClaim'
  | 'ResourceSlice'
  | 'DeviceClass'
  | 'Namespace'

/** Bits: one change may be several things at once. */
export const ADD = 1
export const DELETE = 1 << 1
export const UPDATE_NODE_ALLOCATABLE = 1 << 2
export const UPDATE_NODE_LABEL = 1 << 3
export const UPDATE_NODE_TAINT = 1 << 4
export const UPDATE_NODE_CONDITION = 1 << 5
export const UPDATE_NODE_ANNOTATION = 1 << 6
export const UPDATE_POD_LABEL = 1 << 7
export const UPDATE_POD_SCALE_DOWN = 1 << 8
export const UPDATE_POD_TOLERATION = 1 << 9
export const UPDATE_POD_SCHEDULING_GATES_ELIMINATED = 1 << 10
export const UPDATE_POD_GENERATED_RESOURCE_CLAIM = 1 << 11
export const UPDATE_OTHER = 1 << 12
export const UPDATE_NODE_DECLARED_FEATURE = 1 << 13
const NAMES: ReadonlyMap<number, string> = new Map([
  [ADD, 'Add'],
  [DELETE, 'Delete'],
  [UPDATE_NODE_ALLOCATABLE, 'UpdateNodeAllocatable'],
  [UPDATE_NODE_LABEL, 'UpdateNodeLabel'],
  [UPDATE_NODE_TAINT, 'UpdateNodeTaint'],
  [UPDATE_NODE_CONDITION, 'UpdateNodeCondition'],
  [UPDATE_NODE_ANNOTATION, 'UpdateNodeAnnotation'],
  [UPDATE_NODE_DECLARED_FEATURE, 'UpdateNodeDeclaredFeature'],
  [UPDATE_POD_LABEL, 'UpdatePodLabel'],
  [UPDATE_POD_SCALE_DOWN, 'UpdatePodScaleDown'],
  [UPDATE_POD_SCHEDULING_GATES_ELIMINATED, 'UpdatePodSchedulingGatesEliminated'],
  [UPDATE_POD_TOLERATION, 'UpdatePodToleration'],
  [UPDATE_POD_GENERATED_RESOURCE_CLAIM, 'UpdatePodGeneratedResourceClaim'],
  [UPDATE_OTHER, 'Update'],
])
/** Any change of an object that was there before. */
export const UPDATE = ~(ADD | DELETE)

export interface ClusterEvent {
  resource: EventResource
  actions: number
  before?: KubeObject | undefined
  after?: KubeObject | undefined
}

export interface EventHint {
  resource: EventResource
  actions: number
  /** Whether the change may let a pod fit that the plugin refused; left out: it may. */
  mayHelp?: (pod: Pod, event: ClusterEvent) => boolean
}

const GROUPS: Partial<Record<EventResource, string>> = {
  StorageClass: 'storage.k8s.io',
  CSINode: 'storage.k8s.io',
  CSIDriver: 'storage.k8s.io',
  CSIStorageCapacity: 'storage.k8s.io',
  VolumeAttachment: 'storage.k8s.io',
  ResourceClaim: 'resource.k8s.io',
  ResourceSlice: 'resource.k8s.io',
  DeviceClass: 'resource.k8s.io',
}

/** Pods that are on a node are something else than those that wait for one. */
function resourceName({ resource, before, after }: ClusterEvent): string {
  const group = GROUPS[resource]
  if (resource !== 'Pod') return group ? `${group}/${resource}` : resource
  return ((after ?? before) as Pod | undefined)?.spec.nodeName ? 'AssignedPod' : 'UnschedulablePod'
}

/** What upstream calls it, one by one where it is several things at once. */
export function* partsOf(event: ClusterEvent): Generator<{ event: ClusterEvent; label: string }> {
  for (const [actions, name] of NAMES)
    if (event.actions & actions) yield { event: { ...event, actions }, label: `${resourceName(event)}${name}` }
}

export const concerns = (hint: EventHint, event: ClusterEvent): boolean =>
  hint.resource === event.resource && (hint.actions & event.actions) !== 0

/** What of a node's change can matter; 0 for a heartbeat. */
export function nodeActions(before: Node, after: Node): number {
  let actions = 0
  if (!deepEqual(before.status?.allocatable, after.status?.allocatable)) actions |= UPDATE_NODE_ALLOCATABLE
  if (!deepEqual(before.metadata.labels, after.metadata.labels)) actions |= UPDATE_NODE_LABEL
  // A node that is closed helps nobody.
  const isOpened = before.spec.unschedulable === true && !after.spec.unschedulable
  if (isOpened || !deepEqual(before.spec.taints, after.spec.taints)) actions |= UPDATE_NODE_TAINT
  if (!deepEqual(conditionStates(before), conditionStates(after))) actions |= UPDATE_NODE_CONDITION
  if (!deepEqual(before.metadata.annotations, after.metadata.annotations)) actions |= UPDATE_NODE_ANNOTATION
  if (!deepEqual(before.status?.declaredFeatures, after.status?.declaredFeatures)) actions |= UPDATE_NODE_DECLARED_FEATURE
  return actions
}

const conditionStates = ({ status }: Node): Record<string, string> =>
  Object.fromEntries((status?.conditions ?? []).map((c) => [c.type, c.status]))

export function podActions(before: Pod, after: Pod): number {
  let actions = 0
  if (!deepEqual(before.metadata.labels, after.metadata.labels)) actions |= UPDATE_POD_LABEL
  if (before.metadata.generation !== after.metadata.generation || before.status?.containerStatuses !== after.status?.containerStatuses) {
    const [old, now] = [podRequests(before), podRequests(after)]
    if ([...old].some(([name, amount]) => (now.get(name) ?? 0) < amount)) actions |= UPDATE_POD_SCALE_DOWN
  }
  if ((before.spec.tolerations ?? []).length !== (after.spec.tolerations ?? []).length) actions |= UPDATE_POD_TOLERATION
  if ((before.spec.schedulingGates ?? []).length > 0 && (after.spec.schedulingGates ?? []).length === 0)
    actions |= UPDATE_POD_SCHEDULING_GATES_ELIMINATED
  if (
    !deepEqual(before.status?.resourceClaimStatuses, after.status?.resourceClaimStatuses) ||
    !deepEqual(before.status?.extendedResourceClaimStatus, after.status?.extendedResourceClaimStatus)
  )
    actions |= UPDATE_POD_GENERATED_RESOURCE_CLAIM
  return actions || UPDATE_OTHER
}
