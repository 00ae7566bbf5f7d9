/**
 * When containers that ended, or could not be started, are tried again: the crash-loop delay of each, starts that failed and are
 * left alone for a while, and what is told of both meanwhile.
 */
import type { Container as SpecContainer, Pod } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import type { EventRecorder } from '../../client/events.ts'
import { containerHash } from '../containers/containerHash.ts'
import { goDuration } from '../containers/goDuration.ts'
import { CrashLoopBackoff, crashLoopLimits } from './crashLoopBackoff.ts'
import type { PodActions } from './podActions.ts'
import { podVersion } from './podPreparation.ts'
import { describePod, fieldPathOf } from '../pods/podSpec.ts'
import type { Container } from '../runtime/runtime.ts'
import type { StartError } from './startContainer.ts'
import type { WaitingReason } from '../status/containerStatus.ts'

/** After a failure that time alone may mend. */
const RETRY_AFTER_MS = 10_000
/** A pull that failed is shown as such this long before it is shown as backing off. */
const SHOW_PULL_ERROR_MS = 2000

interface Waiting {
  /** Why, by name of the container. */
  reasons: Map<string, WaitingReason>
  /** Until when a container that could not be started is left alone, by name. */
  holds: Map<string, number>
  /** The version of the pod that the holds are for. */
  holdsFor: string
  /** Ends of containers whose backing off was told in an event. */
  told: Set<string>
}

export interface PodRestartsOptions {
  events: EventRecorder
  clock: Clock
  crashLoopMaxMs: number
}

export class PodRestarts {
  readonly #options: PodRestartsOptions
  readonly #crashLoops: CrashLoopBackoff
  readonly #pods = new Map<string, Waiting>()

  constructor(options: PodRestartsOptions) {
    this.#options = options
    this.#crashLoops = new CrashLoopBackoff(crashLoopLimits(options.crashLoopMaxMs))
  }

  /** Why containers of the pod wait, by name. */
  waiting(podUid: string): ReadonlyMap<string, WaitingReason> {
    return this.#of(podUid).reasons
  }

  /** The whole delay that holds for a container after an end. */
  delayMs(pod: Pod, container: SpecContainer, finishedAtMs: number): number {
    return this.#crashLoops.delayMs(loopKey(pod, container), finishedAtMs)
  }

  /** It starts again after that end. */
  restarted(pod: Pod, container: SpecContainer, { finishedAtMs, createdAtMs }: Container): void {
    this.#crashLoops.restarted(loopKey(pod, container), finishedAtMs ?? createdAtMs, this.#options.clock.now())
  }

  /** The plan without the starts that failed a moment ago; what it has waiting is told of. A pod that changed is tried at once. */
  review(pod: Pod, plan: PodActions): PodActions {
    const waiting = this.#of(pod.metadata.uid)
    if (waiting.holdsFor !== podVersion(pod)) waiting.holds.clear()
    waiting.holdsFor = podVersion(pod)
    forgetAllBut(waiting.reasons, [...plan.start, ...plan.backingOff])
    forgetAllBut(waiting.holds, plan.start)
    this.#tellOfBackoff(pod, plan, waiting)
    const nowMs = this.#options.clock.now()
    return { ...plan, start: plan.start.filter(({ container }) => (waiting.holds.get(container.name) ?? 0) <= nowMs) }
  }

  failed(podUid: string, containerName: string, error: StartError): void {
    const { reasons, holds } = this.#of(podUid)
    reasons.set(containerName, { reason: error.reason, message: error.message })
    holds.set(containerName, this.#retryAt(error))
  }

  started(podUid: string, containerName: string): void {
    const { reasons, holds } = this.#of(podUid)
    reasons.delete(containerName)
    holds.delete(containerName)
  }

  /** When the starts that failed are tried again. */
  retriesAtMs(podUid: string): number[] {
    return [...this.#of(podUid).holds.values()]
  }

  /** What the pod lacked may be there now. */
  retryNow(podUid: string): void {
    this.#pods.get(podUid)?.holds.clear()
  }

  /** Nothing of the pod starts again. */
  ended(podUid: string): void {
    this.#crashLoops.forgetAll(`${podUid}/`)
  }

  forget(podUid: string): void {
    this.ended(podUid)
    this.#pods.delete(podUid)
  }

  #of(podUid: string): Waiting {
    let waiting = this.#pods.get(podUid)
    if (!waiting) this.#pods.set(podUid, (waiting = { reasons: new Map(), holds: new Map(), holdsFor: '', told: new Set() }))
    return waiting
  }

  #tellOfBackoff(pod: Pod, { backingOff }: PodActions, { reasons, told }: Waiting): void {
    for (const { container, previous, delayMs } of backingOff) {
      const message = `back-off ${goDuration(delayMs)} restarting failed container=${container.name} pod=${describePod(pod)}`
      reasons.set(container.name, { reason: 'CrashLoopBackOff', message })
      if (told.has(previous.id)) continue
      told.add(previous.id)
      this.#options.events.record(pod, {
        type: 'Warning',
        reason: 'BackOff',
        message: `Back-off restarting failed container ${container.name} in pod ${describePod(pod)}`,
        fieldPath: fieldPathOf(pod, container.name),
      })
    }
  }

  #retryAt({ reason, retryAtMs }: StartError): number {
    const nowMs = this.#options.clock.now()
    if (retryAtMs === undefined) return nowMs + RETRY_AFTER_MS
    return reason === 'ImagePullBackOff' ? retryAtMs : Math.min(retryAtMs, nowMs + SHOW_PULL_ERROR_MS)
  }
}

function loopKey(pod: Pod, container: SpecContainer): string {
  return `${pod.metadata.uid}/${container.name}/${containerHash(container)}`
}

function forgetAllBut(byName: Map<string, unknown>, concerned: readonly { container: SpecContainer }[]): void {
  for (const name of byName.keys()) if (!concerned.some(({ container }) => container.name === name)) byName.delete(name)
}
