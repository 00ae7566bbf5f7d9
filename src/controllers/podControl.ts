/** Creating and deleting the pods of a controller, with the events that `kubectl describe` shows. */
import { pods, type Pod } from '../api/kinds/core/v1.ts'
import type { Draft, KubeObject } from '../api/resource.ts'
import { isNotFound, StatusError } from '../api/status.ts'
import type { ControllerContext } from '../reconcile/controller.ts'
import { at } from './ownership.ts'

export interface PodControl {
  create(owner: KubeObject, draft: Draft<Pod>, signal: AbortSignal): Promise<Pod>
  /** Answers what the API answered; undefined when the pod was gone already. */
  remove(owner: KubeObject, pod: Pod, signal: AbortSignal): Promise<unknown>
}

/** The namespace is going away: nothing can be created in it any more, and there is nothing to tell. */
export function isNamespaceTerminating(error: unknown): boolean {
  return error instanceof StatusError && (error.status.details?.causes ?? []).some((cause) => cause.reason === 'NamespaceTerminating')
}

export function createPodControl({ client, events }: Pick<ControllerContext, 'client' | 'events'>): PodControl {
  return {
    async create(owner, draft, signal) {
      try {
        const pod = await client.create(pods, draft, { signal })
        events.record(owner, { type: 'Normal', reason: 'SuccessfulCreate', message: `Created pod: ${pod.metadata.name}` })
        return pod
      } catch (error) {
        if (!isNamespaceTerminating(error) && !signal.aborted) {
          const message = `Error creating: ${error instanceof Error ? error.message : String(error)}`
          events.record(owner, { type: 'Warning', reason: 'FailedCreate', message })
        }
        throw error
      }
    },
    async remove(owner, pod, signal) {
      try {
        const answer = await client.delete(pods, { ...at(pod), signal }, { preconditions: { uid: pod.metadata.uid } })
        events.record(owner, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${pod.metadata.name}` })
        return answer
      } catch (error) {
        if (isNotFound(error)) return undefined
        if (!signal.aborted) {
          const message = `Error deleting: ${error instanceof Error ? error.message : String(error)}`
          events.record(owner, { type: 'Warning', reason: 'FailedDelete', message })
        }
        throw error
      }
    },
  }
}

/**
 * Does `work` `count` times in batches of 1, 2, 4, …: where all would fail alike (a quota), few requests find it out.
 * Throws the first failure once its batch is over; answers how many succeeded otherwise.
 */
export async function slowStart(count: number, work: () => Promise<void>): Promise<number> {
  let done = 0
  for (let batch = Math.min(1, count); batch > 0; batch = Math.min(2 * batch, count - done)) {
    const results = await Promise.allSettled(Array.from({ length: batch }, work))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason
    done += batch
  }
  return done
}
