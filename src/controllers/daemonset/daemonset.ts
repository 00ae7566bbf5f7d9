/** The daemonset controller: one pod on every node that fits, placed by the scheduler (upstream's pkg/controller/daemon). */
import type { Clock } from '../../base/clock.ts'
import { controllerrevisions, daemonsets, type ControllerRevision, type DaemonSet } from '../../api/kinds/apps/v1.ts'
import { nodes, pods, type Node, type Pod } from '../../api/kinds/core/v1.ts'
import { newControllerRef } from '../../api/meta.ts'
import { keyOf } from '../../api/resource.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Informer } from '../../client/informer.ts'
import type { Controller, ControllerContext, Outcome, Watch } from '../../reconcile/controller.ts'
import { Dependents } from '../dependents.ts'
import { canonicalJson } from '../hash.ts'
import { applyHistory, expiredOldRevisions, HashCollision, planHistory, removeRevisions, REVISION_HASH } from '../history.ts'
import { createPodControl, isNamespaceTerminating, slowStart, type PodControl } from '../podControl.ts'
import { availableInMs, podFromTemplate } from '../podState.ts'
import { recheck, selectingAll, workloadController, type Pass, type Workload } from '../workload.ts'
import { FailedPodBackoff } from './failedPods.ts'
import { nodeOf, templateFor, templateGeneration } from './placement.ts'
import { planDaemonSet, type DaemonInput, type DaemonPlan } from './plan.ts'

/** Only what decides where daemons run; a node's heartbeat does not. */
function nodeFacts(node: Node): string {
  return canonicalJson([node.metadata.labels, node.spec?.taints, node.spec?.unschedulable])
}

/** Where failed pods count together; a new template starts over. */
const placeOf = ({ metadata, status }: DaemonSet, nodeName: string): string =>
  `${metadata.uid}/${status?.observedGeneration ?? 0}/${nodeName}`

type Stock = DaemonInput & { current: ControllerRevision; revisions: readonly ControllerRevision[] }

/** Revisions beyond the limit that no pod has. */
function expired({ ds, pods: owned, current, revisions }: Stock): ControllerRevision[] {
  const used = new Set(owned.map((pod) => pod.metadata.labels?.[REVISION_HASH]))
  const inUse = ({ metadata }: ControllerRevision): boolean => used.has(metadata.labels?.[REVISION_HASH])
  return expiredOldRevisions(revisions, current, inUse, ds.spec.revisionHistoryLimit ?? 10)
}

class DaemonSets implements Workload<DaemonSet, Stock, DaemonPlan> {
  readonly name = 'daemonset-controller'
  readonly resource = daemonsets
  readonly watches
  readonly writesTo
  readonly refusal = selectingAll('daemon set')
  readonly plan = planDaemonSet
  readonly #client: Client
  readonly #events: EventRecorder
  readonly #clock: Clock
  readonly #sets: Informer<DaemonSet>
  readonly #nodes: Informer<Node>
  readonly #pods: Dependents<DaemonSet, Pod>
  readonly #revisions: Dependents<DaemonSet, ControllerRevision>
  readonly #podControl: PodControl
  readonly #failedBackoff = new FailedPodBackoff()
  readonly #nodeChanges: Watch = {
    start: (_, enqueue) => {
      this.#nodes.onChange(({ before, after }) => {
        if (before && after && nodeFacts(before) === nodeFacts(after)) return
        for (const ds of this.#sets.list()) enqueue(keyOf(ds))
      })
      return this.#nodes
    },
  }

  constructor(context: ControllerContext) {
    const selectorOf = ({ spec }: DaemonSet) => spec.selector
    this.#client = context.client
    this.#events = context.events
    this.#clock = context.clock
    this.#sets = context.informers.for(daemonsets)
    this.#nodes = context.informers.for(nodes)
    this.#pods = new Dependents(context, { owner: daemonsets, resource: pods, selectorOf })
    this.#revisions = new Dependents(context, { owner: daemonsets, resource: controllerrevisions, selectorOf })
    this.#podControl = createPodControl(context)
    this.watches = [this.#pods.watch, this.#revisions.watch, this.#nodeChanges]
    this.writesTo = [this.#pods, this.#revisions]
  }

  async takeStock(pass: Pass<DaemonSet>): Promise<Stock | undefined> {
    const { object: ds, signal } = pass
    if (ds.metadata.deletionTimestamp !== undefined) return undefined
    const revisions = await this.#revisions.claim(ds, signal)
    const current = await this.#record(pass, revisions)
    const owned = await this.#pods.claim(ds, signal)
    const hash = current.metadata.labels?.[REVISION_HASH] ?? ''
    const nowMs = this.#clock.now()
    const failedWaitMs = (nodeName: string): number => this.#failedBackoff.leftMs(placeOf(ds, nodeName), nowMs)
    return { ds, nodes: this.#nodes.list(), pods: owned, hash, nowMs, failedWaitMs, current, revisions }
  }

  async apply(pass: Pass<DaemonSet>, plan: DaemonPlan, stock: Stock): Promise<Outcome> {
    const { key, object: ds, signal } = pass
    this.#tellOfEnded(ds, plan)
    await pass.report({ ...ds, status: plan.status })
    await this.#create(pass, plan.create, stock.hash)
    await Promise.all(plan.remove.map((pod) => this.#pods.track(key, this.#podControl.remove(ds, pod, signal))))
    await removeRevisions(this.#client, expired(stock), signal)
    const available = stock.pods.map((pod) => availableInMs(pod, ds.spec.minReadySeconds ?? 0, this.#clock.now()))
    return recheck([plan.recheckAfterMs, ...available])
  }

  /** The revision of the template is on record before its pods are. */
  async #record({ key, object: ds, signal, report }: Pass<DaemonSet>, known: readonly ControllerRevision[]): Promise<ControllerRevision> {
    const { status, spec } = ds
    const collisionCount = status?.collisionCount
    const owner = { object: ds, resource: daemonsets, template: spec.template, hashLabel: REVISION_HASH, collisionCount }
    try {
      const current = await applyHistory(this.#client, planHistory(owner, known), signal)
      this.#revisions.wrote(key, current)
      return current
    } catch (error) {
      if (error instanceof HashCollision && status)
        await report({ ...ds, status: { ...status, collisionCount: (collisionCount ?? 0) + 1 } })
      throw error
    }
  }

  #tellOfEnded(ds: DaemonSet, { failed, succeeded }: DaemonPlan): void {
    for (const pod of failed) {
      const nodeName = nodeOf(pod) ?? ''
      const message = `Found failed daemon pod ${keyOf(pod)} on node ${nodeName}, will try to kill it`
      this.#events.record(ds, { type: 'Warning', reason: 'FailedDaemonPod', message })
      this.#failedBackoff.replaced(placeOf(ds, nodeName), this.#clock.now())
    }
    for (const pod of succeeded) {
      const message = `Found succeeded daemon pod ${keyOf(pod)} on node ${nodeOf(pod) ?? ''}, will try to delete it`
      this.#events.record(ds, { type: 'Normal', reason: 'SucceededDaemonPod', message })
    }
  }

  async #create({ key, object: ds, signal }: Pass<DaemonSet>, nodeNames: readonly string[], hash: string): Promise<void> {
    const reference = newControllerRef(ds, daemonsets)
    const missing = [...nodeNames]
    try {
      await slowStart(missing.length, async () => {
        const template = templateFor(ds.spec.template, missing.shift() ?? '', hash, templateGeneration(ds))
        await this.#pods.track(key, this.#podControl.create(ds, podFromTemplate(template, ds, reference), signal))
      })
    } catch (error) {
      if (!isNamespaceTerminating(error)) throw error
    }
  }
}

export function daemonSetController(context: ControllerContext): Controller {
  return workloadController<DaemonSet, Stock, DaemonPlan>(context, new DaemonSets(context))
}
