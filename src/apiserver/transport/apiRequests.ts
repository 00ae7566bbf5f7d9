/** Requests on served resources: decodes what came, hands it to the registry, encodes what it answers. */
import type { Catalog, GroupVersionKind } from '../../api/catalog/catalog.ts'
import type { JsonObject } from '../../api/resource.ts'
import { newBadRequest } from '../../api/status.ts'
import { utf8 } from '../authentication/requestHeader.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { parseIncludeObject } from '../printers/table.ts'
import { checkWriteOptions } from '../registry/options.ts'
import type { ApiRequest, Registry, UserInfo } from '../request.ts'
import type { ObjectCodec } from './codec.ts'
import { readBody } from './exchange.ts'
import type { Exchange } from './exchange.ts'
import { bodyMediaType, negotiate, patchMediaType, wantsPretty } from './negotiation.ts'
import type { Negotiated, Transform } from './negotiation.ts'
import { nameInSelector } from './requestInfo.ts'
import { encodeResult, send, shapedResult } from './responses.ts'
import type { Route } from './routes.ts'
import { serveWatch } from './watchStream.ts'

export interface ApiRequestsOptions {
  catalog: Catalog
  registry: Registry
  codec: ObjectCodec
  metrics: Metrics
  now: () => number
}

export interface ApiCall {
  exchange: Exchange
  route: Route
  user: UserInfo
  query: URLSearchParams
  /** Aborts when the client is gone, the request took too long, or the server stops. */
  signal: AbortSignal
  /** Called when a watch has sent what was there. */
  begun?: (() => void) | undefined
}

const METADATA_TRANSFORMS: readonly Transform[] = ['PartialObjectMetadataList', 'PartialObjectMetadata']
const TRANSFORMS: readonly Transform[] = ['Table', ...METADATA_TRANSFORMS]
const DELETE_OPTIONS: GroupVersionKind = { group: '', version: 'v1', kind: 'DeleteOptions' }
/** Kinds of which every answer says that they are on their way out. */
const DEPRECATED: Readonly<Record<string, string>> = {
  endpoints: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  componentstatuses: 'v1 ComponentStatus is deprecated in v1.19+',
}

export class ApiRequests {
  readonly #options: ApiRequestsOptions

  constructor(options: ApiRequestsOptions) {
    this.#options = options
  }

  /** Answers the number of bytes sent. Throws StatusErrors as long as nothing was. */
  async serve(call: ApiCall): Promise<number> {
    const { exchange, route, query } = call
    const deprecation = route.resource.group === '' ? DEPRECATED[route.resource.resource] : route.resource.custom?.warning
    const deprecated = deprecation && warningHeader(deprecation)
    if (deprecated) exchange.setHeader('warning', deprecated)
    if (deprecation) this.#options.metrics.deprecatedUse(route.resource, route.subresource?.name ?? '')
    const negotiated = negotiate(headerText(exchange, 'accept'), {
      routed: route.resource.custom === undefined,
      transforms: isWithoutTable(route) ? METADATA_TRANSFORMS : TRANSFORMS,
      noProtobuf: route.resource.custom !== undefined,
      streaming: route.verb === 'watch',
      list: route.verb === 'list' || route.verb === 'watch',
      pretty: wantsPretty(query, headerText(exchange, 'user-agent')),
    })
    if (negotiated.as === 'Table') parseIncludeObject(query)
    const preparing = this.#options.codec.prepare(negotiated.mediaType)
    if (preparing) await preparing
    const request = await this.#request(call)
    exchange.audit?.request(request)
    if (deprecation) request.warnings.push(deprecation)
    if (route.verb === 'watch') {
      const selected = route.name && nameInSelector(query.get('fieldSelector') ?? '')
      if (selected && selected !== route.name) throw newBadRequest("fieldSelector metadata.name doesn't match requested name")
      await this.#watch(call, request, negotiated)
      return 0
    }
    return this.#answer(call, request, negotiated)
  }

  async #answer({ exchange, route, query }: ApiCall, request: ApiRequest, negotiated: Negotiated): Promise<number> {
    const { registry, codec, now } = this.#options
    try {
      const result = await registry.handle(request)
      const includeObject = negotiated.as === 'Table' ? parseIncludeObject(query) : 'Metadata'
      const answer = { codec, negotiated, resource: route.resource, includeObject, nowMs: now() }
      const body = encodeResult(result, answer)
      exchange.audit?.response(result, () => shapedResult(result, answer))
      writeWarnings(exchange, request.warnings)
      return await send(exchange, result.type === 'object' ? result.code : 200, negotiated.mediaType, body)
    } finally {
      if (!exchange.answered) writeWarnings(exchange, request.warnings)
    }
  }

  async #watch({ exchange, route, query, begun }: ApiCall, request: ApiRequest, negotiated: Negotiated): Promise<void> {
    const { registry, codec, metrics, now } = this.#options
    writeWarnings(exchange, request.warnings)
    await serveWatch({
      exchange,
      registry,
      request,
      codec,
      now,
      negotiated,
      includeObject: negotiated.as === 'Table' ? parseIncludeObject(query) : 'Metadata',
      onBegun: () => begun?.(),
      onEvents: (count) => metrics.watchEvents(route.resource, count),
    })
  }

  async #request(call: ApiCall): Promise<ApiRequest> {
    const { exchange, route, user, query, signal } = call
    const { verb, resource, subresource, namespace, name } = route
    const request: ApiRequest = {
      user,
      verb,
      resource,
      ...(subresource && { subresource }),
      namespace,
      name,
      query,
      userAgent: headerText(exchange, 'user-agent'),
      warnings: [],
      signal,
    }
    switch (verb) {
      case 'create':
      case 'update':
        // Before the body, of whose oddities nobody is warned then.
        checkWriteOptions(request)
        request.body = await this.#body(call, request, kindOf(route))
        break
      case 'patch':
        request.patch = {
          type: patchMediaType(headerText(exchange, 'content-type'), resource.custom === undefined),
          bytes: await readBody(exchange),
        }
        break
      case 'delete':
      case 'deletecollection': {
        const options = await this.#deleteOptions(exchange)
        if (options) request.body = options
        break
      }
      default:
    }
    return request
  }

  async #body({ exchange, query }: ApiCall, request: ApiRequest, kind: GroupVersionKind): Promise<JsonObject> {
    const { codec, catalog } = this.#options
    const mediaType = bodyMediaType(headerText(exchange, 'content-type'))
    const bytes = await readBody(exchange)
    await codec.prepare(mediaType)
    const type = request.subresource ? catalog.typeOfKind(kind) : request.resource.type
    // The type of a custom resource has no name.
    const { object, warnings } = codec.decode(bytes, mediaType, {
      kind,
      type: type?.name ? type : undefined,
      ...(request.resource.custom && { custom: request.resource.custom }),
      fieldValidation: query.get('fieldValidation') ?? '',
    })
    request.warnings.push(...warnings)
    return object
  }

  async #deleteOptions(exchange: Exchange): Promise<JsonObject | undefined> {
    const bytes = await readBody(exchange)
    if (bytes.length === 0) return undefined
    const { codec, catalog } = this.#options
    const mediaType = bodyMediaType(headerText(exchange, 'content-type'))
    await codec.prepare(mediaType)
    const type = catalog.typeOfKind(DELETE_OPTIONS)
    return codec.decode(bytes, mediaType, { kind: DELETE_OPTIONS, type, fieldValidation: 'Ignore', options: true }).object
  }
}

/** Groups and subresources whose upstream storage has no table converter: asked for a table alone, they refuse. */
const GROUPS_WITHOUT_TABLE: ReadonlySet<string> = new Set(['authentication.k8s.io', 'authorization.k8s.io'])
const SUBRESOURCES_WITHOUT_TABLE: ReadonlySet<string> = new Set([
  'pods/binding',
  'pods/eviction',
  'resourceclaims/status',
  'serviceaccounts/token',
])

function isWithoutTable({ resource, subresource }: Route): boolean {
  if (GROUPS_WITHOUT_TABLE.has(resource.group)) return true
  return subresource !== undefined && SUBRESOURCES_WITHOUT_TABLE.has(`${resource.resource}/${subresource.name}`)
}

/** The kind of a request's body. */
function kindOf({ resource, subresource }: Route): GroupVersionKind {
  return subresource?.kind ?? { group: resource.group, version: resource.version, kind: resource.kind }
}

export function headerText(exchange: Exchange, name: string): string {
  const value = exchange.headers[name]
  return utf8((typeof value === 'string' ? value : value?.join(', ')) ?? '')
}

/** RFC 7234 warn-text as Kubernetes sends it: code 299, no agent, in UTF-8. None for a text that headers can't carry. */
export function warningHeader(text: string): string | undefined {
  if (/\p{Cc}/u.test(text)) return undefined
  const escaped = text.replace(/["\\]/g, '\\$&')
  return Buffer.from(`299 - "${escaped}"`).toString('latin1')
}

/** All of them together; if they are longer, each is cut. */
const MAX_WARNINGS_CHARACTERS = 4_096
const MAX_CUT_WARNING_CHARACTERS = 256

/** One header for each text, each once, as long as there is room in the answer's head. */
export function writeWarnings(exchange: Exchange, warnings: readonly string[]): void {
  const texts = [...new Set(warnings)].filter((text) => text !== '' && warningHeader(text) !== undefined)
  const headers = fitting(texts.map((text) => [...text])).map((characters) => warningHeader(characters.join('')) as string)
  if (headers.length > 0) exchange.setHeader('warning', headers)
}

/** As upstream's recorder, which cuts as soon as one does not fit: what it had told until then stays, cut, and more follows while there is room. */
function fitting(texts: readonly string[][]): readonly string[][] {
  let sum = 0
  const beyond = texts.findIndex((text) => (sum += text.length) > MAX_WARNINGS_CHARACTERS)
  if (beyond < 0) return texts
  const told: string[][] = []
  let written = 0
  for (const [at, text] of texts.entries()) {
    if (at > beyond && written >= MAX_WARNINGS_CHARACTERS) break
    const cut = text.slice(0, MAX_CUT_WARNING_CHARACTERS)
    written += cut.length
    told.push(cut)
  }
  return told
}
