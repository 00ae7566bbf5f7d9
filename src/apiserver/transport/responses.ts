/** Writes what the registry answered in the representation that was negotiated. */
import type { OutgoingHttpHeaders } from 'node:http'
import { gzip } from 'node:zlib'
import { promisify } from 'node:util'
import type { Writable } from 'node:stream'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import { apiVersionOf } from '../../api/resource.ts'
import type { JsonObject, KubeObject } from '../../api/resource.ts'
import { newStatusError } from '../../api/status.ts'
import type { StatusError } from '../../api/status.ts'
import type { ApiResult } from '../request.ts'
import { partialMetadata, tableOf } from '../printers/table.ts'
import type { IncludeObject } from '../printers/table.ts'
import type { ObjectCodec } from './codec.ts'
import type { Exchange } from './exchange.ts'
import type { Negotiated } from './negotiation.ts'

/** Upstream compresses from here on: below, the time costs more than the bytes. */
const GZIP_FROM_BYTES = 128 * 1024
const GZIP_LEVEL = 1
const NEWLINE = Buffer.from('\n')
const compress = promisify(gzip)

export interface AnswerOptions {
  codec: ObjectCodec
  negotiated: Negotiated
  resource: CatalogResource
  includeObject: IncludeObject
  nowMs: number
}

type ListResult = Extract<ApiResult, { type: 'list' }>

/** Go's name of the type that is printed when a representation does not fit, e.g. `*core.ConfigMap`. */
function internalType(resource: CatalogResource, list: boolean): string {
  if (resource.type.name === '') return list ? '*unstructured.UnstructuredList' : '*unstructured.Unstructured'
  const first = resource.group.split('.')[0] as string
  const pkg = resource.group === '' || resource.group === 'events.k8s.io' ? 'core' : first
  return `*${pkg}.${resource.kind}${list ? 'List' : ''}`
}

function newWrongShape(options: AnswerOptions, list: boolean): StatusError {
  const { resource, negotiated } = options
  const is = list ? 'is a list' : 'is not a list'
  return newStatusError(
    406,
    'NotAcceptable',
    `you requested ${negotiated.as}, but the requested object ${is} (${internalType(resource, list)})`,
  )
}

/** Items of a built-in list carry no kind and apiVersion: their JSON begins with both, in one of two orders. */
export function stripType(json: Uint8Array, prefixes: readonly Buffer[]): Uint8Array {
  for (const prefix of prefixes) {
    if (json.length > prefix.length && prefix.compare(json, 0, prefix.length) === 0) return json.subarray(prefix.length)
  }
  const { kind: _kind, apiVersion: _apiVersion, ...rest } = JSON.parse(Buffer.from(json).toString()) as JsonObject
  return Buffer.from(JSON.stringify(rest)).subarray(1)
}

/** Lists of custom resources say `continue` even where nothing is; what is in no store has no version. */
function listMetadata({ metadata }: ListResult, custom = false): object {
  const { resourceVersion, continue: token, remainingItemCount } = metadata
  return {
    ...(resourceVersion && { resourceVersion }),
    ...((token || custom) && { continue: token ?? '' }),
    ...(remainingItemCount !== undefined && { remainingItemCount }),
  }
}

/** Answers are joined from many small pieces in steps of this. */
const CHUNK_BYTES = 64 * 1024

/** A large answer that is never in memory as a whole: its pieces are the bytes of cached objects. */
export interface PiecedBody {
  readonly length: number
  chunks(): Iterable<Buffer>
}

function pieced(pieces: readonly Uint8Array[], length: number): PiecedBody {
  return {
    length,
    *chunks() {
      let from = 0
      let sizeBytes = 0
      for (const [at, piece] of pieces.entries()) {
        sizeBytes += piece.length
        if (sizeBytes < CHUNK_BYTES) continue
        yield Buffer.concat(pieces.slice(from, at + 1), sizeBytes)
        from = at + 1
        sizeBytes = 0
      }
      if (sizeBytes > 0) yield Buffer.concat(pieces.slice(from), sizeBytes)
    },
  }
}

function joined(body: Uint8Array | PiecedBody): Uint8Array {
  return body instanceof Uint8Array ? body : Buffer.concat([...body.chunks()], body.length)
}

/** A list's JSON, joined from the bytes of its items. */
function listJson(result: ListResult, resource: CatalogResource): Uint8Array | PiecedBody {
  const custom = resource.type.name === ''
  const kind = JSON.stringify(resource.kind)
  const apiVersion = JSON.stringify(apiVersionOf(resource))
  const prefixes = [Buffer.from(`{"kind":${kind},"apiVersion":${apiVersion},`), Buffer.from(`{"apiVersion":${apiVersion},"kind":${kind},`)]
  const head = custom
    ? `{"apiVersion":${JSON.stringify(result.apiVersion)},"items":[`
    : `{"kind":${JSON.stringify(result.kind)},"apiVersion":${JSON.stringify(result.apiVersion)},"metadata":${JSON.stringify(listMetadata(result))},"items":[`
  const parts: Uint8Array[] = [Buffer.from(head)]
  const [first, next] = custom ? [Buffer.alloc(0), Buffer.from(',')] : [Buffer.from('{'), Buffer.from(',{')]
  result.items.forEach((item, at) => parts.push(at === 0 ? first : next, custom ? item.json : stripType(item.json, prefixes)))
  parts.push(
    Buffer.from(custom ? `],"kind":${JSON.stringify(result.kind)},"metadata":${JSON.stringify(listMetadata(result, true))}}\n` : ']}\n'),
  )
  let length = 0
  for (const part of parts) length += part.length
  return length <= CHUNK_BYTES ? Buffer.concat(parts, length) : pieced(parts, length)
}

function listObject(result: ListResult, resource: CatalogResource): object {
  const custom = resource.type.name === ''
  const items = result.items.map(({ object }) => {
    if (custom) return object
    const { kind: _kind, apiVersion: _apiVersion, ...rest } = object
    return rest
  })
  return { kind: result.kind, apiVersion: result.apiVersion, metadata: listMetadata(result, custom), items }
}

function shapedList(result: ListResult, options: AnswerOptions): object {
  const { negotiated, resource, includeObject, nowMs } = options
  const { mediaType, as } = negotiated
  const apiVersion = `meta.k8s.io/${negotiated.asVersion ?? 'v1'}`
  const objects = (): KubeObject[] => result.items.map((item) => item.object)
  switch (as) {
    case 'Table':
      return tableOf({ resource, objects: objects(), list: true, metadata: listMetadata(result), includeObject, nowMs, apiVersion })
    case 'PartialObjectMetadata':
      throw newWrongShape(options, true)
    case 'PartialObjectMetadataList': {
      const items = objects().map((object) => partialMetadata(object, apiVersion))
      // Go's empty list of these is none.
      const none = items.length === 0 && mediaType !== 'application/vnd.kubernetes.protobuf'
      return { kind: as, apiVersion, metadata: listMetadata(result), items: none ? null : items }
    }
    default:
      return listObject(result, resource)
  }
}

/** A Status that a create answers (binding, eviction) carries the code, one that a delete answers does not. */
function withCode({ object, code }: Extract<ApiResult, { type: 'object' }>): KubeObject {
  const status = object as KubeObject & { code?: number }
  return status.kind === 'Status' && code === 201 && status.code === undefined ? ({ ...status, code } as KubeObject) : status
}

function shapedObject(result: Extract<ApiResult, { type: 'object' }>, options: AnswerOptions): object {
  const { negotiated, resource, includeObject, nowMs } = options
  const object = withCode(result)
  // What is told about a deletion stays what it is.
  const as = object.kind === 'Status' ? undefined : negotiated.as
  const apiVersion = `meta.k8s.io/${negotiated.asVersion ?? 'v1'}`
  switch (as) {
    case 'Table': {
      const { resourceVersion } = object.metadata
      const metadata = resourceVersion ? { resourceVersion } : {}
      return tableOf({ resource, objects: [object], list: false, metadata, includeObject, nowMs, apiVersion })
    }
    case 'PartialObjectMetadata':
      return partialMetadata(object, apiVersion)
    case 'PartialObjectMetadataList':
      throw newWrongShape(options, false)
    default:
      return object
  }
}

/** A result in the representation that was asked for, not encoded yet. */
export function shapedResult(result: ApiResult, options: AnswerOptions): object {
  return result.type === 'list' ? shapedList(result, options) : shapedObject(result, options)
}

export function encodeResult(result: ApiResult, options: AnswerOptions): Uint8Array | PiecedBody {
  const { mediaType, pretty, as } = options.negotiated
  if (mediaType === 'application/json' && !pretty && !as) {
    if (result.type === 'list') return listJson(result, options.resource)
    if (result.json) return Buffer.concat([result.json, NEWLINE])
  }
  return options.codec.encode(shapedResult(result, options), mediaType, pretty)
}

/** Named as it is: weights are not understood. */
function acceptsGzip({ headers }: Exchange): boolean {
  return String(headers['accept-encoding'] ?? '')
    .split(',')
    .some((coding) => coding.trim() === 'gzip')
}

/** Sends a whole answer, compressed where that pays. Answers how many bytes went out. */
export async function send(
  exchange: Exchange,
  status: number,
  contentType: string,
  body: Uint8Array | PiecedBody,
  headers: Record<string, string> = {},
): Promise<number> {
  if (status < 300 && acceptsGzip(exchange) && body.length > GZIP_FROM_BYTES) {
    const packed = await compress(joined(body), { level: GZIP_LEVEL })
    const vary = headers['vary']?.startsWith('Accept') ? 'Accept, Accept-Encoding' : 'Accept-Encoding'
    exchange.respond(status, { ...headers, 'content-type': contentType, 'content-encoding': 'gzip', vary }, packed)
    return packed.length
  }
  const head = { ...headers, 'content-type': contentType }
  if (body instanceof Uint8Array || exchange.method === 'HEAD') exchange.respond(status, head, joined(body))
  else await sendPieces(exchange, status, head, body)
  return body.length
}

/** No faster than the client reads. */
async function sendPieces(exchange: Exchange, status: number, headers: OutgoingHttpHeaders, body: PiecedBody): Promise<void> {
  const stream = exchange.stream(status, exchange.httpVersion === '1.1' ? { ...headers, 'content-length': body.length } : headers)
  for (const chunk of body.chunks()) {
    if (stream.destroyed) return
    if (!stream.write(chunk)) await drained(stream)
  }
  stream.end()
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('close', done)
      resolve()
    }
    stream.on('drain', done).on('close', done)
    if (stream.destroyed) done()
  })
}
