/** What a remote server says it serves, in the aggregated form: asked so, or in the plain form that old servers know. */
import type { JsonObject } from '../../api/resource.ts'
import { AGGREGATOR_USER } from './availability.ts'
import type { RemoteServer } from './remoteServer.ts'

const AGGREGATED = ['v2', 'v2beta1'].map((v) => `application/json;g=apidiscovery.k8s.io;v=${v};as=APIGroupDiscoveryList`).join(',')

interface GroupDiscoveryList {
  items?: { metadata?: { name?: string }; versions?: { version?: string; resources?: JsonObject[] }[] }[]
}

interface PlainResource {
  name?: string
  singularName?: string
  namespaced?: boolean
  group?: string
  version?: string
  kind?: string
  verbs?: string[]
  shortNames?: string[]
  categories?: string[]
}

/** Old clients of discovery stumble over a missing kind. */
function withKind(resource: JsonObject): JsonObject {
  const subresources = resource['subresources'] as JsonObject[] | undefined
  return {
    ...resource,
    responseKind: resource['responseKind'] ?? { group: '', version: '', kind: '' },
    ...(subresources && {
      subresources: subresources.map((s) => ({ ...s, responseKind: s['responseKind'] ?? { group: '', version: '', kind: '' } })),
    }),
  }
}

/** The rows of an APIResourceList as aggregated discovery has them: subresources under their resources. Pure. */
export function aggregatedResources(rows: readonly PlainResource[]): JsonObject[] {
  const kindOf = ({ group = '', version = '', kind = '' }: PlainResource): JsonObject => ({ group, version, kind })
  const subresourcesOf = (name: string): JsonObject[] =>
    rows
      .filter((row) => row.name?.startsWith(`${name}/`))
      .map((row) => ({ subresource: (row.name as string).slice(name.length + 1), responseKind: kindOf(row), verbs: row.verbs ?? [] }))
  return rows
    .filter((row) => row.name !== undefined && !row.name.includes('/'))
    .map((row) => {
      const subresources = subresourcesOf(row.name as string)
      return {
        resource: row.name as string,
        responseKind: kindOf(row),
        scope: row.namespaced ? 'Namespaced' : 'Cluster',
        singularResource: row.singularName ?? '',
        verbs: row.verbs ?? [],
        ...(row.shortNames?.length && { shortNames: row.shortNames }),
        ...(row.categories?.length && { categories: row.categories }),
        ...(subresources.length > 0 && { subresources }),
      }
    })
}

/** Throws where the server cannot be asked. */
export async function discoverVersion(server: RemoteServer, group: string, version: string, signal: AbortSignal): Promise<JsonObject[]> {
  const all = await server.ask('/apis', { user: AGGREGATOR_USER, headers: { accept: AGGREGATED }, signal })
  if (all.status === 503) throw new Error(`the server answered ${all.status}`)
  if (all.status === 200 && /g=apidiscovery\.k8s\.io/.test(String(all.headers['content-type']))) {
    const { items = [] } = JSON.parse(all.body.toString()) as GroupDiscoveryList
    const found = items.find((item) => item.metadata?.name === group)?.versions?.find((v) => v.version === version)
    return (found?.resources ?? []).map(withKind)
  }
  const path = `/apis/${group}/${version}`
  const plain = await server.ask(path, { user: AGGREGATOR_USER, headers: { accept: 'application/json' }, signal })
  if (plain.status !== 200) throw new Error(`failed to download legacy discovery for ${path}: ${plain.status}`)
  return aggregatedResources((JSON.parse(plain.body.toString()) as { resources?: PlainResource[] }).resources ?? [])
}
