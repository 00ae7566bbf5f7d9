/**
 * Ends pods before the node itself runs out of something: looks every ten seconds, more often the nearer it is, and at once
 * when somebody could not write; first gives back what nobody needs, then ends one pod at a time until there is enough. Pods that use more disk than their own limits
 * allow are ended whatever the node has left. Upstream's pkg/kubelet/eviction.
 */
import { stat } from 'node:fs/promises'
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { KubeletConfiguration } from '../configuration.ts'
import { podDirectories } from '../pods/podDirectories.ts'
import type { PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import { exceededLimit, hasLocalLimits } from './localLimits.ts'
import { diskUse, podUse, someRuns, type PodUseOptions } from './podUse.ts'
import { Pressures, type Condition, type MetThreshold } from './pressure.ts'
import { isCritical } from '../pods/critical.ts'
import type { Eviction } from '../pods/eviction.ts'
import { evictionMessage, ranked } from './ranking.ts'
import type { Signals } from './signals.ts'

export interface EvictionManagerOptions extends PodUseOptions {
  configuration: KubeletConfiguration
  clock: Clock
  log: Logger
  signal: AbortSignal
  signals(): Promise<Signals>
  /** Pods that are meant to run. */
  pods(): readonly Pod[]
  observed(podUid: string): PodRuntimeStatus
  evict(pod: Pod, eviction: Eviction): void
  /** Tells the node's conditions. */
  onConditions(conditions: readonly Condition[]): void
  /** A pod is ended for this signal. */
  onEviction?(signal: string): void
  /** An event of the node. */
  onNodeEvent(reason: string, message: string): void
  /** Gives back disk that nobody needs. */
  reclaimDisk(signal: AbortSignal): Promise<void>
}

const INTERVAL_MS = 10_000
const NEAR_INTERVAL_MS = 500
/** The node cannot wait for a pod that takes what it lacks. */
const HARD_GRACE_SECONDS = 1
/** However many hurry it, from one look to the next. */
const SOONEST_MS = 100
/** With less than this many times the threshold left, a look every ten seconds would come too late. */
const NEAR_FACTOR = 3
/** How fast a pod can fill a disk. */
const FILL_BYTES_PER_MS = 2 ** 20
/** A pod that was ended is given this long to give back what it has, before the next one goes. */
const CLEANUP_MS = 30_000
/** A pod without a running container may hold memory in its volumes: from here on it is worth ending. */
const HELD_BYTES = 2 ** 20

/** A disk is looked at again before anybody can have filled it. */
export function intervalMs(pressures: Pressures, signals: Signals): number {
  if (pressures.isNear(signals, NEAR_FACTOR)) return NEAR_INTERVAL_MS
  return Math.max(NEAR_INTERVAL_MS, Math.min(INTERVAL_MS, signals.disk.available / FILL_BYTES_PER_MS))
}

export class EvictionManager {
  readonly #options: EvictionManagerOptions
  readonly #pressures: Pressures
  #ending: { podUid: string; untilMs: number } | undefined
  #told: readonly Condition[] = []
  #limitsKeptMs = -Infinity
  readonly #reclaimToldMs = new Map<string, number>()
  /** Aborts the wait for the next look. */
  #hurry = new AbortController()

  constructor(options: EvictionManagerOptions) {
    this.#options = options
    this.#pressures = new Pressures(options.configuration)
  }

  get conditions(): readonly Condition[] {
    return this.#pressures.conditions
  }

  async run(): Promise<void> {
    const { clock, log, signal } = this.#options
    while (!signal.aborted) {
      this.#hurry = new AbortController()
      const begunMs = clock.now()
      const waitMs = await this.look().catch((error: unknown) => {
        if (!signal.aborted) log.warn('what the node has left cannot be told', { error: String(error) })
        return INTERVAL_MS
      })
      await clock.sleep(waitMs, AbortSignal.any([signal, this.#hurry.signal])).catch(() => {})
      const tooSoonMs = begunMs + SOONEST_MS - clock.now()
      if (tooSoonMs > 0) await clock.sleep(tooSoonMs, signal).catch(() => {})
    }
  }

  /** Somebody could not write. A look that is under way may have come too early for it. */
  lookNow(): void {
    this.#hurry.abort()
  }

  /** Answers when the next look is due. */
  async look(): Promise<number> {
    const { clock, signals } = this.#options
    const now = await signals()
    const met = this.#pressures.observe(now, clock.now())
    this.#tell()
    if (clock.now() - this.#limitsKeptMs >= INTERVAL_MS) await this.#keepLocalLimits()
    if (met.length > 0) await this.#reclaim(met)
    return intervalMs(this.#pressures, now)
  }

  /** Whether the pod has something to give back still: its volumes go last. */
  async #holds(podUid: string): Promise<boolean> {
    const { observed, rootDir } = this.#options
    if (someRuns(observed(podUid))) return true
    return (await stat(podDirectories(rootDir, podUid).volumes).catch(() => undefined)) !== undefined
  }

  #tell(): void {
    const { conditions } = this.#pressures
    if (conditions.join() === this.#told.join()) return
    this.#told = conditions
    this.#options.onConditions(conditions)
  }

  /** However often it looks, one event in the usual interval is enough. */
  #tellOfReclaim(resource: string): void {
    const nowMs = this.#options.clock.now()
    if (nowMs - (this.#reclaimToldMs.get(resource) ?? -Infinity) < INTERVAL_MS) return
    this.#reclaimToldMs.set(resource, nowMs)
    this.#options.onNodeEvent('EvictionThresholdMet', `Attempting to reclaim ${resource}`)
  }

  async #keepLocalLimits(): Promise<void> {
    const { pods, observed, evict, onEviction, signal, clock } = this.#options
    this.#limitsKeptMs = clock.now()
    for (const pod of pods().filter(hasLocalLimits)) {
      const exceeded = exceededLimit(pod, await diskUse(this.#options, pod, observed(pod.metadata.uid), signal))
      if (!exceeded || isCritical(pod)) continue
      onEviction?.(exceeded.signal)
      evict(pod, { reason: 'Evicted', message: exceeded.message, graceSeconds: HARD_GRACE_SECONDS })
    }
  }

  async #reclaim(met: readonly MetThreshold[]): Promise<void> {
    const { configuration, clock, pods, observed, evict, onEviction, log, reclaimDisk, signal, signals } = this.#options
    if (this.#ending && clock.now() < this.#ending.untilMs && (await this.#holds(this.#ending.podUid))) return
    this.#ending = undefined
    let [first] = met as [MetThreshold, ...MetThreshold[]]
    this.#tellOfReclaim(first.threshold.resource)
    const disk = first.threshold.condition === 'DiskPressure'
    if (disk) {
      // On a full disk not even this may work.
      await reclaimDisk(signal).catch((error: unknown) => log.warn('disk space could not be given back', { error: String(error) }))
      const still = this.#pressures.observe(await signals(), clock.now()).find(({ threshold }) => threshold === first.threshold)
      if (!still) return
      first = still
    }
    const uses = await Promise.all(pods().map((pod) => podUse(this.#options, { pod, observed: observed(pod.metadata.uid), disk }, signal)))
    const [chosen] = ranked(
      uses.filter(({ pod, memoryBytes = 0 }) => someRuns(observed(pod.metadata.uid)) || (!disk && memoryBytes > HELD_BYTES)),
      first.threshold.resource,
    )
    if (!chosen) return void log.warn('the node runs short and no pod may be ended', { resource: first.threshold.resource })
    this.#ending = { podUid: chosen.pod.metadata.uid, untilMs: clock.now() + CLEANUP_MS }
    onEviction?.(first.threshold.signal)
    const isSoft = first.threshold.graceMs !== undefined
    const graceSeconds = isSoft ? configuration.evictionMaxPodGraceSeconds : HARD_GRACE_SECONDS
    evict(chosen.pod, { reason: 'Evicted', message: evictionMessage(first, chosen), graceSeconds })
  }
}
