/** The resourcequota controller: keeps the observed usage of quotas true; admission counts on it when it lets objects in. */
import { persistentvolumeclaims, pods, resourcequotas, services, type Pod, type ResourceQuota } from '../../api/kinds/core/v1.ts'
import { deviceclasses, resourceclaims } from '../../api/kinds/resource/v1.ts'
import { resourceClaimUsage, type ClaimSurroundings } from '../../api/deviceQuota.ts'
import { newQuantity } from '../../api/quantity.ts'
import { keyOf, type KubeObject, type Resource } from '../../api/resource.ts'
import { hasFinished } from '../../api/pods.ts'
import { watch, type Controller, type ControllerContext, type Watch } from '../../reconcile/controller.ts'
import { customresourcedefinitions } from '../../api/kinds/apiextensions/v1.ts'
import { coalesce, GrowingWindow } from '../coalesce.ts'
import { builtInResources, resourceId } from '../deletableResources.ts'
import { semanticallyEqual } from '../hash.ts'
import { CustomCounts, countName } from './customCounts.ts'
import { addUsage, claimUsage, countsClaim, countsPod, hasScopes, serviceUsage, usedOf, type Usage } from '../../api/quotaUsage.ts'
import { PodUsages } from './podUsages.ts'

/** A namespace that empties makes one write for many objects. */
const BATCH_WINDOW_MS = 100
/** Charges for what was not stored after all are given back by then (upstream's --resource-quota-sync-period). */
const RESYNC_MS = 5 * 60_000
/** What was on its way when a quota came, or came to limit something else, is there by then: it is counted once more. */
const SETTLED_MS = 1_000
/** Names of the plain counts, beside `count/<resource>.<group>`. */
const PLAIN_COUNTS: Readonly<Record<string, string>> = {
  '/configmaps': 'configmaps',
  '/secrets': 'secrets',
  '/replicationcontrollers': 'replicationcontrollers',
  '/resourcequotas': 'resourcequotas',
}
const OWN_USAGE = new Set(['/pods', '/services', '/persistentvolumeclaims', 'resource.k8s.io/resourceclaims'])

export function resourceQuotaController(context: ControllerContext): Controller {
  const { client, informers, clock } = context
  const quotaInformer = informers.for(resourcequotas)
  const podInformer = informers.for(pods)
  const serviceInformer = informers.for(services)
  const claimInformer = informers.for(persistentvolumeclaims)
  const deviceClaimInformer = informers.for(resourceclaims)
  const deviceClassInformer = informers.for(deviceclasses)
  const podUsages = new PodUsages()
  const window = new GrowingWindow(BATCH_WINDOW_MS)
  const counted = builtInResources().filter(
    (resource) => resource.namespaced && !OWN_USAGE.has(resourceId(resource)) && resourceId(resource) !== '/events',
  )

  let lookAt: (namespace: string) => void = () => {}
  const customCounts = new CustomCounts(context, informers, (namespace) => lookAt(namespace))
  const builtInCounts = new Set([...counted, pods, services, persistentvolumeclaims, resourceclaims].map(countName))
  const surroundings: ClaimSurroundings = {
    extendedResourceOf: (deviceClass) => deviceClassInformer.get(deviceClass)?.spec.extendedResourceName,
    podOf: (namespace, name) => podInformer.get(`${namespace}/${name}`),
  }

  async function customUsage(quota: ResourceQuota, signal: AbortSignal): Promise<Usage> {
    const names = Object.keys(quota.spec?.hard ?? {}).filter((name) => name.startsWith('count/') && !builtInCounts.has(name))
    if (names.length === 0 || hasScopes(quota)) return {}
    const counts = await customCounts.count(names, quota.metadata.namespace ?? '', signal)
    return Object.fromEntries([...counts].map(([name, count]) => [name, newQuantity(count)]))
  }

  /** Quotas may count what is defined later. */
  const customs: Watch = {
    start(_, enqueue) {
      const add = coalesce(enqueue, clock, BATCH_WINDOW_MS)
      lookAt = (namespace) => {
        for (const quota of quotaInformer.list(namespace)) add(keyOf(quota))
      }
      const definitions = informers.for(customresourcedefinitions)
      definitions.onChange(() => {
        for (const quota of quotaInformer.list())
          if (Object.keys(quota.spec?.hard ?? {}).some((name) => name.startsWith('count/') && !builtInCounts.has(name))) add(keyOf(quota))
      })
      return definitions
    },
  }

  function usageOf(quota: ResourceQuota): Usage {
    const { namespace } = quota.metadata
    const startMs = clock.now()
    const all = podInformer.list(namespace)
    let usage = podUsages.sum(hasScopes(quota) ? all.filter((pod) => countsPod(quota, pod)) : all)
    window.note(keyOf(quota), all.length, clock.now() - startMs)
    for (const claim of claimInformer.list(namespace))
      if (!hasScopes(quota) || countsClaim(quota, claim)) usage = addUsage(usage, claimUsage(claim))
    if (hasScopes(quota)) return usage
    for (const service of serviceInformer.list(namespace)) usage = addUsage(usage, serviceUsage(service))
    for (const claim of deviceClaimInformer.list(namespace)) usage = addUsage(usage, resourceClaimUsage(claim, surroundings))
    for (const resource of counted) {
      const count = newQuantity(informers.for(resource).list(namespace).length)
      usage[countName(resource)] = count
      const plain = PLAIN_COUNTS[resourceId(resource)]
      if (plain) usage[plain] = count
    }
    return usage
  }

  /** Whether a change of an object that stays shows in some usage: a pod's end or resize, a service's type, a claim's size. */
  function mayChangeUsage(resource: Resource, before: KubeObject, after: KubeObject): boolean {
    const id = resourceId(resource)
    if (id !== resourceId(pods)) return OWN_USAGE.has(id)
    return hasFinished(before as Pod) !== hasFinished(after as Pod) || before.metadata.generation !== after.metadata.generation
  }

  /**
   * Admission charges what comes before it is stored. A count that such a charge, or the first of several that it let in, brought about
   * would miss the others, give their charges back and make room for too many: only what may free something is a reason to count.
   */
  const changes = (resource: Resource): Watch => ({
    start(_, enqueue) {
      const informer = informers.for(resource)
      const add = coalesce(enqueue, clock, window.ofKey)
      informer.onChange(({ before, after }) => {
        if (!before || (after && !mayChangeUsage(resource, before, after))) return
        const namespace = (after ?? before)?.metadata.namespace
        for (const quota of namespace ? quotaInformer.list(namespace) : []) add(keyOf(quota))
      })
      return informer
    },
  })

  /** A quota's status is what admission charges to; what it limits says whether to count anew. */
  const quotas: Watch = {
    start(_, enqueue) {
      const add = coalesce(enqueue, clock, window.ofKey)
      quotaInformer.onChange(({ key, before, after }) => {
        if (!before || !after || !semanticallyEqual(before.spec, after.spec)) add(key)
      })
      return quotaInformer
    },
  }

  return {
    name: 'resourcequota-controller',
    watches: [
      quotas,
      ...[pods, services, persistentvolumeclaims, resourceclaims].map((resource) => changes(resource as Resource)),
      ...counted.map(changes),
      // What devices are called by pods shows with the next count.
      watch(deviceclasses, () => []),
      customs,
    ],
    async reconcile(key, signal) {
      const quota = quotaInformer.get(key)
      if (!quota || quota.metadata.deletionTimestamp !== undefined) return window.forget(key)
      const custom = await customUsage(quota, signal)
      const used = Object.entries(usedOf(quota, { ...usageOf(quota), ...custom }))
      // What nobody serves is not counted.
      const isCounted = (name: string): boolean => !name.startsWith('count/') || builtInCounts.has(name) || name in custom
      const status = { hard: quota.spec?.hard ?? {}, used: Object.fromEntries(used.filter(([name]) => isCounted(name))) }
      if (!semanticallyEqual(status, quota.status))
        await client.update(resourcequotas, { ...quota, status }, { subresource: 'status', signal })
      return { requeueAfterMs: semanticallyEqual(status.hard, quota.status?.hard) ? RESYNC_MS : SETTLED_MS }
    },
  }
}
