/**
 * The namespace controller: empties a namespace that is being deleted, pods first, and lets it go once nothing is left
 * (upstream's pkg/controller/namespace, with ordered deletion).
 */
import { customresourcedefinitions } from '../../api/kinds/apiextensions/v1.ts'
import { apiservices } from '../../api/kinds/apiregistration/v1.ts'
import { namespaces, type Namespace } from '../../api/kinds/core/v1.ts'
import type { Resource } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext, type Outcome, type Watch } from '../../reconcile/controller.ts'
import { builtInResources, resourceId } from '../deletableResources.ts'
import { semanticallyEqual } from '../hash.ts'
import { coalesce } from '../coalesce.ts'
import { NamespaceContents, type Left } from './contents.ts'
import { namespaceConditions } from './plan.ts'

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
  const builtIns = builtInResources().filter((resource) => resource.namespaced)
  const contents = new NamespaceContents(client, informers, builtIns)

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

  async function report(namespace: Namespace, { remaining, failures, undiscovered }: Left, signal: AbortSignal): Promise<Namespace> {
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
      const left = await contents.empty(name, signal)
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
