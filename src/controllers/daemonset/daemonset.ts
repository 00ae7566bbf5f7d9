/** The daemonset controller: one pod on every node that fits, placed by the scheduler (upstream's pkg/controller/daemon). */
import { controllerrevisions, daemonsets, type DaemonSet } from '../../api/kinds/apps/v1.ts'
import { nodes, pods, type Node, type Pod } from '../../api/kinds/core/v1.ts'
import { newControllerRef } from '../../api/meta.ts'
import { keyOf } from '../../api/resource.ts'
import { watch, type Controller, type ControllerContext, type Outcome, type Watch } from '../../reconcile/controller.ts'
import { isEmptySelector } from '../../api/validation/labels.ts'
import { canonicalJson, semanticallyEqual } from '../hash.ts'
import { applyHistory, expiredOldRevisions, HashCollision, planHistory, removeRevisions, REVISION_HASH } from '../history.ts'
import { CACHE_LAG_RECHECK_MS, OwnWrites } from '../ownWrites.ts'
import { adopters, claim, indexByOwner, ownedOrOrphaned, ownerKey } from '../ownership.ts'
import { createPodControl, isNamespaceTerminating, slowStart } from '../podControl.ts'
import { availableInMs, podFromTemplate } from '../podState.ts'
import { FailedPodBackoff } from './failedPods.ts'
import { nodeOf, planDaemonSet, templateFor, templateGeneration } from './plan.ts'

/** Only what decides where daemons run; a node's heartbeat does not. */
function nodeFacts(node: Node): string {
  return canonicalJson([node.metadata.labels, node.spec?.taints, node.spec?.unschedulable])
}

export function daemonSetController(context: ControllerContext): Controller {
  const { client, informers, events, clock } = context
  const setInformer = informers.for(daemonsets)
  const podInformer = informers.for(pods)
  const nodeInformer = informers.for(nodes)
  const revisionInformer = informers.for(controllerrevisions)
  indexByOwner(podInformer)
  indexByOwner(revisionInformer)
  const podControl = createPodControl(context)
  const podWrites = new OwnWrites()
  const revisionWrites = new OwnWrites()
  const statusWrites = new OwnWrites()
  const failedBackoff = new FailedPodBackoff()

  const nodeChanges: Watch = {
    start(_, enqueue) {
      nodeInformer.onChange(({ before, after }) => {
        if (before && after && nodeFacts(before) === nodeFacts(after)) return
        for (const ds of setInformer.list()) enqueue(keyOf(ds))
      })
      return nodeInformer
    },
  }

  /** The failed pods that are replaced now; the others wait. */
  function replaceable(failed: readonly Pod[], key: string): { due: Set<Pod>; waitMs: number | undefined } {
    const due = new Set<Pod>()
    let waitMs: number | undefined
    for (const pod of failed) {
      const place = `${key}/${nodeOf(pod) ?? ''}`
      const leftMs = failedBackoff.leftMs(place, clock.now())
      if (leftMs > 0) {
        waitMs = Math.min(waitMs ?? Infinity, leftMs)
        continue
      }
      due.add(pod)
      failedBackoff.replaced(place, clock.now())
    }
    return { due, waitMs }
  }

  async function currentRevision(ds: DaemonSet, key: string, signal: AbortSignal) {
    const candidates = ownedOrOrphaned(revisionInformer, ds)
    const revisions = await claim({
      client,
      owner: ds,
      ownerResource: daemonsets,
      resource: controllerrevisions,
      selector: ds.spec.selector,
      candidates,
      signal,
    })
    const owner = {
      object: ds,
      resource: daemonsets,
      template: ds.spec.template,
      hashLabel: REVISION_HASH,
      collisionCount: ds.status?.collisionCount,
    }
    try {
      const current = await applyHistory(client, planHistory(owner, revisions), signal)
      revisionWrites.wrote(key, current)
      return { current, revisions }
    } catch (error) {
      if (error instanceof HashCollision && ds.status) {
        const status = { ...ds.status, collisionCount: (ds.status.collisionCount ?? 0) + 1 }
        await client.update(daemonsets, { ...ds, status }, { subresource: 'status', signal })
      }
      throw error
    }
  }

  return {
    name: 'daemonset-controller',
    watches: [
      watch(daemonsets, (ds) => [keyOf(ds)]),
      watch(pods, (pod) => {
        const owner = ownerKey(pod, daemonsets)
        return owner ? [owner] : adopters(pod, setInformer, (ds) => ds.spec.selector)
      }),
      watch(controllerrevisions, (revision) => [ownerKey(revision, daemonsets) ?? []].flat()),
      nodeChanges,
    ],
    async reconcile(key, signal): Promise<Outcome> {
      const ds = setInformer.get(key)
      if (!ds) return
      if (isEmptySelector(ds.spec.selector)) {
        events.record(ds, {
          type: 'Warning',
          reason: 'SelectingAll',
          message: 'This daemon set is selecting all pods. A non-empty selector is required.',
        })
        return
      }
      if (ds.metadata.deletionTimestamp !== undefined) return
      await podWrites.clearUp(key, () => client.list(pods, { namespace: ds.metadata.namespace, signal }))
      if (!podWrites.seenBy(key, podInformer) || !revisionWrites.seenBy(key, revisionInformer) || !statusWrites.seenBy(key, setInformer))
        return { requeueAfterMs: CACHE_LAG_RECHECK_MS }
      const { current, revisions } = await currentRevision(ds, key, signal)
      const hash = current.metadata.labels?.[REVISION_HASH] ?? ''
      const owned = await claim({
        client,
        owner: ds,
        ownerResource: daemonsets,
        resource: pods,
        selector: ds.spec.selector,
        candidates: ownedOrOrphaned(podInformer, ds),
        signal,
      })
      const plan = planDaemonSet({ ds, nodes: nodeInformer.list(), pods: owned, hash, nowMs: clock.now() })
      const { due, waitMs } = replaceable(plan.failed, key)
      const failed = new Set(plan.failed)
      const remove = plan.remove.filter((pod) => !failed.has(pod) || due.has(pod))
      for (const pod of due) {
        const message = `Found failed daemon pod ${keyOf(pod)} on node ${nodeOf(pod) ?? ''}, will try to kill it`
        events.record(ds, { type: 'Warning', reason: 'FailedDaemonPod', message })
      }
      if (!semanticallyEqual(plan.status, ds.status)) {
        statusWrites.wrote(key, await client.update(daemonsets, { ...ds, status: plan.status }, { subresource: 'status', signal }))
      }
      const reference = newControllerRef(ds, daemonsets)
      const missing = [...plan.create]
      try {
        await slowStart(missing.length, async () => {
          const nodeName = missing.shift() ?? ''
          const draft = podFromTemplate(templateFor(ds.spec.template, nodeName, hash, templateGeneration(ds)), ds, reference)
          await podWrites.track(key, podControl.create(ds, draft, signal))
        })
      } catch (error) {
        if (!isNamespaceTerminating(error)) throw error
      }
      await Promise.all(remove.map((pod) => podWrites.track(key, podControl.remove(ds, pod, signal))))
      const used = new Set(owned.map((pod) => pod.metadata.labels?.[REVISION_HASH]))
      const inUse = ({ metadata }: (typeof revisions)[number]): boolean => used.has(metadata.labels?.[REVISION_HASH])
      await removeRevisions(client, expiredOldRevisions(revisions, current, inUse, ds.spec.revisionHistoryLimit ?? 10), signal)
      return recheck([waitMs, ...owned.map((pod) => availableInMs(pod, ds.spec.minReadySeconds ?? 0, clock.now()))])
    },
  }
}

function recheck(delaysMs: readonly (number | undefined)[]): Outcome {
  const due = delaysMs.filter((ms) => ms !== undefined && ms > 0) as number[]
  if (due.length > 0) return { requeueAfterMs: Math.min(...due) }
}
