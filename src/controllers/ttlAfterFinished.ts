/** The ttl-after-finished controller: a finished Job goes when its time to live has run out. */
import { jobs, type Job } from '../api/kinds/batch/v1.ts'
import { keyOf } from '../api/resource.ts'
import { isNotFound } from '../api/status.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../reconcile/controller.ts'
import { at } from './ownership.ts'

/** When the Job goes; undefined when it stays or has not finished. */
export function expiryMs(job: Job): number | undefined {
  const ttl = job.spec?.ttlSecondsAfterFinished
  const end = job.status?.conditions?.find(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True')
  const endMs = Date.parse(end?.lastTransitionTime ?? '')
  return ttl === undefined || !Number.isFinite(endMs) ? undefined : endMs + ttl * 1_000
}

export function ttlAfterFinishedController({ client, informers, clock }: ControllerContext): Controller {
  const informer = informers.for(jobs)
  return {
    name: 'ttl-after-finished-controller',
    watches: [watch(jobs, (job) => (expiryMs(job) === undefined ? [] : [keyOf(job)]))],
    async reconcile(key, signal): Promise<Outcome> {
      const job = informer.get(key)
      const dueMs = job && expiryMs(job)
      if (!job || dueMs === undefined || job.metadata.deletionTimestamp !== undefined) return
      const leftMs = dueMs - clock.now()
      if (leftMs > 0) return { requeueAfterMs: leftMs }
      const { uid, resourceVersion } = job.metadata
      await client
        .delete(jobs, { ...at(job), signal }, { propagationPolicy: 'Foreground', preconditions: { uid, resourceVersion } })
        .catch((error: unknown) => {
          if (!isNotFound(error)) throw error
        })
    },
  }
}
