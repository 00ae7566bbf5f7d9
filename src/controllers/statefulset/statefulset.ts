/** The statefulset controller: pods with names, claims and an order (upstream's pkg/controller/statefulset). */
import {
  controllerrevisions,
  statefulsets,
  type ControllerRevision,
  type StatefulSet,
  type StatefulSetStatus,
} from '../../api/kinds/apps/v1.ts'
import { persistentvolumeclaims, pods, type Pod } from '../../api/kinds/core/v1.ts'
import { keyOf } from '../../api/resource.ts'
import { watch, type Controller, type ControllerContext, type Outcome, type Watch } from '../../reconcile/controller.ts'
import { isEmptySelector } from '../../api/validation/labels.ts'
import { semanticallyEqual } from '../hash.ts'
import {
  applyHistory,
  byRevision,
  expiredRevisions,
  HashCollision,
  planHistory,
  removeRevisions,
  REVISION_HASH,
  type HistoryOwner,
  type HistoryPlan,
} from '../history.ts'
import { CACHE_LAG_RECHECK_MS, OwnWrites } from '../ownWrites.ts'
import { adopters, claim, indexByOwner, ownedOrOrphaned, ownerKey } from '../ownership.ts'
import { availableInMs, isActive } from '../podState.ts'
import { holdsClaim, ordinalOf } from './identity.ts'
import { planStatefulSet } from './plan.ts'
import { SetPods } from './setPods.ts'

const HASH_LABEL = 'controller.kubernetes.io/hash'

const historyOwner = (set: StatefulSet): HistoryOwner => ({
  object: set,
  resource: statefulsets,
  template: set.spec.template,
  hashLabel: HASH_LABEL,
  // The same before the first status as after it: a revision that is lost comes back under its name.
  collisionCount: set.status?.collisionCount ?? 0,
})

export function statefulSetController(context: ControllerContext): Controller {
  const { client, informers, events, clock } = context
  const setInformer = informers.for(statefulsets)
  const podInformer = informers.for(pods)
  const claimInformer = informers.for(persistentvolumeclaims)
  const revisionInformer = informers.for(controllerrevisions)
  indexByOwner(podInformer)
  indexByOwner(revisionInformer)
  const podWrites = new OwnWrites()
  const revisionWrites = new OwnWrites()
  const statusWrites = new OwnWrites()
  const setPods = new SetPods({ client, events, claims: claimInformer, writes: podWrites })

  function revisionsOf(set: StatefulSet, signal: AbortSignal): Promise<ControllerRevision[]> {
    return claim({
      client,
      owner: set,
      ownerResource: statefulsets,
      resource: controllerrevisions,
      selector: set.spec.selector,
      candidates: ownedOrOrphaned(revisionInformer, set),
      signal,
    })
  }

  async function record(set: StatefulSet, history: HistoryPlan, signal: AbortSignal): Promise<ControllerRevision> {
    try {
      const update = await applyHistory(client, history, signal)
      revisionWrites.wrote(keyOf(set), update)
      return update
    } catch (error) {
      if (error instanceof HashCollision) {
        const status = { replicas: 0, ...set.status, collisionCount: (set.status?.collisionCount ?? 0) + 1 }
        await client.update(statefulsets, { ...set, status }, { subresource: 'status', signal })
      }
      throw error
    }
  }

  async function report(set: StatefulSet, status: StatefulSetStatus, signal: AbortSignal): Promise<void> {
    if (signal.aborted || semanticallyEqual(status, set.status)) return
    statusWrites.wrote(keyOf(set), await client.update(statefulsets, { ...set, status }, { subresource: 'status', signal }))
  }

  /** Claims first, then the pods' labels, then pods that are missing and pods that are too many; the status whatever comes of it. */
  async function bringAbout(
    set: StatefulSet,
    owned: readonly Pod[],
    { update, current }: { update: ControllerRevision; current: ControllerRevision },
    signal: AbortSignal,
  ): Promise<void> {
    const plan = planStatefulSet({
      set,
      pods: owned,
      currentRevision: current.metadata.name,
      updateRevision: update.metadata.name,
      nowMs: clock.now(),
    })
    await setPods.handOverClaims(set, owned, plan.condemned, signal)
    const inUse = owned.filter((pod) => isActive(pod) && !plan.condemned.has(ordinalOf(set, pod.metadata.name)))
    await Promise.all(inUse.map((pod) => setPods.identify(set, pod, signal)))
    const revisionNamed = (name: string): ControllerRevision => (name === current.metadata.name ? current : update)
    try {
      for (const pod of owned.filter((candidate) => candidate.status?.phase === 'Pending' && isActive(candidate)))
        await setPods.createClaims(set, ordinalOf(set, pod.metadata.name), signal)
      await Promise.all(plan.create.map(({ ordinal, revision }) => setPods.createPod(set, ordinal, revisionNamed(revision), signal)))
      await Promise.all(plan.remove.map((pod) => setPods.removePod(set, pod, signal)))
    } finally {
      // What stands in the way of a pod must not hide what there is.
      await report(set, plan.status, signal)
    }
  }

  /** A claim that is gone may be what a pod waits for, or be missed by one. */
  const claimEnds: Watch = {
    start(_, enqueue) {
      claimInformer.onChange(({ before, after }) => {
        if (after || !before) return
        for (const set of setInformer.list(before.metadata.namespace)) if (holdsClaim(set, before.metadata.name)) enqueue(keyOf(set))
      })
      return claimInformer
    },
  }

  return {
    name: 'statefulset-controller',
    watches: [
      watch(statefulsets, (set) => [keyOf(set)]),
      watch(pods, (pod) => {
        const owner = ownerKey(pod, statefulsets)
        return owner ? [owner] : adopters(pod, setInformer, (set) => set.spec.selector)
      }),
      claimEnds,
      watch(controllerrevisions, (revision) => [ownerKey(revision, statefulsets) ?? []].flat()),
    ],
    async reconcile(key, signal): Promise<Outcome> {
      const set = setInformer.get(key)
      if (!set) return
      if (isEmptySelector(set.spec.selector)) {
        events.record(set, {
          type: 'Warning',
          reason: 'SelectingAll',
          message: 'This StatefulSet is selecting all pods. A non-empty selector is required.',
        })
        return
      }
      if (!podWrites.seenBy(key, podInformer) || !revisionWrites.seenBy(key, revisionInformer) || !statusWrites.seenBy(key, setInformer))
        return { requeueAfterMs: CACHE_LAG_RECHECK_MS }
      const revisions = await revisionsOf(set, signal)
      const candidates = ownedOrOrphaned(podInformer, set).filter((pod) => ordinalOf(set, pod.metadata.name) >= 0)
      const owned = await claim({
        client,
        owner: set,
        ownerResource: statefulsets,
        resource: pods,
        selector: set.spec.selector,
        candidates,
        signal,
      })
      const history = planHistory(historyOwner(set), revisions)
      if (set.metadata.deletionTimestamp !== undefined && history.action !== 'use') {
        // Deleted before its pods, the revision must not come back: the garbage collector would never be done.
        const { currentRevision = '', updateRevision = '' } = set.status ?? {}
        return report(set, planStatefulSet({ set, pods: owned, currentRevision, updateRevision, nowMs: clock.now() }).status, signal)
      }
      const update = await record(set, history, signal)
      const all = revisions.some((revision) => revision.metadata.name === update.metadata.name) ? revisions : [...revisions, update]
      const current = all.find((revision) => revision.metadata.name === set.status?.currentRevision) ?? update
      await bringAbout(set, owned, { update, current }, signal)
      const used = new Set([current.metadata.name, update.metadata.name, ...owned.map((pod) => pod.metadata.labels?.[REVISION_HASH])])
      const expired = expiredRevisions(
        all.toSorted(byRevision),
        (revision) => used.has(revision.metadata.name),
        set.spec.revisionHistoryLimit ?? 10,
      )
      await removeRevisions(client, expired, signal)
      const waits = owned
        .map((pod) => availableInMs(pod, set.spec.minReadySeconds ?? 0, clock.now()))
        .filter((ms) => ms !== undefined && ms > 0)
      if (waits.length > 0) return { requeueAfterMs: Math.min(...(waits as number[])) }
    },
  }
}
