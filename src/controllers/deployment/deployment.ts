/**
 * The deployment controller: a Deployment's pods are those of its ReplicaSets, one for each template it has had. A rollout
 * moves replicas from the old ones to the new one within the bounds of the strategy (upstream's pkg/controller/deployment).
 */
import type { Clock } from '../../base/clock.ts'
import { deployments, replicasets, type Deployment, type ReplicaSet } from '../../api/kinds/apps/v1.ts'
import { pods, type Pod } from '../../api/kinds/core/v1.ts'
import { controllerOf } from '../../api/meta.ts'
import type { Draft } from '../../api/resource.ts'
import { isAlreadyExists, isNotFound } from '../../api/status.ts'
import { hasFinished } from '../../api/pods.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Informer } from '../../client/informer.ts'
import type { Controller, ControllerContext, Outcome, Watch } from '../../reconcile/controller.ts'
import { Dependents } from '../dependents.ts'
import { at, indexByOwner, ownedBy, ownerKey } from '../ownership.ts'
import { recheck, selectingAll, workloadController, type Pass, type Workload } from '../workload.ts'
import { planDeployment, type DeploymentInput, type DeploymentPlan, type ReplicaSetUpdate } from './plan.ts'
import { replicasOf } from './replicaCounts.ts'
import { findCurrent, planRollback, REVISION, type Rollback } from './revisions.ts'

const withRevision = (deployment: Deployment, revision: string): Deployment => ({
  ...deployment,
  metadata: { ...deployment.metadata, annotations: { ...deployment.metadata.annotations, [REVISION]: revision } },
})

type Step = { rollback: Rollback } | { rollout: DeploymentPlan }

class Deployments implements Workload<Deployment, DeploymentInput, Step> {
  readonly name = 'deployment-controller'
  readonly resource = deployments
  readonly watches
  readonly writesTo
  readonly refusal = selectingAll('deployment')
  readonly #client: Client
  readonly #events: EventRecorder
  readonly #clock: Clock
  readonly #deployments: Informer<Deployment>
  readonly #replicaSets: Dependents<Deployment, ReplicaSet>
  readonly #pods: Informer<Pod>
  /** Recreate waits for the old pods to be gone: only their end matters here. */
  readonly #podEnds: Watch = {
    start: (_, enqueue) => {
      this.#pods.onChange(({ before, after }) => {
        const name = before && (!after || hasFinished(after)) ? ownerKey(before, replicasets) : undefined
        const rs = name && this.#replicaSets.informer.get(name)
        const key = rs && ownerKey(rs, deployments)
        if (key && this.#deployments.get(key)?.spec.strategy?.type === 'Recreate') enqueue(key)
      })
      return this.#pods
    },
  }

  constructor(context: ControllerContext) {
    this.#client = context.client
    this.#events = context.events
    this.#clock = context.clock
    this.#deployments = context.informers.for(deployments)
    this.#replicaSets = new Dependents(context, { owner: deployments, resource: replicasets, selectorOf: ({ spec }) => spec.selector })
    this.#pods = context.informers.for(pods)
    indexByOwner(this.#pods)
    this.watches = [this.#replicaSets.watch, this.#podEnds]
    this.writesTo = [this.#replicaSets]
  }

  async takeStock({ object, signal }: Pass<Deployment>): Promise<DeploymentInput> {
    const replicaSets = await this.#replicaSets.claim(object, signal)
    const podsOfAll = replicaSets.flatMap((rs) => ownedBy(this.#pods, rs.metadata.uid))
    return { deployment: object, replicaSets, pods: podsOfAll, nowMs: this.#clock.now() }
  }

  plan(stock: DeploymentInput): Step {
    const rollback = planRollback(stock.deployment, stock.replicaSets)
    return rollback ? { rollback } : { rollout: planDeployment(stock) }
  }

  async apply(pass: Pass<Deployment>, step: Step): Promise<Outcome> {
    if ('rollback' in step) return this.#rollBack(pass, step.rollback)
    const { create, updates, revision, status, remove, recheckAfterMs } = step.rollout
    if (create) await this.#create(pass, create)
    await Promise.all(updates.map((change) => this.#update(pass, change)))
    // The revision goes with the status: written like that it counts as no new generation.
    const annotated = revision === undefined ? pass.object : withRevision(pass.object, revision)
    await pass.report({ ...annotated, status })
    for (const rs of remove) await this.#remove(rs, pass.signal)
    return recheck([recheckAfterMs])
  }

  async #create({ key, object, signal, report }: Pass<Deployment>, draft: Draft<ReplicaSet>): Promise<void> {
    try {
      const created = await this.#client.create(replicasets, draft, { signal })
      this.#replicaSets.wrote(key, created)
      this.#scaled(object, created.metadata.name, 0, replicasOf(created))
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
      const { namespace } = object.metadata
      const existing = await this.#client.get(replicasets, { namespace, name: draft.metadata.name ?? '', signal })
      const isOwn = controllerOf(existing)?.uid === object.metadata.uid && findCurrent(object, [existing])
      if (isOwn) return this.#replicaSets.wrote(key, existing)
      // Another template has the same hash: the next one is salted with the count.
      await report({ ...object, status: { ...object.status, collisionCount: (object.status?.collisionCount ?? 0) + 1 } })
      throw error
    }
  }

  async #update({ key, object, signal }: Pass<Deployment>, change: ReplicaSetUpdate): Promise<void> {
    const { replicaSet, replicas, annotations, minReadySeconds } = change
    const next: ReplicaSet = {
      ...replicaSet,
      metadata: { ...replicaSet.metadata, annotations },
      spec: { ...replicaSet.spec, replicas, minReadySeconds },
    }
    this.#replicaSets.wrote(key, await this.#client.update(replicasets, next, { signal }))
    this.#scaled(object, replicaSet.metadata.name, replicasOf(replicaSet), replicas)
  }

  async #remove(rs: ReplicaSet, signal: AbortSignal): Promise<void> {
    try {
      await this.#client.delete(replicasets, { ...at(rs), signal }, { preconditions: { uid: rs.metadata.uid } })
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  #scaled(deployment: Deployment, name: string, from: number, to: number): void {
    if (from === to) return
    const message = `Scaled ${to > from ? 'up' : 'down'} replica set ${name} from ${from} to ${to}`
    this.#events.record(deployment, { type: 'Normal', reason: 'ScalingReplicaSet', message })
  }

  async #rollBack({ update }: Pass<Deployment>, { deployment, event }: Rollback): Promise<void> {
    if (event.type === 'Warning') this.#events.record(deployment, event)
    await update(deployment)
    if (event.type === 'Normal') this.#events.record(deployment, event)
  }
}

export function deploymentController(context: ControllerContext): Controller {
  return workloadController<Deployment, DeploymentInput, Step>(context, new Deployments(context))
}
