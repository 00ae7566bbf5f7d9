/**
 * /openapi/v2 and /openapi/v3. The documents are big and few clients ask for them: their makers are loaded, and documents
 * made, when the first client does. Version 3 documents are named by their hash, so that clients may keep them for ever.
 */
import type { Catalog } from '../../api/catalog/catalog.ts'
import type { JsonObject } from '../../api/resource.ts'
import { newMethodNotAllowed } from '../../api/status.ts'
import type { Clock } from '../../base/clock.ts'
import { hashOf } from '../openapi/hash.ts'
import type { Descriptions } from '../openapi/schemas.ts'
import type { OpenApiDocument, OpenApiV3 } from '../openapi/v3.ts'
import { headerText } from './apiRequests.ts'
import type { Exchange } from './exchange.ts'
import type { PathHandler, RequestContext } from './filters.ts'
import { parseAccept } from './negotiation.ts'
import { send } from './responses.ts'

export interface OpenApiPathsOptions {
  catalog: Catalog
  clock: Clock
  descriptionsFile?: string
  custom?: CustomDocuments
  /** The documents of other servers' group versions. */
  remote?: RemoteDocuments
}

/** The documents of custom resources. */
export interface CustomDocuments extends RemoteDocuments {
  /** Makes what has changed, without keeping everybody waiting; to be awaited before anything else is asked for. */
  prepare(describe: Descriptions | undefined): Promise<void>
}

export interface RemoteDocuments {
  /** Version 3, by name (`apis/example.com/v1`). */
  documents(): ReadonlyMap<string, OpenApiDocument>
  /** Version 2, of those group versions alone. */
  documentsV2(): readonly JsonObject[]
  /** Changes with them. */
  readonly generation: number
}

interface Document {
  bytes: Uint8Array
  contentType: string
  etag: string
}

const V2_PROTOBUF = /^application\/com\.github\.proto-openapi\.spec\.v2[@.]v1\.0\+protobuf$/
const V3_PROTOBUF = /^application\/com\.github\.proto-openapi\.spec\.v3[@.]v1\.0\+protobuf$/
const V3_PATH = /^\/openapi\/v3\/(.+?)\/?$/
const YEAR_MS = 365 * 24 * 3_600_000

export class OpenApiPaths implements PathHandler {
  readonly #options: OpenApiPathsOptions
  #v3: Promise<OpenApiV3> | undefined
  #v2: Promise<{ json: Document; protobuf: Document }> | undefined
  /** What the version 2 document was made of. */
  #v2Generation = ''

  constructor(options: OpenApiPathsOptions) {
    this.#options = options
  }

  async handle({ exchange, path, query }: RequestContext): Promise<boolean> {
    if (!path.startsWith('/openapi/')) return false
    const v3 = V3_PATH.exec(path)
    if (path !== '/openapi/v2' && path !== '/openapi/v3' && path !== '/openapi/v3/' && !v3) return false
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') throw newMethodNotAllowed()
    if (path === '/openapi/v2') {
      await this.#sendV2(exchange)
      return true
    }
    const found = v3?.[1] ? await this.#sendV3(exchange, v3[1], query) : path === '/openapi/v3'
    if (!v3 && found) await this.#sendIndex(exchange)
    if (!found) exchange.respond(404, {})
    return true
  }

  async #describe(): Promise<Descriptions | undefined> {
    const { descriptionsFile } = this.#options
    if (!descriptionsFile) return undefined
    const { loadDescriptions } = await import('../openapi/descriptions.ts')
    return loadDescriptions(descriptionsFile)
  }

  async #custom(): Promise<CustomDocuments | undefined> {
    const { custom } = this.#options
    await custom?.prepare(await this.#describe())
    return custom
  }

  #documents(): Promise<OpenApiV3> {
    this.#v3 ??= (async () => {
      const [{ OpenApiV3: Documents }, describe] = await Promise.all([import('../openapi/v3.ts'), this.#describe()])
      return new Documents(this.#options.catalog, describe)
    })()
    return this.#v3
  }

  async #sendIndex(exchange: Exchange): Promise<void> {
    const custom = await this.#custom()
    const { remote } = this.#options
    const more = [...(custom?.documents() ?? []), ...(remote?.documents() ?? [])]
    const index = (await this.#documents()).index(new Map(more.map(([name, { hash }]) => [name, hash])))
    await send(exchange, 200, 'text/plain; charset=utf-8', Buffer.from(JSON.stringify(index)))
  }

  async #sendV3(exchange: Exchange, name: string, query: URLSearchParams): Promise<boolean> {
    const custom = await this.#custom()
    const { remote } = this.#options
    const document = remote?.documents().get(name) ?? custom?.documents().get(name) ?? (await this.#documents()).document(name)
    if (!document) return false
    const { json, hash } = document
    const format = formatOf(exchange, V3_PROTOBUF)
    if (!format) {
      exchange.respond(406, { vary: 'Accept' })
      return true
    }
    const asked = query.get('hash')
    if (asked !== null && asked !== hash) {
      exchange.respond(301, { location: `/openapi/v3/${name}?hash=${hash}`, vary: 'Accept' })
      return true
    }
    const etag = `"${hash}"`
    const kept = { 'cache-control': 'public, immutable', expires: new Date(this.#options.clock.now() + YEAR_MS).toUTCString() }
    const headers = { etag, vary: 'Accept', ...(asked !== null && kept) }
    if (isKnown(exchange, etag)) exchange.respond(304, headers)
    else if (format === 'json') await send(exchange, 200, 'application/json', json, headers)
    else {
      const { encodeOpenApiV3, OPENAPI_V3_PROTOBUF } = await import('../openapi/v3Protobuf.ts')
      await send(exchange, 200, OPENAPI_V3_PROTOBUF, encodeOpenApiV3(json), headers)
    }
    return true
  }

  async #sendV2(exchange: Exchange): Promise<void> {
    const format = formatOf(exchange, V2_PROTOBUF)
    if (!format) return exchange.respond(406, {})
    const generation = `${this.#options.remote?.generation ?? 0}/${this.#options.custom?.generation ?? 0}`
    if (generation !== this.#v2Generation) this.#v2 = undefined
    this.#v2Generation = generation
    this.#v2 ??= this.#makeV2()
    const { bytes, contentType, etag } = (await this.#v2)[format]
    const headers = { etag, vary: 'Accept, Accept-Encoding' }
    if (isKnown(exchange, etag)) return exchange.respond(304, headers)
    await send(exchange, 200, contentType, bytes, headers)
  }

  async #makeV2(): Promise<{ json: Document; protobuf: Document }> {
    const [{ buildOpenApiV2 }, { encodeOpenApiV2, OPENAPI_V2_PROTOBUF }, describe] = await Promise.all([
      import('../openapi/v2.ts'),
      import('../openapi/v2Protobuf.ts'),
      this.#describe(),
    ])
    const own = buildOpenApiV2(this.#options.catalog, describe)
    const custom = (await this.#custom())?.documentsV2() ?? []
    const theirs = [...custom, ...(this.#options.remote?.documentsV2() ?? [])]
    const document = theirs.length === 0 ? own : (await import('../openapi/mergeV2.ts')).mergeV2(own, theirs)
    const json = Buffer.from(JSON.stringify(document))
    const protobuf = encodeOpenApiV2(document)
    return {
      json: { bytes: json, contentType: 'application/json', etag: `"${hashOf(json)}"` },
      protobuf: { bytes: protobuf, contentType: OPENAPI_V2_PROTOBUF, etag: `"${hashOf(protobuf)}"` },
    }
  }
}

/** Whether the client has the document already, by one of the tags it names; a weak one will do. */
function isKnown(exchange: Exchange, etag: string): boolean {
  const tags = headerText(exchange, 'if-none-match').split(',')
  return tags.some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
}

/** Undefined where neither form will do. */
function formatOf(exchange: Exchange, protobuf: RegExp): 'json' | 'protobuf' | undefined {
  for (const { type } of parseAccept(headerText(exchange, 'accept') || '*/*')) {
    if (protobuf.test(type)) return 'protobuf'
    if (['*/*', 'application/*', 'application/json'].includes(type)) return 'json'
  }
  return undefined
}
