/**
 * A pod's life as the kubelet leads it: observe what runs, plan what to do (`podActions.ts`), do it (`podStarts.ts`,
 * `podStops.ts`), report it (`podReports.ts`). What waits to be tried again is in `podRestarts.ts`.
 */
import { rm } from 'node:fs/promises'
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { Logger } from '../../base/logger.ts'
import { PodAdmission, type PodAdmissionOptions } from '../admission/podAdmission.ts'
import { rejectionLabel } from '../admission/rejectionLabel.ts'
import type { DeviceManager } from '../devices/deviceManager.ts'
import type { DynamicResources } from '../dynamicResources/dynamicResources.ts'
import type { Eviction } from '../pods/eviction.ts'
import { podDirectories } from '../pods/podDirectories.ts'
import type { PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import { isTerminalPhase } from '../pods/podSpec.ts'
import type { Rejection } from '../pods/rejection.ts'
import { isRestartingAll } from '../pods/restartAll.ts'
import type { PodProbes } from '../probes/podProbes.ts'
import { applyResize, type ContainerResize } from '../resizes/applyResize.ts'
import { learnResources, PodResizes } from '../resizes/podResizes.ts'
import { PodLimits, type LimitPod } from '../resources/podLimits.ts'
import type { NodeLimits } from '../resources/resources.ts'
import type { StatusManager } from '../status/statusManager.ts'
import type { PinSubPath } from '../volumes/subPath.ts'
import type { Grace, KillOptions } from './killPod.ts'
import { removeOld } from './oldContainers.ts'
import { computePodActions, type PodActions } from './podActions.ts'
import type { PodObserver } from './podObserver.ts'
import { nothingPrepared, PodPreparation, type PodPreparationOptions } from './podPreparation.ts'
import { referencesOf } from './podReferences.ts'
import { PodReports } from './podReports.ts'
import { PodRestarts } from './podRestarts.ts'
import { PodStarts, type StartState } from './podStarts.ts'
import { PodStops } from './podStops.ts'
import type { PodLife, SyncOutcome } from './podWorkers.ts'
import { changesOf, deadlineMsOf, earliest, isNextDue } from './syncPlan.ts'

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
  readonly #preparation: PodPreparation
  readonly #starts: PodStarts
  readonly #stops: PodStops
  readonly #reports: PodReports
  readonly #admission: PodAdmission
  readonly #resizes: PodResizes

  constructor(options: PodLifeOptions) {
    this.#options = options
    this.#restarts = new PodRestarts(options)
    this.#limits = new PodLimits(options.limitPod, options.nodeLimits, options)
    this.#preparation = new PodPreparation(options)
    this.#admission = new PodAdmission({
      ...options,
      podsOfNode: () => options.podsOfNode().map((pod) => this.#resizes.allocated(pod)),
      evict: (pod, eviction) => this.evict(pod.metadata.uid, eviction),
      onPreemption: (resource) => options.measures.count('kubelet_preemptions', { preemption_signal: resource }),
    })
    this.#resizes = new PodResizes({
      events: options.events,
      judge: (pod) => this.#admission.judge(pod),
      onGiven: options.wake,
    })
    const { runtime, events, clock, log, nodeIp, observer } = options
    const kills: KillOptions = { runtime, events, clock, log, nodeIp }
    this.#stops = new PodStops({ kills, observer })
    this.#reports = new PodReports({
      ...options,
      restarts: this.#restarts,
      resizes: this.#resizes,
      resourcesOf: (uid, id) => this.#states.get(uid)?.resources.get(id),
    })
    this.#starts = new PodStarts({
      ...options,
      kills,
      preparation: this.#preparation,
      limits: this.#limits,
      restarts: this.#restarts,
      report: (pod, observed) => void this.#reports.report(pod, observed),
    })
  }

  /** The pod is to end though it might have gone on. */
  evict(podUid: string, eviction: Eviction): void {
    this.#state(podUid).eviction ??= eviction
    this.#options.wake(podUid)
  }

  /** A probe has another result. */
  probed(podUid: string): Promise<void> {
    return this.#reports.probed(podUid)
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
    this.#reports.updateProbes(pod, observed)
    const nowMs = clock.now()
    const deadlineMs = deadlineMsOf(pod, statuses.current(pod))
    if (deadlineMs !== undefined && deadlineMs <= nowMs) return this.#exceeded(pod, observed)
    learnResources(pod, observed, state.resources)
    const plan = this.#restarts.review(pod, this.#plan(pod, observed, nowMs))
    const status = this.#reports.report(pod, observed)
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
    this.#reports.report(pod, observed, { evicted: { reason, message: `Pod was rejected: ${message}` } })
    return { terminal: true }
  }

  #evict(pod: Pod, observed: PodRuntimeStatus, { reason, message, disruption, graceSeconds, quiet }: Eviction): SyncOutcome {
    if (!quiet && !isTerminalPhase(this.#options.statuses.current(pod).phase))
      this.#options.events.record(pod, { type: 'Warning', reason, message })
    this.#reports.report(pod, observed, { evicted: { reason, message, disruption: disruption ?? message } })
    return { terminal: true, ...(graceSeconds !== undefined && { graceSeconds }) }
  }

  #exceeded(pod: Pod, observed: PodRuntimeStatus): SyncOutcome {
    const evicted = { reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' }
    this.#options.events.record(pod, { type: 'Normal', ...evicted })
    this.#reports.report(pod, observed, { evicted })
    return { terminal: true }
  }

  async terminate(pod: Pod, { grace, report }: { grace: Grace; report: boolean }): Promise<void> {
    const { observer, probes } = this.#options
    const { uid } = pod.metadata
    observer.invalidate(uid)
    const observed = await observer.observe(uid)
    probes.terminating(uid)
    const stop = (): Promise<void> => this.#stops.stopAll(pod, observed, grace)
    if (report) this.#reports.report(pod, observed)
    await (report ? this.#reports.whileStopping(pod, stop) : stop())
    await this.#options.claims.unprepare(uid)
  }

  async terminated(pod: Pod, { report }: { report: boolean }): Promise<void> {
    const { observer, probes, volumes, objects, images } = this.#options
    const { uid } = pod.metadata
    probes.remove(uid)
    if (report) this.#reports.report(pod, await observer.observe(uid), { terminal: true })
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

  #state(podUid: string): PodState {
    let state = this.#states.get(podUid)
    if (!state) {
      state = { ...nothingPrepared(), resources: new Map() }
      this.#states.set(podUid, state)
    }
    return state
  }

  #plan(pod: Pod, observed: PodRuntimeStatus, nowMs: number): PodActions {
    const { probes, statuses } = this.#options
    const { uid } = pod.metadata
    return computePodActions({
      pod,
      observed,
      restartingAll: isRestartingAll(pod, observed, statuses.current(pod)),
      nowMs,
      probeResult: (containerId, probe) => probes.result(uid, containerId, probe),
      resourcesOf: (containerId) => this.#states.get(uid)?.resources.get(containerId),
      restartDelayMs: (container, finishedAtMs) => this.#restarts.delayMs(pod, container, finishedAtMs),
    })
  }

  async #apply(pod: Pod, plan: PodActions, observed: PodRuntimeStatus, state: PodState, signal: AbortSignal): Promise<Applied> {
    if (plan.reset.length > 0) {
      await this.#stops.reset(pod, plan.reset, observed, signal)
      return { again: true, wakeAtMs: undefined }
    }
    const isWholeDue = this.#limits.differ(pod) || this.#resizes.state(pod.metadata.uid).wholeInForce !== undefined
    const changes = changesOf(plan, observed, isWholeDue)
    if (!changes.any) {
      await this.#preparation.refreshVolumes(pod, state, signal)
      return { again: false, wakeAtMs: state.volumes?.renewAtMs }
    }
    try {
      await this.#stops.stopWhatMustGo(pod, plan, observed, signal)
      if (changes.resizes) await this.#resize(pod, plan.resize, observed, state)
      const failed = changes.starts ? await this.#starts.start(pod, plan, observed, state, signal) : []
      return { again: isNextDue(plan, observed, failed.length), wakeAtMs: state.volumes?.renewAtMs }
    } finally {
      await this.#changed(pod, signal)
    }
  }

  async #changed(pod: Pod, signal: AbortSignal): Promise<void> {
    const { observer, runtime, log } = this.#options
    observer.invalidate(pod.metadata.uid)
    if (signal.aborted) return
    const after = await observer.observe(pod.metadata.uid)
    this.#reports.updateProbes(pod, after)
    this.#reports.report(pod, after)
    void removeOld(runtime, after).catch((error: unknown) =>
      log.warn('old containers could not be removed', { pod: pod.metadata.name, error: String(error) }),
    )
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
}
