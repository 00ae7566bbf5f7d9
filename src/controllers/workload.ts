/**
 * The form that all application controllers have. A pass over one object takes stock (what it owns is adopted and released
 * first), plans purely and applies the plan; it begins when the caches show what the passes before it wrote.
 */
import type { LabelSelector } from '../api/kinds/meta/v1.ts'
import { keyOf, type KubeObject, type Resource } from '../api/resource.ts'
import { isEmptySelector } from '../api/validation/labels.ts'
import type { RecordedEvent } from '../client/events.ts'
import { watch, type Controller, type ControllerContext, type Outcome, type Watch } from '../reconcile/controller.ts'
import { semanticallyEqual } from './hash.ts'
import { CACHE_LAG_RECHECK_MS, OwnWrites } from './ownWrites.ts'

type Reporting = KubeObject & { status?: unknown }

/** One look at one object. */
export interface Pass<O> {
  key: string
  object: O
  signal: AbortSignal
  /** Writes the status of `next`, with metadata if they were changed, where there is something new in it; answers whether. */
  report(next: O): Promise<boolean>
  /** Writes the object itself. */
  update(next: O): Promise<void>
}

export interface Workload<O extends Reporting, Stock, Plan> {
  name: string
  resource: Resource<O>
  workers?: number
  /** Beside the object itself. */
  watches: readonly Watch[]
  /** Replaces the watch of the object itself. */
  ownWatch?: Watch
  /** What it writes besides the object itself. */
  writesTo: readonly { showWrites(key: string, signal: AbortSignal): Promise<boolean> }[]
  /** Why an object is left alone, to be told as an event. */
  refusal?(object: O): RecordedEvent | undefined
  /** Undefined where there is nothing to do. */
  takeStock(pass: Pass<O>): Promise<Stock | undefined>
  /** Pure. */
  plan(stock: Stock): Plan
  apply(pass: Pass<O>, plan: Plan, stock: Stock): Promise<Outcome>
  /** There is no object of that key (any more). */
  forget?(key: string, signal: AbortSignal): void | Promise<void>
}

export function workloadController<O extends Reporting, Stock, Plan>(
  { client, informers, events }: Pick<ControllerContext, 'client' | 'informers' | 'events'>,
  workload: Workload<O, Stock, Plan>,
): Controller {
  const { resource } = workload
  const informer = informers.for(resource)
  const writes = new OwnWrites()
  const passOver = (key: string, object: O, signal: AbortSignal): Pass<O> => ({
    key,
    object,
    signal,
    async report(next) {
      if (signal.aborted || (next.metadata === object.metadata && semanticallyEqual(next.status, object.status))) return false
      writes.wrote(key, await client.update(resource, next, { subresource: 'status', signal }))
      return true
    },
    async update(next) {
      writes.wrote(key, await client.update(resource, next, { signal }))
    },
  })
  const showWrites = async (key: string, signal: AbortSignal): Promise<boolean> => {
    const shown = await Promise.all(workload.writesTo.map((written) => written.showWrites(key, signal)))
    return shown.every(Boolean) && writes.seenBy(key, informer)
  }
  return {
    name: workload.name,
    ...(workload.workers !== undefined && { workers: workload.workers }),
    watches: [workload.ownWatch ?? watch(resource, (object) => [keyOf(object)]), ...workload.watches],
    async reconcile(key, signal): Promise<Outcome> {
      const object = informer.get(key)
      if (!object) return workload.forget?.(key, signal)
      const refusal = workload.refusal?.(object)
      if (refusal) return events.record(object, refusal)
      if (!(await showWrites(key, signal))) return { requeueAfterMs: CACHE_LAG_RECHECK_MS }
      const pass = passOver(key, object, signal)
      const stock = await workload.takeStock(pass)
      if (stock !== undefined) return workload.apply(pass, workload.plan(stock), stock)
    },
  }
}

/** `kind` in the words of upstream's message. */
export const selectingAll =
  (kind: string) =>
  ({ spec }: { spec: { selector: LabelSelector } }): RecordedEvent | undefined =>
    isEmptySelector(spec.selector)
      ? { type: 'Warning', reason: 'SelectingAll', message: `This ${kind} is selecting all pods. A non-empty selector is required.` }
      : undefined

/** The soonest of what is due, if anything is. */
export function recheck(delaysMs: readonly (number | undefined)[]): Outcome {
  const due = delaysMs.filter((ms) => ms !== undefined && ms > 0) as number[]
  if (due.length > 0) return { requeueAfterMs: Math.min(...due) }
}
