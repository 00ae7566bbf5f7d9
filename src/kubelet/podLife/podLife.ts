/**
 * A pod's life as the kubelet leads it: observe what runs, plan what to do (`podActions.ts`), do it (`podStarts.ts`,
 * `killPod.ts`), report it. What waits to be tried again is in `podRestarts.ts`.
 */
import { rm } from 'node:fs/promises'
import type { Pod, PodStatus, ResourceStatus } from '../../api/kinds/core/v1.ts'
import { orAbort } from '../../base/abort.ts'
import type { Logger } from '../../base/logger.ts'
import type { Rejection } from '../pods/rejection.ts'
import { applyResize, type ContainerResize } from '../resizes/applyResize.ts'
import type { NodeLimits } from '../resources/resources.ts'
import type { DeviceManager } from '../devices/deviceManager.ts'
import type { DynamicResources } from '../dynamicResources/dynamicResources.ts'
import type { Eviction } from '../pods/eviction.ts'
import { Grace, graceSecondsOf, killContainer, killPod } from './killPod.ts'
import type { KillOptions } from './killPod.ts'
import { computePodActions } from './podActions.ts'
import type { ContainerKill, PodActions } from './podActions.ts'
import { PodAdmission } from '../admission/podAdmission.ts'
import { rejectionLabel } from '../admission/rejectionLabel.ts'
import type { PodAdmissionOptions } from '../admission/podAdmission.ts'
import { removeOld } from './oldContainers.ts'
import { PodLimits, type LimitPod } from '../resources/podLimits.ts'
import { PodRestarts } from './podRestarts.ts'
import { PodStarts, type StartState } from './podStarts.ts'
import { podDirectories } from '../pods/podDirectories.ts'
import { learnResources, PodResizes } from '../resizes/podResizes.ts'
import type { PodObserver } from './podObserver.ts'
import { referencesOf } from './podReferences.ts'
import { nothingPrepared, PodPreparation } from './podPreparation.ts'
import type { PodPreparationOptions } from './podPreparation.ts'
import { allContainers, containerIdOf, readySandbox } from '../pods/podRuntimeStatus.ts'
import type { PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import { describePod, findContainer, isTerminalPhase } from '../pods/podSpec.ts'
import type { PodLife, SyncOutcome } from './podWorkers.ts'
import type { PodProbes } from '../probes/podProbes.ts'
import { isRestartingAll } from '../pods/restartAll.ts'
import type { Container } from '../runtime/runtime.ts'
import { newEnds } from '../status/ends.ts'
import { podStatus, type PodStatusInput } from '../status/podStatus.ts'
import { isResizing } from '../resizes/resizeConditions.ts'
import type { StatusManager } from '../status/statusManager.ts'
import type { PinSubPath } from '../volumes/subPath.ts'

export interface PodLifeOptions extends PodPreparationOptions, Omit<PodAdmissionOptions, 'evict' | 'onPreemption'> {
  /** The first of the node's. */
  nodeIp: string
  log: Logger
  nodeLimits: NodeLimits
  crashLoopMaxMs: number
  limitPod: LimitPod
  pin?: PinSubPath
  /** Has the pod synced. */
  wake(podUid: string): void
  devices: DeviceManager
  claims: DynamicResources
  observer: PodObserver
  statuses: StatusManager
  probes: PodProbes
}

interface PodState extends StartState {
  eviction?: Eviction
}

/** What a sync has left to do. */
interface Applied {
  again: boolean
  wakeAtMs: number | undefined
}

export class RealPodLife implements PodLife {
  readonly #options: PodLifeOptions
  readonly #restarts: PodRestarts
  readonly #limits: PodLimits
  readonly #states = new Map<string, PodState>()
  /** Those that are being stopped and still reported. */
  readonly #ending = new Map<string, Pod>()
  readonly #preparation: PodPreparation
  readonly #starts: PodStarts
  readonly #admission: PodAdmission
  readonly #resizes: PodResizes

  constructor(options: PodLifeOptions) {
    this.#options = options
    this.#restarts = new PodRestarts(options)
    this.#limits = new PodLimits(options.limitPod, options.nodeLimits, options)
    const podsOfNode = (): Pod[] => options.podsOfNode().map((pod) => this.#resizes.allocated(pod))
    this.#admission = new PodAdmission({
      ...options,
      podsOfNode,
      evict: (pod, eviction) => this.evict(pod.metadata.uid, eviction),
      onPreemption: (resource) => options.measures.count('kubelet_preemptions', { preemption_signal: resource }),
    })
    this.#resizes = new PodResizes({
      events: options.events,
      judge: (pod) => this.#admission.judge(pod),
      onGiven: options.wake,
    })
    this.#preparation = new PodPreparation(options)
    this.#starts = new PodStarts({
      ...options,
      kills: this.#kills,
      preparation: this.#preparation,
      limits: this.#limits,
      restarts: this.#restarts,
      report: (pod, observed) => void this.#report(pod, observed),
    })
  }

  /** The pod is to end though it might have gone on. */
  evict(podUid: string, eviction: Eviction): void {
    this.#state(podUid).eviction ??= eviction
    this.#options.wake(podUid)
  }

  /** A probe has another result. A pod that is being stopped, which is one long step, tells at once: services send to none that is not ready. */
  async probed(podUid: string): Promise<void> {
    if (!this.#ending.has(podUid)) return
    const observed = await this.#options.observer.observe(podUid)
    const pod = this.#ending.get(podUid)
    if (pod) this.#report(pod, observed)
  }

  /** An object that the pod uses has changed. */
  objectsChanged(podUid: string): void {
    const state = this.#states.get(podUid)
    if (!state) return
    state.volumesStale = true
    this.#restarts.retryNow(podUid)
  }

  async sync(given: Pod, signal: AbortSignal): Promise<SyncOutcome> {
    const { observer, clock, statuses } = this.#options
    const { uid } = given.metadata
    const state = this.#state(uid)
    this.#options.objects.use(uid, referencesOf(given))
    const observed = await observer.observe(uid)
    if (state.eviction) return this.#evict(given, observed, state.eviction)
    const rejected = await this.#admission.admit(given, observed.sandboxes.length > 0, signal)
    if (rejected) return this.#reject(given, observed, rejected)
    const pod = this.#resizes.review(given)
    this.#updateProbes(pod, observed)
    const nowMs = clock.now()
    const deadlineMs = deadlineOf(pod, statuses.current(pod))
    if (deadlineMs !== undefined && deadlineMs <= nowMs) {
      const message = 'Pod was active on the node longer than the specified deadline'
      this.#options.events.record(pod, { type: 'Normal', reason: 'DeadlineExceeded', message })
      this.#report(pod, observed, { evicted: { reason: 'DeadlineExceeded', message } })
      return { terminal: true }
    }
    learnResources(pod, observed, state.resources)
    const restartingAll = isRestartingAll(pod, observed, statuses.current(pod))
    const plan = this.#restarts.review(pod, this.#plan(pod, observed, restartingAll, nowMs))
    const status = this.#report(pod, observed)
    if (isTerminalPhase(status.phase)) return { terminal: true }
    const { again, wakeAtMs } = await this.#apply(pod, plan, observed, state, signal)
    return {
      terminal: false,
      again,
      wakeAtMs: earliest([
        wakeAtMs,
        deadlineMs,
        ...plan.backingOff.map((wait) => wait.untilMs),
        ...this.#restarts.retriesAtMs(uid),
        this.#resizes.retryAtMs(uid, clock.now()),
      ]),
    }
  }

  #reject(pod: Pod, observed: PodRuntimeStatus, { reason, message }: Rejection): SyncOutcome {
    this.#options.events.record(pod, { type: 'Warning', reason, message })
    this.#options.measures.count('kubelet_admission_rejections_total', { reason: rejectionLabel(reason) })
    this.#report(pod, observed, { evicted: { reason, message: `Pod was rejected: ${message}` } })
    return { terminal: true }
  }

  #evict(pod: Pod, observed: PodRuntimeStatus, { reason, message, disruption, graceSeconds, quiet }: Eviction): SyncOutcome {
    if (!quiet && !isTerminalPhase(this.#options.statuses.current(pod).phase))
      this.#options.events.record(pod, { type: 'Warning', reason, message })
    this.#report(pod, observed, { evicted: { reason, message, disruption: disruption ?? message } })
    return { terminal: true, ...(graceSeconds !== undefined && { graceSeconds }) }
  }

  async terminate(pod: Pod, { grace, report }: { grace: Grace; report: boolean }): Promise<void> {
    const { observer, probes } = this.#options
    const { uid } = pod.metadata
    observer.invalidate(uid)
    const observed = await observer.observe(uid)
    probes.terminating(uid)
    if (report) this.#report(pod, observed)
    if (report) this.#ending.set(uid, pod)
    try {
      await killPod(this.#kills, { pod, observed, grace })
    } catch (error) {
      const message = `error killing pod: ${error instanceof Error ? error.message : String(error)}`
      this.#options.events.record(pod, { type: 'Warning', reason: 'FailedKillPod', message })
      throw error
    } finally {
      this.#ending.delete(uid)
    }
    observer.invalidate(uid)
    const after = await observer.observe(uid)
    const alive = allContainers(after).find((container) => container.state === 'Running')
    if (alive) throw new Error(`container ${alive.name} of ${describePod(pod)} is still running`)
    await this.#options.claims.unprepare(uid)
  }

  async terminated(pod: Pod, { report }: { report: boolean }): Promise<void> {
    const { observer, probes, volumes, objects, images } = this.#options
    const { uid } = pod.metadata
    probes.remove(uid)
    if (report) this.#report(pod, await observer.observe(uid), { terminal: true })
    objects.release(uid)
    images.forget(uid)
    await this.#options.devices.release(uid)
    this.#admission.ended(uid)
    this.#resizes.ended(uid)
    this.#restarts.ended(uid)
    await volumes.tearDown(uid)
  }

  finish(pod: Pod): Promise<void> {
    return this.#options.statuses.finish(pod)
  }

  async cleanUp(podUid: string): Promise<void> {
    const { runtime, observer, statuses, probes, objects, rootDir, startTimes } = this.#options
    const { containers, sandboxes } = await runtime.list(podUid)
    await Promise.all(containers.map((container) => runtime.removeContainer(container.id)))
    await Promise.all(sandboxes.map((sandbox) => runtime.removeSandbox(sandbox.id)))
    await this.#limits.remove(podUid)
    await this.#options.devices.release(podUid)
    await rm(podDirectories(rootDir, podUid).pod, { recursive: true, force: true })
    probes.remove(podUid)
    objects.release(podUid)
    statuses.forget(podUid)
    startTimes.forget(podUid)
    observer.forget(podUid)
    this.#admission.forget(podUid)
    this.#resizes.forget(podUid)
    this.#restarts.forget(podUid)
    this.#states.delete(podUid)
  }

  get #kills(): KillOptions {
    const { runtime, events, clock, log, nodeIp } = this.#options
    return { runtime, events, clock, log, nodeIp }
  }

  #state(podUid: string): PodState {
    let state = this.#states.get(podUid)
    if (!state) {
      state = { ...nothingPrepared(), resources: new Map() }
      this.#states.set(podUid, state)
    }
    return state
  }

  #plan(pod: Pod, observed: PodRuntimeStatus, restartingAll: boolean, nowMs: number): PodActions {
    const { probes } = this.#options
    const { uid } = pod.metadata
    return computePodActions({
      pod,
      observed,
      restartingAll,
      nowMs,
      probeResult: (containerId, probe) => probes.result(uid, containerId, probe),
      resourcesOf: (containerId) => this.#states.get(uid)?.resources.get(containerId),
      restartDelayMs: (container, finishedAtMs) => this.#restarts.delayMs(pod, container, finishedAtMs),
    })
  }

  #updateProbes(pod: Pod, observed: PodRuntimeStatus): void {
    const known = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
    const of = (id: string) => known.find((status) => status.containerID === containerIdOf(id))
    this.#options.probes.update({
      pod,
      observed,
      wasReady: (container) => of(container.id)?.ready === true,
      wasStarted: (container) => of(container.id)?.started === true,
    })
  }

  #report(given: Pod, observed: PodRuntimeStatus, more: { terminal?: boolean; evicted?: PodStatusInput['evicted'] } = {}): PodStatus {
    const { statuses, probes, observer, nodeIps, clock, startTimes } = this.#options
    const pod = this.#resizes.allocated(given)
    const { uid } = pod.metadata
    const before = statuses.current(pod)
    const status = podStatus({
      pod,
      observed,
      before,
      resize: this.#resizes.state(uid),
      waiting: this.#restarts.waiting(uid),
      probeResult: (containerId, probe) => probes.result(uid, containerId, probe),
      resourcesOf: (containerId) => this.#states.get(uid)?.resources.get(containerId),
      terminationMessage: (containerId) => observer.terminationMessage(uid, containerId),
      imageIdOf: (container) => observer.imageIdOf(container),
      devicesOf: (container) => this.#devicesOf(pod, container),
      nodeIps,
      nowMs: clock.now(),
      terminal: more.terminal ?? false,
      ...(more.evicted && { evicted: more.evicted }),
    })
    statuses.set(pod, status)
    if (before.phase !== 'Running' && status.phase === 'Running') startTimes.running(uid)
    for (const labels of newEnds(before, status)) this.#options.measures.count('kubelet_terminated_containers_total', labels)
    if (isResizing(before) && !isResizing(status)) this.#resizes.completed(pod)
    return status
  }

  #devicesOf(pod: Pod, name: string): ResourceStatus[] {
    const { devices, claims } = this.#options
    const container = findContainer(pod, name)
    return [...devices.statusOf(pod.metadata.uid, name), ...(container ? claims.statusOf(pod, container) : [])]
  }

  async #apply(pod: Pod, plan: PodActions, observed: PodRuntimeStatus, state: PodState, signal: AbortSignal): Promise<Applied> {
    const { observer } = this.#options
    const { uid } = pod.metadata
    if (plan.reset.length > 0) return this.#reset(pod, plan.reset, observed, signal)
    const isWholeDue = this.#limits.differ(pod) || this.#resizes.state(uid).wholeInForce !== undefined
    const resizes = plan.resize.length > 0 || (!plan.killPod && readySandbox(observed) !== undefined && isWholeDue)
    const changes = plan.killPod || plan.createSandbox || plan.kill.length > 0 || plan.start.length > 0 || resizes
    if (!changes) {
      await this.#preparation.refreshVolumes(pod, state, signal)
      return { again: false, wakeAtMs: state.volumes?.renewAtMs }
    }
    try {
      await this.#stopWhatMustGo(pod, plan, observed, signal)
      if (resizes) await this.#resize(pod, plan.resize, observed, state)
      const starts = plan.createSandbox || plan.start.length > 0
      const failed = starts ? await this.#starts.start(pod, plan, observed, state, signal) : []
      const again = failed.length === 0 && !plan.start.every((start) => start.kind === 'regular')
      const stopped = plan.kill.length > 0 || (plan.killPod && !starts && (readySandbox(observed) !== undefined || someRuns(observed)))
      return { again: again || (stopped && failed.length === 0), wakeAtMs: state.volumes?.renewAtMs }
    } finally {
      observer.invalidate(uid)
      if (!signal.aborted) {
        const after = await observer.observe(uid)
        this.#updateProbes(pod, after)
        this.#report(pod, after)
        void removeOld(this.#options.runtime, after).catch((error: unknown) =>
          this.#options.log.warn('old containers could not be removed', { pod: pod.metadata.name, error: String(error) }),
        )
      }
    }
  }

  /** No grace: whoever asked for this has lost what the others worked with. Statuses tell of it before and after. */
  async #reset(pod: Pod, containers: readonly Container[], observed: PodRuntimeStatus, signal: AbortSignal): Promise<Applied> {
    const { observer, runtime, clock } = this.#options
    const podIp = readySandbox(observed)?.ips[0] ?? this.#options.nodeIp
    try {
      for (const container of containers) {
        signal.throwIfAborted()
        const grace = new Grace(0, clock)
        if (container.state === 'Running')
          await orAbort(killContainer(this.#kills, { pod, container, podIp, grace, message: 'killing' }), signal)
        await runtime.removeContainer(container.id)
      }
    } finally {
      observer.invalidate(pod.metadata.uid)
    }
    return { again: true, wakeAtMs: undefined }
  }

  async #stopWhatMustGo(pod: Pod, plan: PodActions, observed: PodRuntimeStatus, signal: AbortSignal): Promise<void> {
    const { clock, events } = this.#options
    if (plan.killPod) {
      if (plan.createSandbox)
        events.record(pod, { type: 'Normal', reason: 'SandboxChanged', message: 'Pod sandbox changed, it will be killed and re-created.' })
      await orAbort(killPod(this.#kills, { pod, observed, grace: new Grace(graceSecondsOf(pod), clock) }), signal)
      return
    }
    const podIp = readySandbox(observed)?.ips[0] ?? this.#options.nodeIp
    await orAbort(Promise.all(plan.kill.map((kill) => this.#killOne(pod, kill, podIp))), signal)
  }

  /** A failure is told, and tried again later. */
  async #resize(pod: Pod, containers: readonly ContainerResize[], observed: PodRuntimeStatus, state: PodState): Promise<void> {
    try {
      await applyResize({ ...this.#options, limits: this.#limits }, { pod, observed, containers, known: state.resources })
    } catch (error) {
      return this.#resizes.failed(pod, error instanceof Error ? error.message : String(error))
    }
    this.#resizes.succeeded(pod.metadata.uid)
  }

  #killOne(pod: Pod, { container, spec, message, probe }: ContainerKill, podIp: string): Promise<void> {
    const seconds = (probe && spec[probe]?.terminationGracePeriodSeconds) ?? graceSecondsOf(pod)
    return killContainer(this.#kills, { pod, container, podIp, grace: new Grace(seconds, this.#options.clock), message })
  }
}

function someRuns(observed: PodRuntimeStatus): boolean {
  return allContainers(observed).some((container) => container.state === 'Running')
}

function earliest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined)
  return known.length > 0 ? Math.min(...known) : undefined
}

function deadlineOf(pod: Pod, status: PodStatus): number | undefined {
  const seconds = pod.spec?.activeDeadlineSeconds
  return seconds === undefined || !status.startTime ? undefined : Date.parse(status.startTime) + seconds * 1000
}
