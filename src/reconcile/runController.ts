/**
 * The loop that every controller runs in: watches turn changes into keys, workers take keys from a work queue, a failed key
 * comes again after its backoff, and nothing is worked on before the caches are filled.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isAbort } from '../base/abort.ts'
import { isConflict, isNotFound } from '../api/status.ts'
import { WorkQueue } from '../client/workQueue.ts'
import type { Controller, ControllerContext } from './controller.ts'

const DEFAULT_WORKERS = 5
const RETRY_BACKOFF = { baseMs: 5, maxMs: 5 * 60_000 }
/** Beside an API server in the same process work may go on without end; sockets and timers have their turn after so much of it. */
const RECONCILES_A_TURN = 8
/** Something that is not there up to so many times is part of normal life (a cache that lags behind a write). */
const QUIET_FAILURES = 3

/**
 * Told at debug level only. A conflict is how two writers of one object (admission charges the quota that its controller recounts) find
 * out about each other, as often as that happens.
 */
const isOrdinary = (error: unknown, failures: number): boolean =>
  isConflict(error) || ((isNotFound(error) || isAbort(error)) && failures < QUIET_FAILURES)

/** Upstream names queues by their controllers, some with `_` between the words. */
const QUEUE_NAMES: Readonly<Record<string, string>> = {
  'endpointslice-controller': 'endpoint_slice',
  'endpointslice-mirroring-controller': 'endpoint_slice_mirroring',
  'endpoints-controller': 'endpoint',
  'garbage-collector-controller': 'garbage_collector_attempt_to_delete',
  'horizontal-pod-autoscaler-controller': 'horizontalpodautoscaler',
  'node-lifecycle-controller': 'node_lifecycle_controller',
  'persistentvolumeclaim-protection-controller': 'pvcprotection',
  'persistentvolume-protection-controller': 'pvprotection',
  'persistentvolume-binder-controller': 'claims',
  'replicationcontroller-controller': 'replicationmanager',
  'resourcequota-controller': 'resourcequota_primary',
  'root-ca-certificate-publisher-controller': 'root_ca_cert_publisher',
  'ttl-after-finished-controller': 'ttl_jobs_to_delete',
}

const queueName = (controller: string): string => QUEUE_NAMES[controller] ?? controller.replace(/-controller$/, '')

/** Runs until the context's signal aborts. */
export async function runController(controller: Controller, context: ControllerContext): Promise<void> {
  const { signal, clock, informers } = context
  const log = context.log.child({ controller: controller.name })
  const queue = new WorkQueue({ clock, backoff: RETRY_BACKOFF, name: queueName(controller.name), metrics: context.queueMetrics })
  const stop = (): void => queue.close()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const watched = controller.watches.map((watch) => watch.start(informers, (key) => queue.add(key)))
    await Promise.all(watched.map((informer) => informer.synced(signal)))
    let worked = 0
    const worker = async (): Promise<void> => {
      for (;;) {
        const key = await queue.next()
        if (key === undefined) return
        await work(key)
        if (++worked % RECONCILES_A_TURN === 0) await nextTurn()
      }
    }
    const work = async (key: string): Promise<void> => {
      try {
        const outcome = await controller.reconcile(key, signal)
        queue.forget(key)
        if (outcome) queue.addAfter(key, outcome.requeueAfterMs)
      } catch (error) {
        if (signal.aborted) return
        if (isOrdinary(error, queue.failures(key))) log.debug('reconcile failed, trying again', { key, cause: String(error) })
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
