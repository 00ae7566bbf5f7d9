import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../../api/catalog/load.ts'
import { StatusError } from '../../api/status.ts'
import { createTestRegistry } from './testRegistry.ts'
import type { JsonObject, KubeObject } from '../../api/resource.ts'
import type { ApiRequest } from '../request.ts'

const catalog = loadCatalog()
const registry = await createTestRegistry()

type Sent = Partial<ApiRequest> & { group?: string; version?: string; at?: string; manager?: string; sub?: string }

async function send(
  verb: ApiRequest['verb'],
  path: string,
  { group = '', version = 'v1', manager = 'm', sub, ...more }: Sent = {},
): Promise<KubeObject & JsonObject> {
  const [plural = '', name = ''] = path.split('/')
  const resource = catalog.resource(group, version, plural)
  assert.ok(resource, path)
  const subresource = resource.subresources.find((known) => known.name === sub)
  const result = await registry.handle({
    user: { name: 'tester', groups: [], extra: {} },
    verb,
    resource,
    ...(subresource && { subresource }),
    namespace: resource.namespaced ? 'default' : '',
    name,
    query: new URLSearchParams({ fieldManager: manager, ...(more.patch?.type.includes('apply') && { force: 'true' }) }),
    userAgent: 'test/1',
    warnings: [],
    signal: new AbortController().signal,
    ...more,
  })
  return (result as unknown as { object: KubeObject & JsonObject }).object
}

const patch = (type: string, body: object): { type: string; bytes: Uint8Array } => ({
  type: `application/${type}`,
  bytes: Buffer.from(JSON.stringify(body)),
})
const apply = (body: object): { type: string; bytes: Uint8Array } => patch('apply-patch+yaml', body)

async function refusal(action: Promise<unknown>): Promise<string> {
  const error: unknown = await action.then(
    () => undefined,
    (failure: unknown) => failure,
  )
  assert.ok(error instanceof StatusError)
  return `${error.code} ${error.message}`
}

const owners = ({ metadata }: KubeObject): string[] => (metadata.managedFields ?? []).map((entry) => `${entry.manager} ${entry.operation}`)

test('what applied at another version is pruned as that version shows it', async () => {
  const scaleTargetRef = { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' }
  const body = (apiVersion: string, spec: object): object => ({
    apiVersion,
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'h' },
    spec: { scaleTargetRef, maxReplicas: 3, ...spec },
  })
  const at = { group: 'autoscaling' }
  const path = 'horizontalpodautoscalers/h'
  await send('patch', path, { ...at, patch: apply(body('autoscaling/v1', { minReplicas: 2, targetCPUUtilizationPercentage: 50 })) })
  const next = await send('patch', path, { ...at, version: 'v2', patch: apply(body('autoscaling/v2', {})) })
  assert.equal((next['spec'] as JsonObject)['minReplicas'], 1)
  assert.deepEqual(owners(next), ['m Apply'])
})

test('the managers of an event are known to the group that they wrote by alone', async () => {
  const involvedObject = { kind: 'Pod', name: 'p', namespace: 'default' }
  await send('create', 'events', { body: { metadata: { name: 'e' }, involvedObject, reason: 'R', type: 'Normal' }, manager: 'core' })
  const labels = patch('merge-patch+json', { metadata: { labels: { l: '1' } } })
  const next = await send('patch', 'events/e', { group: 'events.k8s.io', patch: labels, manager: 'events' })
  assert.deepEqual(owners(next), ['events Update'])
})

test('a Service can begin with its status, without an address', async () => {
  const body = { apiVersion: 'v1', kind: 'Service', metadata: { name: 's' }, spec: { ports: [{ port: 80 }] } }
  const { spec } = await send('patch', 'services/s', { sub: 'status', patch: apply(body) })
  assert.equal((spec as JsonObject)['clusterIP'], undefined)
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'none' } }
  assert.match(await refusal(send('patch', 'pods/none', { sub: 'status', patch: apply(pod) })), /^404 /)
})

test('metadata of an event is looked at once more by its own group', async () => {
  await send('create', 'events', {
    body: { metadata: { name: 'meta' }, involvedObject: { namespace: 'default' }, reason: 'R', type: 'Normal' },
  })
  const odd = patch('merge-patch+json', { metadata: { finalizers: ['odd'] } })
  assert.match(
    await refusal(send('patch', 'events/meta', { group: 'events.k8s.io', patch: odd })),
    /^422 .*metadata\.finalizers\[0\]: Invalid value/,
  )
  const { metadata } = await send('patch', 'events/meta', { patch: odd })
  assert.deepEqual(metadata.finalizers, ['odd'])
})

test('what is stored without its empty maps is given defaults as it is read', async () => {
  await send('create', 'nodes', { body: { metadata: { name: 'n' } } })
  const body = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' }, status: { capacity: { cpu: '1' }, allocatable: {} } }
  const { status } = await send('patch', 'nodes/n', { sub: 'status', patch: apply(body) })
  assert.deepEqual((status as JsonObject)['allocatable'], { cpu: '1' })
})

test('a manager that differs in nothing but its time is no change', async () => {
  const created = await send('create', 'configmaps', { body: { metadata: { name: 'c' }, data: { a: '1' } } })
  const managedFields = created.metadata.managedFields?.map((entry) => ({ ...entry, time: '2020-01-01T00:00:00Z' }))
  const next = await send('update', 'configmaps/c', {
    body: { ...created, metadata: { ...created.metadata, managedFields } } as unknown as JsonObject,
  })
  assert.deepEqual(next.metadata, created.metadata)
})

test('an atomic list changes with the empty lists that it is given', async () => {
  const spec = (more: object): object => ({
    podSelector: {},
    policyTypes: ['Egress'],
    egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', ...more } }] }],
  })
  const at = { group: 'networking.k8s.io' }
  await send('create', 'networkpolicies', { ...at, body: { metadata: { name: 'p' }, spec: spec({}) } as JsonObject, manager: 'first' })
  const next = await send('patch', 'networkpolicies/p', {
    ...at,
    patch: patch('merge-patch+json', { spec: spec({ except: [] }) }),
    manager: 'next',
  })
  assert.deepEqual(owners(next), ['first Update', 'next Update'])
})

test('a status of a pod says nothing of its owners', async () => {
  await send('create', 'pods', { body: { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } } })
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'u' }]
  const body = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', ownerReferences }, status: { message: 'm' } }
  const { metadata } = await send('patch', 'pods/p', { sub: 'status', patch: apply(body), manager: 's' })
  assert.equal(metadata.ownerReferences, undefined)
  assert.deepEqual(metadata.managedFields?.find(({ manager }) => manager === 's')?.fieldsV1, { 'f:status': { 'f:message': {} } })
})

test('a patch is looked at once there is something to patch', async () => {
  const none = { type: 'application/json-patch+json', bytes: Buffer.from('[') }
  assert.equal(await refusal(send('patch', 'configmaps/none', { patch: none })), '404 configmaps "none" not found')
})

test('what is patched is refused in upstream’s words', async () => {
  await send('create', 'serviceaccounts', { body: { metadata: { name: 'a' }, secrets: [{ name: 's' }, {}] } })
  const secrets = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'a' }, secrets: [{ name: 's' }] }
  assert.match(
    await refusal(send('patch', 'serviceaccounts/a', { patch: apply(secrets) })),
    /^500 failed to create manager for existing fields: failed to convert new object \(default\/a; \/v1, Kind=ServiceAccount\) to smd typed: \.secrets: element 1: /,
  )
  const versions = patch('merge-patch+json', { apiVersion: 'a/b/c' })
  assert.match(await refusal(send('patch', 'serviceaccounts/a', { patch: versions })), /: unexpected GroupVersion string: a\/b\/c$/)
  const labels = patch('strategic-merge-patch+json', { metadata: { labels: { l: { x: null } }, $retainKeys: ['labels', 'name'] } })
  assert.equal(
    await refusal(send('patch', 'serviceaccounts/a', { patch: labels })),
    '422  "" is invalid: patch: Invalid value: "map[metadata:map[labels:map[l:map[]]]]": unrecognized type: string',
  )
})

test('whole numbers beyond a double keep their digits through every patch', async () => {
  const bytes = (type: string, text: string): { type: string; bytes: Uint8Array } => ({
    type: `application/${type}`,
    bytes: Buffer.from(text),
  })
  const digits = async (name: string): Promise<string> => JSON.stringify((await send('get', `configmaps/${name}`)).metadata.generation)
  const generation = 9007199254740993n as unknown as number
  await send('create', 'configmaps/long', { body: { metadata: { name: 'long', generation } } })
  await send('patch', 'configmaps/long', { patch: bytes('merge-patch+json', '{"data":{"x":"y"}}') })
  await send('patch', 'configmaps/long', { patch: bytes('strategic-merge-patch+json', '{"data":{"a":"b"}}') })
  const test = '[{"op":"test","path":"/metadata/generation","value":9007199254740993},{"op":"add","path":"/data/c","value":"d"}]'
  await send('patch', 'configmaps/long', { patch: bytes('json-patch+json', test) })
  await send('patch', 'configmaps/long', {
    patch: bytes('apply-patch+yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: long}\ndata: {e: f}'),
  })
  assert.equal(await digits('long'), '9007199254740993')
  for (const number of ['1.0', '1e3', '9223372036854775808']) {
    const refused = send('patch', 'configmaps/long', { patch: bytes('merge-patch+json', `{"metadata":{"generation":${number}}}`) })
    await assert.rejects(
      refused,
      new RegExp(`cannot unmarshal number ${number.replace('.', '\\.')} into Go struct field ObjectMeta.metadata.generation`),
    )
  }
})
