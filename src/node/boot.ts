/**
 * The phases of a boot, told to the host on the container's log (docs/adr/0004). The names are an interface: the launcher's
 * step display and `start`'s end depend on them.
 */
import type { Clock } from '../base/clock.ts'
import type { ComponentHealth } from '../base/component.ts'
import type { Logger } from '../base/logger.ts'

export type BootPhase = 'engine' | 'api' | 'node' | 'dns' | 'ready'

/** Past this a boot counts as failed. Unpacking the shipped images on a slow disk is the longest part of it. */
export const BOOT_TIMEOUT_MS = 5 * 60_000

export interface BootLimitOptions {
  /** Stops the node. */
  signal: AbortSignal
  clock: Clock
  health: () => readonly ComponentHealth[]
}

/** A signal for the steps of a boot: it aborts with `signal`, and when the boot takes too long, with what was not ready as its reason. */
export function limitBoot({ signal, clock, health }: BootLimitOptions): { signal: AbortSignal; done: () => void } {
  const late = new AbortController()
  const done = clock.after(BOOT_TIMEOUT_MS, () => {
    const missing = health()
      .filter(({ state }) => state !== 'Running')
      .map(({ name, state, lastError }) => `${name} is ${state}${lastError ? ` (${lastError})` : ''}`)
    late.abort(new Error(`not ready after ${BOOT_TIMEOUT_MS / 1_000} s: ${missing.join(', ') || 'all components run'}`))
  })
  return { signal: AbortSignal.any([signal, late.signal]), done }
}

export class Boot {
  readonly #log: Logger
  readonly #now: () => number
  readonly #startedMs: number

  constructor(log: Logger, now: () => number) {
    this.#log = log
    this.#now = now
    this.#startedMs = now()
  }

  reached(phase: BootPhase): void {
    this.#log.info('boot phase', { event: 'boot', phase, elapsedMs: Math.round(this.#now() - this.#startedMs) })
  }

  failed(error: unknown): void {
    const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
    this.#log.error('the node cannot start', undefined, { event: 'boot-failed', error: message, stack })
  }
}
