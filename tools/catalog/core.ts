/**
 * The legacy core group is not part of `/apis`. Its resources follow from the paths of the OpenAPI document; the names
 * that no document but `/api` publishes (short names, categories) are facts, listed here.
 */
import type { DiscoveredResource, Discovery, OpenApi } from './sources.ts'

const SHORT_NAMES: Record<string, string[]> = {
  componentstatuses: ['cs'],
  configmaps: ['cm'],
  endpoints: ['ep'],
  events: ['ev'],
  limitranges: ['limits'],
  namespaces: ['ns'],
  nodes: ['no'],
  persistentvolumeclaims: ['pvc'],
  persistentvolumes: ['pv'],
  pods: ['po'],
  replicationcontrollers: ['rc'],
  resourcequotas: ['quota'],
  serviceaccounts: ['sa'],
  services: ['svc'],
}

const IN_CATEGORY_ALL = new Set(['pods', 'replicationcontrollers', 'services'])

/** `x-kubernetes-action` of an operation, as a verb of discovery. */
const VERBS: Record<string, string> = {
  post: 'create',
  get: 'get',
  list: 'list',
  put: 'update',
  patch: 'patch',
  delete: 'delete',
  deletecollection: 'deletecollection',
  watch: 'watch',
  watchlist: 'watch',
}

/** Verbs of a `connect` operation (exec, proxy), by HTTP method. */
const CONNECT_VERBS: Record<string, string> = { get: 'get', post: 'create', put: 'update', patch: 'patch', delete: 'delete' }

interface Operation {
  'x-kubernetes-action'?: string
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }
}

const PATH = /^\/api\/v1\/(?:watch\/)?(namespaces\/\{namespace\}\/)?([a-z]+)(?:\/\{name\})?(?:\/([a-z]+))?$/

export function coreDiscovery(openapi: OpenApi): Discovery {
  const found = new Map<string, DiscoveredResource>()
  for (const [path, operations] of Object.entries(openapi.paths)) {
    const match = PATH.exec(path)
    if (!match) continue
    const [, inNamespace, resource, subresource] = match as unknown as [string, string?, string?, string?]
    if (!resource) continue
    const entry: DiscoveredResource = found.get(resource) ?? {
      resource,
      responseKind: { group: '', version: '', kind: '' },
      scope: 'Cluster',
      singularResource: '',
      ...(SHORT_NAMES[resource] && { shortNames: SHORT_NAMES[resource] }),
      ...(IN_CATEGORY_ALL.has(resource) && { categories: ['all'] }),
      verbs: [],
    }
    found.set(resource, entry)
    if (inNamespace) entry.scope = 'Namespaced'
    for (const [method, operation] of Object.entries(operations) as [string, Operation][]) {
      const action = operation['x-kubernetes-action'] ?? ''
      const verb = action === 'connect' ? CONNECT_VERBS[method] : VERBS[action]
      const gvk = operation['x-kubernetes-group-version-kind']
      if (!gvk) continue
      if (!subresource) {
        entry.responseKind = { group: '', version: '', kind: gvk.kind }
        entry.singularResource = gvk.kind.toLowerCase()
        if (verb && !entry.verbs.includes(verb)) entry.verbs.push(verb)
        continue
      }
      entry.subresources ??= []
      let sub = entry.subresources.find((s) => s.subresource === subresource)
      if (!sub) entry.subresources.push((sub = { subresource, responseKind: { ...gvk, version: gvk.group ? gvk.version : '' }, verbs: [] }))
      if (verb && !sub.verbs.includes(verb)) sub.verbs.push(verb)
    }
  }
  for (const entry of found.values()) {
    entry.verbs.sort()
    for (const sub of entry.subresources ?? []) sub.verbs.sort()
  }
  const resources = [...found.values()].sort((a, b) => a.resource.localeCompare(b.resource))
  return { items: [{ metadata: { name: '' }, versions: [{ version: 'v1', resources }] }] }
}
