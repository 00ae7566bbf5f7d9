/** The Node object as the kubelet reports it: pure. */
import type { Node, NodeCondition, NodeStatus, NodeSystemInfo } from '../../api/kinds/core/v1.ts'
import type { Draft } from '../../api/resource.ts'
import { isExtendedResource } from '../../api/validation/resourceNames.ts'
import type { Image } from '../runtime/runtime.ts'
import { timestamp } from '../../api/meta.ts'
import type { Condition } from '../eviction/pressure.ts'
import { capacityAmounts } from './capacity.ts'
import type { DeviceAmounts } from '../devices/deviceManager.ts'
import type { NodeCapacity } from './capacity.ts'

export interface NodeStatusInput {
  nodeName: string
  nodeIps: readonly string[]
  kubeletPort: number
  info: NodeSystemInfo
  capacity: NodeCapacity
  devices?: DeviceAmounts
  allocatable: Readonly<Record<string, string>>
  /** What somebody else wrote of the node's capacity: resources that no kubelet knows of can be had as well. */
  extended: Readonly<Record<string, string>>
  images: readonly Image[]
  /** Why the node is not ready. */
  errors: readonly string[]
  pressures: readonly Condition[]
  /** The status reported last. */
  volumesInUse: readonly string[]
  before: NodeStatus | undefined
  nowMs: number
}

const MAX_IMAGES = 50
const MAX_NAMES_PER_IMAGE = 5

type Verdict = Pick<NodeCondition, 'type' | 'status' | 'reason' | 'message'>

interface PressureWords {
  type: Condition
  short: [reason: string, message: string]
  fine: [reason: string, message: string]
}

const PRESSURES: readonly PressureWords[] = [
  {
    type: 'MemoryPressure',
    short: ['KubeletHasInsufficientMemory', 'kubelet has insufficient memory available'],
    fine: ['KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
  },
  {
    type: 'DiskPressure',
    short: ['KubeletHasDiskPressure', 'kubelet has disk pressure'],
    fine: ['KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
  },
  {
    type: 'PIDPressure',
    short: ['KubeletHasInsufficientPID', 'kubelet has insufficient PID available'],
    fine: ['KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
  },
]

function verdicts({ errors, pressures }: NodeStatusInput): Verdict[] {
  const fine = (type: string, reason: string, message: string): Verdict => ({ type, status: 'False', reason, message })
  return [
    ...PRESSURES.map(({ type, short, fine: enough }) => {
      const [reason, message] = pressures.includes(type) ? short : enough
      return pressures.includes(type) ? { type, status: 'True' as const, reason, message } : fine(type, reason, message)
    }),
    errors.length === 0
      ? { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }
      : {
          type: 'Ready',
          status: 'False',
          reason: 'KubeletNotReady',
          message: errors.length > 1 ? `[${errors.join(', ')}]` : errors.join(),
        },
  ]
}

function conditions(input: NodeStatusInput): NodeCondition[] {
  const { before, nowMs } = input
  const now = timestamp(nowMs)
  return verdicts(input).map((verdict) => {
    const known = before?.conditions?.find((condition) => condition.type === verdict.type)
    const changedAt = known?.status === verdict.status ? known.lastTransitionTime : undefined
    return { ...verdict, lastHeartbeatTime: now, lastTransitionTime: changedAt ?? now }
  })
}

/** What not every kubelet can that the API server may meet: upstream's gates, as far as this one does what they are for. */
const DECLARED_FEATURES = [
  'ExtendWebSocketsToKubelet',
  'InPlacePodLevelResourcesVerticalScaling',
  'InPlacePodVerticalScalingInitContainers',
  'RestartAllContainersOnContainerExits',
] as const

export function nodeStatus(input: NodeStatusInput): NodeStatus {
  const { nodeName, nodeIps, kubeletPort, info, capacity, images, volumesInUse } = input
  return {
    addresses: [...nodeIps.map((address) => ({ type: 'InternalIP', address })), { type: 'Hostname', address: nodeName }],
    allocatable: { ...input.extended, ...input.allocatable, ...input.devices?.allocatable },
    capacity: { ...capacityAmounts(capacity), ...input.devices?.capacity },
    conditions: conditions(input),
    declaredFeatures: [...DECLARED_FEATURES],
    daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } },
    images: images
      .filter((image) => image.repoTags.length + image.repoDigests.length > 0)
      .toSorted((a, b) => b.sizeBytes - a.sizeBytes)
      .slice(0, MAX_IMAGES)
      .map((image) => ({ names: [...image.repoDigests, ...image.repoTags].slice(0, MAX_NAMES_PER_IMAGE), sizeBytes: image.sizeBytes })),
    nodeInfo: info,
    ...((volumesInUse.length > 0 || input.before?.volumesInUse) && { volumesInUse: [...volumesInUse] }),
  }
}

/** Of the capacity as the API has it, the resources that were advertised by hand or by an operator. */
export function extendedResources(capacity: NodeStatus['capacity']): Record<string, string> {
  return Object.fromEntries(Object.entries(capacity ?? {}).filter(([name]) => isExtendedResource(name)))
}

/** Resources that are no more have to be taken away by name. */
export function allocatablePatch(sent: NodeStatus | undefined, status: NodeStatus): Record<string, string | null> {
  const gone = Object.keys(sent?.allocatable ?? {}).filter((name) => isExtendedResource(name) && !(name in (status.allocatable ?? {})))
  return { ...status.allocatable, ...Object.fromEntries(gone.map((name) => [name, null])) }
}

export function nodeLabels(nodeName: string, architecture: string, more: Readonly<Record<string, string>>): Record<string, string> {
  return {
    'beta.kubernetes.io/arch': architecture,
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': architecture,
    'kubernetes.io/hostname': nodeName,
    'kubernetes.io/os': 'linux',
    ...more,
  }
}

/** That volumes are attached by the controller, not by the kubelet. */
export const NODE_ANNOTATIONS = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' }

export function newNode(nodeName: string, labels: Record<string, string>, status: NodeStatus): Draft<Node> {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName, labels, annotations: NODE_ANNOTATIONS }, spec: {}, status }
}
