/** Requests that the server makes of itself, as upstream's loopback client does: as system:apiserver, past authorization, through admission. */
import { LOOPBACK_USER } from './authentication/users.ts'
import type { CatalogResource } from '../api/catalog/catalog.ts'
import type { JsonObject } from '../api/resource.ts'
import type { ApiRequest, Verb } from './request.ts'

export interface LoopbackTarget {
  namespace?: string
  name?: string
  subresource?: string
  /** Copied: admission may change what it is given. */
  body?: object
  query?: Readonly<Record<string, string>>
}

export function loopbackRequest(verb: Verb, resource: CatalogResource, at: LoopbackTarget, signal: AbortSignal): ApiRequest {
  const subresource = resource.subresources.find(({ name }) => name === at.subresource)
  return {
    user: LOOPBACK_USER,
    verb,
    resource,
    ...(subresource && { subresource }),
    namespace: at.namespace ?? '',
    name: at.name ?? '',
    query: new URLSearchParams(at.query),
    ...(at.body && { body: structuredClone(at.body) as JsonObject }),
    userAgent: 'kube-apiserver',
    warnings: [],
    signal,
  }
}
