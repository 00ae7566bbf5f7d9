/** The statefulset controller: pods with names, claims and an order (upstream's pkg/controller/statefulset). */
import { controllerrevisions, statefulsets, type ControllerRevision, type StatefulSet } from '../../api/kinds/apps/v1.ts'
import { persistentvolumeclaims, pods, type PersistentVolumeClaim, type Pod } from '../../api/kinds/core/v1.ts'
import { keyOf } from '../../api/resource.ts'
import { isAlreadyExists } from '../../api/status.ts'
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
  templateOf,
} from '../history.ts'
import { CACHE_LAG_RECHECK_MS, OwnWrites } from '../ownWrites.ts'
import { adopters, at, claim, indexByOwner, ownedOrOrphaned, ownerKey } from '../ownership.ts'
import { isNamespaceTerminating } from '../podControl.ts'
import { availableInMs, isActive } from '../podState.ts'
import { claimName, claimOf, claimOwners, holdsClaim, identityLabels, isStaleClaim, ordinalOf, podName, podOf } from './identity.ts'
import { planStatefulSet } from './plan.ts'

const HASH_LABEL = 'controller.kubernetes.io/hash'

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

  function claimsOf(set: StatefulSet, ordinal: number): PersistentVolumeClaim[] {
    return (set.spec.volumeClaimTemplates ?? []).flatMap(
      (template) => claimInformer.get(`${set.metadata.namespace}/${claimName(set, template, ordinal)}`) ?? [],
    )
  }

  async function revisionsOf(set: StatefulSet, key: string, signal: AbortSignal) {
    const revisions = await claim({
      client,
      owner: set,
      ownerResource: statefulsets,
      resource: controllerrevisions,
      selector: set.spec.selector,
      candidates: ownedOrOrphaned(revisionInformer, set),
      signal,
    })
    const owner = {
      object: set,
      resource: statefulsets,
      template: set.spec.template,
      hashLabel: HASH_LABEL,
      collisionCount: set.status?.collisionCount,
    }
    try {
      const update = await applyHistory(client, planHistory(owner, revisions), signal)
      revisionWrites.wrote(key, update)
      const known = revisions.some((revision) => revision.metadata.name === update.metadata.name)
      const all = known ? revisions : [...revisions, update]
      const current = all.find((revision) => revision.metadata.name === set.status?.currentRevision) ?? update
      return { all, update, current }
    } catch (error) {
      if (error instanceof HashCollision) {
        const status = { replicas: 0, ...set.status, collisionCount: (set.status?.collisionCount ?? 0) + 1 }
        await client.update(statefulsets, { ...set, status }, { subresource: 'status', signal })
      }
      throw error
    }
  }

  /** Of a pod, or of a claim of it. */
  function told(
    set: StatefulSet,
    verb: 'Create' | 'Update' | 'Delete',
    pod: string,
    { claim, error }: { claim?: string; error?: unknown } = {},
  ): void {
    const done = error === undefined
    const what = claim === undefined ? `Pod ${pod}` : `Claim ${claim} ${done ? '' : 'for '}Pod ${pod}`
    const success = claim === undefined ? 'successful' : 'success'
    const outcome = done ? success : `failed error: ${error instanceof Error ? error.message : String(error)}`
    const message = `${verb} ${what} in StatefulSet ${set.metadata.name} ${outcome}`
    events.record(set, { type: done ? 'Normal' : 'Warning', reason: `${done ? 'Successful' : 'Failed'}${verb}`, message })
  }

  async function createClaims(set: StatefulSet, ordinal: number, signal: AbortSignal): Promise<void> {
    for (const template of set.spec.volumeClaimTemplates ?? []) {
      const wanted = claimOf(set, template, ordinal)
      const known = claimInformer.get(`${set.metadata.namespace}/${wanted.metadata.name}`)
      if (known?.metadata.deletionTimestamp !== undefined) throw new Error(`pvc ${known.metadata.name} is being deleted`)
      if (known) continue
      try {
        await client.create(persistentvolumeclaims, wanted, { signal })
        told(set, 'Create', podName(set, ordinal), { claim: wanted.metadata.name })
      } catch (error) {
        if (isAlreadyExists(error)) continue
        told(set, 'Create', podName(set, ordinal), { claim: wanted.metadata.name, error })
        const why = error instanceof Error ? error.message : String(error)
        throw new Error(`failed to create PVC ${wanted.metadata.name}: ${why}`, { cause: error })
      }
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

  async function createPod(
    set: StatefulSet,
    ordinal: number,
    revision: ControllerRevision,
    key: string,
    signal: AbortSignal,
  ): Promise<void> {
    const draft = podOf(set, templateOf(revision), ordinal, revision.metadata.name)
    const name = podName(set, ordinal)
    // The garbage collector takes a stale claim; its end brings the set back here.
    if (claimsOf(set, ordinal).some((held) => isStaleClaim(set, held, name))) return
    try {
      await createClaims(set, ordinal, signal)
      podWrites.wrote(key, await client.create(pods, draft, { signal }))
      told(set, 'Create', name)
    } catch (error) {
      if (isNamespaceTerminating(error)) return
      if (!isAlreadyExists(error)) told(set, 'Create', name, { error })
      throw error
    }
  }

  async function removePod(set: StatefulSet, pod: Pod, key: string, signal: AbortSignal): Promise<void> {
    try {
      podWrites.wrote(key, await client.delete(pods, { ...at(pod), signal }, { preconditions: { uid: pod.metadata.uid } }))
      told(set, 'Delete', pod.metadata.name)
    } catch (error) {
      told(set, 'Delete', pod.metadata.name, { error })
      throw error
    }
  }

  /** What was adopted is told which one it is: Services select single pods by these labels. */
  async function identify(set: StatefulSet, pod: Pod, key: string, signal: AbortSignal): Promise<void> {
    const labels = { ...pod.metadata.labels, ...identityLabels(set, ordinalOf(set, pod.metadata.name)) }
    if (semanticallyEqual(labels, pod.metadata.labels)) return
    try {
      podWrites.wrote(key, await client.update(pods, { ...pod, metadata: { ...pod.metadata, labels } }, { signal }))
      told(set, 'Update', pod.metadata.name)
    } catch (error) {
      told(set, 'Update', pod.metadata.name, { error })
      throw error
    }
  }

  /** Claims change hands before the pods that they go with are deleted. */
  async function handOverClaims(
    set: StatefulSet,
    owned: readonly Pod[],
    condemned: ReadonlySet<number>,
    signal: AbortSignal,
  ): Promise<void> {
    if (!set.spec.persistentVolumeClaimRetentionPolicy) return
    for (const pod of owned) {
      const ordinal = ordinalOf(set, pod.metadata.name)
      for (const held of claimsOf(set, ordinal)) {
        const ownerReferences = claimOwners(set, held, pod, condemned.has(ordinal))
        if (ownerReferences)
          await client.update(persistentvolumeclaims, { ...held, metadata: { ...held.metadata, ownerReferences } }, { signal })
      }
    }
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
      const { all, update, current } = await revisionsOf(set, key, signal)
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
      const plan = planStatefulSet({
        set,
        pods: owned,
        currentRevision: current.metadata.name,
        updateRevision: update.metadata.name,
        nowMs: clock.now(),
      })
      await handOverClaims(set, owned, plan.condemned, signal)
      const inUse = owned.filter((pod) => isActive(pod) && !plan.condemned.has(ordinalOf(set, pod.metadata.name)))
      await Promise.all(inUse.map((pod) => identify(set, pod, key, signal)))
      const revisionNamed = (name: string): ControllerRevision => (name === current.metadata.name ? current : update)
      try {
        for (const pod of owned.filter((candidate) => candidate.status?.phase === 'Pending' && isActive(candidate)))
          await createClaims(set, ordinalOf(set, pod.metadata.name), signal)
        await Promise.all(plan.create.map(({ ordinal, revision }) => createPod(set, ordinal, revisionNamed(revision), key, signal)))
        await Promise.all(plan.remove.map((pod) => removePod(set, pod, key, signal)))
      } finally {
        // What stands in the way of a pod must not hide what there is.
        if (!signal.aborted && !semanticallyEqual(plan.status, set.status))
          statusWrites.wrote(key, await client.update(statefulsets, { ...set, status: plan.status }, { subresource: 'status', signal }))
      }
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
