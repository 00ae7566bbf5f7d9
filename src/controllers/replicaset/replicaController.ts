/**
 * Keeps as many pods as wanted: the one loop behind the replicaset and the replicationcontroller controllers, which differ
 * in their objects' shapes only (upstream's pkg/controller/replicaset serves both as well).
 */
import type { ReplicaSetStatus } from '../../api/kinds/apps/v1.ts'
import { pods, type Pod, type PodTemplateSpec } from '../../api/kinds/core/v1.ts'
import type { LabelSelector } from '../../api/kinds/meta/v1.ts'
import { controllerOf, newControllerRef } from '../../api/meta.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'
import { watch, type Controller, type ControllerContext, type Outcome, type Watch } from '../../reconcile/controller.ts'
import { semanticallyEqual } from '../hash.ts'
import { CACHE_LAG_RECHECK_MS, OwnWrites } from '../ownWrites.ts'
import { adopters, claim, indexByOwner, ownedBy, ownedOrOrphaned, ownerKey } from '../ownership.ts'
import { coalesce } from '../coalesce.ts'
import { createPodControl, isNamespaceTerminating, slowStart } from '../podControl.ts'
import { podFromTemplate } from '../podState.ts'
import { planReplicas, planReplicaStatus } from './plan.ts'

type Replicating = KubeObject & { metadata: { namespace: string } }

export interface ReplicaKind<T extends Replicating> {
  name: string
  resource: Resource<T>
  selectorOf(object: T): LabelSelector | undefined
  templateOf(object: T): PodTemplateSpec | undefined
  replicasOf(object: T): number
  minReadySecondsOf(object: T): number
  statusOf(object: T): ReplicaSetStatus | undefined
  withStatus(object: T, status: ReplicaSetStatus): T
}

const WORKERS = 10
/** Sets of fewer pods see to every change at once. */
const SMALL_SET = 200
/** Of larger ones, 1,000 pods make for a window of 50 ms. */
const PODS_PER_WINDOW_MS = 20

interface Failure {
  creating: boolean
  message: string
  error: unknown
}

export function replicaController<T extends Replicating>(kind: ReplicaKind<T>, context: ControllerContext): Controller {
  const { client, informers, clock } = context
  const informer = informers.for(kind.resource)
  const podInformer = informers.for(pods)
  indexByOwner(podInformer)
  indexByOwner(informer)
  const podControl = createPodControl(context)
  const writes = new OwnWrites()
  const statusWrites = new OwnWrites()
  /** How many pods each owned when it was looked at last. */
  const sizes = new Map<string, number>()

  function podKeys(pod: Pod): string[] {
    const owner = ownerKey(pod, kind.resource)
    return owner ? [owner] : adopters(pod, informer, kind.selectorOf)
  }

  /** The pods of all that the same Deployment owns. */
  function neighboursOf(object: T, owned: readonly Pod[]): readonly Pod[] {
    const controller = controllerOf(object)
    if (!controller) return owned
    return informer
      .list(object.metadata.namespace)
      .filter((other) => controllerOf(other)?.uid === controller.uid)
      .flatMap((other) => ownedBy(podInformer, other))
  }

  async function resize(
    object: T,
    owned: readonly Pod[],
    key: string,
    signal: AbortSignal,
  ): Promise<{ changed: boolean; failure?: Failure }> {
    const plan = planReplicas(kind.replicasOf(object), owned, () => neighboursOf(object, owned))
    const reference = newControllerRef(object, kind.resource)
    const changed = plan.create > 0 || plan.remove.length > 0
    try {
      await slowStart(plan.create, async () => {
        await writes.track(key, podControl.create(object, podFromTemplate(kind.templateOf(object), object, reference), signal))
      })
      await Promise.all(plan.remove.map((pod) => writes.track(key, podControl.remove(object, pod, signal))))
      return { changed }
    } catch (error) {
      if (signal.aborted) throw error
      return { changed, failure: { creating: plan.create > 0, message: error instanceof Error ? error.message : String(error), error } }
    }
  }

  /** A look at many pods is not worth it for each of them: with their number grows the time in which changes are taken together. */
  const windowMs = (key: string): number => {
    const size = sizes.get(key) ?? 0
    return size < SMALL_SET ? 0 : size / PODS_PER_WINDOW_MS
  }
  const podWatch: Watch = {
    start(all, enqueue) {
      return watch(pods, podKeys).start(all, coalesce(enqueue, clock, windowMs))
    },
  }
  /** A change of status is most often our own, and no reason to look at all pods at once. */
  const ownWatch: Watch = {
    start(all, enqueue) {
      const soon = coalesce(enqueue, clock, windowMs)
      const own = all.for(kind.resource)
      own.onChange(({ key, before, after }) => {
        const isStatusOnly =
          before !== undefined &&
          after !== undefined &&
          before.metadata.uid === after.metadata.uid &&
          before.metadata.generation === after.metadata.generation &&
          before.metadata.deletionTimestamp === after.metadata.deletionTimestamp
        if (isStatusOnly && (sizes.get(key) ?? 0) >= SMALL_SET) soon(key)
        else enqueue(key)
      })
      return own
    },
  }

  return {
    name: kind.name,
    workers: WORKERS,
    watches: [ownWatch, podWatch],
    async reconcile(key, signal): Promise<Outcome> {
      const object = informer.get(key)
      if (!object) return void sizes.delete(key)
      await writes.clearUp(key, () => client.list(pods, { namespace: object.metadata.namespace, signal }))
      if (!writes.seenBy(key, podInformer) || !statusWrites.seenBy(key, informer)) return { requeueAfterMs: CACHE_LAG_RECHECK_MS }
      const owned = await claim({
        client,
        owner: object,
        ownerResource: kind.resource,
        resource: pods,
        selector: kind.selectorOf(object),
        candidates: ownedOrOrphaned(podInformer, object),
        signal,
      })
      sizes.set(key, owned.length)
      const leaving = object.metadata.deletionTimestamp !== undefined
      const { changed, failure } = leaving ? {} : await resize(object, owned, key, signal)
      // The pods just made or removed come back as events, and with them the moment to report.
      if (changed && !failure) return { requeueAfterMs: CACHE_LAG_RECHECK_MS }
      const status = kind.statusOf(object)
      const plan = planReplicaStatus(
        {
          generation: object.metadata.generation,
          minReadySeconds: kind.minReadySecondsOf(object),
          templateLabels: kind.templateOf(object)?.metadata?.labels ?? {},
          status,
        },
        owned,
        clock.now(),
        failure,
      )
      const next = kind.withStatus(object, plan.status)
      if (!semanticallyEqual(kind.statusOf(next), status)) {
        statusWrites.wrote(key, await client.update(kind.resource, next, { subresource: 'status', signal }))
      }
      if (failure && !isNamespaceTerminating(failure.error)) throw failure.error
      if (plan.recheckAfterMs !== undefined) return { requeueAfterMs: plan.recheckAfterMs }
    },
  }
}
