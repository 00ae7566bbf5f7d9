/** The statefulset controller: pods with names, claims and an order (upstream's pkg/controller/statefulset). */
import type { Clock } from '../../base/clock.ts'
import { controllerrevisions, statefulsets, type ControllerRevision, type StatefulSet } from '../../api/kinds/apps/v1.ts'
import { persistentvolumeclaims, pods, type PersistentVolumeClaim, type Pod } from '../../api/kinds/core/v1.ts'
import { keyOf } from '../../api/resource.ts'
import type { Client } from '../../client/client.ts'
import type { Informer } from '../../client/informer.ts'
import type { Controller, ControllerContext, Outcome, Watch } from '../../reconcile/controller.ts'
import { Dependents } from '../dependents.ts'
import {
  applyHistory,
  expiredRevisions,
  HashCollision,
  planHistory,
  removeRevisions,
  REVISION_HASH,
  type HistoryOwner,
} from '../history.ts'
import { availableInMs, isActive } from '../podState.ts'
import { recheck, selectingAll, workloadController, type Pass, type Workload } from '../workload.ts'
import { holdsClaim, ordinalOf } from './identity.ts'
import { planStatefulSet, type StatefulInput, type StatefulPlan } from './plan.ts'
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

interface Records {
  all: readonly ControllerRevision[]
  /** That pods are at, and that they go to. */
  current: ControllerRevision
  update: ControllerRevision
}

/** Without records there is nothing to do but to report: the set is leaving, and so are they. */
type Stock = StatefulInput & { records?: Records }

function expired(set: StatefulSet, owned: readonly Pod[], { all, current, update }: Records): ControllerRevision[] {
  const used = new Set([current.metadata.name, update.metadata.name, ...owned.map((pod) => pod.metadata.labels?.[REVISION_HASH])])
  return expiredRevisions(all, ({ metadata }) => used.has(metadata.name), set.spec.revisionHistoryLimit ?? 10)
}

class StatefulSets implements Workload<StatefulSet, Stock, StatefulPlan> {
  readonly name = 'statefulset-controller'
  readonly resource = statefulsets
  readonly watches
  readonly writesTo
  readonly refusal = selectingAll('StatefulSet')
  readonly plan = planStatefulSet
  readonly #client: Client
  readonly #clock: Clock
  readonly #sets: Informer<StatefulSet>
  readonly #pods: Dependents<StatefulSet, Pod>
  readonly #revisions: Dependents<StatefulSet, ControllerRevision>
  readonly #claims: Informer<PersistentVolumeClaim>
  readonly #setPods: SetPods
  /** A claim that is gone may be what a pod waits for, or be missed by one. */
  readonly #claimEnds: Watch = {
    start: (_, enqueue) => {
      this.#claims.onChange(({ before, after }) => {
        if (after || !before) return
        for (const set of this.#sets.list(before.metadata.namespace)) if (holdsClaim(set, before.metadata.name)) enqueue(keyOf(set))
      })
      return this.#claims
    },
  }

  constructor(context: ControllerContext) {
    const { client, clock, informers, events } = context
    const selectorOf = ({ spec }: StatefulSet) => spec.selector
    this.#client = client
    this.#clock = clock
    this.#sets = informers.for(statefulsets)
    this.#pods = new Dependents(context, { owner: statefulsets, resource: pods, selectorOf })
    this.#revisions = new Dependents(context, { owner: statefulsets, resource: controllerrevisions, selectorOf })
    this.#claims = informers.for(persistentvolumeclaims)
    this.#setPods = new SetPods({ client, events, claims: this.#claims, writes: this.#pods })
    this.watches = [this.#pods.watch, this.#claimEnds, this.#revisions.watch]
    this.writesTo = [this.#pods, this.#revisions]
  }

  async takeStock(pass: Pass<StatefulSet>): Promise<Stock> {
    const { object: set, signal } = pass
    const revisions = await this.#revisions.claim(set, signal)
    const owned = await this.#pods.claim(set, signal, (pod) => ordinalOf(set, pod.metadata.name) >= 0)
    const records = await this.#record(pass, revisions)
    const { currentRevision = '', updateRevision = '' } = set.status ?? {}
    return {
      set,
      pods: owned,
      currentRevision: records?.current.metadata.name ?? currentRevision,
      updateRevision: records?.update.metadata.name ?? updateRevision,
      nowMs: this.#clock.now(),
      ...(records && { records }),
    }
  }

  /** Claims first, then the pods' labels, then pods that are missing and pods that are too many; the status whatever comes of it. */
  async apply(pass: Pass<StatefulSet>, plan: StatefulPlan, { pods: owned, records }: Stock): Promise<Outcome> {
    const { object: set, signal } = pass
    if (!records) return void (await pass.report({ ...set, status: plan.status }))
    await this.#setPods.handOverClaims(set, owned, plan.condemned, signal)
    const inUse = owned.filter((pod) => isActive(pod) && !plan.condemned.has(ordinalOf(set, pod.metadata.name)))
    await Promise.all(inUse.map((pod) => this.#setPods.identify(set, pod, signal)))
    try {
      await this.#changePods(set, plan, { owned, records }, signal)
    } finally {
      // What stands in the way of a pod must not hide what there is.
      await pass.report({ ...set, status: plan.status })
    }
    await removeRevisions(this.#client, expired(set, owned, records), signal)
    return recheck(owned.map((pod) => availableInMs(pod, set.spec.minReadySeconds ?? 0, this.#clock.now())))
  }

  /** The revision of the template is on record before its pods are. */
  async #record({ key, object: set, signal, report }: Pass<StatefulSet>, known: ControllerRevision[]): Promise<Records | undefined> {
    const history = planHistory(historyOwner(set), known)
    // Deleted before its pods, the revision must not come back: the garbage collector would never be done.
    if (set.metadata.deletionTimestamp !== undefined && history.action !== 'use') return undefined
    try {
      const update = await applyHistory(this.#client, history, signal)
      this.#revisions.wrote(key, update)
      const all = known.some(({ metadata }) => metadata.name === update.metadata.name) ? known : [...known, update]
      const current = all.find(({ metadata }) => metadata.name === set.status?.currentRevision) ?? update
      return { all, current, update }
    } catch (error) {
      if (error instanceof HashCollision)
        await report({ ...set, status: { replicas: 0, ...set.status, collisionCount: (set.status?.collisionCount ?? 0) + 1 } })
      throw error
    }
  }

  async #changePods(
    set: StatefulSet,
    plan: StatefulPlan,
    { owned, records: { current, update } }: { owned: readonly Pod[]; records: Records },
    signal: AbortSignal,
  ): Promise<void> {
    const revisionNamed = (name: string): ControllerRevision => (name === current.metadata.name ? current : update)
    for (const pod of owned.filter((candidate) => candidate.status?.phase === 'Pending' && isActive(candidate)))
      await this.#setPods.createClaims(set, ordinalOf(set, pod.metadata.name), signal)
    await Promise.all(plan.create.map(({ ordinal, revision }) => this.#setPods.createPod(set, ordinal, revisionNamed(revision), signal)))
    await Promise.all(plan.remove.map((pod) => this.#setPods.removePod(set, pod, signal)))
  }
}

export function statefulSetController(context: ControllerContext): Controller {
  return workloadController<StatefulSet, Stock, StatefulPlan>(context, new StatefulSets(context))
}
