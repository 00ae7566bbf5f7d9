/**
 * The loop that every controller runs in: watches turn changes into keys, workers take keys from a work queue, a failed key
 * comes again after its backoff, and nothing is worked on before the caches are filled.
 */
import { isAbort } from '../base/abort.ts'
import { isConflict, isNotFound } from '../api/status.ts'
import { WorkQueue } from '../client/workQueue.ts'
import type { Controller, ControllerContext } from './controller.ts'

const DEFAULT_WORKERS = 5
const RETRY_BACKOFF = { baseMs: 5, maxMs: 5 * 60_000 }
/** Failures up to this one are part of normal life (a cache that lags behind a write) and are told at debug level only. */
const QUIET_FAILURES = 3

/** Runs until the context's signal aborts. */
export async function runController(controller: Controller, context: ControllerContext): Promise<void> {
  const { signal, clock, informers } = context
  const log = context.log.child({ controller: controller.name })
  const queue = new WorkQueue({ clock, backoff: RETRY_BACKOFF })
  const stop = (): void => queue.close()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const watched = controller.watches.map((watch) => watch.start(informers, (key) => queue.add(key)))
    await Promise.all(watched.map((informer) => informer.synced(signal)))
    const worker = async (): Promise<void> => {
      for (;;) {
        const key = await queue.next()
        if (key === undefined) return
        await work(key)
      }
    }
    const work = async (key: string): Promise<void> => {
      try {
        const outcome = await controller.reconcile(key, signal)
        queue.forget(key)
        if (outcome) queue.addAfter(key, outcome.requeueAfterMs)
      } catch (error) {
        if (signal.aborted) return
        const expected = isConflict(error) || isNotFound(error) || isAbort(error)
        if (expected && queue.failures(key) < QUIET_FAILURES) log.debug('reconcile failed, trying again', { key, cause: String(error) })
        else log.error('reconcile failed, trying again', error, { key })
        queue.addRateLimited(key)
      } finally {
        queue.done(key)
      }
    }
    await Promise.all(Array.from({ length: controller.workers ?? DEFAULT_WORKERS }, worker))
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', stop)
    queue.close()
  }
}
