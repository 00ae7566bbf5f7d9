/** How many custom resources there are in a namespace, for the quotas that count them: followed from when the first one does. */
import { customresourcedefinitions, type CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'
import type { Informer, Informers } from '../../client/informer.ts'
import { createInformers } from '../../client/sharedInformer.ts'
import type { ControllerContext } from '../../reconcile/controller.ts'
import { customResource } from '../deletableResources.ts'

interface Followed {
  resource: Resource
  informer: Informer<KubeObject>
  stop: AbortController
}

/** `count/widgets.example.com` */
export function countName({ group, resource }: Pick<Resource, 'group' | 'resource'>): string {
  return `count/${resource}${group ? `.${group}` : ''}`
}

export class CustomCounts {
  readonly #context: ControllerContext
  readonly #definitions: Informer<CustomResourceDefinition>
  readonly #followed = new Map<string, Followed>()
  /** Told the namespace in which the number has changed. */
  readonly #onChange: (namespace: string) => void

  constructor(context: ControllerContext, informers: Informers, onChange: (namespace: string) => void) {
    this.#context = context
    this.#definitions = informers.for(customresourcedefinitions)
    this.#onChange = onChange
  }

  /** The numbers that go by these names, without those that no definition stands behind. */
  async count(names: readonly string[], namespace: string, signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>()
    for (const name of names) {
      const informer = this.#follow(name)
      if (!informer) continue
      await informer.synced(signal)
      counts.set(name, informer.list(namespace).length)
    }
    return counts
  }

  #served(name: string): Resource | undefined {
    for (const definition of this.#definitions.list()) {
      const resource = customResource(definition)
      if (resource?.namespaced && countName(resource) === name) return resource
    }
    return undefined
  }

  #follow(name: string): Informer<KubeObject> | undefined {
    const resource = this.#served(name)
    const known = this.#followed.get(name)
    if (known && known.resource.version === resource?.version) return known.informer
    known?.stop.abort()
    this.#followed.delete(name)
    if (!resource) return undefined
    const stop = new AbortController()
    const informers = createInformers({ ...this.#context, signal: AbortSignal.any([this.#context.signal, stop.signal]) })
    const informer = informers.for(resource)
    informer.onChange(({ before, after }) => {
      const changed = before === undefined || after === undefined
      const { namespace } = (after ?? before)?.metadata ?? {}
      if (changed && namespace) this.#onChange(namespace)
    })
    this.#followed.set(name, { resource, informer, stop })
    return informer
  }
}
