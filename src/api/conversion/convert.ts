/**
 * Conversion between the versions of a kind that share their storage (upstream's pkg/apis conversions). Only two kinds have
 * served versions that differ: HorizontalPodAutoscaler (autoscaling/v1 and v2) and Event (v1 and events.k8s.io/v1), and one is
 * stored by upstream as nobody is served it: CustomResourceDefinition. Of all others the versions have the same shape.
 */
import type { CatalogResource } from '../catalog/catalog.ts'
import { normalize } from '../codec/json.ts'
import { apiVersionOf, type JsonObject, type KubeObject } from '../resource.ts'
import { autoscalerToV1, autoscalerToV2 } from './autoscaler.ts'
import { definitionToV1 } from './customResourceDefinition.ts'
import { eventToCore, eventToEvents } from './event.ts'

export type GroupVersion = Pick<CatalogResource, 'group' | 'version'>
/** A catalog resource is one. */
export type ConversionTarget = Pick<CatalogResource, 'group' | 'version' | 'kind' | 'type'>

/** From the version named, to the one that is looked up under it. */
const CONVERSIONS: Readonly<Record<string, (object: JsonObject) => JsonObject>> = {
  'HorizontalPodAutoscaler autoscaling/v1 autoscaling/v2': autoscalerToV2,
  'HorizontalPodAutoscaler autoscaling/v2 autoscaling/v1': autoscalerToV1,
  'CustomResourceDefinition apiextensions.k8s.io/v1beta1 apiextensions.k8s.io/v1': definitionToV1,
  'Event v1 events.k8s.io/v1': eventToEvents,
  'Event events.k8s.io/v1 v1': eventToCore,
}

/** Whether an object of `from` has another shape in `to`: where it has not, its bytes may be shared but for apiVersion. */
export function needsConversion(kind: string, from: GroupVersion, to: GroupVersion): boolean {
  return `${kind} ${apiVersionOf(from)} ${apiVersionOf(to)}` in CONVERSIONS
}

/** The object in another version, in Go's shape; the given one is left as it is. */
export function convert<T extends object = KubeObject>(object: object, from: GroupVersion, to: ConversionTarget): T {
  const apiVersion = apiVersionOf(to)
  if (from.group === to.group && from.version === to.version) return object as T
  const conversion = CONVERSIONS[`${to.kind} ${apiVersionOf(from)} ${apiVersion}`]
  const converted = conversion ? normalize(conversion(object as JsonObject), to.type) : object
  return { ...converted, kind: to.kind, apiVersion } as unknown as T
}
