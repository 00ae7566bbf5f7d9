/**
 * `/openapi/v2`, `/openapi/v3` and its documents over HTTP (kube-openapi's handler and handler3): content negotiation, entity
 * tags, and documents that may be kept for ever under their hash. Nothing is built before it is asked for.
 */
import type { Catalog } from '../../api/catalog/catalog.ts'
import { newMethodNotAllowed } from '../../api/status.ts'
import type { Clock } from '../../base/clock.ts'
import type { PathHandler, RequestContext } from '../transport/filters.ts'
import { parseAccept } from '../transport/negotiation.ts'
import { send } from '../transport/responses.ts'
import { loadDescriptions } from './descriptions.ts'
import { buildOpenApiV2 } from './v2.ts'
import { hashOf, type OpenApiDocument, OpenApiV3 } from './v3.ts'

/** Documents of kinds that the catalog does not know: those of custom resources. */
export interface MoreDocuments {
  /** Hash of each, by name (`apis/example.com/v1`). */
  hashes(): ReadonlyMap<string, string>
  document(name: string): OpenApiDocument | undefined
}

export interface OpenApiHandlerOptions {
  catalog: Catalog
  /** Of tools/catalog/descriptions.ts; without it documents have no descriptions. */
  descriptionsFile?: string
  more?: MoreDocuments
  clock: Clock
}

const JSON_TYPE = 'application/json'
/** What kubectl asks for; the answer has a dot where the question has an at sign. */
const V2_PROTOBUF_ASKED = ['application/com.github.proto-openapi.spec.v2@v1.0+protobuf', 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf']
const INDEX_TYPE = 'text/plain; charset=utf-8'
const YEAR_MS = 365 * 24 * 60 * 60 * 1000
const DOCUMENT_PATH = /^\/openapi\/v3\/(.+)$/

type Headers = Record<string, string>

export class OpenApiHandler implements PathHandler {
  readonly #options: OpenApiHandlerOptions
  #v3: Promise<OpenApiV3> | undefined
  readonly #v2 = new Map<'json' | 'protobuf', Promise<OpenApiDocument>>()

  constructor(options: OpenApiHandlerOptions) {
    this.#options = options
  }

  async handle(context: RequestContext): Promise<boolean> {
    const { path, exchange } = context
    if (path !== '/openapi/v2' && path !== '/openapi/v3' && path !== '/openapi/v3/' && !DOCUMENT_PATH.test(path)) return false
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') throw newMethodNotAllowed()
    if (path === '/openapi/v2') return this.#serveV2(context)
    const name = DOCUMENT_PATH.exec(path)?.[1]
    return name === undefined ? this.#serveIndex(context) : this.#serveDocument(context, name.replace(/\/$/, ''))
  }

  #describe(): Promise<Awaited<ReturnType<typeof loadDescriptions>>> {
    const { descriptionsFile } = this.#options
    return descriptionsFile ? loadDescriptions(descriptionsFile) : Promise.resolve(undefined)
  }

  #openV3(): Promise<OpenApiV3> {
    this.#v3 ??= this.#describe().then((describe) => new OpenApiV3(this.#options.catalog, describe))
    return this.#v3
  }

  async #buildV2(format: 'json' | 'protobuf'): Promise<OpenApiDocument> {
    const document = buildOpenApiV2(this.#options.catalog, await this.#describe())
    const bytes = format === 'json' ? Buffer.from(JSON.stringify(document)) : Buffer.from((await import('./v2Protobuf.ts')).encodeOpenApiV2(document))
    return { json: bytes, hash: hashOf(bytes) }
  }

  async #serveV2(context: RequestContext): Promise<true> {
    const format = v2Format(accepted(context))
    if (!format) return this.#notAcceptable(context)
    let document = this.#v2.get(format)
    if (!document) this.#v2.set(format, (document = this.#buildV2(format)))
    const { OPENAPI_V2_PROTOBUF } = await import('./v2Protobuf.ts')
    return this.#answer(context, await document, format === 'json' ? JSON_TYPE : OPENAPI_V2_PROTOBUF, { vary: 'Accept' })
  }

  async #serveIndex(context: RequestContext): Promise<true> {
    const index = (await this.#openV3()).index(this.#options.more?.hashes())
    const json = Buffer.from(JSON.stringify(index))
    return this.#answer(context, { json, hash: hashOf(json) }, INDEX_TYPE)
  }

  async #serveDocument(context: RequestContext, name: string): Promise<boolean> {
    const document = this.#options.more?.document(name) ?? (await this.#openV3()).document(name)
    if (!document) return false
    if (!accepted(context).some((type) => type === JSON_TYPE || type === '*/*' || type === 'application/*')) return this.#notAcceptable(context)
    const asked = context.query.get('hash')
    const headers: Headers = { vary: 'Accept', etag: `"${document.hash}"` }
    if (asked && asked !== document.hash) {
      context.exchange.respond(301, { ...headers, location: `/openapi/v3/${name}?hash=${document.hash}` })
      return true
    }
    if (asked) {
      headers['cache-control'] = 'public, immutable'
      headers['expires'] = new Date(this.#options.clock.now() + YEAR_MS).toUTCString()
    }
    return this.#answer(context, document, JSON_TYPE, headers)
  }

  async #answer({ exchange }: RequestContext, { json, hash }: OpenApiDocument, contentType: string, headers: Headers = {}): Promise<true> {
    const etag = `"${hash}"`
    if (exchange.headers['if-none-match'] === etag) exchange.respond(304, { ...headers, etag })
    else await send(exchange, 200, contentType, json, { ...headers, etag })
    return true
  }

  #notAcceptable({ exchange }: RequestContext): true {
    exchange.respond(406, {})
    return true
  }
}

/** Media types of the Accept header, best first; everything where there is none. */
function accepted({ exchange }: RequestContext): string[] {
  const header = String(exchange.headers.accept ?? '')
  return header === '' ? ['*/*'] : parseAccept(header).map((clause) => clause.type)
}

function v2Format(types: readonly string[]): 'json' | 'protobuf' | undefined {
  for (const type of types) {
    if (type === JSON_TYPE || type === '*/*' || type === 'application/*') return 'json'
    if (V2_PROTOBUF_ASKED.includes(type)) return 'protobuf'
  }
  return undefined
}
