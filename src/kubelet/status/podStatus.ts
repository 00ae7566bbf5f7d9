/** A pod's whole status as the kubelet reports it: pure, from the spec, the runtime, the probes and the status before. */
import type { ContainerStatus, Pod, PodCondition, PodStatus, ResourceRequirements, ResourceStatus } from '../../api/kinds/core/v1.ts'
import { podResources } from '../resources/podResources.ts'
import { podQosClass } from '../resources/qos.ts'
import { allContainers, readySandbox } from '../pods/podRuntimeStatus.ts'
import type { PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import { differences } from '../resizes/podResizes.ts'
import { allSpecContainers, isSidecar, isTerminalPhase, usesHostNetwork } from '../pods/podSpec.ts'
import { isRestartingAll, mayRestartAll, restartingVerdict } from '../pods/restartAll.ts'
import type { Container } from '../runtime/runtime.ts'
import { timestamp } from '../../api/meta.ts'
import { containerStatus } from './containerStatus.ts'
import type { WaitingReason } from './containerStatus.ts'
import { disruptionTarget, isOwnDisruption, KUBELET_CONDITIONS, podConditions } from './conditions.ts'
import { podPhase } from './phase.ts'
import { RESIZE_CONDITIONS, resizeConditions, type ResizeState } from '../resizes/resizeConditions.ts'

export interface PodStatusInput {
  pod: Pod
  observed: PodRuntimeStatus
  /** The status reported last, or the API's. */
  before: PodStatus
  /** By container name. */
  waiting: ReadonlyMap<string, WaitingReason>
  probeResult(containerId: string, probe: 'readinessProbe' | 'startupProbe'): boolean | undefined
  /** The requests and limits of a running container, where they are not its spec's. */
  resourcesOf(containerId: string): ResourceRequirements | undefined
  resize?: ResizeState
  terminationMessage(containerId: string): string | undefined
  imageIdOf(container: Container): string
  /** How the devices are that plugins gave a container. */
  devicesOf?(container: string): ResourceStatus[]
  nodeIps: readonly string[]
  nowMs: number
  /** Nothing will be started any more: the pod is being deleted or has ended. */
  terminal: boolean
  /** Set when the kubelet itself ends the pod, e.g. by its deadline. */
  evicted?: { reason: string; message: string; disruption?: string }
}

type Spec = NonNullable<Pod['spec']>['containers'][number]

function statusesOf(input: PodStatusInput, specs: readonly Spec[], before: readonly ContainerStatus[] | undefined): ContainerStatus[] {
  const hasInit = (input.pod.spec?.initContainers?.length ?? 0) > 0
  const restartingAll = isRestartingAll(input.pod, input.observed, input.before)
  const defaultWaiting = { reason: hasInit ? 'PodInitializing' : 'ContainerCreating' }
  return specs.map((spec) => {
    const attempts = input.observed.containers.get(spec.name) ?? []
    return containerStatus({
      spec,
      attempts,
      before: before?.find((status) => status.name === spec.name),
      waiting: input.waiting.get(spec.name),
      defaultWaiting,
      terminal: input.terminal,
      restartingAll,
      terminationMessage: input.terminationMessage,
      resources: attempts[0] && input.resourcesOf(attempts[0].id),
      imageIdOf: input.imageIdOf,
    })
  })
}

function running(input: PodStatusInput, status: ContainerStatus): Container | undefined {
  return status.state?.running ? input.observed.containers.get(status.name)?.[0] : undefined
}

/** Adds what probes decide: `started` and `ready`. */
function withProbes(input: PodStatusInput, spec: Spec, status: ContainerStatus): ContainerStatus {
  const container = running(input, status)
  const started = container !== undefined && (!spec.startupProbe || input.probeResult(container.id, 'startupProbe') === true)
  const ready = started && (!spec.readinessProbe || input.probeResult(container.id, 'readinessProbe') === true)
  return { ...status, started, ready }
}

function withDevices({ devicesOf }: PodStatusInput, status: ContainerStatus): ContainerStatus {
  const allocatedResourcesStatus = devicesOf?.(status.name) ?? []
  return allocatedResourcesStatus.length > 0 ? { ...status, allocatedResourcesStatus } : status
}

function withInitProgress(input: PodStatusInput, spec: Spec, status: ContainerStatus): ContainerStatus {
  if (isSidecar(spec)) return withProbes(input, spec, status)
  return { ...status, started: status.state?.running !== undefined, ready: status.state?.terminated?.exitCode === 0 }
}

function addresses(input: PodStatusInput): Pick<PodStatus, 'hostIP' | 'hostIPs' | 'podIP' | 'podIPs'> {
  const { pod, observed, before, nodeIps } = input
  const own = usesHostNetwork(pod) ? nodeIps : (readySandbox(observed)?.ips ?? [])
  const podIps = own.length > 0 ? own : (before.podIPs ?? []).flatMap(({ ip }) => (ip ? [ip] : []))
  const podIp = podIps[0]
  return {
    ...(nodeIps[0] && { hostIP: nodeIps[0] }),
    hostIPs: nodeIps.map((ip) => ({ ip })),
    ...(podIp && { podIP: podIp, podIPs: podIps.map((ip) => ({ ip })) }),
  }
}

function phaseOf(input: PodStatusInput, computed: string): string {
  const { pod, before, evicted } = input
  if (evicted) return 'Failed'
  const reported = [pod.status?.phase, before.phase].find(isTerminalPhase)
  if (reported) return reported
  // Stopped before it came to an end of its own.
  return input.terminal && !isTerminalPhase(computed) ? 'Failed' : computed
}

const OWN_CONDITIONS: readonly string[] = [...KUBELET_CONDITIONS, ...RESIZE_CONDITIONS]

function resizes({ pod, observed, before, nowMs, resize, resourcesOf }: PodStatusInput): PodCondition[] {
  const inProgress = allSpecContainers(pod).some((spec) => {
    const newest = observed.containers.get(spec.name)?.[0]
    const has = newest?.state === 'Running' ? resourcesOf(newest.id) : undefined
    return has !== undefined && differences(has, spec.resources).length > 0
  })
  const { generation } = pod.metadata
  return resizeConditions({
    ...resize,
    inProgress: inProgress || resize?.wholeInForce !== undefined,
    podGeneration: generation,
    before: before.conditions ?? [],
    nowMs,
  })
}

function resourcesOfPod({ pod, resize }: PodStatusInput): Pick<PodStatus, 'resources' | 'allocatedResources'> {
  const given = podResources(pod)
  return { resources: resize?.wholeInForce ?? given, ...(given.requests && { allocatedResources: given.requests }) }
}

export function podStatus(input: PodStatusInput): PodStatus {
  const { pod, observed, before, nowMs, evicted } = input
  const spec = pod.spec
  const inits = spec?.initContainers ?? []
  const containers = spec?.containers ?? []
  const rawInit = statusesOf(input, inits, before.initContainerStatuses)
  const initContainerStatuses = rawInit.map((status, index) => withInitProgress(input, inits[index] as Spec, status))
  const containerStatuses = statusesOf(input, containers, before.containerStatuses).map((status, index) =>
    withDevices(input, withProbes(input, containers[index] as Spec, status)),
  )
  const ephemeral = statusesOf(input, spec?.ephemeralContainers ?? [], before.ephemeralContainerStatuses)
  const everStarted = allContainers(observed).some((c) => containers.some((own) => own.name === c.name) && c.startedAtMs !== undefined)
  const phases = {
    pod,
    initStatuses: initContainerStatuses,
    statuses: containerStatuses,
    terminal: input.terminal,
    initialized: everStarted,
  }
  const phase = phaseOf(input, podPhase(phases))
  const why = evicted ?? (phase === before.phase ? { reason: before.reason, message: before.message } : {})
  const sandboxReady = readySandbox(observed) !== undefined
  const { generation } = pod.metadata
  // One that was refused has no containers to tell of.
  const begun = !isTerminalPhase(phase) || before.containerStatuses !== undefined || observed.sandboxes.length > 0
  const foreign = (pod.status?.conditions ?? []).filter((c) => !OWN_CONDITIONS.includes(c.type))
  const ended = isTerminalPhase(phase)
  const disruption = evicted?.disruption
    ? disruptionTarget(evicted.disruption, generation, nowMs)
    : before.conditions?.find(isOwnDisruption)
  if (disruption && !foreign.some(({ type }) => type === disruption.type)) foreign.push(disruption)
  return {
    phase,
    ...(why.reason && { reason: why.reason }),
    ...(why.message && { message: why.message }),
    conditions: [
      ...foreign,
      ...podConditions({
        ...phases,
        phase,
        sandboxReady,
        before: before.conditions ?? [],
        nowMs,
        ...(mayRestartAll(pod) && { restarting: restartingVerdict(pod, observed, before, phase) }),
      }),
      ...(ended ? [] : resizes(input)),
    ],
    ...addresses(input),
    startTime: before.startTime ?? timestamp(nowMs),
    ...(begun && inits.length > 0 && { initContainerStatuses }),
    ...(begun && { containerStatuses }),
    ...(ephemeral.length > 0 && { ephemeralContainerStatuses: ephemeral }),
    ...resourcesOfPod(input),
    qosClass: pod.status?.qosClass ?? podQosClass(pod),
    ...(generation !== undefined && { observedGeneration: generation }),
  }
}
