/**
 * The deployment controller: a Deployment's pods are those of its ReplicaSets, one for each template it has had. A rollout
 * moves replicas from the old ones to the new one within the bounds of the strategy (upstream's pkg/controller/deployment).
 */
import { deployments, replicasets, type Deployment, type ReplicaSet } from '../../api/kinds/apps/v1.ts'
import { pods } from '../../api/kinds/core/v1.ts'
import { controllerOf } from '../../api/meta.ts'
import { splitKey, type Draft } from '../../api/resource.ts'
import { isAlreadyExists, isNotFound } from '../../api/status.ts'
import { hasFinished } from '../../api/pods.ts'
import { watch, type Controller, type ControllerContext, type Outcome, type Watch } from '../../reconcile/controller.ts'
import { isEmptySelector } from '../../api/validation/labels.ts'
import { semanticallyEqual } from '../hash.ts'
import { CACHE_LAG_RECHECK_MS, OwnWrites } from '../ownWrites.ts'
import { adopters, at, claim, indexByOwner, ownedBy, ownedOrOrphaned, ownerKey } from '../ownership.ts'
import { planDeployment, type DeploymentPlan, type ReplicaSetUpdate } from './plan.ts'
import { replicasOf } from './replicaCounts.ts'
import { findCurrent, planRollback, REVISION, type Rollback } from './revisions.ts'

const withRevision = (deployment: Deployment, revision: string): Deployment => ({
  ...deployment,
  metadata: { ...deployment.metadata, annotations: { ...deployment.metadata.annotations, [REVISION]: revision } },
})

export function deploymentController(context: ControllerContext): Controller {
  const { client, informers, events, clock } = context
  const deploymentInformer = informers.for(deployments)
  const replicaSetInformer = informers.for(replicasets)
  const podInformer = informers.for(pods)
  indexByOwner(replicaSetInformer)
  indexByOwner(podInformer)
  const writes = new OwnWrites()
  const statusWrites = new OwnWrites()

  function replicaSetKeys(rs: ReplicaSet): string[] {
    const owner = ownerKey(rs, deployments)
    return owner ? [owner] : adopters(rs, deploymentInformer, (deployment) => deployment.spec.selector)
  }

  /** Recreate waits for the old pods to be gone: only their end matters here. */
  const podEnds: Watch = {
    start(_, enqueue) {
      podInformer.onChange(({ before, after }) => {
        const name = before && (!after || hasFinished(after)) ? ownerKey(before, replicasets) : undefined
        const rs = name && replicaSetInformer.get(name)
        const key = rs && ownerKey(rs, deployments)
        if (key && deploymentInformer.get(key)?.spec.strategy?.type === 'Recreate') enqueue(key)
      })
      return podInformer
    },
  }

  async function create(deployment: Deployment, draft: Draft<ReplicaSet>, key: string, signal: AbortSignal): Promise<void> {
    try {
      const created = await client.create(replicasets, draft, { signal })
      writes.wrote(key, created)
      scaled(deployment, created.metadata.name, 0, replicasOf(created))
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
      const existing = await client.get(replicasets, { namespace: deployment.metadata.namespace, name: draft.metadata.name ?? '', signal })
      if (controllerOf(existing)?.uid === deployment.metadata.uid && findCurrent(deployment, [existing])) return writes.wrote(key, existing)
      // Another template has the same hash: the next one is salted with the count.
      const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 }
      await client.update(deployments, { ...deployment, status }, { subresource: 'status', signal })
      throw error
    }
  }

  function scaled(deployment: Deployment, name: string, from: number, to: number): void {
    if (from === to) return
    const message = `Scaled ${to > from ? 'up' : 'down'} replica set ${name} from ${from} to ${to}`
    events.record(deployment, { type: 'Normal', reason: 'ScalingReplicaSet', message })
  }

  async function update(deployment: Deployment, change: ReplicaSetUpdate, key: string, signal: AbortSignal): Promise<void> {
    const { replicaSet, replicas, annotations, minReadySeconds } = change
    const next: ReplicaSet = {
      ...replicaSet,
      metadata: { ...replicaSet.metadata, annotations },
      spec: { ...replicaSet.spec, replicas, minReadySeconds },
    }
    writes.wrote(key, await client.update(replicasets, next, { signal }))
    scaled(deployment, replicaSet.metadata.name, replicasOf(replicaSet), replicas)
  }

  async function apply(deployment: Deployment, plan: DeploymentPlan, key: string, signal: AbortSignal): Promise<void> {
    if (plan.create) await create(deployment, plan.create, key, signal)
    await Promise.all(plan.updates.map((change) => update(deployment, change, key, signal)))
    // The revision goes with the status: written like that it counts as no new generation.
    const { revision, status } = plan
    const annotated = revision === undefined ? deployment : withRevision(deployment, revision)
    if (annotated !== deployment || !semanticallyEqual(status, deployment.status)) {
      statusWrites.wrote(key, await client.update(deployments, { ...annotated, status }, { subresource: 'status', signal }))
    }
    for (const rs of plan.remove) {
      await client.delete(replicasets, { ...at(rs), signal }, { preconditions: { uid: rs.metadata.uid } }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error
      })
    }
  }

  async function rollBack({ deployment, event }: Rollback, key: string, signal: AbortSignal): Promise<void> {
    if (event.type === 'Warning') events.record(deployment, event)
    statusWrites.wrote(key, await client.update(deployments, deployment, { signal }))
    if (event.type === 'Normal') events.record(deployment, event)
  }

  return {
    name: 'deployment-controller',
    watches: [
      watch(deployments, (deployment) => [`${deployment.metadata.namespace}/${deployment.metadata.name}`]),
      watch(replicasets, replicaSetKeys),
      podEnds,
    ],
    async reconcile(key, signal): Promise<Outcome> {
      const deployment = deploymentInformer.get(key)
      if (!deployment) return
      if (isEmptySelector(deployment.spec.selector)) {
        const message = 'This deployment is selecting all pods. A non-empty selector is required.'
        events.record(deployment, { type: 'Warning', reason: 'SelectingAll', message })
        return
      }
      if (!writes.seenBy(key, replicaSetInformer) || !statusWrites.seenBy(key, deploymentInformer))
        return { requeueAfterMs: CACHE_LAG_RECHECK_MS }
      const { namespace } = splitKey(key)
      const owned = await claim({
        client,
        owner: deployment,
        ownerResource: deployments,
        resource: replicasets,
        selector: deployment.spec.selector,
        candidates: ownedOrOrphaned(replicaSetInformer, deployment).filter((rs) => rs.metadata.namespace === namespace),
        signal,
      })
      const { metadata, spec } = deployment
      const rollback = metadata.deletionTimestamp === undefined && !spec.paused && planRollback(deployment, owned)
      if (rollback) return rollBack(rollback, key, signal)
      const podsOfAll = owned.flatMap((rs) => ownedBy(podInformer, rs.metadata.uid))
      const plan = planDeployment({ deployment, replicaSets: owned, pods: podsOfAll, nowMs: clock.now() })
      await apply(deployment, plan, key, signal)
      if (plan.recheckAfterMs !== undefined) return { requeueAfterMs: plan.recheckAfterMs }
    },
  }
}
