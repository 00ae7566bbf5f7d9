/** Informers for tests of components: synced from the start, their objects put in by hand. */
import { keyOf, type KubeObject, type Resource } from '../../api/resource.ts'
import type { Change, Informer, Informers } from '../informer.ts'

type Listener = (change: Change<KubeObject>) => void

class HandFedInformer {
  readonly #objects = new Map<string, KubeObject>()
  readonly #listeners = new Set<Listener>()
  readonly #indices = new Map<string, (object: KubeObject) => readonly string[]>()
  readonly hasSynced = true
  readonly resourceVersion = '1'
  readonly resource: Resource

  constructor(resource: Resource) {
    this.resource = resource
  }

  get listeners(): number {
    return this.#listeners.size
  }

  get(key: string): KubeObject | undefined {
    return this.#objects.get(key)
  }

  list(namespace?: string): KubeObject[] {
    return [...this.#objects.values()].filter((object) => !namespace || object.metadata.namespace === namespace)
  }

  byIndex(index: string, value: string): KubeObject[] {
    return this.list().filter((object) => this.#indices.get(index)?.(object).includes(value))
  }

  addIndex(index: string, valuesOf: (object: KubeObject) => readonly string[]): void {
    this.#indices.set(index, valuesOf)
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener)
    for (const [key, after] of this.#objects) listener({ key, before: undefined, after })
    return () => this.#listeners.delete(listener)
  }

  async synced(): Promise<void> {}

  set(key: string, after: KubeObject | undefined): void {
    const before = this.#objects.get(key)
    if (after) this.#objects.set(key, after)
    else this.#objects.delete(key)
    for (const listener of this.#listeners) listener({ key, before, after })
  }
}

export class HandFedInformers implements Informers {
  readonly #byResource = new Map<string, HandFedInformer>()

  #of(resource: Resource): HandFedInformer {
    const id = `${resource.group}/${resource.resource}`
    let known = this.#byResource.get(id)
    if (!known) this.#byResource.set(id, (known = new HandFedInformer(resource)))
    return known
  }

  for<T extends KubeObject>(resource: Resource<T>): Informer<T> {
    return this.#of(resource) as unknown as Informer<T>
  }

  set<T extends KubeObject>(resource: Resource<T>, object: T): void {
    this.#of(resource).set(keyOf(object), object)
  }

  delete(resource: Resource, key: string): void {
    this.#of(resource).set(key, undefined)
  }

  /** How many listeners there are on a resource. */
  listeners(resource: Resource): number {
    return this.#of(resource).listeners
  }
}
