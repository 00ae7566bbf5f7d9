/** What is in a namespace, of all kinds that can be deleted: built-in ones, custom ones, and those that other API servers keep. */
import { customresourcedefinitions } from '../../api/kinds/apiextensions/v1.ts'
import { apiservices, type APIService } from '../../api/kinds/apiregistration/v1.ts'
import { pods } from '../../api/kinds/core/v1.ts'
import type { Resource } from '../../api/resource.ts'
import { isNotFound, reasonOf } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import { customResource, resourceId } from '../deletableResources.ts'
import { at } from '../ownership.ts'
import type { Remaining } from './plan.ts'

export interface Left {
  remaining: Remaining[]
  failures: string[]
  undiscovered: string[]
}

const isPods = (resource: Resource): boolean => resourceId(resource) === resourceId(pods)

export class NamespaceContents {
  readonly #client: Client
  readonly #informers: Informers
  readonly #builtIns: readonly Resource[]

  constructor(client: Client, informers: Informers, builtIns: readonly Resource[]) {
    this.#client = client
    this.#informers = informers
    this.#builtIns = builtIns
  }

  /** Deletes all there is, pods before the rest; answers what is left. */
  async empty(namespace: string, signal: AbortSignal): Promise<Left> {
    const first = await this.#deleteAll(pods, namespace, signal)
    if (first.objects.length > 0) return { remaining: [first], failures: [], undiscovered: [] }
    const { resources: remote, undiscovered } = await this.#remoteResources(signal)
    const rest = [...this.#builtIns.filter((resource) => !isPods(resource)), ...this.#customResources(), ...remote]
    const results = await Promise.allSettled(rest.map((resource) => this.#deleteAll(resource, namespace, signal)))
    return {
      remaining: results.flatMap((result) => (result.status === 'fulfilled' && result.value.objects.length > 0 ? [result.value] : [])),
      failures: results.flatMap((result) => (result.status === 'rejected' ? [(result.reason as Error).message] : [])),
      undiscovered,
    }
  }

  async #deleteAll(resource: Resource, namespace: string, signal: AbortSignal): Promise<Remaining> {
    const client = this.#client
    try {
      await client.deleteCollection(resource, { namespace, signal }, { propagationPolicy: 'Background' })
    } catch (error) {
      if (isNotFound(error)) return { resource, objects: [] }
      if (reasonOf(error) !== 'MethodNotAllowed') throw error
      const { items } = await client.list(resource, { namespace, signal })
      for (const object of items) await client.delete(resource, { ...at(object), signal }, { propagationPolicy: 'Background' })
    }
    const { items } = await client.list(resource, { namespace, signal })
    return { resource, objects: items }
  }

  #customResources(): Resource[] {
    const definitions = this.#informers.for(customresourcedefinitions).list()
    return definitions.flatMap((definition) => customResource(definition) ?? []).filter((resource) => resource.namespaced)
  }

  /** What other API servers keep in namespaces, and the group versions of which that cannot be told. */
  async #remoteResources(signal: AbortSignal): Promise<{ resources: Resource[]; undiscovered: string[] }> {
    const services = this.#informers.for(apiservices).list()
    const remotes = services.filter(({ spec }) => spec.service !== undefined)
    const found = await Promise.allSettled(remotes.map(({ spec }) => this.#client.discover(spec.group ?? '', spec.version ?? '', signal)))
    const undiscovered = found.flatMap((result, i) => {
      const { group, version } = (remotes[i] as APIService).spec
      return result.status === 'rejected' ? [`${group}/${version}: ${(result.reason as Error).message}`] : []
    })
    const resources = found.flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
    return {
      resources: resources.filter(({ namespaced, verbs }) => namespaced && verbs.includes('delete') && verbs.includes('list')),
      undiscovered,
    }
  }
}
