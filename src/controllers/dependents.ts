/** The objects of one kind that those of another kind control: found, adopted, followed, and the writes to them kept in mind. */
import type { LabelSelector } from '../api/kinds/meta/v1.ts'
import { splitKey, type KubeObject, type Resource } from '../api/resource.ts'
import type { Client } from '../client/client.ts'
import type { Informer } from '../client/informer.ts'
import { watch, type ControllerContext, type Watch } from '../reconcile/controller.ts'
import { adopters, claim, indexByOwner, ownedBy, ownedOrOrphaned, ownerKey } from './ownership.ts'
import { OwnWrites } from './ownWrites.ts'

export interface DependentsOptions<O extends KubeObject, T extends KubeObject> {
  owner: Resource<O>
  resource: Resource<T>
  /** By which an owner adopts and releases; without it only what was made for the owner is its. */
  selectorOf?(owner: O): LabelSelector | undefined
}

export class Dependents<O extends KubeObject, T extends KubeObject> {
  readonly informer: Informer<T>
  /** Wakes the owners that a change concerns: the one in control, or those that may adopt. */
  readonly watch: Watch
  readonly #client: Client
  readonly #owners: Informer<O>
  readonly #options: DependentsOptions<O, T>
  readonly #writes = new OwnWrites()

  constructor({ client, informers }: Pick<ControllerContext, 'client' | 'informers'>, options: DependentsOptions<O, T>) {
    this.#client = client
    this.#options = options
    this.#owners = informers.for(options.owner)
    this.informer = informers.for(options.resource)
    indexByOwner(this.informer)
    this.watch = watch(options.resource, (object) => this.ownersOf(object))
  }

  /** Keys of the owners that a change of `object` concerns. One that is leaving adopts nothing. */
  ownersOf(object: T): string[] {
    const { owner, selectorOf } = this.#options
    const controller = ownerKey(object, owner)
    if (controller) return [controller]
    if (!selectorOf) return []
    return adopters(object, this.#owners, selectorOf).filter((key) => this.#owners.get(key)?.metadata.deletionTimestamp === undefined)
  }

  ownedBy(owner: KubeObject): readonly T[] {
    return ownedBy(this.informer, owner.metadata.uid)
  }

  /** Adopts and releases by the selector; answers what the owner owns then. `isCandidate` narrows what it may be. */
  claim(owner: O, signal: AbortSignal, isCandidate: (object: T) => boolean = () => true): Promise<T[]> {
    const { owner: ownerResource, resource, selectorOf } = this.#options
    const { namespace } = owner.metadata
    const candidates = ownedOrOrphaned(this.informer, owner).filter((it) => it.metadata.namespace === namespace && isCandidate(it))
    return claim({ client: this.#client, owner, ownerResource, resource, selector: selectorOf?.(owner), candidates, signal })
  }

  /** Keeps a write for the owner of that key in mind, also where its answer is lost: for names that the server makes up. */
  track<W>(key: string, write: Promise<W>): Promise<W> {
    return this.#writes.track(key, write)
  }

  /** `written` is what the API answered to a write for the owner of that key. */
  wrote(key: string, written: unknown): void {
    this.#writes.wrote(key, written)
  }

  /** Whether the cache shows every write for the owner of that key. */
  async showWrites(key: string, signal: AbortSignal): Promise<boolean> {
    const { namespace } = splitKey(key)
    await this.#writes.clearUp(key, () => this.#client.list(this.#options.resource, { ...(namespace && { namespace }), signal }))
    return this.#writes.seenBy(key, this.informer)
  }
}
