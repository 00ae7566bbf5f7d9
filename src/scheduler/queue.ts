/**
 * The scheduling queue (kube-scheduler's contract): pods to try now by priority, pods that failed and wait for their backoff,
 * pods that cannot be placed until something in the cluster changes that a refusing plugin cares for, and pods that are not to
 * be looked at yet. What changes while a pod is being tried counts for that pod as well.
 */
import type { Clock } from '../base/clock.ts'
import type { Pod } from '../api/kinds/core/v1.ts'
import { BackoffQueue, type BackingOff } from './backoffQueue.ts'
import { concerns, partsOf, podActions, type ClusterEvent, type EventHint } from './events.ts'
import type { Waiting } from './framework.ts'
import { KeyedHeap } from './heap.ts'
import { InFlightEvents } from './inFlightEvents.ts'
import { newPodInfo, type PodInfo } from './podInfo.ts'
import { UnschedulablePods } from './unschedulablePods.ts'

/** An unschedulable pod is tried again after this even when nothing seems to have changed. */
const LONGEST_UNSCHEDULABLE_MS = 5 * 60_000
const FLUSH_PERIOD_MS = 30_000

export interface QueueHooks {
  isBefore(a: Waiting, b: Waiting): boolean
  /** The plugin that keeps a pod from being tried at all, of the pod's profile. */
  gate(pod: Pod): { plugin: string; reason: string } | undefined
  /** The hints of each plugin of the pod's profile. */
  hints(pod: Pod): ReadonlyMap<string, readonly EventHint[]>
  /** `queue` and upstream's name of what led there, for the metrics. */
  incoming?(queue: 'active' | 'backoff' | 'unschedulable', event: string): void
  /** The pod waited for a change that never came and is tried all the same. */
  flushed?(): void
}

export interface QueueOptions {
  clock: Clock
  hooks: QueueHooks
  initialBackoffMs?: number
  maxBackoffMs?: number
}

/** One pod that waits, through all its attempts. */
export interface QueuedPod extends Waiting, BackingOff {
  info: PodInfo
  attempts: number
  /** When it was tried first; undefined before. */
  firstTriedMs: number | undefined
  /** Refusals and failures in a row, each with its own backoff. */
  refusals: number
  errors: number
  refusedBy: ReadonlySet<string>
  gatedBy: string | undefined
  backoffUntilMs: number
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export class SchedulingQueue {
  readonly #clock: Clock
  readonly #hooks: QueueHooks
  readonly #active: KeyedHeap<Mutable<QueuedPod>>
  readonly #backoff: BackoffQueue<Mutable<QueuedPod>>
  readonly #unschedulable = new UnschedulablePods<Mutable<QueuedPod>>()
  readonly #inFlight = new InFlightEvents()
  #sequence = 0
  #wake: PromiseWithResolvers<void> | undefined
  #cancelFlush: (() => void) | undefined

  constructor({ clock, hooks, initialBackoffMs = 1_000, maxBackoffMs = 10_000 }: QueueOptions) {
    this.#clock = clock
    this.#hooks = hooks
    const isBefore = (a: QueuedPod, b: QueuedPod): boolean => hooks.isBefore(a, b)
    this.#active = new KeyedHeap(isBefore)
    this.#backoff = new BackoffQueue({
      clock,
      initialMs: initialBackoffMs,
      maxMs: maxBackoffMs,
      isBefore,
      onOver: (queued) => this.#activate(queued, 'BackoffComplete'),
    })
  }

  /** How many pods wait, by queue. */
  get lengths(): { active: number; backoff: number; unschedulable: number; gated: number } {
    const { gated } = this.#unschedulable
    return {
      active: this.#active.size,
      backoff: this.#backoff.size,
      unschedulable: this.#unschedulable.size - gated,
      gated,
    }
  }

  get inFlightEvents(): number {
    return this.#inFlight.count
  }

  /** How many unschedulable pods each plugin keeps waiting. */
  refusedByPlugin(): ReadonlyMap<string, number> {
    return this.#unschedulable.countsByPlugin
  }

  has(uid: string): boolean {
    return this.#find(uid) !== undefined
  }

  isInFlight(uid: string): boolean {
    return this.#inFlight.has(uid)
  }

  /** A pod that is new: it is tried at once, or gated. */
  add(pod: Pod): void {
    const { uid } = pod.metadata
    this.#take(uid)
    const queued: QueuedPod = {
      info: newPodInfo(pod),
      addedMs: this.#clock.now(),
      sequence: this.#sequence++,
      attempts: 0,
      firstTriedMs: undefined,
      refusals: 0,
      errors: 0,
      refusedBy: new Set(),
      gatedBy: undefined,
      backoffUntilMs: 0,
    }
    this.#activate(queued, 'UnschedulablePodAdd')
  }

  /** The pod itself changed: it keeps its place, or is tried again where the change may help. */
  update(before: Pod, after: Pod): void {
    const { uid } = after.metadata
    const event: ClusterEvent = { resource: 'Pod', actions: podActions(before, after), before, after }
    if (this.#inFlight.has(uid)) return this.#inFlight.remember(event)
    const queued = this.#find(uid)
    if (!queued) return this.add(after)
    const isReordered = (before.spec.priority ?? 0) !== (after.spec.priority ?? 0)
    queued.info = newPodInfo(after)
    if (this.#active.has(uid)) {
      if (isReordered) this.#active.push(uid, queued)
      return
    }
    if (!this.#unschedulable.get(uid)) return
    for (const { event: part, label } of partsOf(event)) {
      const isToGo = queued.gatedBy === undefined ? this.#isWorthTrying(queued, part) : !this.#hooks.gate(after)
      if (isToGo) return this.#requeue(queued, label)
    }
  }

  delete(uid: string): void {
    this.#take(uid)
    this.done(uid)
  }

  /** The next pod to try; undefined once the signal aborts. The attempt ends with `done`, `failed` or `retry`. */
  async next(signal: AbortSignal): Promise<QueuedPod | undefined> {
    const onAbort = (): void => this.#wake?.resolve()
    signal.addEventListener('abort', onAbort)
    try {
      while (!signal.aborted) {
        const queued = this.tryNext()
        if (queued) return queued
        this.#wake = Promise.withResolvers<void>()
        await this.#wake.promise
      }
      return undefined
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** The next pod to try, if there is one now. */
  tryNext(): QueuedPod | undefined {
    const queued = this.#active.pop() ?? this.#early()
    if (!queued) return undefined
    queued.attempts++
    queued.firstTriedMs ??= this.#clock.now()
    this.#inFlight.begin(queued.info.pod.metadata.uid)
    return queued
  }

  /** The attempt is over, and well. */
  done(uid: string): void {
    this.#inFlight.end(uid)
  }

  /**
   * The pod (its newest object) could not be placed. It waits for a change that one of the plugins cares for, or for its backoff
   * where one came meanwhile.
   */
  failed(queued: Mutable<QueuedPod>, pod: Pod, refusedBy: ReadonlySet<string>): void {
    const meanwhile = this.#inFlight.since(pod.metadata.uid)
    if (!this.#comesBack(queued, pod)) return
    queued.refusals++
    queued.errors = 0
    queued.refusedBy = refusedBy
    queued.backoffUntilMs = this.#backoff.until(queued.refusals)
    const helped = meanwhile === undefined || meanwhile.some((event) => this.#isWorthTrying(queued, event))
    if (refusedBy.size === 0 || helped) this.#backOff(queued, 'ScheduleAttemptFailure')
    else this.#park(queued, 'ScheduleAttemptFailure')
  }

  /** The attempt ended in an error: the pod is tried again after its backoff, whatever happens meanwhile. */
  retry(queued: Mutable<QueuedPod>, pod: Pod): void {
    if (!this.#comesBack(queued, pod)) return
    queued.errors++
    queued.refusedBy = new Set()
    queued.backoffUntilMs = this.#backoff.until(queued.errors)
    this.#backOff(queued, 'ScheduleAttemptFailure')
  }

  /** After an attempt, as the last of those of its priority. False: it is there already, as another came meanwhile. */
  #comesBack(queued: Mutable<QueuedPod>, pod: Pod): boolean {
    const { uid } = pod.metadata
    this.done(uid)
    if (this.has(uid)) return false
    if (pod !== queued.info.pod) queued.info = newPodInfo(pod)
    queued.addedMs = this.#clock.now()
    queued.sequence = this.#sequence++
    return true
  }

  /** Something changed: the unschedulable pods that it may help are tried again once their backoff is over. */
  moved(event: ClusterEvent): void {
    this.#inFlight.remember(event)
    if (this.#unschedulable.size === 0) return
    const waiting = new Set(this.#unschedulable.all())
    for (const { event: part, label } of partsOf(event))
      for (const queued of waiting)
        if (this.#isWorthTrying(queued, part)) {
          waiting.delete(queued)
          this.#requeue(queued, label)
        }
  }

  /** Tries these pods again now (a preemption that failed midway). */
  activate(uid: string): void {
    const queued = this.#unschedulable.get(uid) ?? this.#backoff.get(uid)
    if (!queued) return
    this.#take(uid)
    queued.backoffUntilMs = 0
    this.#activate(queued, 'ForceActivate')
  }

  /** What kept the pod from being tried may be over (a preemption's victims are told). */
  ungate(uid: string): void {
    const queued = this.#unschedulable.get(uid)
    if (queued?.gatedBy !== undefined && !this.#hooks.gate(queued.info.pod)) this.#requeue(queued, 'UpdateGate')
  }

  /** Starts to look now and then at pods that wait too long; the result ends it and all timers. */
  start(): () => void {
    const again = (): void => {
      this.#flush()
      this.#cancelFlush = this.#clock.after(FLUSH_PERIOD_MS, again)
    }
    this.#cancelFlush = this.#clock.after(FLUSH_PERIOD_MS, again)
    return () => {
      this.#cancelFlush?.()
      this.#backoff.stop()
    }
  }

  #flush(): void {
    const nowMs = this.#clock.now()
    for (const queued of this.#unschedulable.all()) {
      if (nowMs - queued.addedMs <= LONGEST_UNSCHEDULABLE_MS) continue
      this.#hooks.flushed?.()
      this.#requeue(queued, 'UnschedulableTimeout')
    }
  }

  /** While nothing is to do, a refused pod need not wait for its backoff to end. */
  #early(): QueuedPod | undefined {
    const queued = this.#backoff.popEarly()
    if (queued) this.#hooks.incoming?.('active', 'PopFromBackoffQ')
    return queued
  }

  #isWorthTrying({ info, refusedBy, gatedBy }: QueuedPod, event: ClusterEvent): boolean {
    const hints = this.#hooks.hints(info.pod)
    for (const plugin of gatedBy === undefined ? refusedBy : [gatedBy]) {
      const ofPlugin = hints.get(plugin)
      // What no plugin of ours refused (an extender) may be helped by anything.
      if (!ofPlugin) return true
      if (ofPlugin.some((hint) => concerns(hint, event) && (hint.mayHelp?.(info.pod, event) ?? true))) return true
    }
    return false
  }

  /** From unschedulable to active, or to backoff while that lasts. */
  #requeue(queued: QueuedPod, event: string): void {
    this.#take(queued.info.pod.metadata.uid)
    if (queued.gatedBy === undefined && !this.#backoff.isOver(queued)) this.#backOff(queued, event)
    else this.#activate(queued, event)
  }

  #activate(queued: QueuedPod, event: string): void {
    const { uid } = queued.info.pod.metadata
    const gate = this.#hooks.gate(queued.info.pod)
    queued.gatedBy = gate?.plugin
    if (gate) return this.#park(queued, event)
    this.#active.push(uid, queued)
    this.#hooks.incoming?.('active', event)
    this.#wakeUp()
  }

  #backOff(queued: QueuedPod, event: string): void {
    const gate = this.#hooks.gate(queued.info.pod)
    if (gate) {
      queued.gatedBy = gate.plugin
      return this.#park(queued, event)
    }
    this.#backoff.push(queued.info.pod.metadata.uid, queued)
    this.#hooks.incoming?.('backoff', event)
    this.#wakeUp()
  }

  #park(queued: QueuedPod, event: string): void {
    this.#unschedulable.add(queued)
    this.#hooks.incoming?.('unschedulable', event)
  }

  #wakeUp(): void {
    this.#wake?.resolve()
    this.#wake = undefined
  }

  #find(uid: string): Mutable<QueuedPod> | undefined {
    return this.#active.get(uid) ?? this.#backoff.get(uid) ?? this.#unschedulable.get(uid)
  }

  #take(uid: string): void {
    if (this.#active.delete(uid) ?? this.#backoff.delete(uid)) return
    this.#unschedulable.delete(uid)
  }
}
