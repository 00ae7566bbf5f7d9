/**
 * Probes one running container in one way, on the clock, until it is stopped. It counts what it finds against the
 * probe's thresholds and tells when the verdict changes.
 */
import type { Probe } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import type { ProbeOutcome } from './outcome.ts'

export type ProbeKind = 'livenessProbe' | 'readinessProbe' | 'startupProbe'

const DEFAULT_PERIOD_SECONDS = 10
const DEFAULT_FAILURE_THRESHOLD = 3
/**
 * A container that was never ready is asked more often at first, so that it is ready soon after it can be: the API allows
 * that for readiness alone. These tries do not count as failures.
 */
const EAGER = { baseMs: 50, factor: 2 }
/** Without an initial delay a container has this long before the first probe that can kill it. */
const FIRST_PROBE_MS = 1000

export interface ProbeWorkerOptions {
  kind: ProbeKind
  probe: Probe
  /** When the container started. */
  startedAtMs: number
  /** Undefined: no verdict yet. */
  initial: boolean | undefined
  clock: Clock
  run(signal: AbortSignal): Promise<ProbeOutcome>
  /** The verdict changed. */
  onVerdict(verdict: boolean): void
  /** A single probe that did not succeed. */
  onUnhealthy(outcome: ProbeOutcome | Error): void
}

export class ProbeWorker {
  readonly #options: ProbeWorkerOptions
  readonly #stop = new AbortController()
  #verdict: boolean | undefined
  #sameInRow = 0
  #last: boolean | undefined
  #eagerDelayMs: number
  #cancelTimer: (() => void) | undefined

  constructor(options: ProbeWorkerOptions) {
    this.#options = options
    this.#verdict = options.initial
    this.#eagerDelayMs = options.kind === 'readinessProbe' && options.initial !== true ? EAGER.baseMs : Infinity
    this.#schedule(this.#firstDelayMs())
  }

  get verdict(): boolean | undefined {
    return this.#verdict
  }

  stop(): void {
    this.#stop.abort()
    this.#cancelTimer?.()
  }

  get #periodMs(): number {
    return (this.#options.probe.periodSeconds ?? DEFAULT_PERIOD_SECONDS) * 1000
  }

  #firstDelayMs(): number {
    const { probe, kind, startedAtMs, clock } = this.#options
    const wantedMs = (probe.initialDelaySeconds ?? 0) * 1000 || (kind === 'readinessProbe' ? 0 : Math.min(FIRST_PROBE_MS, this.#periodMs))
    return Math.max(0, startedAtMs + wantedMs - clock.now())
  }

  #schedule(delayMs: number): void {
    if (this.#stop.signal.aborted) return
    this.#cancelTimer = this.#options.clock.after(delayMs, () => void this.#probe())
  }

  async #probe(): Promise<void> {
    const startedMs = this.#options.clock.now()
    const eager = this.#eagerDelayMs < this.#periodMs
    let outcome: ProbeOutcome | Error
    try {
      outcome = await this.#options.run(this.#stop.signal)
    } catch (error) {
      outcome = error instanceof Error ? error : new Error(String(error))
    }
    if (this.#stop.signal.aborted) return
    const good = !(outcome instanceof Error) && outcome.result !== 'failure'
    // A probe that could not be made says nothing of the container.
    if (!(outcome instanceof Error)) {
      if (good || !eager) this.#count(good, outcome)
    } else if (!eager) this.#options.onUnhealthy(outcome)
    this.#scheduleNext(good, startedMs)
  }

  #scheduleNext(good: boolean, startedMs: number): void {
    const { clock } = this.#options
    if (good) this.#eagerDelayMs = Infinity
    const delayMs = this.#eagerDelayMs < this.#periodMs ? this.#eagerDelayMs : this.#periodMs - (clock.now() - startedMs)
    this.#eagerDelayMs *= EAGER.factor
    this.#schedule(Math.max(0, delayMs))
  }

  #count(good: boolean, outcome: ProbeOutcome): void {
    const { probe, onVerdict, onUnhealthy } = this.#options
    if (!good || outcome.result === 'warning') onUnhealthy(outcome)
    if (this.#last === good) this.#sameInRow++
    else this.#sameInRow = 1
    this.#last = good
    const threshold = good ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? DEFAULT_FAILURE_THRESHOLD)
    if (this.#sameInRow < threshold || this.#verdict === good) return
    this.#verdict = good
    onVerdict(good)
  }
}
