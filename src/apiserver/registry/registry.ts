/**
 * The registry: every verb of every resource ends here. Options are validated, admission runs, the generic store writes,
 * the watch cache answers. A kind is a catalog entry plus a strategy; nothing here knows any kind by name.
 */
import type { RegistryCore } from './registryCore.ts'
import { newBadRequest, newMethodNotAllowed, newNotFound, newStatusError } from '../../api/status.ts'
import { apiVersionOf } from '../../api/resource.ts'
import type { JsonObject } from '../../api/resource.ts'
import { AdmissionChain } from '../admission/admission.ts'
import { noObserver } from '../admission/observer.ts'
import { createResourceQuota } from '../admission/resourceQuota.ts'
import { createMutatingPolicies } from '../admission/policies/mutating.ts'
import { createValidatingPolicies } from '../admission/policies/validating.ts'
import { createMutatingWebhooks } from '../admission/webhooks/mutating.ts'
import { createValidatingWebhooks } from '../admission/webhooks/validating.ts'
import { WebhookClient } from '../webhooks/client.ts'
import { createServiceResolver } from '../webhooks/serviceResolver.ts'
import { connectRequest } from './connects.ts'
import { createParamObjects } from './paramObjects.ts'
import { admitReview } from './reviews.ts'
import { createQuotaCharge } from './quotaCharge.ts'
import { WatchCache } from '../cache/watchCache.ts'
import { deleteCollection, deleteObject } from './deletes.ts'
import { createReader } from './reader.ts'
import { invalidResourceVersion, parseListOptions } from './options.ts'
import { parseRevision } from './continueToken.ts'
import { Kinds } from './kinds.ts'
import { listObjects, waitForNewest, waitForRevision } from './lists.ts'
import { ObjectStore } from './objectStore.ts'
import { EVENT_TTL_MS, expireEvents } from './eventExpiry.ts'
import { ServiceClaims } from './services/claims.ts'
import { followServices } from './services/ipAddresses.ts'
import { patchObject } from './patches.ts'
import { parseSelection } from './selection.ts'
import { postedResources, subresources } from './subresources/table.ts'
import { emptyObject } from './schema.ts'
import { convertEvent, fromStorage, viewEvents } from './versions.ts'
import { listKindOf } from '../../api/catalog/catalog.ts'
import { watchObjects } from './watches.ts'
import { createObject, updateObject } from './writes.ts'
import { StoredValues } from '../cache/storedValues.ts'
import type { Transformation } from '../cache/storedValues.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Catalog } from '../../api/catalog/catalog.ts'
import type { Store } from '../../storage/store.ts'
import type { AdmissionPlugin } from '../admission/admission.ts'
import type { AdmissionObserver } from '../admission/observer.ts'
import type { ApiRequest, ApiResult, Authorizer, CachedEvent, Registry } from '../request.ts'
import type { StoredKind } from './kind.ts'
import type { CustomKinds } from './kinds.ts'
import type { ObjectReader } from './reader.ts'
import type { Services } from './services/services.ts'
import type { Strategy } from './strategy.ts'
import type { Tokens } from './tokens.ts'

export interface RegistryOptions {
  catalog: Catalog
  store: Store
  /** What values go through on their way into the store and back; they are kept as they are unless given. */
  transformation?: Transformation
  clock: Clock
  log: Logger
  services: Services
  /** For RBAC's escalation checks and NodeRestriction. */
  authorizer: Authorizer
  tokens: Tokens
  /** In order: mutation of all, then validation of all; quota comes last, so that nothing refused is counted. */
  admission: (reader: ObjectReader) => readonly AdmissionPlugin[]
  /** Plugins that are left out, by name. */
  disabledAdmission?: ReadonlySet<string>
  /** For how long Events are kept; an hour unless given. */
  eventTtlMs?: number
  /** Resources without storage, by `group/resource`. */
  virtualResources?: ReadonlyMap<string, (request: ApiRequest) => Promise<ApiResult>>
  customKinds?: CustomKinds
  /** Strategies that are made with the server, by `group/resource`. */
  strategies?: ReadonlyMap<string, Strategy>
}

const DEPRECATED: Record<string, string> = {
  '/endpoints': 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  '/componentstatuses': 'v1 ComponentStatus is deprecated in v1.19+',
}

export class ObjectRegistry implements Registry {
  readonly #core: RegistryCore
  readonly #virtual: ReadonlyMap<string, (request: ApiRequest) => Promise<ApiResult>>
  readonly #stopFollowing: () => Promise<void>
  readonly #webhooks: WebhookClient
  #observer: AdmissionObserver = noObserver

  constructor(options: RegistryOptions, cache: WatchCache, values: StoredValues) {
    const { store, clock, catalog, log, authorizer, tokens, services } = options
    const reader = createReader(cache)
    this.#virtual = options.virtualResources ?? new Map()
    const claims = store.shared ? new ServiceClaims({ store, cache, clock, log }) : undefined
    const objects = new ObjectStore({ store, cache, values, clock, ...(claims && { claims }) })
    const kinds = new Kinds(catalog, options.customKinds, options.strategies)
    const quota = createResourceQuota(reader, createQuotaCharge({ catalog, clock, kinds, objects, reader, services }))
    this.#webhooks = new WebhookClient({ resolver: createServiceResolver(reader), clock })
    const external = {
      catalog,
      reader,
      authorizer,
      client: this.#webhooks,
      params: createParamObjects({ kinds, objects, cache }),
      observer: () => this.#observer,
      now: () => clock.now(),
      log,
    }
    this.#core = {
      catalog,
      store,
      values,
      cache,
      clock,
      log,
      reader,
      authorizer,
      tokens,
      services,
      sharedStore: store.shared ?? false,
      kinds,
      objects,
      admission: new AdmissionChain(
        [
          ...options.admission(reader),
          createMutatingPolicies(external),
          createMutatingWebhooks(external),
          createValidatingPolicies(external),
          createValidatingWebhooks(external),
          quota,
        ].filter(({ name }) => !options.disabledAdmission?.has(name)),
      ),
    }
    const stops = [
      followServices(cache, { kinds, objects, reader, services, log }),
      expireEvents({ store, cache, clock, log, ttlMs: options.eventTtlMs ?? EVENT_TTL_MS }),
      ...(claims ? [claims.follow()] : []),
    ]
    this.#stopFollowing = async () => void (await Promise.all(stops.map((stop) => stop())))
  }

  /** The caches, for components of the API server itself (RBAC, token checks, policies). */
  get reader(): ObjectReader {
    return this.#core.reader
  }

  get cache(): WatchCache {
    return this.#core.cache
  }

  get core(): RegistryCore {
    return this.#core
  }

  observeAdmission(observer: AdmissionObserver): void {
    this.#observer = observer
  }

  /** Answers the options as admission left them. */
  async connect(request: ApiRequest, options: JsonObject): Promise<JsonObject> {
    const admission = connectRequest(request, this.#core.kinds.of(request.resource), options)
    await this.#core.admission.admit(admission)
    await this.#core.admission.validate(admission)
    return admission.object as unknown as JsonObject
  }

  async close(): Promise<void> {
    this.#webhooks.close()
    await this.#stopFollowing()
    await this.#core.cache.close()
  }

  async handle(request: ApiRequest): Promise<ApiResult> {
    const path = `${request.resource.group}/${request.resource.resource}`
    const warning = DEPRECATED[path]
    if (warning) request.warnings.unshift(warning)
    const virtual = this.#virtual.get(path)
    if (virtual) return virtual(await admitReview(this.#core, request))
    const kind = this.#core.kinds.of(request.resource)
    // What another server has answered is there for what is sent to this one next; lists and reads ask by themselves.
    if (this.#core.sharedStore && (request.subresource || (request.verb !== 'get' && request.verb !== 'list'))) {
      await waitForNewest(this.#core, request.signal)
    }
    if (request.subresource) {
      const handler = subresources.get(`${path}/${request.subresource.name}`) ?? subresources.get(`*/${request.subresource.name}`)
      if (!handler) throw newMethodNotAllowed()
      return handler(this.#core, kind, request)
    }
    const posted = postedResources.get(path)
    if (posted) return posted(this.#core, kind, request)
    switch (request.verb) {
      case 'get':
        return this.#get(kind, request)
      case 'list':
        return this.#list(kind, request)
      case 'create':
        return createObject(this.#core, kind, request)
      case 'update':
        return updateObject(this.#core, kind, request, { part: 'main' })
      case 'patch':
        return patchObject(this.#core, kind, request, { part: 'main' })
      case 'delete':
        return deleteObject(this.#core, kind, request)
      case 'deletecollection':
        return deleteCollection(this.#core, kind, request)
      case 'watch':
        throw new Error('a watch goes to watch()')
    }
  }

  async #get(kind: StoredKind, request: ApiRequest): Promise<ApiResult> {
    if (request.query.get('export')) throw newBadRequest('the export parameter, deprecated since v1.14, is no longer supported')
    const asked = request.query.get('resourceVersion') ?? ''
    if (asked) {
      const revision = parseRevision(asked)
      if (revision === undefined) throw newStatusError(500, '', invalidResourceVersion(asked))
      await waitForRevision(this.#core, revision, request.signal)
    } else await waitForNewest(this.#core, request.signal)
    const stored = await this.#core.objects.load(kind, request.namespace, request.name)
    if (!stored) throw newNotFound(request.resource, request.name)
    const { object, json } = fromStorage(stored, request.resource, kind)
    return { type: 'object', code: 200, object, json }
  }

  async #list(kind: StoredKind, request: ApiRequest): Promise<ApiResult> {
    const options = parseListOptions(request.query, false)
    const { prefix, matches } = parseSelection(kind, request.namespace, options, request.resource)
    const {
      items,
      revision,
      continue: token,
      remainingItemCount,
    } = await listObjects(this.#core, { kind, prefix, options, matches, signal: request.signal })
    return {
      type: 'list',
      kind: listKindOf(request.resource),
      apiVersion: apiVersionOf(request.resource),
      metadata: {
        resourceVersion: String(revision),
        ...(token && { continue: token }),
        ...(remainingItemCount !== undefined && { remainingItemCount }),
      },
      items: items.map((stored) => fromStorage(stored, request.resource, kind)),
    }
  }

  async *watch(request: ApiRequest): AsyncIterable<readonly CachedEvent[]> {
    const { resource } = request
    const warning = DEPRECATED[`${resource.group}/${resource.resource}`]
    if (warning) request.warnings.push(warning)
    const kind = this.#core.kinds.of(resource)
    const options = parseListOptions(request.query, true)
    const named = request.name ? { ...options, fieldSelector: `metadata.name=${request.name}` } : options
    const { prefix, matches, matchesFields } = parseSelection(kind, request.namespace, named, resource, true)
    const events = watchObjects(this.#core, {
      kind,
      prefix,
      options,
      matches,
      signal: request.signal,
      emptyObject: () => emptyObject(resource),
    })
    for await (const batch of events) {
      if (kind.versions) yield await viewEvents(batch, kind.versions, matchesFields, request.signal)
      else yield kind.storage === resource ? batch : batch.map((event) => convertEvent(event, resource, kind))
    }
  }
}

/** Fills the cache and starts to serve. */
export async function createRegistry(options: RegistryOptions): Promise<ObjectRegistry> {
  const { catalog, store, transformation } = options
  // Others who write to the store may write protobuf.
  const protobuf = store.shared ? await import('../../api/codec/protobuf.ts') : undefined
  const values = new StoredValues({ catalog, ...(transformation && { transformation }), ...(protobuf && { protobuf }) })
  const cache = new WatchCache({ ...options, values })
  await cache.start()
  options.services.follow(cache)
  return new ObjectRegistry(options, cache, values)
}
