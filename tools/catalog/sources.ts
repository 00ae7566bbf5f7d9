/** The published documents that the catalog is generated from, as far as the generator reads them. */

export interface Property {
  $ref?: string
  type?: string
  format?: string
  items?: Property
  additionalProperties?: Property
  default?: unknown
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  'x-kubernetes-list-map-keys'?: string[]
  'x-kubernetes-map-type'?: 'atomic' | 'granular'
  'x-kubernetes-patch-strategy'?: string
  'x-kubernetes-patch-merge-key'?: string
}

export interface Definition extends Property {
  properties?: Record<string, Property>
  required?: string[]
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[]
  'x-kubernetes-unions'?: unknown[]
}

/** `/openapi/v2`. */
export interface OpenApi {
  definitions: Record<string, Definition>
  paths: Record<string, Record<string, unknown>>
}

export interface DiscoveredResource {
  resource: string
  responseKind: { group: string; version: string; kind: string }
  scope: 'Namespaced' | 'Cluster'
  singularResource: string
  shortNames?: string[]
  categories?: string[]
  verbs: string[]
  subresources?: { subresource: string; responseKind: { group: string; version: string; kind: string }; verbs: string[] }[]
}

/** `/api` and `/apis` as aggregated discovery (`apidiscovery.k8s.io/v2`). */
export interface Discovery {
  items: { metadata?: { name?: string }; versions: { version: string; resources: DiscoveredResource[] }[] }[]
}
