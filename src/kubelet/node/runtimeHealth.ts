/** Whether the container runtime is there. It counts as down only after a while: pods live on without their engine. */
import type { Clock } from '../../base/clock.ts'
import type { Runtime } from '../runtime/runtime.ts'

/** A question that takes longer than this has no answer for now. */
export const RUNTIME_SILENT_AFTER_MS = 10_000
/** Upstream's threshold: an engine that is only started anew takes no service down. */
const RUNTIME_DOWN_AFTER_MS = 30_000

export interface RuntimeHealthOptions {
  runtime: Pick<Runtime, 'version'>
  clock: Clock
  /** It is down, or no longer. */
  onChange(isDown: boolean): void
}

export class RuntimeHealth {
  readonly #options: RuntimeHealthOptions
  #error: string | undefined
  #lastError: string | undefined
  #pinging = false
  #cancelDown: (() => void) | undefined

  constructor(options: RuntimeHealthOptions) {
    this.#options = options
  }

  /** Why it is down; undefined when it is not. */
  get error(): string | undefined {
    return this.#error
  }

  /** It does not answer, or does again. */
  changed(error: string | undefined): void {
    const { clock, onChange } = this.#options
    if (error === undefined) {
      this.stop()
      if (this.#error === undefined) return
      this.#error = undefined
      return onChange(false)
    }
    this.#lastError = error
    this.#cancelDown ??= clock.after(RUNTIME_DOWN_AFTER_MS, () => {
      this.#error = this.#lastError
      onChange(true)
    })
  }

  /** One that hangs breaks no connection: it is known by its silence. */
  async ping(): Promise<void> {
    if (this.#pinging) return
    this.#pinging = true
    const { runtime, clock } = this.#options
    let silent = false
    const cancel = clock.after(RUNTIME_SILENT_AFTER_MS, () => {
      silent = true
      this.changed(`it has not answered for ${RUNTIME_SILENT_AFTER_MS / 1000} s`)
    })
    // One that refuses is known by its broken connection.
    await runtime.version().catch(() => {})
    cancel()
    this.#pinging = false
    if (silent) this.changed(undefined)
  }

  stop(): void {
    this.#cancelDown?.()
    this.#cancelDown = undefined
  }
}
