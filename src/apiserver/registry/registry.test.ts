import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../../api/catalog/load.ts'
import { isExpired, StatusError } from '../../api/status.ts'
import { createMemoryStore } from '../../storage/memory/memoryStore.ts'
import { createTestRegistry } from './testRegistry.ts'
import type { IPAddress } from '../../api/kinds/networking/v1.ts'
import type { JsonObject, KubeObject } from '../../api/resource.ts'
import type { ApiRequest, ApiResult, CachedEvent } from '../request.ts'

const catalog = loadCatalog()

type Options = Partial<Pick<ApiRequest, 'name' | 'namespace' | 'body' | 'patch'>> & {
  query?: string
  group?: string
  subresource?: string
  signal?: AbortSignal
}

function request(verb: ApiRequest['verb'], name: string, options: Options = {}): ApiRequest {
  const resource = catalog.resource(options.group ?? '', 'v1', name)
  assert.ok(resource, name)
  const subresource = resource.subresources.find((sub) => sub.name === options.subresource)
  return {
    user: { name: 'tester', groups: [], extra: {} },
    verb,
    resource,
    ...(subresource && { subresource }),
    namespace: options.namespace ?? 'default',
    name: options.name ?? '',
    query: new URLSearchParams(options.query),
    userAgent: 'test/1',
    warnings: [],
    signal: options.signal ?? new AbortController().signal,
    ...(options.body && { body: options.body }),
    ...(options.patch && { patch: options.patch }),
  }
}

function objectOf(result: ApiResult): KubeObject & JsonObject {
  assert.equal(result.type, 'object')
  return (result as unknown as { object: KubeObject & JsonObject }).object
}

const configMap = (name: string, data: JsonObject = {}, metadata: JsonObject = {}): JsonObject => ({
  metadata: { name, ...metadata },
  data,
})

const refusal =
  (code: number, message: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof StatusError)
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  }

test('a write is seen by the next read, in bytes and as an object', async () => {
  const registry = await createTestRegistry()
  const created = objectOf(await registry.handle(request('create', 'configmaps', { body: configMap('a', { k: 'v' }) })))
  const read = await registry.handle(request('get', 'configmaps', { name: 'a' }))
  assert.equal(
    read.type === 'object' && JSON.parse(Buffer.from(read.json ?? []).toString()).metadata.resourceVersion,
    created.metadata.resourceVersion,
  )
  await assert.rejects(
    registry.handle(request('create', 'configmaps', { body: configMap('a') })),
    refusal(409, /configmaps "a" already exists/),
  )
  await registry.close()
})

test('an update that changes nothing keeps the resourceVersion; a stale one is refused', async () => {
  const registry = await createTestRegistry()
  const first = objectOf(await registry.handle(request('create', 'configmaps', { body: configMap('a', { k: '1' }) })))
  const same = objectOf(await registry.handle(request('update', 'configmaps', { name: 'a', body: configMap('a', { k: '1' }) })))
  assert.equal(same.metadata.resourceVersion, first.metadata.resourceVersion)
  const changed = objectOf(await registry.handle(request('update', 'configmaps', { name: 'a', body: configMap('a', { k: '2' }) })))
  assert.notEqual(changed.metadata.resourceVersion, first.metadata.resourceVersion)
  const stale = configMap('a', { k: '3' }, { resourceVersion: first.metadata.resourceVersion })
  await assert.rejects(
    registry.handle(request('update', 'configmaps', { name: 'a', body: stale })),
    refusal(409, /the object has been modified/),
  )
  await registry.close()
})

test('concurrent patches all land', async () => {
  const registry = await createTestRegistry()
  await registry.handle(request('create', 'configmaps', { body: configMap('a') }))
  const patches = Array.from({ length: 10 }, (_, i) => ({
    type: 'application/merge-patch+json',
    bytes: Buffer.from(JSON.stringify({ data: { [`k${i}`]: 'v' } })),
  }))
  await Promise.all(patches.map((patch) => registry.handle(request('patch', 'configmaps', { name: 'a', patch }))))
  const read = objectOf(await registry.handle(request('get', 'configmaps', { name: 'a' })))
  assert.equal(Object.keys(read['data'] as JsonObject).length, patches.length)
  await registry.close()
})

test('a finalizer holds a deleted object until it is taken away', async () => {
  const registry = await createTestRegistry()
  await registry.handle(request('create', 'configmaps', { body: configMap('a', {}, { finalizers: ['example.com/hold'] }) }))
  const marked = objectOf(await registry.handle(request('delete', 'configmaps', { name: 'a' })))
  assert.ok(marked.metadata.deletionTimestamp)
  await assert.rejects(
    registry.handle(request('create', 'configmaps', { body: configMap('a') })),
    refusal(409, /object is being deleted: configmaps "a" already exists/),
  )
  const patch = { type: 'application/merge-patch+json', bytes: Buffer.from('{"metadata":{"finalizers":null}}') }
  await registry.handle(request('patch', 'configmaps', { name: 'a', patch }))
  await assert.rejects(registry.handle(request('get', 'configmaps', { name: 'a' })), refusal(404, /configmaps "a" not found/))
  await registry.close()
})

test('lists go on where they stopped, at the revision they began with', async () => {
  const registry = await createTestRegistry()
  for (const name of ['a', 'b', 'c']) await registry.handle(request('create', 'configmaps', { body: configMap(name) }))
  const first = await registry.handle(request('list', 'configmaps', { query: 'limit=2' }))
  assert.ok(first.type === 'list' && first.metadata.continue)
  assert.equal(first.metadata.remainingItemCount, 1)
  await registry.handle(request('create', 'configmaps', { body: configMap('d') }))
  const rest = await registry.handle(request('list', 'configmaps', { query: `limit=2&continue=${first.metadata.continue}` }))
  assert.ok(rest.type === 'list')
  assert.deepEqual(
    rest.items.map((item) => item.object.metadata.name),
    ['c'],
  )
  assert.equal(rest.metadata.resourceVersion, first.metadata.resourceVersion)
  await registry.close()
})

test('a list that goes on after its revision was compacted is told so with a token for the rest, changed or not', async () => {
  for (const isChanged of [true, false]) {
    const store = createMemoryStore()
    const registry = await createTestRegistry([], store)
    for (const name of ['a', 'b', 'c']) await registry.handle(request('create', 'configmaps', { body: configMap(name) }))
    const first = await registry.handle(request('list', 'configmaps', { query: 'limit=1' }))
    assert.ok(first.type === 'list')
    if (isChanged) await registry.handle(request('delete', 'configmaps', { name: 'c' }))
    await store.create('/registry/others/o', Buffer.from('{"metadata":{"name":"o"}}'))
    await store.compact(await store.revision())
    const goOn = (token = ''): Promise<ApiResult> => registry.handle(request('list', 'configmaps', { query: `limit=1&continue=${token}` }))
    const expired: unknown = await goOn(first.metadata.continue).catch((error: unknown) => error)
    assert.ok(expired instanceof StatusError && isExpired(expired))
    const next = await goOn(expired.status.metadata?.continue)
    assert.ok(next.type === 'list')
    assert.deepEqual([next.items[0]?.object.metadata.name, next.metadata.continue !== undefined], ['b', !isChanged])
    assert.ok(Number(next.metadata.resourceVersion) > Number(first.metadata.resourceVersion))
    await registry.close()
  }
})

test('whatever is there is listed whole, whatever the limit', async () => {
  const registry = await createTestRegistry()
  for (const name of ['a', 'b']) await registry.handle(request('create', 'configmaps', { body: configMap(name) }))
  const list = await registry.handle(request('list', 'configmaps', { query: 'limit=1&resourceVersion=0' }))
  assert.ok(list.type === 'list')
  assert.equal(list.items.length, 2)
  assert.equal(list.metadata.continue, undefined)
  await registry.close()
})

test('options and revisions that are none are refused in Go’s words', async () => {
  const registry = await createTestRegistry()
  await registry.handle(request('create', 'configmaps', { body: configMap('a') }))
  const token = (value: unknown): string => `continue=${Buffer.from(JSON.stringify(value)).toString('base64url')}`
  for (const [query, why] of [
    ['limit=', /^strconv.ParseInt: parsing "": invalid syntax$/],
    ['limit=99999999999999999999', /value out of range$/],
    ['resourceVersion=99999999999999999999999', /strconv.ParseUint: parsing "9+": value out of range$/],
    ['continue=abc&resourceVersion=5', /^invalid continue token/],
    ['continue=abcde', /not valid: illegal base64 data at input byte 4$/],
    ['continue=ab*d', /not valid: illegal base64 data at input byte 2$/],
    [token(null), /not valid: server does not recognize this encoded version $/],
    [token([]), /not valid: json: cannot unmarshal array into Go value of type storage.continueToken$/],
    [token({ rv: '5' }), /not valid: json: cannot unmarshal string into Go struct field continueToken.rv of type int64$/],
    [token({ rv: 1e300 }), /not valid: json: cannot unmarshal number 1e\+300 into/],
  ] as const)
    await assert.rejects(registry.handle(request('list', 'configmaps', { query })), refusal(400, why), query)
  const at = (resourceVersion: string): object => configMap('a', { x: resourceVersion }, { resourceVersion })
  await assert.rejects(
    registry.handle(request('update', 'configmaps', { name: 'a', body: at('abc') as never })),
    refusal(500, /^strconv.ParseUint: parsing "abc": invalid syntax$/),
  )
  await registry.handle(request('update', 'configmaps', { name: 'a', body: at('0') as never }))
  await assert.rejects(
    registry.handle(request('delete', 'configmaps', { name: 'a', query: 'resourceVersion=1' })),
    refusal(409, /ResourceVersion in the precondition \(1\)/),
  )
  await registry.close()
})

test('fields that cannot be selected by are refused before anything is warned of', async () => {
  const registry = await createTestRegistry()
  for (const [resource, group, label, why] of [
    ['configmaps', '', 'spec.x', /^"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"$/],
    ['certificatesigningrequests', 'certificates.k8s.io', 'metadata.namespace', /^field label not supported: metadata.namespace$/],
    ['jobs', 'batch', 'spec.x', /^field label "spec.x" not supported for Job$/],
  ] as const) {
    const asked = request('deletecollection', resource, { group, query: `fieldSelector=${label}=a` })
    await assert.rejects(registry.handle(asked), refusal(400, why), resource)
    assert.deepEqual(asked.warnings, [])
  }
  const all = request('deletecollection', 'jobs', { group: 'batch' })
  await registry.handle(all)
  assert.match(all.warnings[0] ?? '', /^child pods are preserved/)
  await registry.close()
})

test('a patch does not make another kind of an object', async () => {
  const registry = await createTestRegistry()
  await registry.handle(request('create', 'configmaps', { body: configMap('a') }))
  const patched = (text: string): Promise<unknown> =>
    registry.handle(
      request('patch', 'configmaps', { name: 'a', patch: { type: 'application/merge-patch+json', bytes: Buffer.from(text) } }),
    )
  await assert.rejects(patched('{"kind":"Pod"}'), refusal(422, /converting \(v1.Pod\) to \(core.ConfigMap\): unknown conversion$/))
  await assert.rejects(patched('{"apiVersion":"v9"}'), refusal(422, /no kind "ConfigMap" is registered for version "v9"/))
  await assert.rejects(patched('{"apiVersion":null}'), refusal(400, /name must be provided$/))
  await registry.close()
})

test('a watch with a selector sees objects come and go, with their state before they went', async () => {
  const registry = await createTestRegistry()
  const stop = new AbortController()
  const events: CachedEvent[] = []
  const watching = (async () => {
    for await (const batch of registry.watch(request('watch', 'configmaps', { query: 'labelSelector=on=yes', signal: stop.signal }))) {
      events.push(...batch)
      if (events.length >= 2) stop.abort()
    }
  })()
  await registry.handle(request('create', 'configmaps', { body: configMap('other') }))
  await registry.handle(request('create', 'configmaps', { body: configMap('a', {}, { labels: { on: 'yes' } }) }))
  const moved = objectOf(
    await registry.handle(request('update', 'configmaps', { name: 'a', body: configMap('a', {}, { labels: { on: 'no' } }) })),
  )
  await watching
  assert.deepEqual(
    events.map((event) => [event.type, event.object.metadata.labels?.['on']]),
    [
      ['ADDED', 'yes'],
      ['DELETED', 'yes'],
    ],
  )
  assert.equal(events[1]?.object.metadata.resourceVersion, moved.metadata.resourceVersion)
  assert.match(Buffer.from(events[0]?.line() ?? []).toString(), /^\{"type":"ADDED","object":\{.*\}\}\n$/)
  await registry.close()
})

test('services get addresses and ports that nobody else has, and give them back', async () => {
  const registry = await createTestRegistry()
  const service = (name: string, spec: JsonObject = {}): JsonObject => ({
    metadata: { name },
    spec: { ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }], sessionAffinity: 'None', type: 'ClusterIP', ...spec },
  })
  const made = objectOf(await registry.handle(request('create', 'services', { body: service('a', { clusterIP: '10.96.0.217' }) })))
  assert.equal((made['spec'] as JsonObject)['clusterIP'], '10.96.0.217')
  const taken = request('create', 'services', { body: service('b', { clusterIP: '10.96.0.217' }) })
  await assert.rejects(registry.handle(taken), refusal(422, /failed to allocate IP 10\.96\.0\.217: provided IP is already allocated/))
  await registry.handle(request('delete', 'services', { name: 'a' }))
  await registry.handle(request('create', 'services', { body: service('b', { clusterIP: '10.96.0.217' }) }))
  await registry.close()
})

test('services get addresses of further ranges while these are ready', async () => {
  const registry = await createTestRegistry()
  const group = 'networking.k8s.io'
  const create = async (clusterIP: string, name: string): Promise<KubeObject & JsonObject> =>
    objectOf(
      await registry.handle(
        request('create', 'services', {
          body: {
            metadata: { name },
            spec: { type: 'ClusterIP', clusterIP, ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }], sessionAffinity: 'None' },
          },
        }),
      ),
    )
  await assert.rejects(create('10.97.0.5', 'early'), refusal(422, /the provided network does not match the current range/))
  const range = { metadata: { name: 'extra', finalizers: ['example.com/keep'] }, spec: { cidrs: ['10.97.0.0/30'] } }
  await registry.handle(request('create', 'servicecidrs', { group, namespace: '', body: range }))
  await create('10.97.0.1', 'a')
  await assert.rejects(create('10.97.0.1', 'twin'), refusal(422, /provided IP is already allocated/))
  await assert.rejects(create('10.97.0.3', 'broadcast'), refusal(422, /the provided network does not match/))
  await registry.handle(request('delete', 'servicecidrs', { group, namespace: '', name: 'extra' }))
  await assert.rejects(create('10.97.0.2', 'late'), refusal(422, /the provided network does not match/))
  const nameless = /failed to allocate IP 10\.96\.9\.1: IPAddress\.networking\.k8s\.io "10\.96\.9\.1" is invalid: spec\.parentRef\.name: /
  for (const name of ['', 'a/b']) await assert.rejects(create('10.96.9.1', name), refusal(422, nameless))
  await create('10.96.9.1', 'named')
  await registry.close()
})

test('an IPAddress that somebody deletes comes again, and goes with its Service', async () => {
  const registry = await createTestRegistry()
  const at = { group: 'networking.k8s.io', namespace: '', name: '10.96.0.9' }
  const parent = async (): Promise<string | undefined> => {
    const found = await registry.handle(request('get', 'ipaddresses', at)).catch(() => undefined)
    return found && (objectOf(found) as unknown as IPAddress).spec.parentRef.name
  }
  const until = async (wanted: string | undefined): Promise<void> => {
    for (let tries = 0; tries < 200 && (await parent()) !== wanted; tries++) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(await parent(), wanted)
  }
  const body = {
    metadata: { name: 'a' },
    spec: { type: 'ClusterIP', clusterIP: '10.96.0.9', ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }], sessionAffinity: 'None' },
  }
  await registry.handle(request('create', 'services', { body }))
  await until('a')
  await registry.handle(request('delete', 'ipaddresses', at))
  await until('a')
  await registry.handle(request('delete', 'services', { name: 'a' }))
  await until(undefined)
  await registry.close()
})

test('dry runs answer the object and store nothing; admission may refuse', async () => {
  const registry = await createTestRegistry([
    {
      name: 'NoSecrets',
      validate: ({ resource }) => {
        if (resource.resource === 'secrets') throw new StatusError({ code: 403, message: 'no' })
      },
    },
  ])
  await registry.handle(request('create', 'configmaps', { body: configMap('a'), query: 'dryRun=All' }))
  await assert.rejects(registry.handle(request('get', 'configmaps', { name: 'a' })), refusal(404, /not found/))
  await assert.rejects(registry.handle(request('create', 'secrets', { body: { metadata: { name: 's' } } })), refusal(403, /no/))
  await registry.close()
})

test('a negative grace period of a pod means the least there is', async () => {
  const registry = await createTestRegistry()
  const spec = { containers: [{ name: 'c', image: 'i' }], terminationGracePeriodSeconds: -1 }
  const made = objectOf(await registry.handle(request('create', 'pods', { body: { metadata: { name: 'p' }, spec } })))
  assert.equal((made['spec'] as JsonObject)['terminationGracePeriodSeconds'], 1)
})

test('errors of a change come in the order in which each kind looks at it', async () => {
  const registry = await createTestRegistry()
  const fieldsOf = async (resource: string, group: string, first: object, second: object): Promise<string> => {
    const send = (verb: 'create' | 'update', body: object): Promise<unknown> =>
      registry.handle(
        request(verb, resource, {
          group,
          name: 'x',
          body: { ...body, metadata: { name: 'x', ...(verb === 'update' && { labels: { '-': 'x' } }) } } as never,
        }),
      )
    await send('create', first)
    const error = (await send('update', second).catch((thrown: unknown) => thrown)) as {
      status: { details: { causes: { field: string }[] } }
    }
    return error.status.details.causes.map(({ field }) => field.replace('metadata.', '')).join(' ')
  }
  const rbac = 'rbac.authorization.k8s.io'
  const view = { kind: 'ClusterRole', name: 'view', apiGroup: rbac }
  for (const [resource, group, first, second, fields] of [
    [
      'configmaps',
      '',
      { data: { a: 'b' }, immutable: true },
      { data: { 'a b': 'c' } },
      'labels labels labels immutable data labels data[a b]',
    ],
    [
      'rolebindings',
      rbac,
      { roleRef: view },
      { roleRef: { ...view, name: 'edit' }, subjects: [{ kind: 'x' }] },
      'labels labels labels subjects[0].name subjects[0].kind labels roleRef',
    ],
    ['serviceaccounts', '', {}, {}, 'labels labels labels labels'],
  ] as const)
    assert.equal(await fieldsOf(resource, group, first, second), fields, resource)
  await registry.close()
})

test('rules that leave metadata alone have their say first', async () => {
  const registry = await createTestRegistry()
  const budget = (spec: JsonObject): Promise<unknown> =>
    registry.handle(
      request('create', 'poddisruptionbudgets', { group: 'policy', body: { metadata: { name: 'x', labels: { '-': 'x' } }, spec } }),
    )
  await assert.rejects(budget({ minAvailable: -1 }), refusal(422, /is invalid: spec\.minAvailable: /))
  await assert.rejects(budget({ minAvailable: 1 }), refusal(422, /is invalid: metadata\.labels: /))
  await registry.close()
})

test('what two groups serve is told by the group that was asked', async () => {
  const registry = await createTestRegistry()
  const gone = (group: string): Promise<unknown> => registry.handle(request('delete', 'events', { group, name: 'x' }))
  await assert.rejects(gone('events.k8s.io'), refusal(404, /^(StatusError: )?events\.events\.k8s\.io "x" not found/))
  await assert.rejects(gone(''), refusal(404, /^(StatusError: )?events "x" not found/))
  await registry.close()
})

test('a part of a pod is written by whoever sent what, at the version that they name', async () => {
  const registry = await createTestRegistry()
  const pods = catalog.resource('', 'v1', 'pods')
  const subresource = pods?.subresources.find(({ name }) => name === 'ephemeralcontainers')
  await registry.handle(request('create', 'pods', { body: { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } } }))
  const patch = (body: object): Promise<ApiResult> =>
    registry.handle({
      ...request('patch', 'pods', { name: 'p' }),
      ...(subresource && { subresource }),
      patch: { type: 'application/merge-patch+json', bytes: Buffer.from(JSON.stringify(body)) },
    })
  await assert.rejects(patch({ metadata: { resourceVersion: '999' } }), refusal(409, /the object has been modified/))
  await assert.rejects(patch({ metadata: { uid: 'a' } }), refusal(422, /metadata\.uid: Invalid value: "a": field is immutable/))
  const { metadata } = objectOf(await patch({ metadata: { labels: { a: 'b' } } }))
  assert.equal(metadata.labels, undefined)
  const owned = (metadata.managedFields ?? []).find((entry) => entry.subresource === 'ephemeralcontainers')
  assert.deepEqual(owned?.fieldsV1, { 'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } } })
  await registry.close()
})

test('a status that names no version is one of the newest', async () => {
  const registry = await createTestRegistry()
  const spec = { hard: { pods: '1' } }
  await registry.handle(request('create', 'resourcequotas', { body: { metadata: { name: 'q' }, spec } }))
  const body = { metadata: { name: 'q' }, spec, status: { hard: { pods: '2' } } }
  const { status } = objectOf(await registry.handle(request('update', 'resourcequotas', { name: 'q', subresource: 'status', body })))
  assert.deepEqual(status, { hard: { pods: '2' } })
  await registry.close()
})
