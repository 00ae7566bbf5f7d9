/**
 * The resources whose objects the garbage collector follows: the built-in ones for good, custom ones for as long as their
 * definitions serve them, those of another API server for as long as its APIService is there.
 */
import { customresourcedefinitions, type CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import { apiservices, type APIService } from '../../api/kinds/apiregistration/v1.ts'
import { isConditionTrue } from '../../api/meta.ts'
import { apiVersionOf, keyOf, type KubeObject, type Resource } from '../../api/resource.ts'
import type { Change, Informer, Informers } from '../../client/informer.ts'
import { createInformers } from '../../client/sharedInformer.ts'
import type { ControllerContext, Watch } from '../../reconcile/controller.ts'
import { builtInResources, customResource, NEEDED_VERBS, resourceId, servedVersions } from '../deletableResources.ts'

const NOT_OWNED = new Set(['/events'])

const kindId = (apiVersion: string, kind: string): string => `${apiVersion}/${kind}`

export class FollowedResources {
  readonly #context: ControllerContext
  readonly #onChange: (resource: Resource, change: Change<KubeObject>) => void
  readonly #kinds = new Map<string, Resource>()
  readonly #custom = new Map<string, { resource: Resource; informer: Informer<KubeObject>; stop: AbortController }>()
  readonly #remote = new Map<string, AbortController>()

  constructor(context: ControllerContext, onChange: (resource: Resource, change: Change<KubeObject>) => void) {
    this.#context = context
    this.#onChange = onChange
  }

  /** Undefined for a kind that nobody serves in that version. */
  ofKind(apiVersion: string, kind: string): Resource | undefined {
    return this.#kinds.get(kindId(apiVersion, kind))
  }

  /** What a controller watches so that all of it is followed; `onStart` gets the queue of its keys. */
  watches(onStart: (enqueue: (key: string) => void) => void): Watch[] {
    const builtIns = builtInResources().filter((resource) => !NOT_OWNED.has(resourceId(resource)))
    return [
      ...builtIns.map((resource): Watch => ({
        start: (informers, enqueue) => {
          onStart(enqueue)
          return this.#follow(resource, informers, servedVersions(resource))
        },
      })),
      {
        start: (informers) => {
          const informer = informers.for(customresourcedefinitions)
          informer.onChange(({ key, after }) => this.#followCustom(key, after))
          return informer
        },
      },
      {
        start: (informers) => {
          const informer = informers.for(apiservices)
          informer.onChange(({ key, after }) => void this.#followRemote(key, after))
          return informer
        },
      },
    ]
  }

  #follow(resource: Resource, informers: Informers, versions?: string[]): Informer<KubeObject> {
    this.#serve(resource, versions)
    const informer = informers.for(resource)
    informer.onChange((change) => this.#onChange(resource, change))
    return informer
  }

  #followCustom(name: string, definition: CustomResourceDefinition | undefined): void {
    const resource = definition && customResource(definition)
    const known = this.#custom.get(name)
    const versions = definition?.spec.versions.filter(({ served }) => served).map((version) => version.name)
    if (known) this.#forget(known.resource)
    if (resource) this.#serve(resource, versions)
    if (resource && known?.resource.version === resource.version) return
    if (known) {
      known.stop.abort()
      this.#custom.delete(name)
      // Objects go before their definition; what the watch that ends here has not told of them is told by this.
      if (!definition)
        for (const before of known.informer.list()) this.#onChange(known.resource, { key: keyOf(before), before, after: undefined })
    }
    if (!resource) return
    const stop = new AbortController()
    const informers = createInformers({ ...this.#context, signal: AbortSignal.any([this.#context.signal, stop.signal]) })
    this.#custom.set(name, { resource, informer: this.#follow(resource, informers, versions), stop })
  }

  #serve(resource: Resource, versions = [resource.version]): void {
    for (const version of versions) this.#kinds.set(kindId(apiVersionOf({ group: resource.group, version }), resource.kind), resource)
  }

  #forget(resource: Resource): void {
    for (const [id, known] of this.#kinds) if (resourceId(known) === resourceId(resource)) this.#kinds.delete(id)
  }

  async #followRemote(name: string, service: APIService | undefined): Promise<void> {
    const known = this.#remote.get(name)
    const available = service?.spec.service !== undefined && isConditionTrue(service.status?.conditions, 'Available')
    if (known && service?.spec.service === undefined) {
      known.abort()
      this.#remote.delete(name)
    }
    if (known || !available) return
    const stop = new AbortController()
    this.#remote.set(name, stop)
    const signal = AbortSignal.any([this.#context.signal, stop.signal])
    try {
      const resources = await this.#context.client.discover(service.spec.group ?? '', service.spec.version ?? '', signal)
      const informers = createInformers({ ...this.#context, signal })
      for (const resource of resources) if (NEEDED_VERBS.every((verb) => resource.verbs.includes(verb))) this.#follow(resource, informers)
    } catch {
      // Asked again when its availability is told anew.
      if (this.#remote.get(name) === stop) this.#remote.delete(name)
    }
  }
}
