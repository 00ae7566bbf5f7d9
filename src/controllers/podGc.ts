/**
 * The pod garbage collector: removes pods of nodes that are gone, leaving pods that no node will ever end, and the oldest
 * finished pods when there are too many.
 */
import { nodes, pods, type Pod } from '../api/kinds/core/v1.ts'
import { timestamp } from '../api/meta.ts'
import { isNotFound } from '../api/status.ts'
import { hasFinished } from '../api/pods.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../reconcile/controller.ts'
import { at } from './ownership.ts'

const THRESHOLD = 12_500
/** A node may be gone from the cache for a moment only; it is asked for after this time. */
const QUARANTINE_MS = 40_000
const ALL = 'all'

export interface PodGcPlan {
  finished: Pod[]
  unscheduled: Pod[]
  /** On nodes that the cache does not have. */
  stray: Pod[]
}

const oldestFirst = (a: Pod, b: Pod): number => Date.parse(a.metadata.creationTimestamp) - Date.parse(b.metadata.creationTimestamp)

export function planPodGc(all: readonly Pod[], hasNode: (name: string) => boolean, threshold = THRESHOLD): PodGcPlan {
  const finished = all.filter(hasFinished)
  return {
    finished: finished.length > threshold ? finished.sort(oldestFirst).slice(0, finished.length - threshold) : [],
    unscheduled: all.filter((pod) => pod.metadata.deletionTimestamp !== undefined && !pod.spec.nodeName),
    stray: all.filter((pod) => pod.spec.nodeName && !hasNode(pod.spec.nodeName)),
  }
}

/** `threshold`: how many finished pods may stay; 0 for any number. */
export function podGcController(context: ControllerContext, threshold = THRESHOLD): Controller {
  const { client, informers, clock } = context
  const nodeInformer = informers.for(nodes)
  const podInformer = informers.for(pods)
  const missingSinceMs = new Map<string, number>()

  async function remove(pod: Pod, orphaned: boolean, signal: AbortSignal): Promise<void> {
    try {
      if (!hasFinished(pod)) {
        const reason = { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC', lastTransitionTime: timestamp(clock.now()) }
        const disruption = orphaned ? [{ ...reason, message: 'PodGC: node no longer exists' }] : []
        const conditions = [...(pod.status?.conditions ?? []), ...disruption]
        await client.update(pods, { ...pod, status: { ...pod.status, phase: 'Failed', conditions } }, { subresource: 'status', signal })
      }
      await client.delete(pods, { ...at(pod), signal }, { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } })
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  async function isGone(node: string, signal: AbortSignal): Promise<boolean> {
    try {
      await client.get(nodes, { name: node, signal })
      return false
    } catch (error) {
      if (isNotFound(error)) return true
      throw error
    }
  }

  const concerns = (pod: Pod): boolean =>
    hasFinished(pod) || (pod.spec.nodeName ? !nodeInformer.get(pod.spec.nodeName) : pod.metadata.deletionTimestamp !== undefined)

  return {
    name: 'pod-garbage-collector-controller',
    workers: 1,
    watches: [
      watch(pods, (pod) => (concerns(pod) ? [ALL] : [])),
      watch(nodes, (node) => (nodeInformer.get(node.metadata.name) ? [] : [ALL])),
    ],
    async reconcile(_, signal): Promise<Outcome> {
      const plan = planPodGc(podInformer.list(), (name) => nodeInformer.get(name) !== undefined, threshold || Infinity)
      for (const pod of plan.finished) await remove(pod, false, signal)
      for (const pod of plan.unscheduled) await remove(pod, false, signal)
      const missing = new Set(plan.stray.map((pod) => pod.spec.nodeName ?? ''))
      for (const name of missingSinceMs.keys()) if (!missing.has(name)) missingSinceMs.delete(name)
      let nextMs = Infinity
      for (const name of missing) {
        const sinceMs = missingSinceMs.get(name) ?? clock.now()
        missingSinceMs.set(name, sinceMs)
        const leftMs = sinceMs + QUARANTINE_MS - clock.now()
        if (leftMs > 0) nextMs = Math.min(nextMs, leftMs)
        else if (await isGone(name, signal))
          for (const pod of plan.stray.filter((candidate) => candidate.spec.nodeName === name)) await remove(pod, true, signal)
      }
      if (Number.isFinite(nextMs)) return { requeueAfterMs: nextMs }
    },
  }
}
