import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CatalogResource } from './catalog.ts'
import { loadCatalog } from './load.ts'

const shared = process.env['MINICUBE_SHARED'] ?? join(import.meta.dirname, '../../../../shared')
const goldenFile = join(shared, 'oracle/golden/discovery.json')

const catalog = loadCatalog()

test('serves the stable versions in order of preference, and the others on request', () => {
  assert.deepEqual(catalog.groups.find((g) => g.name === 'autoscaling')?.versions, ['v2', 'v1'])
  assert.equal(catalog.groups[0]?.name, '')
  assert.deepEqual(catalog.resources('resource.k8s.io', 'v1beta1'), [])
  assert.ok(loadCatalog({ preReleases: true }).resource('resource.k8s.io', 'v1beta1', 'deviceclasses'))
})

test('knows fields, merge keys, defaults, protobuf numbers and the types Go prints', () => {
  const container = catalog.type('io.k8s.api.core.v1.Container')
  assert.equal(container?.goName, 'v1.Container')
  const ports = container.fieldByName.get('ports')
  assert.ok(ports?.schema.type === 'array' && ports.schema.items.type === 'object')
  assert.deepEqual(ports.schema.listMapKeys, ['containerPort', 'protocol'])
  assert.equal(ports.patchMergeKey, 'containerPort')
  assert.equal(ports.schema.items.def.fieldByName.get('protocol')?.default, 'TCP')
  assert.equal(ports.proto, 6)
  assert.equal(container.fieldByName.get('imagePullPolicy')?.go?.type, 'v1.PullPolicy')
  assert.deepEqual(catalog.type('io.k8s.api.core.v1.Probe')?.fieldByName.get('exec')?.go?.protoVia, [1])
})

test('every field of every type decodes, also where types refer to themselves', () => {
  for (const name of catalog.typeNames) {
    for (const field of catalog.type(name)?.fields ?? []) assert.ok(field.schema && field.go?.type, `${name}.${field.name}`)
  }
  const props = catalog.type('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps')
  const properties = props?.fieldByName.get('properties')?.schema
  assert.ok(properties?.type === 'map' && properties.values.type === 'object')
  assert.equal(properties.values.def, props)
})

test('finds kinds without a resource, in any group where they are everywhere', () => {
  for (const [group, version, kind, goName] of [
    ['', 'v1', 'Status', 'v1.Status'],
    ['apps', 'v1', 'DeleteOptions', 'v1.DeleteOptions'],
    ['autoscaling', 'v1', 'Scale', 'v1.Scale'],
    ['policy', 'v1', 'Eviction', 'v1.Eviction'],
    ['authentication.k8s.io', 'v1', 'TokenRequest', 'v1.TokenRequest'],
    ['', 'v1', 'WatchEvent', 'v1.WatchEvent'],
    ['meta.k8s.io', 'v1', 'Table', 'v1.Table'],
    ['', 'v1', 'PodExecOptions', 'v1.PodExecOptions'],
  ] as const)
    assert.equal(catalog.typeOfKind({ group, version, kind })?.goName, goName)
  assert.equal(catalog.typeOfKind({ group: '', version: 'v1', kind: 'Nonsense' }), undefined)
})

interface GoldenResource {
  resource: string
  responseKind: { kind: string }
  scope: string
  singularResource: string
  verbs: string[]
  shortNames?: string[]
  categories?: string[]
  subresources?: { subresource: string; responseKind: { group: string; version: string; kind: string }; verbs: string[] }[]
}

function discovered(r: CatalogResource): GoldenResource {
  return {
    resource: r.resource,
    responseKind: { group: '', version: '', kind: r.kind } as GoldenResource['responseKind'],
    scope: r.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: r.singular,
    verbs: [...r.verbs],
    ...(r.shortNames.length && { shortNames: [...r.shortNames] }),
    ...(r.categories.length && { categories: [...r.categories] }),
    ...(r.subresources.length && {
      subresources: r.subresources.map((s) => ({
        subresource: s.name,
        responseKind: s.kind.group === r.group ? { group: '', version: '', kind: s.kind.kind } : s.kind,
        verbs: [...s.verbs],
      })),
    }),
  }
}

test('core resources are those a real server discovers', { skip: !existsSync(goldenFile) && `no recorded answers in ${shared}` }, () => {
  const golden = JSON.parse(readFileSync(goldenFile, 'utf8')) as Record<
    string,
    { body: { items: { versions: { resources: GoldenResource[] }[] }[] } }[]
  >
  const expected = golden['discovery/aggregated-api']?.[0]?.body.items[0]?.versions[0]?.resources
  assert.deepEqual(catalog.resources('', 'v1').map(discovered), expected)
})
