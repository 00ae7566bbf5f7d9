/**
 * One worker for each pod: its syncs run one after the other, whatever wakes them (the API, the runtime, probes, time).
 * A pod goes one way only: Sync → Terminating → Terminated; what it was started with is stopped before anything else of
 * the same name is begun. Upstream's podWorkers.
 */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { isAbort } from '../../base/abort.ts'
import { KeyedBackoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { Grace, graceSecondsOf } from './killPod.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import { isTerminalPhase } from '../pods/podSpec.ts'

export interface SyncOutcome {
  /** The pod's work is over: it is to be terminated. */
  terminal: boolean
  /** The most grace that a pod whose work is over gets. */
  graceSeconds?: number
  /** More can be done at once. */
  again?: boolean
  /** When to look again if nothing else happens. */
  wakeAtMs?: number | undefined
}

/** The steps of a pod's life, applied to the real world. Each may be repeated after a failure. */
export interface PodLife {
  sync(pod: Pod, signal: AbortSignal): Promise<SyncOutcome>
  /** Stops all that runs. `report`: the object is still in the API. */
  terminate(pod: Pod, options: { grace: Grace; report: boolean }): Promise<void>
  /** Gives back what a stopped pod does not need any more, and reports its last status. */
  terminated(pod: Pod, options: { report: boolean }): Promise<void>
  /** Has the API forget a pod that was to be deleted. */
  finish(pod: Pod): Promise<void>
  /** Removes every trace of a pod that the API forgot. */
  cleanUp(podUid: string): Promise<void>
}

type Phase = 'Sync' | 'Terminating' | 'Terminated'

interface Worker {
  pod: Pod
  phase: Phase
  /** The object is not in the API any more. */
  gone: boolean
  /** What `terminated` and `finish` do was done. */
  settled: boolean
  finished: boolean
  pending: boolean
  seenAtMs: number
  /** What the next sync is for. */
  cause: 'create' | 'update' | 'sync'
  running: Promise<void> | undefined
  abortSync: AbortController | undefined
  grace: Grace | undefined
  cancelWake: (() => void) | undefined
  over: PromiseWithResolvers<void>
}

export interface PodWorkersOptions {
  life: PodLife
  clock: Clock
  log: Logger
  signal: AbortSignal
  measures: KubeletMeasures
  /** Every trace of a pod was removed. */
  onGone?(podUid: string): void
}

const RETRY = { baseMs: 500, maxMs: 20_000 }

export class PodWorkers {
  readonly #options: PodWorkersOptions
  readonly #workers = new Map<string, Worker>()
  readonly #backoff = new KeyedBackoff(RETRY)

  constructor(options: PodWorkersOptions) {
    this.#options = options
  }

  get(podUid: string): Pod | undefined {
    return this.#workers.get(podUid)?.pod
  }

  all(): Pod[] {
    return [...this.#workers.values()].map((worker) => worker.pod)
  }

  /** Whether the pod's containers are meant to run. */
  isSyncing(podUid: string): boolean {
    return this.#workers.get(podUid)?.phase === 'Sync'
  }

  /** Whether all has been said of the pod: nothing of it is looked at any more. */
  isOver(podUid: string): boolean {
    const worker = this.#workers.get(podUid)
    return worker?.phase === 'Terminated' && worker.settled
  }

  /** Resolves once all has been said of the pod. */
  async over(podUid: string): Promise<void> {
    await this.#workers.get(podUid)?.over.promise
  }

  /** A pod that is being stopped gets no more grace than this. */
  hurry(podUid: string, graceSeconds: number): void {
    this.#workers.get(podUid)?.grace?.shorten(graceSeconds)
  }

  /** The pod as the API has it now. */
  update(pod: Pod): void {
    const worker = this.#workers.get(pod.metadata.uid) ?? this.#add(pod)
    worker.pod = pod
    if (worker.cause !== 'create') worker.cause = 'update'
    if (isTerminalPhase(pod.status?.phase)) this.#end(worker)
    if (pod.metadata.deletionTimestamp) this.#end(worker)
    this.#wake(worker)
  }

  /** The API has the pod no more; what still runs of it is stopped and removed. */
  remove(pod: Pod): void {
    const worker = this.#workers.get(pod.metadata.uid) ?? this.#add(pod)
    worker.pod = pod
    worker.gone = true
    this.#end(worker)
    this.#wake(worker)
  }

  wake(podUid: string): void {
    const worker = this.#workers.get(podUid)
    if (worker) this.#wake(worker)
  }

  /** Resolves when no worker has anything to do at the moment. */
  async idle(): Promise<void> {
    for (;;) {
      const running = [...this.#workers.values()].flatMap((worker) => worker.running ?? [])
      if (running.length === 0) return
      await Promise.all(running)
    }
  }

  #add(pod: Pod): Worker {
    const worker: Worker = {
      pod,
      phase: 'Sync',
      gone: false,
      settled: false,
      finished: false,
      pending: false,
      seenAtMs: this.#options.clock.now(),
      cause: 'create',
      running: undefined,
      abortSync: undefined,
      grace: undefined,
      cancelWake: undefined,
      over: Promise.withResolvers(),
    }
    this.#workers.set(pod.metadata.uid, worker)
    return worker
  }

  #end(worker: Worker): void {
    const seconds = graceSecondsOf(worker.pod)
    if (worker.phase === 'Sync') {
      worker.phase = 'Terminating'
      worker.grace = new Grace(seconds, this.#options.clock)
      worker.abortSync?.abort()
    } else if (worker.pod.metadata.deletionTimestamp || worker.gone) {
      worker.grace?.shorten(seconds)
    }
  }

  #wake(worker: Worker): void {
    worker.pending = true
    worker.running ??= this.#run(worker).finally(() => {
      worker.running = undefined
      if (worker.pending && !this.#options.signal.aborted) this.#wake(worker)
    })
  }

  async #run(worker: Worker): Promise<void> {
    const { signal, log } = this.#options
    const { uid, name, namespace } = worker.pod.metadata
    // Lets updates that arrive together be seen by one sync.
    await Promise.resolve()
    while (worker.pending && !signal.aborted && this.#workers.get(uid) === worker) {
      worker.pending = false
      worker.cancelWake?.()
      worker.cancelWake = undefined
      try {
        const wakeAtMs = await this.#timedStep(worker)
        this.#backoff.forget(uid)
        if (wakeAtMs !== undefined) this.#wakeAt(worker, wakeAtMs)
      } catch (error) {
        if (signal.aborted) return
        if (isAbort(error) && worker.pending) continue
        log.warn('a pod could not be synced', {
          pod: `${namespace}/${name}`,
          phase: worker.phase,
          error: error instanceof Error ? error.stack : String(error),
        })
        this.#wakeAt(worker, this.#options.clock.now() + this.#backoff.next(uid))
      }
    }
    if (!this.#workers.has(uid)) worker.pending = false
  }

  #wakeAt(worker: Worker, atMs: number): void {
    if (worker.pending) return
    worker.cancelWake?.()
    worker.cancelWake = this.#options.clock.after(Math.max(0, atMs - this.#options.clock.now()), () => this.#wake(worker))
  }

  async #timedStep(worker: Worker): Promise<number | undefined> {
    const { measures, clock } = this.#options
    const { phase, cause } = worker
    const operation_type = phase === 'Sync' ? cause : phase === 'Terminating' ? 'kill' : 'terminated'
    worker.cause = 'sync'
    const startedMs = clock.now()
    if (operation_type === 'create') measures.observeSince('kubelet_pod_worker_start_duration_seconds', worker.seenAtMs)
    try {
      return await this.#step(worker)
    } finally {
      measures.observeSince('kubelet_pod_worker_duration_seconds', startedMs, { operation_type })
    }
  }

  /** One step on; answers when to look again. */
  async #step(worker: Worker): Promise<number | undefined> {
    const { life, signal } = this.#options
    if (worker.phase === 'Sync') {
      worker.abortSync = new AbortController()
      const outcome = await life.sync(worker.pod, AbortSignal.any([worker.abortSync.signal, signal]))
      worker.abortSync = undefined
      if (outcome.terminal) this.#end(worker)
      if (outcome.graceSeconds !== undefined) worker.grace?.shorten(outcome.graceSeconds)
      if (outcome.terminal || outcome.again) worker.pending = true
      return outcome.wakeAtMs
    }
    if (worker.phase === 'Terminating') {
      const grace = (worker.grace ??= new Grace(graceSecondsOf(worker.pod), this.#options.clock))
      await life.terminate(worker.pod, { grace, report: !worker.gone })
      worker.phase = 'Terminated'
    }
    if (!worker.settled) {
      await life.terminated(worker.pod, { report: !worker.gone })
      worker.settled = true
      worker.over.resolve()
    }
    if (worker.pod.metadata.deletionTimestamp && !worker.gone && !worker.finished) {
      await life.finish(worker.pod)
      worker.finished = true
    }
    if (worker.gone) {
      await life.cleanUp(worker.pod.metadata.uid)
      this.#workers.delete(worker.pod.metadata.uid)
      this.#options.onGone?.(worker.pod.metadata.uid)
    }
    return undefined
  }
}
