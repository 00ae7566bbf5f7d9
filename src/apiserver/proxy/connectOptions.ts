/** What a request to connect asks for, as the object that admission sees (PodExecOptions, ServiceProxyOptions …). */
import { newBadRequest } from '../../api/status.ts'
import { apiVersionOf } from '../../api/resource.ts'
import type { JsonObject } from '../../api/resource.ts'
import type { CatalogSubresource } from '../../api/catalog/catalog.ts'
import { isSet } from '../transport/requestInfo.ts'

function portOf(text: string): number {
  if (!/^[0-9]+$/.test(text) || Number(text) >= 2 ** 16) {
    const why = /^[0-9]+$/.test(text) ? 'value out of range' : 'invalid syntax'
    throw newBadRequest(`cannot convert to []int32: strconv.ParseUint: parsing ${JSON.stringify(text)}: ${why}`)
  }
  return Number(text)
}

const STREAMS = ['stdin', 'stdout', 'stderr', 'tty'] as const

export function connectOptions({ name, kind }: CatalogSubresource, query: URLSearchParams, rest: string): JsonObject {
  const options: JsonObject = { kind: kind.kind, apiVersion: apiVersionOf(kind) }
  if (name === 'proxy') return rest ? { ...options, path: `/${rest}` } : options
  if (name === 'portforward') {
    const ports = query.getAll('ports').flatMap((list) => list.split(',').map(portOf))
    return ports.length > 0 ? { ...options, ports } : options
  }
  for (const stream of STREAMS) if (isSet(query.get(stream))) options[stream] = true
  const container = query.get('container')
  if (container) options['container'] = container
  if (name === 'exec') options['command'] = query.getAll('command')
  return options
}
