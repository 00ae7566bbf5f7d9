/**
 * A watch as a stream of framed events. A plain JSON watch writes bytes that all its watchers share; other representations
 * are made per watcher. A reader that is slower than the events is waited for: the registry, which queues a bounded number
 * of them, ends the watch of one that stays behind.
 */
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { StatusError, newInternalError } from '../../api/status.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import { isAbort } from '../../base/abort.ts'
import type { ApiRequest, CachedEvent, Registry } from '../request.ts'
import { partialMetadata, tableOf } from '../printers/table.ts'
import type { IncludeObject } from '../printers/table.ts'
import type { ObjectCodec } from './codec.ts'
import type { Exchange } from './exchange.ts'
import type { Negotiated } from './negotiation.ts'

export interface WatchStreamOptions {
  exchange: Exchange
  registry: Registry
  request: ApiRequest
  negotiated: Negotiated
  codec: ObjectCodec
  includeObject: IncludeObject
  now: () => number
  /** Called once what was there has been sent. */
  onBegun?: () => void
  /** Called with the number of events of each batch. */
  onEvents: (count: number) => void
}

const CONTENT_TYPES = {
  'application/json': 'application/json',
  'application/vnd.kubernetes.protobuf': 'application/vnd.kubernetes.protobuf;stream=watch',
} as const

type Encode = (event: CachedEvent) => Uint8Array

function encoder(options: WatchStreamOptions, resource: CatalogResource): Encode {
  const { negotiated, codec, includeObject, now } = options
  const { mediaType, as } = negotiated
  if (mediaType === 'application/json' && as === undefined) return (event) => event.line()
  if (as === undefined) return (event) => codec.encodeEvent(event.type, event.object, mediaType)
  const apiVersion = `meta.k8s.io/${negotiated.asVersion ?? 'v1'}`
  if (as === 'PartialObjectMetadata') return (event) => codec.encodeEvent(event.type, partialMetadata(event.object, apiVersion), mediaType)
  let first = true
  return (event) => {
    const { object } = event
    const metadata = { resourceVersion: object.metadata.resourceVersion ?? '' }
    const table = tableOf({
      resource,
      objects: [object],
      list: false,
      metadata,
      includeObject,
      nowMs: now(),
      apiVersion,
      withColumns: first,
    })
    first = false
    return codec.encodeEvent(event.type, table, mediaType)
  }
}

/** False when the reader went away. */
async function write(stream: Writable, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> {
  if (stream.destroyed || stream.writableEnded) return false
  if (stream.write(bytes)) return true
  await once(stream, 'drain', { signal }).catch(() => {})
  return !signal.aborted && !stream.destroyed
}

async function writeAll(stream: Writable, parts: readonly Uint8Array[], signal: AbortSignal): Promise<boolean> {
  for (const part of parts) if (!(await write(stream, part, signal))) return false
  return true
}

function asStatus(error: unknown): StatusError {
  return error instanceof StatusError ? error : newInternalError(error instanceof Error ? error.message : String(error))
}

/**
 * Serves one watch to its end. Throws, with nothing answered, where the registry refuses the watch before its first batch;
 * what goes wrong later is told by an ERROR event.
 */
export async function serveWatch(options: WatchStreamOptions): Promise<void> {
  const { exchange, registry, request, negotiated, codec } = options
  const encode = encoder(options, request.resource)
  const events = registry.watch(request)[Symbol.asyncIterator]()
  const contentType = CONTENT_TYPES[negotiated.mediaType as keyof typeof CONTENT_TYPES]
  let stream: Writable | undefined
  // A watch without events yet must answer its headers, and one that is refused must not: the refusal comes at once.
  const open = (): Writable => (stream ??= exchange.stream(200, { 'content-type': contentType }))
  try {
    let next = events.next()
    const first = await Promise.race([
      next.then(
        () => 'events' as const,
        () => 'refused' as const,
      ),
      new Promise<'quiet'>((resolve) => setImmediate(() => setImmediate(() => resolve('quiet')))),
    ])
    if (first !== 'refused') open()
    if (first === 'quiet') options.onBegun?.()
    for (;;) {
      const { done, value } = await next
      if (done) break
      const batch = value as readonly CachedEvent[]
      options.onEvents(batch.length)
      // No event holds a list: the watch ends at its first one, as upstream's does.
      if (negotiated.as === 'PartialObjectMetadataList' && batch.length > 0) break
      const encoded = batch.map(encode)
      const parts = exchange.isWebSocket || encoded.length === 1 ? encoded : [Buffer.concat(encoded)]
      if (!(await writeAll(open(), parts, request.signal))) break
      options.onBegun?.()
      next = events.next()
    }
  } catch (error) {
    if (request.signal.aborted || isAbort(error)) return
    if (!stream) throw error
    await write(stream, codec.encodeEvent('ERROR', asStatus(error).status, negotiated.mediaType), request.signal)
  } finally {
    await events.return?.()
    stream?.end()
  }
}
