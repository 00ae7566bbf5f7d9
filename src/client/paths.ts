/** The URL paths and queries of the Kubernetes API. */
import type { Resource } from '../api/resource.ts'
import type { RequestOptions, ResourceRequest, WatchRequest } from './client.ts'

export const METHODS = {
  get: 'GET',
  list: 'GET',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETE',
} as const satisfies Record<ResourceRequest['verb'], string>

interface Target {
  resource: Resource
  namespace?: string
  name?: string
  subresource?: string
}

/** `/api/v1/namespaces/x/pods/y/status`, `/apis/apps/v1/deployments`. */
export function pathOf({ resource, namespace, name, subresource }: Target): string {
  const { group, version } = resource
  const parts = group ? ['/apis', group, version] : ['/api', version]
  if (namespace && resource.namespaced) parts.push('namespaces', encodeURIComponent(namespace))
  parts.push(resource.resource)
  if (name) parts.push(encodeURIComponent(name))
  if (subresource) parts.push(subresource)
  return parts.join('/')
}

function queryOf(options: object): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(options)) if (value !== undefined) query.set(name, String(value))
  const text = query.toString()
  return text && `?${text}`
}

export function requestPath(request: ResourceRequest): string {
  const options: RequestOptions = request.options ?? {}
  return pathOf(request) + queryOf(options)
}

export function watchPath(request: WatchRequest): string {
  const { labelSelector, fieldSelector, resourceVersion } = request
  return pathOf(request) + queryOf({ watch: true, allowWatchBookmarks: true, resourceVersion, labelSelector, fieldSelector })
}
