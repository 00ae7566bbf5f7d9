/** Cancellation: every wait and every I/O function of minicube takes an AbortSignal. */
import type { Clock } from './clock.ts'

export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')
}

/** Resolves once `signal` aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** Settles as `work` does, or rejects with the signal's reason as soon as it aborts; `work` itself goes on unobserved. */
export async function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const stop = Promise.withResolvers<never>()
  const onAbort = (): void => stop.reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, stop.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/**
 * Runs everything at the same time and waits until all of it has ended. The first failure aborts the others' signal.
 * @throws the first failure
 */
export async function allOrNone(works: readonly ((signal: AbortSignal) => Promise<void>)[], signal: AbortSignal): Promise<void> {
  const failed = new AbortController()
  const limited = AbortSignal.any([signal, failed.signal])
  await Promise.all(works.map((work) => work(limited).catch((error: unknown) => failed.abort(error))))
  failed.signal.throwIfAborted()
}

export interface InTimeOptions {
  clock: Pick<Clock, 'after'>
  timeoutMs: number
  signal?: AbortSignal
  /** What is wrong when it has taken too long. */
  late(): Error
}

/** Settles as `work` does, or rejects once that takes too long or the signal aborts; `work` itself goes on unobserved. */
export async function inTime<T>(work: Promise<T>, { clock, timeoutMs, signal, late }: InTimeOptions): Promise<T> {
  const stop = Promise.withResolvers<never>()
  const onAbort = (): void => stop.reject(signal?.reason as Error)
  const cancel = clock.after(timeoutMs, () => stop.reject(late()))
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  try {
    return await Promise.race([work, stop.promise])
  } finally {
    cancel()
    signal?.removeEventListener('abort', onAbort)
  }
}
