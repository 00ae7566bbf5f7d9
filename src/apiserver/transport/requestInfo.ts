/**
 * What a request is about, read from its method, path and query alone: upstream's RequestInfo resolver
 * (k8s.io/apiserver/pkg/endpoints/request). Authorization decides on it before anything else looks at the path,
 * so that whoever may not see a resource cannot find out whether it exists.
 */
import type { RequestAttributes, UserInfo } from '../request.ts'

export interface RequestInfo extends Omit<RequestAttributes, 'user'> {
  isResourceRequest: boolean
  /** What follows the subresource: the rest of a proxied path, without the slash in front; '' otherwise. */
  rest: string
  /** The path began with the old `/watch` prefix. */
  watchPrefix: boolean
  /** The path has a place for a namespace, and none stands there. */
  emptyNamespace?: boolean
  /** The path ends after an old prefix: nobody can tell what it is about. */
  isUndetermined?: boolean
}

const VERBS: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}

/** Subresources of namespaces themselves; any other third part is a resource inside the namespace. */
const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize'])

function nonResource(method: string, path: string): RequestInfo {
  return {
    isResourceRequest: false,
    verb: method.toLowerCase(),
    path,
    group: '',
    version: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    rest: '',
    watchPrefix: false,
  }
}

/** `metadata.name=x` among the requirements of a field selector. */
export function nameInSelector(fieldSelector: string): string {
  for (const part of fieldSelector.split(',')) {
    const match = /^metadata\.name={1,2}([^=!]+)$/.exec(part)
    if (match) return match[1] as string
  }
  return ''
}

/** Go's reading of a boolean parameter of the API: there and neither `false` nor `0`. */
export function isSet(value: string | null): boolean {
  return value !== null && value.toLowerCase() !== 'false' && value !== '0'
}

function decode(part: string): string {
  if (!part.includes('%')) return part
  try {
    return decodeURIComponent(part)
  } catch {
    // No UTF-8.
    return Buffer.from(
      part.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
      'latin1',
    ).toString()
  }
}

/** `path` is undecoded and without the query. */
export function parseRequestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  // Decoded before it is split, as Go does: an escaped slash must not hide inside a name.
  const decoded = decode(path)
  const info = nonResource(method, decoded)
  const parts = withoutOuterSlashes(decoded).split('/')
  if (parts[0] !== 'api' && parts[0] !== 'apis') return info
  const grouped = parts[0] === 'apis'
  let current = parts.slice(grouped ? 3 : 2)
  if (current.length === 0) return info

  info.isResourceRequest = true
  info.group = grouped ? (parts[1] as string) : ''
  info.version = parts[grouped ? 2 : 1] as string
  info.verb = VERBS[method] ?? ''
  if (current[0] === 'watch' || current[0] === 'proxy') {
    if (current.length < 2) return { ...info, isUndetermined: true }
    info.verb = current[0]
    info.watchPrefix = info.verb === 'watch'
    current = current.slice(1)
  }
  if (current[0] === 'namespaces' && current.length > 1) {
    info.namespace = current[1] as string
    if (info.namespace === '') info.emptyNamespace = true
    if (current.length > 2 && !NAMESPACE_SUBRESOURCES.has(current[2] as string)) current = current.slice(2)
  }
  info.resource = current[0] ?? ''
  info.name = current[1] ?? ''
  info.subresource = current[2] ?? ''
  if (current.length > 3 || path.endsWith('/')) info.rest = restOf(path, parts.length - current.length + 3)

  if (info.name === '') completeCollection(info, query)
  return info
}

function withoutOuterSlashes(path: string): string {
  let from = 0
  let to = path.length
  while (from < to && path[from] === '/') from++
  while (to > from && path[to - 1] === '/') to--
  return path.slice(from, to)
}

/** The proxied path keeps its escapes and its last slash. */
function restOf(path: string, headParts: number): string {
  return path.replace(/^\/+/, '').split('/').slice(headParts).join('/')
}

function completeCollection(info: RequestInfo, query: URLSearchParams): void {
  if (info.verb === 'get') {
    info.verb = isSet(query.get('watch')) ? 'watch' : 'list'
  }
  if (info.verb === 'list' || info.verb === 'watch') info.name = nameInSelector(query.get('fieldSelector') ?? '')
  if (info.verb === 'delete') {
    info.verb = 'deletecollection'
    info.name = nameInSelector(query.get('fieldSelector') ?? '')
  }
}

const LONG_RUNNING_SUBRESOURCES = new Set(['attach', 'exec', 'proxy', 'log', 'portforward'])

/** Requests that may last: they have no deadline, and but for watches no seats. */
export function isLongRunning({ isResourceRequest, verb, subresource, path }: RequestInfo): boolean {
  if (!isResourceRequest) return path.startsWith('/debug/pprof/')
  return verb === 'watch' || verb === 'proxy' || LONG_RUNNING_SUBRESOURCES.has(subresource)
}

export function attributesOf(info: RequestInfo, user: UserInfo, query: URLSearchParams): RequestAttributes {
  const { verb, group, version, resource, subresource, namespace, name, path } = info
  const fieldSelector = query.get('fieldSelector')
  return {
    user,
    verb,
    group,
    version,
    resource,
    subresource,
    namespace,
    name,
    path: info.isResourceRequest ? '' : path,
    ...(fieldSelector && { fieldSelector }),
  }
}
