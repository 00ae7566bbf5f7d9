import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import { loadCatalog } from '../../api/catalog/load.ts'
import { KUBERNETES_MINOR } from '../../api/kubernetesVersion.ts'
import { customResourcePaths } from './operations.ts'
import { buildOpenApiV2 } from './v2.ts'
import { OpenApiV3 } from './v3.ts'

const shared = process.env['MINICUBE_SHARED'] ?? join(import.meta.dirname, '../../../../shared')
const published = join(shared, 'kubernetes-1.36')
const skip = !existsSync(published) && `no published documents in ${shared}`

type Json = { [key: string]: unknown }
type Described = { in: string; name: string; description: string }
type Operation = { description: string; responses: Record<string, { description: string }> }

/** Lists whose order means nothing. */
const UNORDERED = new Set(['required', 'consumes', 'produces', 'parameters', 'x-kubernetes-group-version-kind'])

/** Without prose, without CBOR, which is off by default, and without enumerations, which a server has and the published documents lack. */
function comparable(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) {
    const items = value.filter((v) => typeof v !== 'string' || !v.includes('cbor')).map((v) => comparable(v))
    return UNORDERED.has(key) ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items
  }
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).filter(
    ([k, v]) => !(k === 'description' && typeof v === 'string') && !k.includes('cbor') && !(k === 'enum' && Array.isArray(v)),
  )
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, comparable(v, k)]))
}

/** Published for one field of bytes, where it means nothing. */
function withoutListTypeOfBytes(definitions: Json | undefined): void {
  const spec = definitions?.['io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceSpec'] as
    | { properties: { caBundle: Json } }
    | undefined
  if (spec) delete spec.properties.caBundle['x-kubernetes-list-type']
}

/** What is published names no version, a server does. */
function read(file: string): Json {
  const document = JSON.parse(readFileSync(join(published, file), 'utf8')) as Json & { info: Json }
  return { ...document, info: { ...document.info, version: KUBERNETES_MINOR } }
}

test('version 3: every document is the published one', { skip }, () => {
  const openapi = new OpenApiV3(loadCatalog({ preReleases: true }))
  const files = readdirSync(join(published, 'openapi-v3')).filter((f) => f !== 'logs_openapi.json')
  assert.ok(files.length > 50)
  for (const file of files) {
    const expected = read(`openapi-v3/${file}`) as { components: { schemas?: Json } }
    withoutListTypeOfBytes(expected.components.schemas)
    const name = file.replace('_openapi.json', '').replaceAll('__', '/')
    const document = openapi.document(name)
    assert.ok(document, name)
    assert.deepEqual(comparable(JSON.parse(document.json.toString())), comparable(expected), name)
  }
})

function inlineParameters(value: unknown, parameters: Json): unknown {
  if (Array.isArray(value)) return value.map((v) => inlineParameters(v, parameters))
  if (typeof value !== 'object' || value === null) return value
  const { $ref } = value as Json
  if (typeof $ref === 'string' && $ref.startsWith('#/parameters/')) return parameters[$ref.slice('#/parameters/'.length)]
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, inlineParameters(v, parameters)]))
}

test('version 2: the document is the published one, parameters written out', { skip }, () => {
  const { parameters, ...document } = read('openapi-v2.json') as { parameters: Json; definitions: Json; paths: Json }
  withoutListTypeOfBytes(document.definitions)
  for (const path of ['/logs/', '/logs/{logpath}']) delete document.paths[path]
  const built = buildOpenApiV2(loadCatalog({ preReleases: true }))
  assert.deepEqual(comparable(built), comparable(inlineParameters(document, parameters)))
})

test('the index names each served document with its hash', () => {
  const openapi = new OpenApiV3(loadCatalog())
  const { paths } = openapi.index(new Map([['apis/example.com/v1', 'ABC']]))
  assert.equal(paths['apis/apps/v1']?.serverRelativeURL, `/openapi/v3/apis/apps/v1?hash=${openapi.document('apis/apps/v1')?.hash}`)
  assert.equal(paths['apis/example.com/v1']?.serverRelativeURL, '/openapi/v3/apis/example.com/v1?hash=ABC')
  assert.equal(paths['apis/resource.k8s.io/v1beta1'], undefined)
  assert.deepEqual(Object.keys(paths), Object.keys(paths).toSorted())
})

test('a field with few values says so', () => {
  const { definitions } = buildOpenApiV2(loadCatalog(), (_, field) => field) as { definitions: Record<string, { properties: Json }> }
  assert.deepEqual(definitions['io.k8s.api.core.v1.ContainerPort']?.properties['protocol'], {
    type: 'string',
    enum: ['SCTP', 'TCP', 'UDP'],
    description: 'protocol\n\nPossible enum values:\n - `"SCTP"`\n - `"TCP"`\n - `"UDP"`',
  })
})

test('operations say what they do, responses what they stand for', () => {
  const { paths } = buildOpenApiV2(loadCatalog()) as { paths: Record<string, Record<string, Operation>> }
  const described = (path: string, method: string) => paths[path]?.[method]?.description
  const pods = '/api/v1/namespaces/{namespace}/pods'
  assert.equal(described(pods, 'get'), 'list or watch objects of kind Pod')
  assert.equal(described('/api/v1/componentstatuses', 'get'), 'list objects of kind ComponentStatus')
  assert.equal(described(pods, 'delete'), 'delete collection of Pod')
  assert.equal(described('/api/v1/namespaces/{namespace}/events', 'post'), 'create an Event')
  assert.equal(described('/api/v1/namespaces/{namespace}/endpoints', 'post'), 'create Endpoints')
  assert.equal(described('/apis/storage.k8s.io/v1/storageclasses', 'post'), 'create a StorageClass')
  assert.equal(described(`${pods}/{name}/eviction`, 'post'), 'create eviction of a Pod')
  assert.equal(described(`${pods}/{name}/log`, 'get'), 'read log of the specified Pod')
  assert.equal(described(`${pods}/{name}/status`, 'patch'), 'partially update status of the specified Pod')
  assert.equal(described(`${pods}/{name}/exec`, 'post'), 'connect POST requests to exec of Pod')
  const responses = Object.entries(paths[pods]?.['post']?.responses ?? {}).map(([code, { description }]) => [code, description])
  assert.deepEqual(responses, [
    ['200', 'OK'],
    ['201', 'Created'],
    ['202', 'Accepted'],
    ['401', 'Unauthorized'],
  ])
})

test('parameters are described by what they are, options by whose they are', () => {
  const { paths } = buildOpenApiV2(loadCatalog(), (definition, field) => field && `${field} of ${definition}`) as {
    paths: Record<string, { parameters: Described[]; get: { parameters?: Described[] } }>
  }
  const said = (parameters: Described[] | undefined) =>
    Object.fromEntries((parameters ?? []).map((p) => [`${p.in} ${p.name}`, p.description]))
  const exec = paths['/api/v1/namespaces/{namespace}/pods/{name}/exec']
  assert.equal(said(exec?.parameters)['path name'], 'name of the PodExecOptions')
  assert.equal(said(exec?.parameters)['path namespace'], 'namespace of parameters')
  assert.equal(said(exec?.parameters)['query tty'], 'tty of io.k8s.api.core.v1.PodExecOptions')
  assert.equal(said(paths['/api/v1/nodes/{name}/proxy/{path}']?.parameters)['path path'], 'path to the resource')
  assert.equal(said(paths['/api/v1/nodes']?.get.parameters)['query watch'], 'watch of parameters')
})

test('descriptions go where upstream has them', () => {
  const openapi = new OpenApiV3(loadCatalog(), (definition, field) =>
    definition.endsWith('core.v1.Pod') ? `about ${field ?? 'pods'}` : undefined,
  )
  const document = JSON.parse(openapi.document('api/v1')?.json.toString() ?? '') as {
    components: { schemas: Record<string, { description: string; properties: Record<string, Json> }> }
  }
  const pod = document.components.schemas['io.k8s.api.core.v1.Pod']
  assert.equal(pod?.description, 'about pods')
  assert.deepEqual(pod?.properties['spec'], {
    allOf: [{ $ref: '#/components/schemas/io.k8s.api.core.v1.PodSpec' }],
    description: 'about spec',
    default: {},
  })
})

test('the operations of custom resources are described as upstream does it by itself', () => {
  const catalog = loadCatalog()
  const resource = {
    ...(catalog.resource('apps', 'v1', 'deployments') as CatalogResource),
    group: 'my-shop.example.com',
    kind: 'Widget',
    resource: 'widgets',
  }
  const items = customResourcePaths(catalog, resource, { object: 'Widget', list: 'WidgetList' })
  const operation = (path: string, method: string) => {
    const item = items.find((known) => known.path.endsWith(path))
    return item?.operations.find((known) => known.method === method)
  }
  const collection = operation('/namespaces/{namespace}/widgets', 'delete')
  assert.equal(collection?.operationId, 'deleteMyShopExampleComV1CollectionNamespacedWidget')
  assert.equal(collection.body, undefined)
  assert.equal(operation('/v1/widgets', 'get')?.description, 'list objects of kind Widget')
  assert.deepEqual(operation('/{name}', 'put')?.consumes, ['application/json', 'application/yaml'])
  assert.deepEqual(operation('/{name}', 'patch')?.codes, [200])
  assert.deepEqual(
    operation('/{name}', 'get')?.query.map(({ name }) => name),
    ['resourceVersion'],
  )
  assert.equal(operation('/{name}/scale', 'get')?.kind?.kind, 'Widget')
})
