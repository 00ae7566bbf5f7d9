/**
 * From a request's attributes to the served resource and the verb that it means there. A path that no resource has is a
 * 404, a method that the path does not take a 405: both only after authorization has let the request pass.
 */
import type { Catalog, CatalogResource, CatalogSubresource } from '../../api/catalog/catalog.ts'
import { quote } from '../../api/quote.ts'
import { isPathSegmentName } from '../../api/validation/names.ts'
import { newBadRequest, newMethodNotAllowed, newNotFound, newStatusError } from '../../api/status.ts'
import type { StatusError } from '../../api/status.ts'
import type { Verb } from '../request.ts'
import type { RequestInfo } from './requestInfo.ts'

export interface Route {
  resource: CatalogResource
  subresource?: CatalogSubresource
  verb: Verb
  namespace: string
  name: string
}

const METHODS: Readonly<Record<string, string>> = {
  create: 'POST',
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETE',
}
const COLLECTION_VERBS = new Set(['create', 'list', 'watch', 'deletecollection'])
/** Subresources that take any method: they are proxied. */
const CONNECT_SUBRESOURCES = new Set(['proxy'])
const PROXIED_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
/** Subresources that open a stream take GET (WebSocket) and POST (SPDY). */
const STREAM_SUBRESOURCES = new Set(['exec', 'attach', 'portforward'])

/** The path is not served, though its group and version are. */
export function newNoSuchPath(): StatusError {
  return newStatusError(404, 'NotFound', 'the server could not find the requested resource', {})
}

export function isConnect(subresource: CatalogSubresource | undefined): boolean {
  return (
    subresource !== undefined &&
    (CONNECT_SUBRESOURCES.has(subresource.name) || STREAM_SUBRESOURCES.has(subresource.name) || subresource.name === 'log')
  )
}

function subresourceRoute(info: RequestInfo, resource: CatalogResource, method: string, at: Pick<Route, 'namespace' | 'name'>): Route {
  const subresource = resource.subresources.find((s) => s.name === info.subresource)
  if (!subresource || info.watchPrefix) throw newNoSuchPath()
  if (info.rest !== '' && !CONNECT_SUBRESOURCES.has(subresource.name)) throw newNoSuchPath()
  const route = { resource, subresource, ...at }
  if (CONNECT_SUBRESOURCES.has(subresource.name)) {
    if (!PROXIED_METHODS.has(method)) throw newMethodNotAllowed()
    return { ...route, verb: (info.verb || 'get') as Verb }
  }
  if (STREAM_SUBRESOURCES.has(subresource.name)) {
    if (method !== 'GET' && method !== 'POST') throw newMethodNotAllowed()
    return { ...route, verb: info.verb as Verb }
  }
  const verb = subresource.verbs.find((v) => METHODS[v] === method)
  if (!verb) throw newMethodNotAllowed()
  return { ...route, verb: verb as Verb }
}

/** The catalog's group and version are known to exist; `method` is the HTTP method. */
export function routeOf(catalog: Catalog, info: RequestInfo, method: string): Route {
  const resource = catalog.resource(info.group, info.version, info.resource)
  if (!resource || info.verb === 'proxy') throw newNoSuchPath()
  // `namespaces/a/namespaces` would be decided on as something inside a.
  if (info.resource === 'namespaces' && info.namespace !== '' && info.namespace !== info.name) throw newNoSuchPath()
  const inNamespace = info.namespace !== '' && info.resource !== 'namespaces'
  if (inNamespace && !resource.namespaced) throw newNoSuchPath()
  const namespace = inNamespace ? info.namespace : ''
  // A name that the attributes took from a field selector is no part of the path.
  const onCollection = COLLECTION_VERBS.has(info.verb) && info.subresource === '' && !(info.watchPrefix && info.name !== '')
  const name = onCollection && info.verb !== 'create' ? '' : info.name
  if (info.emptyNamespace && !resource.namespaced && info.resource !== 'namespaces') throw newNoSuchPath()
  if (info.emptyNamespace && resource.namespaced && name !== '') throw newBadRequest('Namespace parameter required.')
  if (name !== '' && resource.namespaced && !inNamespace) throw newNoSuchPath()
  if (info.subresource !== '') return subresourceRoute(info, resource, method, { namespace, name: info.name })
  return plainRoute(info, resource, method, { namespace, name })
}

/** A name that could lead out of its place in the store (CVE-2022-3162); that of an update is held against its object's first. */
export function checkName({ verb, name }: Route): void {
  const why = verb === 'update' ? [] : isPathSegmentName(name, false)
  if (why.length > 0) throw newBadRequest(`Name parameter invalid: ${quote(name)}: ${why.join(';')}`)
}

function plainRoute(info: RequestInfo, resource: CatalogResource, method: string, at: Pick<Route, 'namespace' | 'name'>): Route {
  const onItem = at.name !== ''
  const verbs = resource.verbs.filter((v) => (info.watchPrefix ? v === 'watch' : COLLECTION_VERBS.has(v) !== onItem))
  // Over all namespaces a namespaced resource can only be read.
  const allNamespaces = resource.namespaced && at.namespace === '' && !info.emptyNamespace
  const served = allNamespaces ? verbs.filter((v) => v === 'list' || v === 'watch') : verbs
  if (served.length === 0 && (onItem || allNamespaces)) throw newNoSuchPath()
  if (method === 'HEAD') throw newMethodNotAllowed()
  const verb = served.find((v) => v === info.verb)
  if (!verb || METHODS[verb] !== method) throw newMethodNotAllowed()
  return { resource, verb: verb as Verb, ...at }
}

const ITEM_VERBS = new Set(['get', 'update', 'patch', 'delete'])

/**
 * Custom resources are found by the request's attributes alone: what follows a subresource is not looked at, and the verb decides,
 * not the path. Undefined where their server, another one upstream, leaves the path to whoever else wants it.
 */
export function customRouteOf(info: RequestInfo, resource: CatalogResource): Route | undefined {
  const { verb, namespace, name } = info
  if (resource.namespaced ? namespace === '' && verb !== 'list' && verb !== 'watch' : namespace !== '') return undefined
  const route = { resource, verb: verb as Verb, namespace }
  if (info.subresource !== '') {
    const subresource = resource.subresources.find((s) => s.name === info.subresource)
    if (!subresource) throw newNotFound(resource, name)
    if (!subresource.verbs.includes(verb)) throw notSupported(resource, verb)
    return { ...route, subresource, name }
  }
  if (METHODS[verb] === undefined) throw notSupported(resource, verb)
  if (ITEM_VERBS.has(verb) && name === '') throw newBadRequest('name must be provided')
  return { ...route, name: COLLECTION_VERBS.has(verb) && !(info.watchPrefix && name !== '') ? '' : name }
}

function notSupported({ group, resource }: CatalogResource, verb: string): StatusError {
  const message = `${verb} is not supported on resources of kind "${resource}.${group}"`
  return newStatusError(405, 'MethodNotAllowed', message, { group, kind: resource })
}
