/**
 * The pod garbage collector: removes pods of nodes that are gone, leaving pods that no node will ever end or whose node is out of
 * service, and the oldest finished pods when there are too many.
 */
import { nodes, pods, type Node, type Pod } from '../api/kinds/core/v1.ts'
import { isConditionTrue } from '../api/meta.ts'
import { isNotFound } from '../api/status.ts'
import { hasFinished } from '../api/pods.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../reconcile/controller.ts'
import { at } from './ownership.ts'
import { disrupted, observedGeneration } from './disruptedPods.ts'

const THRESHOLD = 12_500
/** A node may be gone from the cache for a moment only; it is asked for after this time. */
const QUARANTINE_MS = 40_000
const ALL = 'all'

export interface PodGcPlan {
  finished: Pod[]
  unscheduled: Pod[]
  /** Leaving, on nodes that an administrator has declared to be out of service and that are not ready. */
  outOfService: Pod[]
  /** On nodes that the cache does not have. */
  stray: Pod[]
}

const isEvicted = ({ status }: Pod): boolean => status?.phase === 'Failed' && status.reason === 'Evicted'

function evictedAndOldestFirst(a: Pod, b: Pod): number {
  const byAge = Date.parse(a.metadata.creationTimestamp) - Date.parse(b.metadata.creationTimestamp)
  return Number(isEvicted(b)) - Number(isEvicted(a)) || byAge || (a.metadata.name < b.metadata.name ? -1 : 1)
}

const isOutOfService = (node: Node | undefined): boolean =>
  node !== undefined &&
  !isConditionTrue(node.status?.conditions, 'Ready') &&
  (node.spec?.taints ?? []).some(({ key }) => key === 'node.kubernetes.io/out-of-service')

export function planPodGc(all: readonly Pod[], nodeOf: (name: string) => Node | undefined, threshold = THRESHOLD): PodGcPlan {
  const finished = all.filter(hasFinished)
  const leaving = all.filter((pod) => pod.metadata.deletionTimestamp !== undefined)
  return {
    finished: finished.length > threshold ? finished.sort(evictedAndOldestFirst).slice(0, finished.length - threshold) : [],
    unscheduled: leaving.filter((pod) => !pod.spec.nodeName),
    outOfService: leaving.filter(({ spec }) => spec.nodeName && isOutOfService(nodeOf(spec.nodeName))).sort(evictedAndOldestFirst),
    stray: all.filter((pod) => pod.spec.nodeName && !nodeOf(pod.spec.nodeName)),
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
        const why = { reason: 'DeletionByPodGC', message: 'PodGC: node no longer exists' }
        const conditions = orphaned ? disrupted(pod, why, clock.now()) : (pod.status?.conditions ?? [])
        const status = { ...pod.status, phase: 'Failed', conditions, ...observedGeneration(pod) }
        await client.update(pods, { ...pod, status }, { subresource: 'status', signal })
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

  function concerns(pod: Pod): boolean {
    const leaving = pod.metadata.deletionTimestamp !== undefined
    const { nodeName } = pod.spec
    if (hasFinished(pod) || !nodeName) return hasFinished(pod) || leaving
    const node = nodeInformer.get(nodeName)
    return !node || (leaving && isOutOfService(node))
  }

  return {
    name: 'pod-garbage-collector-controller',
    workers: 1,
    watches: [
      watch(pods, (pod) => (concerns(pod) ? [ALL] : [])),
      watch(nodes, ({ metadata: { name } }) => {
        const node = nodeInformer.get(name)
        return !node || isOutOfService(node) ? [ALL] : []
      }),
    ],
    async reconcile(_, signal): Promise<Outcome> {
      const plan = planPodGc(podInformer.list(), (name) => nodeInformer.get(name), threshold || Infinity)
      for (const pod of new Set([...plan.finished, ...plan.outOfService, ...plan.unscheduled])) await remove(pod, false, signal)
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
