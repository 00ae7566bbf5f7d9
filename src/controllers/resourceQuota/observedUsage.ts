/** What the objects of a namespace count for together, as the caches have them. */
import { persistentvolumeclaims, pods, services, type ResourceQuota } from '../../api/kinds/core/v1.ts'
import { deviceclasses, resourceclaims } from '../../api/kinds/resource/v1.ts'
import { resourceClaimUsage, type ClaimSurroundings } from '../../api/deviceQuota.ts'
import { newQuantity } from '../../api/quantity.ts'
import { addUsage, claimUsage, countsClaim, countsPod, hasScopes, serviceUsage, type Usage } from '../../api/quotaUsage.ts'
import type { Resource } from '../../api/resource.ts'
import type { Informers } from '../../client/informer.ts'
import { builtInResources, resourceId } from '../deletableResources.ts'
import { countName, type CustomCounts } from './customCounts.ts'
import { PodUsages } from './podUsages.ts'

/** Names of the plain counts, beside `count/<resource>.<group>`. */
const PLAIN_COUNTS: Readonly<Record<string, string>> = {
  '/configmaps': 'configmaps',
  '/secrets': 'secrets',
  '/replicationcontrollers': 'replicationcontrollers',
  '/resourcequotas': 'resourcequotas',
}
/** Resources whose objects count for more than that they are there. */
export const MEASURED: readonly Resource[] = [pods, services, persistentvolumeclaims, resourceclaims] as readonly Resource[]
const MEASURED_IDS = new Set(MEASURED.map(resourceId))

export const isMeasured = (resource: Resource): boolean => MEASURED_IDS.has(resourceId(resource))

/** Resources whose objects are counted alone. */
export const counted: readonly Resource[] = builtInResources().filter(
  (resource) => resource.namespaced && !isMeasured(resource) && resourceId(resource) !== '/events',
)

const BUILT_IN_COUNTS = new Set([...counted, ...MEASURED].map(countName))

/** Names of counts for which a definition is needed: nobody else serves what they count. */
export const customNames = ({ spec }: ResourceQuota): string[] =>
  Object.keys(spec?.hard ?? {}).filter((name) => name.startsWith('count/') && !BUILT_IN_COUNTS.has(name))

export class ObservedUsage {
  readonly #informers: Informers
  readonly #customCounts: CustomCounts
  readonly #podUsages = new PodUsages()
  readonly #surroundings: ClaimSurroundings

  constructor(informers: Informers, customCounts: CustomCounts) {
    this.#informers = informers
    this.#customCounts = customCounts
    this.#surroundings = {
      extendedResourceOf: (deviceClass) => informers.for(deviceclasses).get(deviceClass)?.spec.extendedResourceName,
      podOf: (namespace, name) => informers.for(pods).get(`${namespace}/${name}`),
    }
  }

  /** How many objects a look at the namespace's pods has to do with. */
  size({ metadata }: ResourceQuota): number {
    return this.#informers.for(pods).list(metadata.namespace).length
  }

  /** Of what the quota's scopes let it count. What nobody serves is not in it. */
  async of(quota: ResourceQuota, signal: AbortSignal): Promise<Usage> {
    if (hasScopes(quota)) return this.#scoped(quota)
    const custom = await this.#customUsage(quota, signal)
    return { ...this.#whole(quota.metadata.namespace), ...custom }
  }

  /** Quotas with scopes count nothing but pods and claims. */
  #scoped(quota: ResourceQuota): Usage {
    const { namespace } = quota.metadata
    const podsOf = this.#informers.for(pods).list(namespace)
    let usage = this.#podUsages.sum(podsOf.filter((pod) => countsPod(quota, pod)))
    for (const claim of this.#informers.for(persistentvolumeclaims).list(namespace))
      if (countsClaim(quota, claim)) usage = addUsage(usage, claimUsage(claim))
    return usage
  }

  #whole(namespace: string): Usage {
    let usage = this.#podUsages.sum(this.#informers.for(pods).list(namespace))
    for (const claim of this.#informers.for(persistentvolumeclaims).list(namespace)) usage = addUsage(usage, claimUsage(claim))
    for (const service of this.#informers.for(services).list(namespace)) usage = addUsage(usage, serviceUsage(service))
    for (const claim of this.#informers.for(resourceclaims).list(namespace))
      usage = addUsage(usage, resourceClaimUsage(claim, this.#surroundings))
    return { ...usage, ...this.#counts(namespace) }
  }

  #counts(namespace: string): Usage {
    const counts: Usage = {}
    for (const resource of counted) {
      const count = newQuantity(this.#informers.for(resource).list(namespace).length)
      counts[countName(resource)] = count
      const plain = PLAIN_COUNTS[resourceId(resource)]
      if (plain) counts[plain] = count
    }
    return counts
  }

  async #customUsage(quota: ResourceQuota, signal: AbortSignal): Promise<Usage> {
    const names = customNames(quota)
    const counts = names.length > 0 ? await this.#customCounts.count(names, quota.metadata.namespace, signal) : []
    return Object.fromEntries([...counts].map(([name, count]) => [name, newQuantity(count)]))
  }
}
