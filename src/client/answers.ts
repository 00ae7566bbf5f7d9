/** What an API server's answers in JSON stand for: failures as StatusErrors, lists, discovery, the events of a watch. Pure. */
import { apiVersionOf, type KubeList, type KubeObject } from '../api/resource.ts'
import type { Status } from '../api/kinds/meta/v1.ts'
import { newStatusError, StatusError, type StatusReason } from '../api/status.ts'
import type { DiscoveredResource, ResourceRequest, WatchEvent } from './client.ts'

const MAX_WATCH_LINE_CHARS = 64 * 2 ** 20

const REASON_OF_CODE: Readonly<Record<number, StatusReason>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

/** The error that an answer with a failing code stands for. */
export function errorOf(code: number, body: string, retryAfter?: string): StatusError {
  const retryAfterSeconds = retryAfter && /^\d+$/.test(retryAfter) ? Number(retryAfter) : undefined
  try {
    const status = JSON.parse(body) as Status
    if (status.kind === 'Status')
      return new StatusError({
        code,
        ...status,
        ...(retryAfterSeconds !== undefined && { details: { ...status.details, retryAfterSeconds } }),
      })
  } catch {
    // Not every failure comes from an API server: a proxy's text is kept as the message.
  }
  const details = retryAfterSeconds === undefined ? undefined : { retryAfterSeconds }
  return newStatusError(code, REASON_OF_CODE[code] ?? '', body.trim() || `the server answered ${code}`, details)
}

export interface ListBody {
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number }
  items: KubeObject[] | null
}

/** Items of typed lists come without kind and apiVersion; in caches every object has them. */
export function listOf(request: Pick<ResourceRequest, 'resource'>, body: ListBody): KubeList<KubeObject> {
  const { resource } = request
  const { resourceVersion = '', continue: next, remainingItemCount } = body.metadata
  const items = (body.items ?? []).map((item) => ({ apiVersion: apiVersionOf(resource), kind: resource.kind, ...item }))
  return { resourceVersion, ...(next && { continue: next }), ...(remainingItemCount !== undefined && { remainingItemCount }), items }
}

export interface ResourceListBody {
  resources?: { name: string; kind: string; namespaced: boolean; verbs: string[] }[]
}

/** Subresources are left out. */
export function discoveredResources(group: string, version: string, { resources = [] }: ResourceListBody): DiscoveredResource[] {
  return resources
    .filter(({ name }) => !name.includes('/'))
    .map(({ name: resource, kind, namespaced, verbs }) => ({ group, version, resource, kind, namespaced, verbs }))
}

/** The events of a watch's bytes. An ERROR event is thrown. */
export async function* watchEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<WatchEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const text = decoder.decode(chunk, { stream: true })
    // A long line comes in many chunks: it is joined in vain until its end is there.
    const lines = text.includes('\n') ? (rest + text).split('\n') : [rest + text]
    rest = lines.pop() ?? ''
    if (rest.length > MAX_WATCH_LINE_CHARS) throw new Error(`a watch event is larger than ${MAX_WATCH_LINE_CHARS} characters`)
    for (const line of lines) if (line) yield eventOf(line)
  }
}

function eventOf(line: string): WatchEvent {
  const event = JSON.parse(line) as { type: string; object: KubeObject & Status }
  switch (event.type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type: event.type, object: event.object }
    case 'BOOKMARK':
      return { type: 'BOOKMARK', resourceVersion: event.object.metadata.resourceVersion }
    case 'ERROR':
      throw errorOf(event.object.code ?? 500, JSON.stringify(event.object))
    default:
      throw new Error(`watch event of unknown type ${event.type}`)
  }
}
