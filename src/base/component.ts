/**
 * A component is a function that runs until its signal aborts and owns no global state. The supervisor runs a set of
 * them: one that throws is started again after a backoff, and they are stopped in reverse order of their start.
 */
import { isAbort } from './abort.ts'
import { Backoff } from './backoff.ts'
import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'

export interface ComponentContext {
  signal: AbortSignal
  log: Logger
  clock: Clock
  /** To be called once the component does its work (caches filled, sockets listening). */
  ready(): void
}

export interface Component {
  name: string
  run(context: ComponentContext): Promise<void>
}

export type ComponentState = 'Starting' | 'Running' | 'Failed' | 'Stopped'

export interface ComponentHealth {
  name: string
  state: ComponentState
  restarts: number
  /** Why it failed last, if it did. */
  lastError?: string
  readyAfterMs?: number
}

const RESTART_BACKOFF = { baseMs: 100, maxMs: 10_000 }
/** A component that ran this long before it failed starts over with the shortest delay. */
const STABLE_AFTER_MS = 60_000
/** Who waits for a component to be ready for the first time is told when it failed so often in a row (some 13 seconds). */
const START_TRIES_MAX = 8
/** A component that ignores its signal is left behind after this, so that the others still end in order. */
const STOP_TIMEOUT_MS = 5_000

interface Running {
  health: ComponentHealth
  abort: AbortController
  done: Promise<void>
  ready: PromiseWithResolvers<void>
}

export class Supervisor {
  readonly #log: Logger
  readonly #clock: Clock
  readonly #running: Running[] = []

  constructor(options: { log: Logger; clock: Clock }) {
    this.#log = options.log
    this.#clock = options.clock
  }

  /**
   * Starts a component and resolves when it is ready for the first time. Rejects when it fails time and again before that,
   * or is stopped; it is supervised all the same, from the moment of the call to `stop`.
   */
  start(component: Component): Promise<void> {
    const running: Running = {
      health: { name: component.name, state: 'Starting', restarts: 0 },
      abort: new AbortController(),
      done: Promise.resolve(),
      ready: Promise.withResolvers<void>(),
    }
    // Not everybody who starts a component waits for it.
    running.ready.promise.catch(() => {})
    this.#running.push(running)
    running.done = this.#supervise(component, running)
    return running.ready.promise
  }

  health(): ComponentHealth[] {
    return this.#running.map((r) => ({ ...r.health }))
  }

  async stop(): Promise<void> {
    for (const { abort, done, health } of this.#running.toReversed()) {
      abort.abort()
      const waited = new AbortController()
      const late = this.#clock.sleep(STOP_TIMEOUT_MS, waited.signal).then(
        () => this.#log.warn('component did not stop in time', { component: health.name, timeoutMs: STOP_TIMEOUT_MS }),
        () => {},
      )
      await Promise.race([done, late])
      waited.abort()
    }
  }

  async #supervise(component: Component, running: Running): Promise<void> {
    const { health } = running
    const { signal } = running.abort
    const log = this.#log.child({ component: component.name })
    const backoff = new Backoff(RESTART_BACKOFF)
    while (!signal.aborted) {
      const startedMs = this.#clock.now()
      health.state = 'Starting'
      const ready = (): void => {
        if (health.state !== 'Starting') return
        health.state = 'Running'
        health.readyAfterMs = this.#clock.now() - startedMs
        log.info('ready', { afterMs: health.readyAfterMs })
        running.ready.resolve()
      }
      try {
        await component.run({ signal, log, clock: this.#clock, ready })
        if (signal.aborted) break
        throw new Error('the component ended by itself')
      } catch (error) {
        if (signal.aborted && isAbort(error)) break
        health.state = 'Failed'
        health.lastError = error instanceof Error ? error.message : String(error)
        log.error('component failed, restarting it', error)
        if (health.restarts + 1 >= START_TRIES_MAX) {
          const cause = new Error(`${component.name} did not start: ${health.lastError}`, { cause: error })
          running.ready.reject(cause)
        }
      }
      if (this.#clock.now() - startedMs > STABLE_AFTER_MS) backoff.reset()
      health.restarts++
      await this.#clock.sleep(backoff.next(), signal).catch(() => {})
    }
    health.state = 'Stopped'
    running.ready.reject(new Error(`${component.name} was stopped before it was ready`))
  }
}
