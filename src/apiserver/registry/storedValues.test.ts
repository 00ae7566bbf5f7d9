/** What lies in the store as it comes out of the registry: encrypted, in protobuf, in another version, or not to be read at all. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../../api/catalog/load.ts'
import { encodeProtobuf } from '../../api/codec/protobuf.ts'
import { StatusError } from '../../api/status.ts'
import type { JsonObject } from '../../api/resource.ts'
import { createMemoryStore } from '../../storage/memory/memoryStore.ts'
import type { Store } from '../../storage/store.ts'
import { Encryption } from '../encryption/encryption.ts'
import { EncryptionMetrics } from '../metrics/encryptionMetrics.ts'
import type { ApiRequest, ApiResult } from '../request.ts'
import type { ObjectRegistry } from './registry.ts'
import { createTestRegistry } from './testRegistry.ts'

const catalog = loadCatalog()

function ask(
  registry: ObjectRegistry,
  verb: ApiRequest['verb'],
  name: string,
  more: { group?: string; version?: string; name?: string; body?: JsonObject } = {},
): Promise<ApiResult> {
  const resource = catalog.resource(more.group ?? '', more.version ?? 'v1', name)
  assert.ok(resource)
  return registry.handle({
    user: { name: 'tester', groups: [], extra: {} },
    verb,
    resource,
    namespace: 'default',
    name: more.name ?? '',
    query: new URLSearchParams(),
    userAgent: 'test/1',
    warnings: [],
    signal: new AbortController().signal,
    ...(more.body && { body: more.body }),
  })
}

const objectOf = (result: ApiResult): JsonObject => (result as unknown as { object: JsonObject }).object
const namesOf = (result: ApiResult): string[] => (result.type === 'list' ? result.items.map(({ object }) => object.metadata.name) : [])
const key = (name: string): string => Buffer.alloc(32, name).toString('base64')
const written = (...names: string[]): string =>
  JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [{ resources: ['secrets'], providers: names.map((name) => ({ aesgcm: { keys: [{ name, secret: key(name) }] } })) }],
  })
const encryptionOf = (...names: string[]): Encryption => new Encryption(written(...names), new EncryptionMetrics())
const secret = (name: string): JsonObject => ({ metadata: { name }, data: { a: 'Yg==' } })
const storedText = async (store: Store, name: string): Promise<string> => {
  const entry = await store.get(`/registry/secrets/default/${name}`)
  return Buffer.from(entry?.value ?? []).toString('latin1')
}

test('a write that changes nothing encrypts what another key had encrypted', async () => {
  const store = createMemoryStore()
  const first = await createTestRegistry([], store, { transformation: encryptionOf('old') })
  await ask(first, 'create', 'secrets', { body: secret('s') })
  assert.match(await storedText(store, 's'), /^k8s:enc:aesgcm:v1:old:/)
  const second = await createTestRegistry([], store, { transformation: encryptionOf('new', 'old') })
  const before = objectOf(await ask(second, 'get', 'secrets', { name: 's' }))
  assert.deepEqual(before['data'], { a: 'Yg==' })
  await ask(second, 'update', 'secrets', { name: 's', body: structuredClone(before) })
  const moved = await storedText(store, 's')
  assert.match(moved, /^k8s:enc:aesgcm:v1:new:/)
  await ask(second, 'update', 'secrets', { name: 's', body: structuredClone(objectOf(await ask(second, 'get', 'secrets', { name: 's' }))) })
  assert.equal(await storedText(store, 's'), moved)
  await Promise.all([first.close(), second.close()])
})

test('what nobody can read is told of to those who ask for it, until it can be read', async () => {
  const store = createMemoryStore()
  const first = await createTestRegistry([], store, { transformation: encryptionOf('old') })
  await ask(first, 'create', 'secrets', { body: secret('lost') })
  const transformation = encryptionOf('new')
  const second = await createTestRegistry([], store, { transformation })
  await ask(second, 'create', 'secrets', { body: secret('here') })
  const unreadable = (error: unknown): boolean => {
    assert.ok(error instanceof StatusError)
    assert.equal(error.code, 500)
    const why = 'no matching key was found for the provided AES transformer'
    assert.equal(error.message, `Internal error occurred: unable to transform key "/registry/secrets/default/lost": ${why}`)
    return true
  }
  await assert.rejects(ask(second, 'get', 'secrets', { name: 'lost' }), unreadable)
  await assert.rejects(ask(second, 'list', 'secrets'), unreadable)
  assert.equal(objectOf(await ask(second, 'get', 'secrets', { name: 'here' }))['kind'], 'Secret')
  assert.deepEqual(namesOf(await ask(second, 'list', 'configmaps')), [])
  transformation.replace(written('new', 'old'))
  assert.deepEqual(namesOf(await ask(second, 'list', 'secrets')), ['here', 'lost'])
  await Promise.all([first.close(), second.close()])
})

test('one that becomes unreadable while the server runs ends the watches of its kind', async () => {
  const store = createMemoryStore()
  const registry = await createTestRegistry([], store)
  await ask(registry, 'create', 'configmaps', { body: { metadata: { name: 'c' } } })
  const entry = await store.get('/registry/configmaps/default/c')
  assert.ok(entry)
  await store.update(entry.key, Buffer.from('k8s:enc:aescbc:v1:k:'), entry.modRevision)
  await ask(registry, 'create', 'secrets', { body: secret('after') })
  await assert.rejects(ask(registry, 'get', 'configmaps', { name: 'c' }), /unable to transform key "\/registry\/configmaps\/default\/c"/)
  const broken = await store.get(entry.key)
  await store.update(entry.key, entry.value, broken?.modRevision ?? 0)
  await ask(registry, 'create', 'secrets', { body: secret('later') })
  assert.deepEqual(namesOf(await ask(registry, 'list', 'configmaps')), ['c'])
  await registry.close()
})

test('what another server has stored: protobuf, and another version', async () => {
  const store = createMemoryStore()
  const shared = Object.assign(Object.create(store) as Store, { shared: true })
  for (const name of ['create', 'get', 'list', 'watch', 'revision'] as const)
    Object.defineProperty(shared, name, { value: (store[name] as (...args: unknown[]) => unknown).bind(store) })
  const type = catalog.typeOfKind({ group: '', version: 'v1', kind: 'ConfigMap' })
  assert.ok(type)
  const configMap = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'c', namespace: 'default', uid: 'u' }, data: { a: 'b' } }
  await store.create('/registry/configmaps/default/c', encodeProtobuf(configMap, type))
  const scaler = {
    kind: 'HorizontalPodAutoscaler',
    apiVersion: 'autoscaling/v1',
    metadata: { name: 'h', namespace: 'default', uid: 'u' },
    spec: { maxReplicas: 3, targetCPUUtilizationPercentage: 50, scaleTargetRef: { kind: 'Deployment', name: 'd' } },
  }
  await store.create('/registry/horizontalpodautoscalers/default/h', Buffer.from(JSON.stringify(scaler)))
  const registry = await createTestRegistry([], shared)
  const { data, metadata } = objectOf(await ask(registry, 'get', 'configmaps', { name: 'c' })) as {
    data?: JsonObject
    metadata?: JsonObject
  }
  assert.deepEqual([data, metadata?.['resourceVersion']], [{ a: 'b' }, '1'])
  const found = await ask(registry, 'get', 'horizontalpodautoscalers', { group: 'autoscaling', version: 'v2', name: 'h' })
  const { apiVersion, spec } = objectOf(found) as { apiVersion?: string; spec?: JsonObject }
  assert.equal(apiVersion, 'autoscaling/v2')
  assert.deepEqual(spec?.['metrics'], [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
  ])
  await registry.close()
})
