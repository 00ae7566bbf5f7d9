/**
 * The API client's transport inside the server's own process: the same authorization and the same registry as over HTTPS,
 * with objects instead of bytes. What it answers is shared with the cache and immutable,
 * but for whole numbers beyond a double, which are rounded: components count with them.
 */
import type { Catalog, CatalogResource } from '../api/catalog/catalog.ts'
import { decodeValue } from '../api/codec/json.ts'
import { inDoubles } from '../api/codec/longIntegers.ts'
import { apiVersionOf } from '../api/resource.ts'
import type { JsonObject, KubeList, KubeObject, Resource } from '../api/resource.ts'
import { newNotFound, newInternalError } from '../api/status.ts'
import type { DiscoveredResource, ResourceRequest, Transport, WatchEvent, WatchRequest } from '../client/client.ts'
import { audited } from './audit/audit.ts'
import type { Audit, AuditEntry } from './audit/audit.ts'
import { newForbiddenFor } from './authorization/forbidden.ts'
import { requestPath, watchPath } from '../client/paths.ts'
import { nameInSelector } from './transport/requestInfo.ts'
import type { ApiRequest, Authorizer, Registry, RequestAttributes, UserInfo, Verb } from './request.ts'

export interface DirectTransportOptions {
  catalog: Catalog
  registry: Registry
  authorizer: Authorizer
  user: UserInfo
  /** Up to its first `/` it is the field manager. */
  userAgent: string
  /** What is written down of requests. */
  audit?: Audit
  /** Aborts when the server stops. */
  stopping: AbortSignal
  /** The way to group versions that another server answers for. */
  remote?: (group: string, version: string) => Transport | undefined
}

type Query = Readonly<Record<string, unknown>>

type Asked = ResourceRequest | (WatchRequest & { verb: 'watch'; name?: string; subresource?: string })

/** What authorization and audit look at of a request. */
function attributesOf(user: UserInfo, request: Asked, fieldSelector: string | undefined): RequestAttributes {
  const { verb, resource, namespace = '', name = '', subresource = '' } = request
  return {
    user,
    verb,
    group: resource.group,
    version: resource.version,
    resource: resource.resource,
    subresource,
    namespace: resource.namespaced ? namespace : '',
    name: name || nameInSelector(fieldSelector ?? ''),
    path: '',
    ...(fieldSelector && { fieldSelector }),
  }
}

function queryOf(options: Query): URLSearchParams {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(options)) if (value !== undefined) query.set(name, String(value))
  return query
}

export class DirectTransport implements Transport {
  readonly #options: DirectTransportOptions

  constructor(options: DirectTransportOptions) {
    this.#options = options
  }

  async request(request: ResourceRequest): Promise<unknown> {
    const attributes = attributesOf(this.#options.user, request, request.options?.fieldSelector)
    const entry = this.#options.audit && this.#audit(attributes, requestPath(request))
    if (!entry) return this.#request(request, attributes, undefined)
    return audited(entry, request.verb, () => this.#request(request, attributes, entry))
  }

  async #request(request: ResourceRequest, attributes: RequestAttributes, entry: AuditEntry | undefined): Promise<unknown> {
    const remote = this.#remote(request)
    if (remote) {
      await this.#authorize(attributes, entry)
      return remote.request(request)
    }
    const apiRequest = this.#apiRequest(request.verb, request.resource, request, queryOf({ ...request.options }))
    await this.#authorize(attributes, entry)
    const { subresource } = apiRequest
    if (request.verb === 'patch') {
      apiRequest.patch = { type: request.patchType ?? 'application/merge-patch+json', bytes: Buffer.from(JSON.stringify(request.body)) }
    } else if (request.body !== undefined) {
      apiRequest.body = this.#body(
        request,
        apiRequest.resource,
        subresource?.kind ?? { group: request.resource.group, version: request.resource.version, kind: request.resource.kind },
      )
    }
    entry?.request(apiRequest)
    const result = await this.#options.registry.handle(apiRequest)
    entry?.response(result)
    if (result.type === 'object') return inDoubles(result.object)
    const { resourceVersion, continue: next, remainingItemCount } = result.metadata
    const list: KubeList<KubeObject> = {
      resourceVersion,
      ...(next && { continue: next }),
      ...(remainingItemCount !== undefined && { remainingItemCount }),
      items: result.items.map((item) => inDoubles(item.object)),
    }
    return list
  }

  async *watch(request: WatchRequest): AsyncGenerator<WatchEvent> {
    const attributes = attributesOf(this.#options.user, { ...request, verb: 'watch' }, request.fieldSelector)
    const entry = this.#options.audit && this.#audit(attributes, watchPath(request), true)
    if (!entry) return yield* this.#watch(request, attributes, undefined)
    try {
      yield* this.#watch(request, attributes, entry)
    } catch (error) {
      entry.failed(error)
      throw error
    } finally {
      entry.completed()
    }
  }

  async *#watch(request: WatchRequest, attributes: RequestAttributes, entry: AuditEntry | undefined): AsyncGenerator<WatchEvent> {
    const remote = this.#remote(request)
    if (remote) {
      await this.#authorize(attributes, entry)
      entry?.started(200)
      return yield* remote.watch(request)
    }
    const { resource, labelSelector, fieldSelector, resourceVersion, signal } = request
    const query = queryOf({ watch: true, allowWatchBookmarks: true, resourceVersion, labelSelector, fieldSelector })
    const apiRequest = this.#apiRequest('watch', resource, { ...request, signal: AbortSignal.any([signal, this.#options.stopping]) }, query)
    await this.#authorize(attributes, entry)
    entry?.started(200)
    for await (const batch of this.#options.registry.watch(apiRequest)) {
      for (const { type, object } of batch) {
        yield type === 'BOOKMARK' ? { type, resourceVersion: object.metadata.resourceVersion } : { type, object: inDoubles(object) }
      }
    }
  }

  async discover(group: string, version: string, signal?: AbortSignal): Promise<DiscoveredResource[]> {
    const remote = this.#options.remote?.(group, version)
    if (remote) return remote.discover?.(group, version, signal) ?? []
    return this.#options.catalog
      .resources(group, version)
      .map(({ resource, kind, namespaced, verbs }) => ({ group, version, resource, kind, namespaced, verbs }))
  }

  /** In the shape that decoding it from JSON would give, and not shared with the caller. */
  #body(request: ResourceRequest, resource: CatalogResource, kind: { group: string; version: string; kind: string }): JsonObject {
    const deletes = request.verb === 'delete' || request.verb === 'deletecollection'
    const target = deletes ? { group: '', version: 'v1', kind: 'DeleteOptions' } : kind
    const type = this.#options.catalog.typeOfKind(target) ?? (request.subresource ? undefined : resource.type)
    const body = request.body as JsonObject
    if (!type?.name) {
      const object = JSON.parse(JSON.stringify({ kind: kind.kind, apiVersion: apiVersionOf(kind), ...body })) as JsonObject
      resource.custom?.coerce(object)
      return object
    }
    return {
      kind: target.kind,
      apiVersion: target.group ? `${target.group}/${target.version}` : target.version,
      ...decodeValue(body, type).object,
    }
  }

  #apiRequest(
    verb: Verb,
    resource: Resource,
    at: { namespace?: string; name?: string; subresource?: string; signal?: AbortSignal },
    query: URLSearchParams,
  ): ApiRequest {
    const { catalog, user, userAgent, stopping } = this.#options
    const found = catalog.resource(resource.group, resource.version, resource.resource)
    if (!found) throw newNotFound(resource, at.name ?? '')
    const subresource = at.subresource ? found.subresources.find((s) => s.name === at.subresource) : undefined
    if (at.subresource && !subresource) throw newNotFound(resource, at.name ?? '')
    return {
      user,
      verb,
      resource: found,
      ...(subresource && { subresource }),
      namespace: (found.namespaced && at.namespace) || '',
      name: at.name ?? '',
      query,
      userAgent,
      warnings: [],
      signal: at.signal ?? stopping,
    }
  }

  #remote({ resource }: { resource: Resource }): Transport | undefined {
    return this.#options.remote?.(resource.group, resource.version)
  }

  #audit(attributes: RequestAttributes, uri: string, longRunning = false): AuditEntry | undefined {
    return this.#options.audit?.beginInProcess({ uri, userAgent: this.#options.userAgent, longRunning }, attributes)
  }

  async #authorize(attributes: RequestAttributes, entry: AuditEntry | undefined): Promise<void> {
    const decided = this.#options.authorizer.authorize(attributes)
    const { allowed, reason, error } = decided instanceof Promise ? await decided : decided
    entry?.decided(allowed, reason)
    if (!allowed) throw error === undefined ? newForbiddenFor(attributes, reason) : newInternalError(error)
  }
}
