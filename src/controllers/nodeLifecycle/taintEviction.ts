/** The taint eviction controller: pods that don't tolerate a NoExecute taint of their node are deleted, at once or when their toleration runs out. */
import { nodes, pods, type Pod, type Taint, type Toleration } from '../../api/kinds/core/v1.ts'
import { keyOf } from '../../api/resource.ts'
import { tolerates } from '../../api/tolerations.ts'
import { hasFinished } from '../../api/pods.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { deleteDisrupted } from '../taintDeletion.ts'
import { BY_NODE, podsByNode } from './nodeLifecycle.ts'

/** When the pod must leave; undefined when it may stay. `seenMs`, when the pod was first seen to have to leave, stands in for a taint without a time. */
export function evictionAtMs(tolerations: readonly Toleration[], taints: readonly Taint[], seenMs: number): number | undefined {
  let atMs: number | undefined
  for (const taint of taints.filter((candidate) => candidate.effect === 'NoExecute')) {
    const matching = tolerations.filter((toleration) => tolerates(toleration, taint))
    const sinceMs = taint.timeAdded ? Date.parse(taint.timeAdded) : seenMs
    if (matching.length === 0) return sinceMs
    const limits = matching.map((toleration) => toleration.tolerationSeconds).filter((seconds) => seconds !== undefined)
    if (limits.length === 0) continue
    const leaveMs = sinceMs + Math.max(0, Math.min(...limits)) * 1_000
    atMs = atMs === undefined ? leaveMs : Math.min(atMs, leaveMs)
  }
  return atMs
}

export function taintEvictionController(context: ControllerContext): Controller {
  const { client, informers, events, clock } = context
  const nodeInformer = informers.for(nodes)
  const podInformer = informers.for(pods)
  podInformer.addIndex(BY_NODE, podsByNode)
  /** Pods that must leave, by key: users' taints have no time, so the time of the first look at them counts. */
  const leaving = new Map<string, { uid: string; sinceMs: number }>()

  function seenMs(key: string, { metadata: { uid } }: Pod): number {
    const known = leaving.get(key)
    if (known?.uid === uid) return known.sinceMs
    const sinceMs = clock.now()
    leaving.set(key, { uid, sinceMs })
    return sinceMs
  }

  async function evict(pod: Pod, signal: AbortSignal): Promise<void> {
    const key = keyOf(pod)
    events.record(pod, { type: 'Normal', reason: 'TaintManagerEviction', message: `Marking for deletion Pod ${key}` })
    const why = { reason: 'DeletionByTaintManager', message: 'Taint manager: deleting due to NoExecute taint' }
    await deleteDisrupted({ client, clock }, pod, why, signal)
  }

  return {
    name: 'taint-eviction-controller',
    watches: [
      watch(nodes, (node) => podInformer.byIndex(BY_NODE, node.metadata.name).map(keyOf)),
      watch(pods, (pod) => (pod.spec.nodeName ? [keyOf(pod)] : [])),
    ],
    async reconcile(key, signal): Promise<Outcome> {
      const pod = podInformer.get(key)
      const stays = !pod?.spec.nodeName || pod.metadata.deletionTimestamp !== undefined || hasFinished(pod)
      const taints = stays ? [] : (nodeInformer.get(pod.spec.nodeName ?? '')?.spec?.taints ?? [])
      const atMs = stays ? undefined : evictionAtMs(pod.spec.tolerations ?? [], taints, seenMs(key, pod))
      if (stays || atMs === undefined) {
        leaving.delete(key)
        return
      }
      const leftMs = atMs - clock.now()
      if (leftMs > 0) return { requeueAfterMs: leftMs }
      await evict(pod, signal)
    },
  }
}
