/**
 * How long a Job's next pods wait after failures: ten seconds, and twice as long each time until one succeeds. The pods that tell of
 * it may be gone by then, so what was seen of them is kept, in memory as upstream does it.
 */
import type { Job } from '../../api/kinds/batch/v1.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { findCondition } from '../../api/meta.ts'
import { hasFinished } from '../../api/pods.ts'
import { countsAsFailed, isTracked } from './finishedPods.ts'

const BASE_MS = 10_000
const MAX_MS = 10 * 60_000
/** The delay does not grow any more after so many. */
const ENDS_MAX = 16

export interface PodEnd {
  failed: boolean
  atMs: number
}

/** When the last of its containers and sidecars ended; NaN as long as one runs. */
function containersEndMs({ spec, status }: Pod): number {
  const sidecars = new Set((spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name))
  const ofSidecars = (status?.initContainerStatuses ?? []).filter(({ name }) => sidecars.has(name))
  const ends = [...(status?.containerStatuses ?? []), ...ofSidecars].map(({ state }) => Date.parse(state?.terminated?.finishedAt ?? ''))
  return ends.length > 0 ? Math.max(...ends) : NaN
}

export function endOf(pod: Pod): number {
  const last = containersEndMs(pod)
  if (Number.isFinite(last)) return last
  const ready = findCondition(pod.status?.conditions, 'Ready')
  if (ready?.status === 'False' && ready.lastTransitionTime) return Date.parse(ready.lastTransitionTime)
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, creationTimestamp } = pod.metadata
  if (deletionTimestamp !== undefined) return Date.parse(deletionTimestamp) - deletionGracePeriodSeconds * 1_000
  return Date.parse(creationTimestamp)
}

/** What is left of the delay. */
export function backoffLeftMs(ends: readonly PodEnd[], nowMs: number): number {
  const lastSuccessMs = Math.max(0, ...ends.filter((end) => !end.failed).map((end) => end.atMs))
  const failures = ends.filter((end) => end.failed && end.atMs > lastSuccessMs)
  if (failures.length === 0) return 0
  const lastMs = Math.max(...failures.map((end) => end.atMs))
  return delayLeftMs(failures.length, lastMs, nowMs)
}

export function delayLeftMs(failures: number, lastMs: number, nowMs: number): number {
  return lastMs + Math.min(MAX_MS, BASE_MS * 2 ** (failures - 1)) - nowMs
}

export class JobBackoffs {
  readonly #byKey = new Map<string, { uid: string; ends: Map<string, PodEnd> }>()

  /** The ends of a Job's latest pods, those among `pods` included. */
  note(key: string, job: Job, pods: readonly Pod[]): PodEnd[] {
    const { uid } = job.metadata
    let known = this.#byKey.get(key)
    if (known?.uid !== uid) this.#byKey.set(key, (known = { uid, ends: new Map() }))
    const { ends } = known
    for (const pod of pods) {
      // What the Job let go of itself, suspended or made smaller, is no failure.
      if (!isTracked(pod)) continue
      const failed = countsAsFailed(job, pod)
      if (failed || hasFinished(pod)) ends.set(pod.metadata.uid, { failed, atMs: endOf(pod) })
    }
    if (ends.size > ENDS_MAX) {
      const oldest = [...ends].sort(([, a], [, b]) => a.atMs - b.atMs).slice(0, ends.size - ENDS_MAX)
      for (const [pod] of oldest) ends.delete(pod)
    }
    return [...ends.values()]
  }

  forget(key: string): void {
    this.#byKey.delete(key)
  }
}
