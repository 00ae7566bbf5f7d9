/** What a write uses up of a quota: what the object counts for, in billionths. */
import { resourceClaimUsage, type ClaimSurroundings } from '../../api/deviceQuota.ts'
import { claimUsage, countsClaim, countsPod, hasScopes, podUsage, serviceUsage } from '../../api/quotaUsage.ts'
import { newQuantity, parseQuantity, type QuantityLike } from '../../api/quantity.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { KubeObject } from '../../api/resource.ts'
import { pods, type PersistentVolumeClaim, type Pod, type ResourceQuota, type Service } from '../../api/kinds/core/v1.ts'
import { deviceclasses, type ResourceClaim } from '../../api/kinds/resource/v1.ts'
import type { ObjectReader } from '../registry/reader.ts'

export type Usage = Record<string, bigint>

/** Kinds whose number had a name before `count/…` was invented. */
const COUNTED = new Set(['replicationcontrollers', 'resourcequotas', 'secrets', 'configmaps'])

const surroundingsIn = (reader: ObjectReader): ClaimSurroundings => ({
  extendedResourceOf: (deviceClass) => reader.get(deviceclasses, '', deviceClass)?.spec.extendedResourceName,
  podOf: (namespace, name) => reader.get(pods, namespace, name),
})

function quantitiesOf({ group, resource }: CatalogResource, object: KubeObject, reader: ObjectReader): Record<string, QuantityLike> {
  const counted = { [`count/${resource}${group ? `.${group}` : ''}`]: newQuantity(1) }
  if (group === 'resource.k8s.io' && resource === 'resourceclaims')
    return resourceClaimUsage(object as ResourceClaim, surroundingsIn(reader))
  if (group !== '') return counted
  if (resource === 'pods') return podUsage(object as Pod)
  if (resource === 'services') return serviceUsage(object as Service)
  if (resource === 'persistentvolumeclaims') return claimUsage(object as PersistentVolumeClaim)
  return COUNTED.has(resource) ? { ...counted, [resource]: newQuantity(1) } : counted
}

export function usageOf(resource: CatalogResource, object: KubeObject, reader: ObjectReader): Usage {
  const quantities = Object.entries(quantitiesOf(resource, object, reader))
  return Object.fromEntries(quantities.map(([name, value]) => [name, (typeof value === 'string' ? parseQuantity(value) : value).nanos]))
}

/** Whether the quota is about this object at all. */
export function quotaSelects(quota: ResourceQuota, resource: CatalogResource, object: KubeObject): boolean {
  if (!hasScopes(quota)) return true
  if (resource.group !== '') return false
  if (resource.resource === 'pods') return countsPod(quota, object as Pod)
  return resource.resource === 'persistentvolumeclaims' && countsClaim(quota, object as PersistentVolumeClaim)
}
