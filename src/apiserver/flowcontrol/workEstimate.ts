/** How much of the server a request is expected to take, in seats. Pure. */
import type { RequestInfo } from '../transport/requestInfo.ts'

const OBJECTS_PER_SEAT = 100

/** `objectCount` is of the resource, over all namespaces: what a filter is held against. */
export function seatsOf({ verb, name }: RequestInfo, query: URLSearchParams, objectCount: () => number): number {
  if (verb !== 'list' && verb !== 'watch') return 1
  if (name !== '') return 1
  const resourceVersion = query.get('resourceVersion') ?? ''
  // A watch that begins with changes to come costs nothing before they do.
  if (verb === 'watch' && query.get('sendInitialEvents') !== 'true' && resourceVersion !== '' && resourceVersion !== '0') return 1
  const stored = objectCount()
  const limit = Number(query.get('limit') ?? 0)
  const filtered = query.has('labelSelector') || query.has('fieldSelector')
  const objects = limit > 0 && limit < stored && !filtered ? limit : stored
  return Math.ceil(objects / OBJECTS_PER_SEAT)
}
