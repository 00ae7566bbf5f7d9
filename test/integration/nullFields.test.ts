/**
 * null is nil: for every kind that can be created, an object with everything in it is sent once for each field that any type
 * has, with null in that field's place (and with nulls inside its lists and maps). Whatever the answer is, it is not a crash.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { loadCatalog } from '../../src/api/catalog/load.ts'
import { ask, startTestServer } from '../../src/apiserver/testServer.ts'
import type { ClientHttp2Session } from 'node:http2'
import type { CatalogResource } from '../../src/api/catalog/catalog.ts'
import type { Schema, TypeDef } from '../../src/api/catalog/schema.ts'
import type { JsonObject, JsonValue } from '../../src/api/resource.ts'
import type { TestApiServer } from '../../src/apiserver/testServer.ts'

const IN_FLIGHT_LIMIT = 16
/** Metadata that only the server may set. */
const SERVER_FIELDS = ['resourceVersion', 'managedFields', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'generateName']

const SCALARS: Partial<Record<Schema['type'], JsonValue>> = {
  boolean: true,
  int32: 1,
  int64: 1,
  double: 1,
  intOrString: 1,
  bytes: 'YQ==',
  quantity: '1',
  duration: '30s',
  time: '2026-01-01T00:00:00Z',
  microTime: '2026-01-01T00:00:00.000000Z',
  any: {},
  fieldsV1: {},
}

/** A way to null: the path of a field, or of what is inside a list or map. */
type Path = readonly (string | number)[]

interface Sample {
  object: JsonObject
  paths: Path[]
}

/** Every field of every type once, whichever kind it is found in first. */
const covered = new Set<string>()

function fill(schema: Schema, around: readonly TypeDef[], at: Path, paths: Path[]): JsonValue {
  switch (schema.type) {
    case 'array':
      paths.push([...at, 0])
      return [fill(schema.items, around, [...at, 0], paths)]
    case 'map':
      paths.push([...at, 'k'])
      return { k: fill(schema.values, around, [...at, 'k'], paths) }
    case 'object':
      // JSONSchemaProps contains itself.
      return around.includes(schema.def) ? {} : fillStruct(schema.def, around, at, paths)
    default:
      return SCALARS[schema.type] ?? 'a'
  }
}

function fillStruct(def: TypeDef, around: readonly TypeDef[], at: Path, paths: Path[]): JsonObject {
  const out: JsonObject = {}
  for (const field of def.fields) {
    const path = [...at, field.name]
    const id = `${def.name} ${field.name}`
    const inside: Path[] = []
    out[field.name] = fill(field.schema, [...around, def], path, inside)
    if (!covered.has(id)) paths.push(path)
    covered.add(id)
    paths.push(...inside.filter((inner) => inner.length > path.length + 1 || !covered.has(`${id} ${String(inner.at(-1))}`)))
    covered.add(`${id} 0`).add(`${id} k`)
  }
  return out
}

function sampleOf(resource: CatalogResource): Sample {
  const paths: Path[] = []
  const object = fillStruct(resource.type, [], [], paths)
  const metadata = object['metadata'] as JsonObject | undefined
  if (metadata) {
    for (const field of SERVER_FIELDS) delete metadata[field]
    Object.assign(metadata, { name: 'a', ...(resource.namespaced ? { namespace: 'default' } : { namespace: '' }) })
  }
  object['kind'] = resource.kind
  object['apiVersion'] = resource.group ? `${resource.group}/${resource.version}` : resource.version
  return { object, paths: paths.filter(([first]) => first !== 'kind' && first !== 'apiVersion') }
}

function withNull(object: JsonObject, path: Path): JsonObject {
  const copy = structuredClone(object)
  let at: JsonValue | undefined = copy
  for (const part of path.slice(0, -1)) at = (at as JsonObject | undefined)?.[part as string]
  if (typeof at === 'object' && at !== null) (at as JsonObject)[path.at(-1) as string] = null
  return copy
}

let server: TestApiServer
let session: ClientHttp2Session

before(async () => {
  server = await startTestServer()
  session = server.session(server.admin)
})
after(() => server.stop())

function pathOf({ group, version, namespaced, resource }: CatalogResource): string {
  const root = group ? `/apis/${group}/${version}` : `/api/${version}`
  return `${root}${namespaced ? '/namespaces/default' : ''}/${resource}?dryRun=All`
}

async function crash(resource: CatalogResource, body: JsonObject, what: string): Promise<string | undefined> {
  const answer = await ask(session, 'POST', pathOf(resource), { body: JSON.stringify(body) })
  const { reason, message } = JSON.parse(answer.body) as { reason?: string; message?: string }
  return answer.status >= 500 && reason === 'InternalError'
    ? `${resource.group}/${resource.version} ${resource.resource} with null at ${what}: ${message}`
    : undefined
}

test('null in any field of any kind crashes nothing', async () => {
  const catalog = loadCatalog()
  const work: { resource: CatalogResource; body: JsonObject; what: string }[] = []
  const resources = catalog.groups.flatMap(({ name, versions }) => versions.flatMap((version) => catalog.resources(name, version)))
  for (const resource of resources) {
    if (!resource.verbs.includes('create') || !resource.type.name) continue
    const { object, paths } = sampleOf(resource)
    work.push({ resource, body: object, what: 'no field' })
    for (const path of paths) work.push({ resource, body: withNull(object, path), what: path.join('.') })
  }
  assert.ok(work.length > 2_000, `only ${work.length} bodies`)
  const crashes: string[] = []
  const worker = async (): Promise<void> => {
    for (let next = work.pop(); next; next = work.pop()) {
      const found = await crash(next.resource, next.body, next.what)
      if (found) crashes.push(found)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT_LIMIT }, worker))
  assert.deepEqual(crashes, [])
})
