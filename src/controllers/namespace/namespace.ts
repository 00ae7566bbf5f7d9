/**
 * The namespace controller: empties a namespace that is being deleted, pods first, and lets it go once nothing is left
 * (upstream's pkg/controller/namespace, with ordered deletion).
 */
import { customresourcedefinitions } from '../../api/kinds/apiextensions/v1.ts'
import { apiservices, type APIService } from '../../api/kinds/apiregistration/v1.ts'
import { namespaces, pods, type Namespace } from '../../api/kinds/core/v1.ts'
import type { Resource } from '../../api/resource.ts'
import { isNotFound, reasonOf } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext, type Outcome, type Watch } from '../../reconcile/controller.ts'
import { builtInResources, customResource, resourceId } from '../deletableResources.ts'
import { semanticallyEqual } from '../hash.ts'
import { coalesce } from '../coalesce.ts'
import { at } from '../ownership.ts'
import { namespaceConditions, type Remaining } from './plan.ts'

const FINALIZER = 'kubernetes'
/** Custom objects aren't watched here: their end is looked for. */
const CUSTOM_RECHECK_MS = 1_000
/** The rest wakes the namespace by itself; this is for what a watch may have missed. */
const RECHECK_MS = 15_000
const DEPARTURES_WINDOW_MS = 50
const NOT_WATCHED = new Set(['/events'])

export function namespaceController(context: ControllerContext): Controller {
  const { client, informers, clock } = context
  const namespaceInformer = informers.for(namespaces)
  const definitionInformer = informers.for(customresourcedefinitions)
  const apiServiceInformer = informers.for(apiservices)
  const builtIns = builtInResources().filter((resource) => resource.namespaced)

  const terminating = (): string[] =>
    namespaceInformer.list().flatMap(({ metadata }) => (metadata.deletionTimestamp === undefined ? [] : [metadata.name]))

  /**
   * Wakes a terminating namespace when the last object of a kind is gone: one pass deletes all of a kind, and looking again while
   * they leave one by one would cost as much as there are, each time.
   */
  const departures = (resource: Resource): Watch => ({
    start(_, enqueue) {
      const informer = informers.for(resource)
      const look = coalesce((namespace) => informer.list(namespace).length === 0 && enqueue(namespace), clock, DEPARTURES_WINDOW_MS)
      informer.onChange(({ before, after }) => {
        const namespace = before?.metadata.namespace
        if (!after && namespace && namespaceInformer.get(namespace)?.metadata.deletionTimestamp !== undefined) look(namespace)
      })
      return informer
    },
  })

  /** What is reported of a namespace is no reason to look again. */
  const begins: Watch = {
    start(_, enqueue) {
      namespaceInformer.onChange(({ before, after }) => {
        if (after?.metadata.deletionTimestamp === undefined) return
        if (before?.metadata.deletionTimestamp === undefined || !semanticallyEqual(before.spec, after.spec)) enqueue(after.metadata.name)
      })
      return namespaceInformer
    },
  }

  async function deleteAll(resource: Resource, namespace: string, signal: AbortSignal): Promise<Remaining> {
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

  /** What other API servers keep in namespaces, and the group versions of which that cannot be told. */
  async function remoteResources(signal: AbortSignal): Promise<{ resources: Resource[]; undiscovered: string[] }> {
    const remotes = apiServiceInformer.list().filter(({ spec }) => spec.service !== undefined)
    const found = await Promise.allSettled(remotes.map(({ spec }) => client.discover(spec.group ?? '', spec.version ?? '', signal)))
    const undiscovered = found.flatMap((result, at) => {
      const { group, version } = (remotes[at] as APIService).spec
      return result.status === 'rejected' ? [`${group}/${version}: ${(result.reason as Error).message}`] : []
    })
    const resources = found.flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
    return {
      resources: resources.filter(({ namespaced, verbs }) => namespaced && verbs.includes('delete') && verbs.includes('list')),
      undiscovered,
    }
  }

  async function empty(name: string, signal: AbortSignal): Promise<{ remaining: Remaining[]; failures: string[]; undiscovered: string[] }> {
    const isPods = (resource: Resource): boolean => resourceId(resource) === resourceId(pods)
    const first = await deleteAll(pods, name, signal)
    if (first.objects.length > 0) return { remaining: [first], failures: [], undiscovered: [] }
    const custom = definitionInformer
      .list()
      .flatMap((definition) => customResource(definition) ?? [])
      .filter((resource) => resource.namespaced)
    const { resources: remote, undiscovered } = await remoteResources(signal)
    const rest = [...builtIns.filter((resource) => !isPods(resource)), ...custom, ...remote]
    const results = await Promise.allSettled(rest.map((resource) => deleteAll(resource, name, signal)))
    return {
      remaining: results.flatMap((result) => (result.status === 'fulfilled' && result.value.objects.length > 0 ? [result.value] : [])),
      failures: results.flatMap((result) => (result.status === 'rejected' ? [(result.reason as Error).message] : [])),
      undiscovered,
    }
  }

  async function report(
    namespace: Namespace,
    { remaining, failures, undiscovered }: { remaining: Remaining[]; failures: string[]; undiscovered: string[] },
    signal: AbortSignal,
  ): Promise<Namespace> {
    const conditions = namespaceConditions(namespace.status?.conditions, remaining, failures, clock.now(), undiscovered)
    const status = { ...namespace.status, phase: 'Terminating', conditions }
    if (semanticallyEqual(status, namespace.status)) return namespace
    return client.update(namespaces, { ...namespace, status }, { subresource: 'status', signal })
  }

  return {
    name: 'namespace-controller',
    workers: 10,
    watches: [
      begins,
      watch(customresourcedefinitions, () => []),
      // A server that can be asked again, or is none any more, may be all that a namespace waits for.
      watch(apiservices, () => terminating()),
      ...builtIns.filter((resource) => !NOT_WATCHED.has(resourceId(resource))).map(departures),
    ],
    async reconcile(name, signal): Promise<Outcome> {
      const namespace = namespaceInformer.get(name)
      if (!namespace || namespace.metadata.deletionTimestamp === undefined || !namespace.spec.finalizers?.includes(FINALIZER)) return
      const left = await empty(name, signal)
      const { remaining, failures, undiscovered } = left
      if (remaining.length > 0 || failures.length > 0 || undiscovered.length > 0) {
        await report(namespace, left, signal)
        const customRemains = remaining.some(({ resource }) => !builtIns.some((known) => resourceId(known) === resourceId(resource)))
        return { requeueAfterMs: customRemains ? CUSTOM_RECHECK_MS : RECHECK_MS }
      }
      const finalizers = namespace.spec.finalizers.filter((finalizer) => finalizer !== FINALIZER)
      try {
        // One that others hold on to tells that it is empty.
        const told = finalizers.length > 0 ? await report(namespace, left, signal) : namespace
        await client.update(namespaces, { ...told, spec: { ...told.spec, finalizers } }, { subresource: 'finalize', signal })
      } catch (error) {
        if (!isNotFound(error)) throw error
      }
    },
  }
}
