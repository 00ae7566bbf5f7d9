/**
 * Keeps as many pods as wanted: the one workload behind the replicaset and the replicationcontroller controllers, which differ
 * in their objects' shapes only (upstream's pkg/controller/replicaset serves both as well).
 */
import type { Clock } from '../../base/clock.ts'
import type { ReplicaSetStatus } from '../../api/kinds/apps/v1.ts'
import { pods, type Pod, type PodTemplateSpec } from '../../api/kinds/core/v1.ts'
import type { LabelSelector } from '../../api/kinds/meta/v1.ts'
import { controllerOf, newControllerRef } from '../../api/meta.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'
import type { Informer } from '../../client/informer.ts'
import type { Controller, ControllerContext, Outcome } from '../../reconcile/controller.ts'
import { Dependents } from '../dependents.ts'
import { indexByOwner, ownedBy } from '../ownership.ts'
import { CACHE_LAG_RECHECK_MS } from '../ownWrites.ts'
import { createPodControl, isNamespaceTerminating, slowStart, type PodControl } from '../podControl.ts'
import { podFromTemplate } from '../podState.ts'
import { recheck, workloadController, type Pass, type Workload } from '../workload.ts'
import { planReplicas, planReplicaStatus, type Failure, type ReplicaPlan, type Replicated } from './plan.ts'
import { SetWindows } from './setWindows.ts'

type Replicating = KubeObject & { metadata: { namespace: string }; status?: ReplicaSetStatus }

export interface ReplicaKind<T extends Replicating> {
  name: string
  resource: Resource<T>
  selectorOf(object: T): LabelSelector | undefined
  templateOf(object: T): PodTemplateSpec | undefined
  replicasOf(object: T): number
  minReadySecondsOf(object: T): number
  withStatus(object: T, status: ReplicaSetStatus): T
}

const WORKERS = 10

class Replicas<T extends Replicating> implements Workload<T, Replicated, ReplicaPlan> {
  readonly name
  readonly resource
  readonly workers = WORKERS
  readonly ownWatch
  readonly watches
  readonly writesTo
  readonly plan = planReplicas
  readonly #kind: ReplicaKind<T>
  readonly #clock: Clock
  readonly #sets: Informer<T>
  readonly #pods: Dependents<T, Pod>
  readonly #podControl: PodControl
  readonly #windows: SetWindows

  constructor(kind: ReplicaKind<T>, context: ControllerContext) {
    const { name, resource, selectorOf } = kind
    this.#kind = kind
    this.#clock = context.clock
    this.#sets = context.informers.for(resource)
    indexByOwner(this.#sets)
    this.#pods = new Dependents(context, { owner: resource, resource: pods, selectorOf })
    this.#podControl = createPodControl(context)
    this.#windows = new SetWindows(context.clock)
    this.name = name
    this.resource = resource
    this.ownWatch = this.#windows.ofSets(resource)
    this.watches = [this.#windows.ofPods(this.#pods.watch)]
    this.writesTo = [this.#pods]
  }

  async takeStock({ key, object, signal }: Pass<T>): Promise<Replicated> {
    const kind = this.#kind
    const owned = await this.#pods.claim(object, signal)
    this.#windows.note(key, owned.length)
    return {
      isLeaving: object.metadata.deletionTimestamp !== undefined,
      generation: object.metadata.generation,
      replicas: kind.replicasOf(object),
      minReadySeconds: kind.minReadySecondsOf(object),
      templateLabels: kind.templateOf(object)?.metadata?.labels ?? {},
      status: object.status,
      pods: owned,
      neighbours: () => this.#neighboursOf(object, owned),
    }
  }

  async apply(pass: Pass<T>, plan: ReplicaPlan, stock: Replicated): Promise<Outcome> {
    const failed = await this.#resize(pass, plan)
    // The pods just made or removed come back as events, and with them the moment to report.
    if (!failed && (plan.create > 0 || plan.remove.length > 0)) return { requeueAfterMs: CACHE_LAG_RECHECK_MS }
    const { status, recheckAfterMs } = planReplicaStatus(stock, this.#clock.now(), failed?.failure)
    await pass.report(this.#kind.withStatus(pass.object, status))
    if (failed && !isNamespaceTerminating(failed.error)) throw failed.error
    return recheck([recheckAfterMs])
  }

  forget(key: string): void {
    this.#windows.forget(key)
  }

  async #resize({ object, key, signal }: Pass<T>, plan: ReplicaPlan): Promise<{ failure: Failure; error: unknown } | undefined> {
    const { resource, templateOf } = this.#kind
    const reference = newControllerRef(object, resource)
    try {
      await slowStart(plan.create, async () => {
        const draft = podFromTemplate(templateOf(object), object, reference)
        await this.#pods.track(key, this.#podControl.create(object, draft, signal))
      })
      await Promise.all(plan.remove.map((pod) => this.#pods.track(key, this.#podControl.remove(object, pod, signal))))
      return undefined
    } catch (error) {
      if (signal.aborted) throw error
      return { failure: { creating: plan.create > 0, message: error instanceof Error ? error.message : String(error) }, error }
    }
  }

  /** The pods of all that the same Deployment owns. */
  #neighboursOf(object: T, owned: readonly Pod[]): readonly Pod[] {
    const controller = controllerOf(object)
    if (!controller) return owned
    return ownedBy(this.#sets, controller.uid).flatMap((other) => this.#pods.ownedBy(other))
  }
}

export function replicaController<T extends Replicating>(kind: ReplicaKind<T>, context: ControllerContext): Controller {
  return workloadController(context, new Replicas(kind, context))
}
