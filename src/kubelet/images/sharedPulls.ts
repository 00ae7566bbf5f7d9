/** Pulls of images: one for all who want the same with the same credentials, some at once, and none that holds up others for long. */
import { orAbort } from '../../base/abort.ts'
import type { Clock } from '../../base/clock.ts'
import type { Image, Runtime } from '../runtime/runtime.ts'
import type { Credentials } from './credentials.ts'

const USUAL_PARALLEL_PULLS = 4
/** Unless their number is set, a pull that takes longer gives its place to the next: one that never ends holds up no other. */
const SLOW_PULL_MS = 10_000

export interface PullResult {
  image: Image
  /** The credentials that the registry took. */
  used: Credentials | undefined
  /** Without waiting for a place. */
  pullMs: number
}

interface SharedPull {
  done: Promise<PullResult>
  /** To be used once no pod waits for it any more. */
  abort: AbortController
  waiting: number
}

interface SharedPullsOptions {
  runtime: Pick<Runtime, 'pullImage'>
  clock: Clock
  /** Ends pulls when the kubelet ends. */
  signal: AbortSignal
  /** So many at once and no more; undefined for some. */
  maxParallel: number | undefined
}

export class SharedPulls {
  readonly #options: SharedPullsOptions
  readonly #pulling = new Map<string, SharedPull>()
  #running = 0
  readonly #queue: (() => void)[] = []

  constructor(options: SharedPullsOptions) {
    this.#options = options
  }

  /** Pods that want the same image with the same credentials share one pull, which ends when none of them is left. */
  async pull(image: string, credentials: readonly Credentials[], signal: AbortSignal): Promise<PullResult> {
    signal.throwIfAborted()
    const key = JSON.stringify([image, credentials])
    const pull = this.#pulling.get(key) ?? this.#start(key, image, credentials)
    pull.waiting++
    try {
      return await orAbort(pull.done, signal)
    } finally {
      if (--pull.waiting === 0) {
        this.#pulling.delete(key)
        pull.abort.abort()
      }
    }
  }

  #start(key: string, image: string, credentials: readonly Credentials[]): SharedPull {
    const abort = new AbortController()
    const signal = AbortSignal.any([this.#options.signal, abort.signal])
    const pull = { done: this.#withSlot(() => this.#tryEach(image, credentials, signal), signal), abort, waiting: 0 }
    this.#pulling.set(key, pull)
    return pull
  }

  async #tryEach(image: string, credentials: readonly Credentials[], signal: AbortSignal): Promise<PullResult> {
    const { runtime, clock } = this.#options
    const startedMs = clock.now()
    let failure: unknown
    for (const used of credentials.length > 0 ? credentials : [undefined]) {
      signal.throwIfAborted()
      try {
        const pulled = await runtime.pullImage(image, used?.auth, signal)
        return { image: pulled, used, pullMs: clock.now() - startedMs }
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  async #withSlot<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#takeSlot(signal)
    const give = this.#oneGiver()
    const { clock, maxParallel } = this.#options
    const cancel = maxParallel === undefined ? clock.after(SLOW_PULL_MS, give) : () => {}
    try {
      return await work()
    } finally {
      cancel()
      give()
    }
  }

  async #takeSlot(signal: AbortSignal): Promise<void> {
    if (this.#running < (this.#options.maxParallel ?? USUAL_PARALLEL_PULLS)) return void this.#running++
    const turn = Promise.withResolvers<void>()
    this.#queue.push(turn.resolve)
    try {
      // Whoever gives a place up counts for the one who gets it.
      await orAbort(turn.promise, signal)
    } catch (error) {
      const at = this.#queue.indexOf(turn.resolve)
      if (at >= 0) this.#queue.splice(at, 1)
      else this.#giveSlot()
      throw error
    }
  }

  #giveSlot(): void {
    const next = this.#queue.shift()
    if (next) next()
    else this.#running--
  }

  #oneGiver(): () => void {
    let given = false
    return () => {
      if (!given) this.#giveSlot()
      given = true
    }
  }
}
