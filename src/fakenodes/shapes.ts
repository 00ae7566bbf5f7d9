/** What the fake nodes and their pods look like in the API. Pure. */
import type { ContainerStatus, Node, Pod, PodCondition, PodStatus } from '../api/kinds/core/v1.ts'
import { timestamp } from '../api/meta.ts'
import type { Draft } from '../api/resource.ts'

/** On every fake node, for selectors. */
const FAKE_NODE_LABEL = 'minicube.local/fake-node'
/** Keeps pods that were meant for real nodes away, where there are some. */
export const FAKE_NODE_TAINT = 'minicube.local/fake-node'
/** On a pod: it succeeds after this many seconds; without it, it runs until it is deleted. */
export const COMPLETE_AFTER_ANNOTATION = 'minicube.local/complete-after-seconds'

const ZONES = 3
/** Shared address space (RFC 6598): no network of a laptop or of a cluster is likely to be there. */
const POD_RANGE_BASE = 0x64_40_00_00
const NODE_RANGE_BASE = 0x64_7f_00_00
/** Each node has a /24 of the pods' addresses. */
const ADDRESSES_PER_NODE = 256
export const FAKE_NODES_MAX = 5_000

const ipv4 = (number: number): string => [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.')

export const fakeNodeName = (index: number): string => `fake-node-${index}`

export const nodeAddress = (index: number): string => ipv4(NODE_RANGE_BASE + index + 1)

/** The address of a node's `slot`-th pod. */
export const podAddress = (index: number, slot: number): string => ipv4(POD_RANGE_BASE + index * ADDRESSES_PER_NODE + (slot % 254) + 1)

export interface FakeNodeOptions {
  index: number
  nowMs: number
  kubernetesVersion: string
  isTainted: boolean
}

const CAPACITY = { cpu: '32', memory: '256Gi', 'ephemeral-storage': '1Ti', pods: '110', 'hugepages-1Gi': '0', 'hugepages-2Mi': '0' }

const CONDITIONS: readonly [type: string, status: string, reason: string, message: string][] = [
  ['MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
  ['DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
  ['PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
  ['Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'],
]

export function fakeNode({ index, nowMs, kubernetesVersion, isTainted }: FakeNodeOptions): Draft<Node> {
  const name = fakeNodeName(index)
  const now = timestamp(nowMs)
  const cidr = `${ipv4(POD_RANGE_BASE + index * ADDRESSES_PER_NODE)}/24`
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  const addresses = [
    { type: 'InternalIP', address: nodeAddress(index) },
    { type: 'Hostname', address: name },
  ]
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
      labels: {
        [FAKE_NODE_LABEL]: 'true',
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': arch,
        'topology.kubernetes.io/region': 'fake',
        'topology.kubernetes.io/zone': `fake-${String.fromCodePoint(97 + (index % ZONES))}`,
      },
    },
    spec: {
      podCIDR: cidr,
      podCIDRs: [cidr],
      providerID: `fake://${name}`,
      ...(isTainted && { taints: [{ key: FAKE_NODE_TAINT, value: 'true', effect: 'NoSchedule' }] }),
    },
    status: {
      capacity: CAPACITY,
      allocatable: CAPACITY,
      addresses,
      conditions: CONDITIONS.map(([type, status, reason, message]) => ({
        type,
        status,
        reason,
        message,
        lastHeartbeatTime: now,
        lastTransitionTime: now,
      })),
      nodeInfo: {
        architecture: arch,
        operatingSystem: 'linux',
        kubeletVersion: kubernetesVersion,
        kubeProxyVersion: '',
        containerRuntimeVersion: 'fake://1',
        kernelVersion: '0.0.0',
        osImage: 'fake',
        machineID: '',
        systemUUID: '',
        bootID: '',
      },
    },
  }
}

function containerStatuses(
  containers: readonly { name: string; image?: string }[] | undefined,
  of: (name: string) => Pick<ContainerStatus, 'state' | 'ready' | 'started'>,
): ContainerStatus[] {
  return (containers ?? []).map(({ name, image = '' }) => ({
    name,
    image,
    imageID: '',
    containerID: `fake://${name}`,
    restartCount: 0,
    ...of(name),
  }))
}

const condition = (type: string, status: string, now: string, reason?: string): PodCondition => ({
  type,
  status,
  lastTransitionTime: now,
  ...(reason && { reason }),
})

/** A pod whose containers have all started and are ready. */
export function runningStatus({ spec }: Pod, hostIp: string, podIp: string, nowMs: number): PodStatus {
  const now = timestamp(nowMs)
  const sidecars = new Set((spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always').map(({ name }) => name))
  const runs = { state: { running: { startedAt: now } }, ready: true, started: true }
  const done = { state: { terminated: { exitCode: 0, reason: 'Completed', startedAt: now, finishedAt: now } }, ready: true, started: false }
  const ip = spec.hostNetwork ? hostIp : podIp
  const gates = (spec.readinessGates ?? []).length > 0
  return {
    phase: 'Running',
    startTime: now,
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    podIP: ip,
    podIPs: [{ ip }],
    conditions: [
      condition('PodReadyToStartContainers', 'True', now),
      condition('Initialized', 'True', now),
      condition('Ready', gates ? 'False' : 'True', now, gates ? 'ReadinessGatesNotReady' : undefined),
      condition('ContainersReady', 'True', now),
    ],
    containerStatuses: containerStatuses(spec.containers, () => runs),
    ...(spec.initContainers && {
      initContainerStatuses: containerStatuses(spec.initContainers, (name) => (sidecars.has(name) ? runs : done)),
    }),
  }
}

export function succeededStatus({ spec, status }: Pod, nowMs: number): PodStatus {
  const now = timestamp(nowMs)
  const startedAt = status?.startTime ?? now
  const done = { state: { terminated: { exitCode: 0, reason: 'Completed', startedAt, finishedAt: now } }, ready: false, started: false }
  return {
    phase: 'Succeeded',
    conditions: [
      condition('Initialized', 'True', now, 'PodCompleted'),
      condition('Ready', 'False', now, 'PodCompleted'),
      condition('ContainersReady', 'False', now, 'PodCompleted'),
    ],
    containerStatuses: containerStatuses(spec.containers, () => done),
  }
}

/** Undefined: it runs until it is deleted. */
export function completesAfterMs({ metadata }: Pod): number | undefined {
  const text = metadata.annotations?.[COMPLETE_AFTER_ANNOTATION]
  const seconds = text === undefined ? Number.NaN : Number(text)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined
}
