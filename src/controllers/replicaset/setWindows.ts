/** A look at many pods is not worth it for each change of one: with a set's size grows the time in which changes are taken together. */
import type { Clock } from '../../base/clock.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'
import type { Change } from '../../client/informer.ts'
import type { Watch } from '../../reconcile/controller.ts'
import { coalesce } from '../coalesce.ts'

/** Sets of fewer pods see to every change at once. */
const SMALL_SET = 200
/** Of larger ones, 1,000 pods make for a window of 50 ms. */
const PODS_PER_WINDOW_MS = 20

function isStatusOnly({ before, after }: Change<KubeObject>): boolean {
  return (
    before !== undefined &&
    after !== undefined &&
    before.metadata.uid === after.metadata.uid &&
    before.metadata.generation === after.metadata.generation &&
    before.metadata.deletionTimestamp === after.metadata.deletionTimestamp
  )
}

export class SetWindows {
  readonly #clock: Clock
  /** How many pods each set owned when it was looked at last. */
  readonly #sizes = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(key: string, size: number): void {
    this.#sizes.set(key, size)
  }

  forget(key: string): void {
    this.#sizes.delete(key)
  }

  ofPods(watch: Watch): Watch {
    return { start: (informers, enqueue) => watch.start(informers, coalesce(enqueue, this.#clock, this.#windowMs)) }
  }

  /** A change of status is most often the controller's own, and no reason to look at all pods at once. */
  ofSets(resource: Resource<KubeObject>): Watch {
    return {
      start: (informers, enqueue) => {
        const soon = coalesce(enqueue, this.#clock, this.#windowMs)
        const informer = informers.for(resource)
        informer.onChange((change) => {
          if (isStatusOnly(change) && this.#sizeOf(change.key) >= SMALL_SET) soon(change.key)
          else enqueue(change.key)
        })
        return informer
      },
    }
  }

  #sizeOf(key: string): number {
    return this.#sizes.get(key) ?? 0
  }

  readonly #windowMs = (key: string): number => {
    const size = this.#sizeOf(key)
    return size < SMALL_SET ? 0 : size / PODS_PER_WINDOW_MS
  }
}
