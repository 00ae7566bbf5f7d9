/** The taint eviction controller: pods that don't tolerate a NoExecute taint of their node are deleted, at once or when their toleration runs out. */
import { nodes, pods, type Pod, type Taint, type Toleration } from '../../api/kinds/core/v1.ts'
import { keyOf, splitKey, type KubeObject } from '../../api/resource.ts'
import { tolerates } from '../../api/tolerations.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { deleteDisrupted } from '../disruptedPods.ts'
import { BY_NODE, podsByNode } from './nodeLifecycle.ts'

const REASON = 'TaintManagerEviction'

/** How long the pod may stay once it was seen beside these taints; undefined for ever. Of several tolerations of a taint the first counts. */
export function evictionAfterMs(tolerations: readonly Toleration[], taints: readonly Taint[]): number | undefined {
  const used = taints.filter(({ effect }) => effect === 'NoExecute').map((taint) => tolerations.find((each) => tolerates(each, taint)))
  if (used.includes(undefined)) return 0
  const limits = used.map((toleration) => toleration?.tolerationSeconds).filter((seconds) => seconds !== undefined)
  return limits.length === 0 ? undefined : Math.max(0, Math.min(...limits)) * 1_000
}

export function taintEvictionController(context: ControllerContext): Controller {
  const { client, informers, events, clock } = context
  const nodeInformer = informers.for(nodes)
  const podInformer = informers.for(pods)
  podInformer.addIndex(BY_NODE, podsByNode)
  /** When pods leave, by key. Set when one is first seen to have to, however old the taint is; other limits later don't move it. */
  const leaving = new Map<string, { uid: string; atMs: number }>()

  function leavesAtMs(key: string, { metadata: { uid } }: Pod, afterMs: number): number {
    const known = leaving.get(key)
    if (known?.uid === uid) return known.atMs
    const atMs = clock.now() + afterMs
    leaving.set(key, { uid, atMs })
    return atMs
  }

  async function evict(pod: Pod, signal: AbortSignal): Promise<void> {
    const key = keyOf(pod)
    events.record(pod, { type: 'Normal', reason: REASON, message: `Marking for deletion Pod ${key}` })
    const why = { reason: 'DeletionByTaintManager', message: 'Taint manager: deleting due to NoExecute taint' }
    await deleteDisrupted({ client, clock }, pod, why, signal)
    leaving.delete(key)
  }

  /** A pod that was to leave later stays, is gone already, or has to leave at once. */
  function cancel(key: string): void {
    const known = leaving.get(key)
    if (!leaving.delete(key)) return
    const about = { apiVersion: 'v1', kind: 'Pod', metadata: { ...splitKey(key), uid: known?.uid } } as KubeObject
    events.record(about, { type: 'Normal', reason: REASON, message: `Cancelling deletion of Pod ${key}` })
  }

  return {
    name: 'taint-eviction-controller',
    watches: [
      watch(nodes, (node) => podInformer.byIndex(BY_NODE, node.metadata.name).map(keyOf)),
      watch(pods, (pod) => (pod.spec.nodeName ? [keyOf(pod)] : [])),
    ],
    async reconcile(key, signal): Promise<Outcome> {
      const pod = podInformer.get(key)
      if (!pod?.spec.nodeName) return cancel(key)
      if (pod.metadata.deletionTimestamp !== undefined) return
      const afterMs = evictionAfterMs(pod.spec.tolerations ?? [], nodeInformer.get(pod.spec.nodeName)?.spec?.taints ?? [])
      if (!afterMs) cancel(key)
      if (afterMs === undefined) return
      const leftMs = afterMs === 0 ? 0 : leavesAtMs(key, pod, afterMs) - clock.now()
      if (leftMs > 0) return { requeueAfterMs: leftMs }
      await evict(pod, signal)
    },
  }
}
