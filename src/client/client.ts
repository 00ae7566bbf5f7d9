/**
 * The API client of minicube's own components: typed by resource handles, and the same over HTTPS (`https.ts`) and in the
 * API server's process (the server's direct transport). Objects that it answers may be shared and are immutable.
 */
import type { Draft, JsonValue, KubeList, KubeObject, Resource } from '../api/resource.ts'

export type Subresource = 'status' | 'scale' | 'binding' | 'eviction' | 'token' | 'approval' | 'finalize' | 'ephemeralcontainers' | 'resize'

export type PatchType =
  | 'application/json-patch+json'
  | 'application/merge-patch+json'
  | 'application/strategic-merge-patch+json'
  | 'application/apply-patch+yaml'

/** The query options of the API, by upstream's names (metav1.ListOptions, CreateOptions, …). */
export interface RequestOptions {
  fieldManager?: string
  force?: boolean
  dryRun?: 'All'
  labelSelector?: string
  fieldSelector?: string
  limit?: number
  continue?: string
  resourceVersion?: string
  resourceVersionMatch?: 'Exact' | 'NotOlderThan'
  /** Of custom.metrics.k8s.io. */
  metricLabelSelector?: string
}

/** metav1.DeleteOptions. */
export interface DeleteOptions {
  gracePeriodSeconds?: number
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan'
  preconditions?: { uid?: string; resourceVersion?: string }
}

/** One request on a resource, before it is an HTTP request or a call. */
export interface ResourceRequest {
  verb: 'get' | 'list' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection'
  resource: Resource
  namespace?: string
  name?: string
  subresource?: Subresource
  /** An object, a patch, or DeleteOptions. */
  body?: unknown
  patchType?: PatchType
  options?: RequestOptions
  signal?: AbortSignal
}

export type WatchEvent<T extends KubeObject = KubeObject> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  /** Nothing under the watch changed up to this revision. */
  | { type: 'BOOKMARK'; resourceVersion: string }

export interface WatchRequest {
  resource: Resource
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  /** Events after this revision. */
  resourceVersion: string
  signal: AbortSignal
}

/** How requests reach an API server. Failures are StatusErrors. */
export interface Transport {
  request(request: ResourceRequest): Promise<unknown>
  /** Ends when the server closes the watch or the signal aborts; throws an `Expired` StatusError when the revision is gone. */
  watch(request: WatchRequest): AsyncIterable<WatchEvent>
  /** The resources of a group version, by its discovery; subresources are left out. Throws where that cannot be had. */
  discover?(group: string, version: string, signal?: AbortSignal): Promise<DiscoveredResource[]>
}

export interface DiscoveredResource extends Resource {
  verbs: readonly string[]
}

export interface In {
  namespace?: string
  signal?: AbortSignal
}
export interface At extends In {
  name: string
  subresource?: Subresource
}

export class Client {
  readonly transport: Transport

  constructor(transport: Transport) {
    this.transport = transport
  }

  get<T extends KubeObject>(resource: Resource<T>, at: At): Promise<T> {
    return this.#send({ verb: 'get', resource, ...at })
  }

  list<T extends KubeObject>(resource: Resource<T>, options: In & RequestOptions = {}): Promise<KubeList<T>> {
    const { namespace, signal, ...query } = options
    return this.#send({ verb: 'list', resource, ...(namespace && { namespace }), ...(signal && { signal }), options: query })
  }

  /** `R` is the shape of the answer where a subresource answers another kind. */
  create<T extends KubeObject, R = T>(
    resource: Resource<T>,
    body: Draft<T>,
    at: In & { name?: string; subresource?: Subresource } = {},
  ): Promise<R> {
    const namespace = at.namespace ?? body.metadata.namespace
    return this.#send({ verb: 'create', resource, ...at, ...(namespace && { namespace }), body })
  }

  /** Replaces the object; a Conflict when `body.metadata.resourceVersion` is not the newest. */
  update<T extends KubeObject>(
    resource: Resource<T>,
    body: T,
    options: { subresource?: Subresource; signal?: AbortSignal } = {},
  ): Promise<T> {
    const { name, namespace } = body.metadata
    return this.#send({ verb: 'update', resource, name, ...(namespace && { namespace }), ...options, body })
  }

  patch<T extends KubeObject>(resource: Resource<T>, at: At & RequestOptions & { type: PatchType }, patch: JsonValue | object): Promise<T> {
    const { namespace, name, subresource, signal, type, ...options } = at
    return this.#send({
      verb: 'patch',
      resource,
      name,
      patchType: type,
      body: patch,
      options,
      ...(namespace && { namespace }),
      ...(subresource && { subresource }),
      ...(signal && { signal }),
    })
  }

  /** Answers the object or a Status, as the API does. */
  delete(resource: Resource, at: At, options: DeleteOptions = {}): Promise<unknown> {
    return this.#send({ verb: 'delete', resource, ...at, body: options })
  }

  deleteCollection(resource: Resource, options: In & RequestOptions, deleteOptions: DeleteOptions = {}): Promise<unknown> {
    const { namespace, signal, ...query } = options
    return this.#send({
      verb: 'deletecollection',
      resource,
      ...(namespace && { namespace }),
      ...(signal && { signal }),
      options: query,
      body: deleteOptions,
    })
  }

  watch<T extends KubeObject>(resource: Resource<T>, request: Omit<WatchRequest, 'resource'>): AsyncIterable<WatchEvent<T>> {
    return this.transport.watch({ resource, ...request }) as AsyncIterable<WatchEvent<T>>
  }

  async discover(group: string, version: string, signal?: AbortSignal): Promise<DiscoveredResource[]> {
    if (!this.transport.discover) throw new Error('the transport knows no discovery')
    return this.transport.discover(group, version, signal)
  }

  #send<R>(request: ResourceRequest): Promise<R> {
    return this.transport.request(request) as Promise<R>
  }
}
