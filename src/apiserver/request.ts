/**
 * One API request as the rooms of the server hand it on: transport builds it, authentication names the user,
 * authorization lets it pass, the registry (with admission in front of storage) answers it, transport encodes the answer.
 */
import type { JsonObject, KubeObject } from '../api/resource.ts'
import type { AdmissionObserver } from './admission/observer.ts'
import type { PolicyRule, RoleRef } from '../api/kinds/rbac/v1.ts'
import type { CatalogResource, CatalogSubresource } from '../api/catalog/catalog.ts'

export interface UserInfo {
  name: string
  uid?: string
  groups: readonly string[]
  extra: Readonly<Record<string, readonly string[]>>
}

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection'

/** The attributes that authorization and admission decide on. */
export interface RequestAttributes {
  user: UserInfo
  verb: Verb | (string & {})
  group: string
  version: string
  resource: string
  subresource: string
  /** '' for cluster-scoped requests and lists over all namespaces. */
  namespace: string
  /** '' where the request names none. */
  name: string
  /** For requests outside /api and /apis: the path, and the resource fields are ''. */
  path: string
  /** Of lists, watches and collection deletes, as sent: a node may list only what is its own. */
  fieldSelector?: string
}

/** A request on a served resource, authorized, its body decoded. */
export interface ApiRequest {
  user: UserInfo
  verb: Verb
  resource: CatalogResource
  subresource?: CatalogSubresource
  namespace: string
  name: string
  /** The decoded object (create, update), DeleteOptions (delete, deletecollection), or undefined. */
  body?: JsonObject
  /** The bytes of a patch, undecoded: its format decides how it is read. */
  patch?: { type: string; bytes: Uint8Array }
  /** Query parameters as sent; the registry validates what its verb takes. */
  query: URLSearchParams
  /** Up to the first `/` it is the default field manager. */
  userAgent: string
  /** Texts for `Warning: 299` headers; anyone on the way may add. */
  warnings: string[]
  /** Adds to the request's audit event, if it has one: the first value of a key stays. With a level: if the event tells that much. */
  annotate?: (key: string, value: string, level?: 'Request') => void
  signal: AbortSignal
}

/**
 * An object as the cache holds it, in the version that was asked for: immutable, with its JSON bytes beside it
 * (which carry kind, apiVersion and metadata.resourceVersion).
 */
export interface CachedObject {
  readonly object: KubeObject
  readonly json: Uint8Array
}

export type ApiResult =
  | { type: 'object'; code: 200 | 201 | 202; object: JsonObject | KubeObject; json?: Uint8Array }
  | {
      type: 'list'
      /** `PodList`, `v1`. */
      kind: string
      apiVersion: string
      metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number }
      items: readonly CachedObject[]
    }

/** A change as every watcher of it shares it. */
export interface CachedEvent extends CachedObject {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  /** `{"type":…,"object":…}\n`, encoded on first use and then kept: once for all watchers. */
  line(): Uint8Array
}

/** What the verbs of all resources end in: validation of options, admission, the generic store, the watch cache. */
export interface Registry {
  handle(request: ApiRequest): Promise<ApiResult>
  /** Throws before the first batch where the request is refused; ends at its timeout, at shutdown or on abort. */
  watch(request: ApiRequest): AsyncIterable<readonly CachedEvent[]>
  /** Admission of a request that only connects (exec, proxy …), with what it asks for as an object (PodExecOptions). */
  connect?(request: ApiRequest, options: JsonObject): Promise<JsonObject>
  observeAdmission?(observer: AdmissionObserver): void
  /** Lets go of the store, which may be closed after that. */
  close?(): Promise<void>
}

export interface Decision {
  allowed: boolean
  /** Decided against, whoever else would allow it. */
  denied?: boolean
  /** May be shown to the user. */
  reason: string
  /** Why it could not be decided well: a request that is not allowed fails with it. */
  error?: string
}

export interface Authorizer {
  /** At once, or later where somebody outside has to be asked. */
  authorize(attributes: RequestAttributes): Decision | Promise<Decision>
  /**
   * Nobody may grant rights that they don't hold: upstream's text for the Forbidden where `user` does not hold all of `rules`
   * in `namespace` ('' for cluster roles), undefined where they do.
   */
  escalation?(user: UserInfo, namespace: string, rules: readonly PolicyRule[]): string | undefined
  /** The rules that a binding in `namespace` would grant; undefined if its role is missing. */
  rulesOf?(roleRef: RoleRef, namespace: string): readonly PolicyRule[] | undefined
}
