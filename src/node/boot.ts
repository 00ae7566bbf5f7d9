/**
 * The phases of a boot, told to the host on the container's log (docs/adr/0004). The names are an interface: the launcher's
 * step display and `start`'s end depend on them.
 */
import type { Logger } from '../base/logger.ts'

export type BootPhase = 'engine' | 'api' | 'node' | 'dns' | 'ready'

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
