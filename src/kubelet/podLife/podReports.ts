/** Makes a pod's status of what is known of it and hands it to the status manager; keeps the pod's probes in step with it. */
import type { Pod, PodStatus, ResourceRequirements, ResourceStatus } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import type { DeviceManager } from '../devices/deviceManager.ts'
import type { DynamicResources } from '../dynamicResources/dynamicResources.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import type { PodStartTimes } from '../metrics/podStartTimes.ts'
import { containerIdOf, type PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import { findContainer } from '../pods/podSpec.ts'
import type { PodProbes } from '../probes/podProbes.ts'
import type { PodResizes } from '../resizes/podResizes.ts'
import { isResizing } from '../resizes/resizeConditions.ts'
import { newEnds } from '../status/ends.ts'
import { podStatus, type PodStatusInput } from '../status/podStatus.ts'
import type { StatusManager } from '../status/statusManager.ts'
import type { PodObserver } from './podObserver.ts'
import type { PodRestarts } from './podRestarts.ts'

export interface PodReportsOptions {
  clock: Clock
  nodeIps: readonly string[]
  devices: Pick<DeviceManager, 'statusOf'>
  claims: Pick<DynamicResources, 'statusOf'>
  observer: PodObserver
  statuses: StatusManager
  probes: PodProbes
  measures: KubeletMeasures
  startTimes: PodStartTimes
  restarts: PodRestarts
  resizes: PodResizes
  /** Requests and limits of a running container, as they were applied last. */
  resourcesOf(podUid: string, containerId: string): ResourceRequirements | undefined
}

export interface ReportedEnd {
  terminal?: boolean
  evicted?: PodStatusInput['evicted']
}

export class PodReports {
  readonly #options: PodReportsOptions
  /** Those that are being stopped and still reported. */
  readonly #stopping = new Map<string, Pod>()

  constructor(options: PodReportsOptions) {
    this.#options = options
  }

  report(given: Pod, observed: PodRuntimeStatus, end: ReportedEnd = {}): PodStatus {
    const { statuses, probes, observer, nodeIps, clock, startTimes, measures, resizes, restarts, resourcesOf } = this.#options
    const pod = resizes.allocated(given)
    const { uid } = pod.metadata
    const before = statuses.current(pod)
    const status = podStatus({
      pod,
      observed,
      before,
      resize: resizes.state(uid),
      waiting: restarts.waiting(uid),
      probeResult: (containerId, probe) => probes.result(uid, containerId, probe),
      resourcesOf: (containerId) => resourcesOf(uid, containerId),
      terminationMessage: (containerId) => observer.terminationMessage(uid, containerId),
      imageIdOf: (container) => observer.imageIdOf(container),
      devicesOf: (container) => this.#devicesOf(pod, container),
      nodeIps,
      nowMs: clock.now(),
      terminal: end.terminal ?? false,
      ...(end.evicted && { evicted: end.evicted }),
    })
    statuses.set(pod, status)
    if (before.phase !== 'Running' && status.phase === 'Running') startTimes.running(uid)
    for (const labels of newEnds(before, status)) measures.count('kubelet_terminated_containers_total', labels)
    if (isResizing(before) && !isResizing(status)) resizes.completed(pod)
    return status
  }

  updateProbes(pod: Pod, observed: PodRuntimeStatus): void {
    const known = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
    const of = (id: string) => known.find((status) => status.containerID === containerIdOf(id))
    this.#options.probes.update({
      pod,
      observed,
      wasReady: (container) => of(container.id)?.ready === true,
      wasStarted: (container) => of(container.id)?.started === true,
    })
  }

  /** Tells what probes find while the pod is being stopped, which is one long step: services send to none that is not ready. */
  async whileStopping<T>(pod: Pod, work: () => Promise<T>): Promise<T> {
    const { uid } = pod.metadata
    this.#stopping.set(uid, pod)
    try {
      return await work()
    } finally {
      this.#stopping.delete(uid)
    }
  }

  /** A probe has another result. */
  async probed(podUid: string): Promise<void> {
    if (!this.#stopping.has(podUid)) return
    const observed = await this.#options.observer.observe(podUid)
    const pod = this.#stopping.get(podUid)
    if (pod) this.report(pod, observed)
  }

  #devicesOf(pod: Pod, name: string): ResourceStatus[] {
    const { devices, claims } = this.#options
    const container = findContainer(pod, name)
    return [...devices.statusOf(pod.metadata.uid, name), ...(container ? claims.statusOf(pod, container) : [])]
  }
}
