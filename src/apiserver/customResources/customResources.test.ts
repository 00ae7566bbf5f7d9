import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientHttp2Session } from 'node:http2'
import { ask, startTestServer } from '../testServer.ts'
import type { TestApiServer } from '../testServer.ts'

interface Widget {
  apiVersion: string
  kind: string
  metadata: { name: string; generation: number; labels?: Record<string, string>; resourceVersion: string }
  host?: string
  port?: string
  hostPort?: string
  spec?: Record<string, unknown>
}

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

describe('custom resources', () => {
  let server: TestApiServer
  let session: ClientHttp2Session

  before(async () => {
    server = await startTestServer()
    session = server.session(server.admin)
  })
  after(() => server.stop())

  async function send<T = Widget>(
    method: string,
    path: string,
    body?: object,
    type = 'application/json',
  ): Promise<{ status: number; body: T; text: string }> {
    const answer = await ask(session, method, path, { ...(body && { body: JSON.stringify(body) }), headers: { 'content-type': type } })
    let parsed: unknown
    try {
      parsed = JSON.parse(answer.body)
    } catch {
      parsed = undefined
    }
    return { status: answer.status, body: parsed as T, text: answer.body }
  }

  async function define(group: string, names: { plural: string; kind: string }, spec: object): Promise<void> {
    const { plural, kind } = names
    const body = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${plural}.${group}` },
      spec: { group, scope: 'Namespaced', names: { plural, kind }, ...spec },
    }
    const created = await send('POST', DEFINITIONS, body)
    assert.equal(created.status, 201, created.text)
    await until(async () => (await send('GET', `/apis/${group}`)).status === 200)
  }

  async function until(done: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; tries < 200; tries++) {
      if (await done()) return
      await sleep(10)
    }
    assert.fail('it did not come about')
  }

  const version = (name: string, properties: object, rest: object = {}) => ({
    name,
    served: true,
    storage: name === 'v1',
    schema: { openAPIV3Schema: { type: 'object', properties } },
    ...rest,
  })

  test('defaults are filled into requests and into what is stored already', async () => {
    await define(
      'defaults.example.com',
      { plural: 'things', kind: 'Thing' },
      { versions: [version('v1', { a: { type: 'string', default: 'A' }, b: { type: 'string' } })] },
    )
    const path = '/apis/defaults.example.com/v1/namespaces/default/things'
    const created = await send('POST', path, { apiVersion: 'defaults.example.com/v1', kind: 'Thing', metadata: { name: 'one' } })
    assert.equal((created.body as unknown as { a: string }).a, 'A')
    const patch = [{ op: 'add', path: '/spec/versions/0/schema/openAPIV3Schema/properties/b/default', value: 'B' }]
    const patched = await send('PATCH', `${DEFINITIONS}/things.defaults.example.com`, patch, 'application/json-patch+json')
    assert.equal(patched.status, 200, patched.text)
    await until(async () => ((await send('GET', `${path}/one`)).body as unknown as { b?: string }).b === 'B')
  })

  test('a stored object shows what the schema says today', async () => {
    await define(
      'cut.example.com',
      { plural: 'things', kind: 'Thing' },
      { versions: [version('v1', { keep: { type: 'string' }, drop: { type: 'string' } })] },
    )
    const path = '/apis/cut.example.com/v1/namespaces/default/things'
    await send('POST', path, { apiVersion: 'cut.example.com/v1', kind: 'Thing', metadata: { name: 'one' }, keep: 'k', drop: 'd' })
    const patch = [{ op: 'remove', path: '/spec/versions/0/schema/openAPIV3Schema/properties/drop' }]
    await send('PATCH', `${DEFINITIONS}/things.cut.example.com`, patch, 'application/json-patch+json')
    await until(async () => !('drop' in (await send('GET', `${path}/one`)).body))
    const listed = await send<{ items: object[] }>('GET', path)
    assert.ok(listed.body.items.every((item) => !('drop' in item)))
  })

  test('an embedded object keeps only the metadata that metadata has', async () => {
    const template = { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true }
    await define('embedded.example.com', { plural: 'things', kind: 'Thing' }, { versions: [version('v1', { template })] })
    const path = '/apis/embedded.example.com/v1/namespaces/default/things?fieldValidation=Strict'
    const body = {
      apiVersion: 'embedded.example.com/v1',
      kind: 'Thing',
      metadata: { name: 'one', unknownMeta: 'x' },
      template: { apiVersion: 'v1', kind: 'Any', metadata: { name: 'sub', unknownSub: 'y' }, anything: 1 },
    }
    const refused = await send<{ message: string }>('POST', path, body)
    assert.equal(refused.status, 400)
    assert.match(
      refused.body.message,
      /strict decoding error: unknown field "metadata.unknownMeta", unknown field "template.metadata.unknownSub"/,
    )
    const created = await send<{ template: object }>('POST', path.replace('Strict', 'Ignore'), body)
    assert.deepEqual(created.body.template, { apiVersion: 'v1', kind: 'Any', metadata: { name: 'sub' }, anything: 1 })
  })

  test('an applied configuration may have fields that the schema keeps, and none that it does not know or twice', async () => {
    const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
    const template = { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { metadata: { type: 'object' } } }
    await define(
      'open.example.com',
      { plural: 'things', kind: 'Thing' },
      { scope: 'Cluster', versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: open } }] },
    )
    await define(
      'shut.example.com',
      { plural: 'things', kind: 'Thing' },
      { scope: 'Cluster', versions: [version('v1', { spec: { type: 'object', properties: { template } } })] },
    )
    const apply = async (group: string, rest: string) => {
      const body = `\napiVersion: ${group}/v1\nkind: Thing\nmetadata:\n  name: one\n${rest}`
      const path = `/apis/${group}/v1/things/one?fieldManager=m&fieldValidation=Strict`
      const answer = await ask(session, 'PATCH', path, { body, headers: { 'content-type': 'application/apply-patch+yaml' } })
      return { status: answer.status, body: JSON.parse(answer.body) as { message: string; spec: unknown } }
    }
    const kept = await apply('open.example.com', 'spec:\n  unknown: uk1\n  ports:\n  - name: x\n')
    assert.deepEqual([kept.status, kept.body.spec], [201, { unknown: 'uk1', ports: [{ name: 'x' }] }])
    const twice = await apply('open.example.com', 'spec:\n  foo: foo1\n  foo: foo2\n')
    assert.equal(twice.status, 400)
    assert.match(twice.body.message, /line 8: key "foo" already set in map/)
    const unknown = await apply('shut.example.com', '  unknownMeta: x\n')
    assert.match(unknown.body.message, /\.metadata\.unknownMeta: field not declared in schema/)
    const inside = await apply('shut.example.com', 'spec:\n  template:\n    kind: Sub\n    metadata:\n      unknownSub: x\n')
    assert.match(inside.body.message, /\.spec\.template\.metadata\.unknownSub: field not declared in schema/)
  })

  test('what was invalid before may stay while it does not change', async () => {
    await define(
      'ratchet.example.com',
      { plural: 'things', kind: 'Thing' },
      { versions: [version('v1', { size: { type: 'integer' }, other: { type: 'string' } })] },
    )
    const path = '/apis/ratchet.example.com/v1/namespaces/default/things'
    await send('POST', path, { apiVersion: 'ratchet.example.com/v1', kind: 'Thing', metadata: { name: 'one' }, size: 500 })
    const patch = [{ op: 'add', path: '/spec/versions/0/schema/openAPIV3Schema/properties/size/maximum', value: 10 }]
    await send('PATCH', `${DEFINITIONS}/things.ratchet.example.com`, patch, 'application/json-patch+json')
    const bad = { apiVersion: 'ratchet.example.com/v1', kind: 'Thing', metadata: { name: 'two' }, size: 500 }
    await until(async () => (await send('POST', `${path}?dryRun=All`, bad)).status === 422)
    const merge = 'application/merge-patch+json'
    assert.equal((await send('PATCH', `${path}/one`, { other: 'x' }, merge)).status, 200)
    assert.equal((await send('PATCH', `${path}/one`, { size: 501 }, merge)).status, 422)
  })

  test('a name that another definition of the group has is not granted', async () => {
    await define('names.example.com', { plural: 'firsts', kind: 'First' }, { versions: [version('v1', {})] })
    const names = { plural: 'seconds', kind: 'First', listKind: 'SecondList' }
    const body = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'seconds.names.example.com' },
      spec: { group: 'names.example.com', scope: 'Namespaced', names, versions: [version('v1', {})] },
    }
    await send('POST', DEFINITIONS, body)
    type Conditions = { status: { conditions: { type: string; status: string; reason: string }[] | null } }
    const reason = async () => {
      const { conditions } = (await send<Conditions>('GET', `${DEFINITIONS}/seconds.names.example.com`)).body.status
      return conditions?.map(({ type, status, reason: why }) => `${type}=${status} ${why}`).join(', ')
    }
    await until(async () => (await reason()) !== undefined)
    assert.equal(await reason(), 'NamesAccepted=False KindConflict, Established=False NotAccepted')
    await send('DELETE', `${DEFINITIONS}/firsts.names.example.com`)
    await until(async () => (await reason())?.includes('Established=True') ?? false)
  })

  test('a cluster-scoped resource is not reached through a namespace', async () => {
    await define('cluster.example.com', { plural: 'things', kind: 'Thing' }, { scope: 'Cluster', versions: [version('v1', {})] })
    const answer = await send('GET', '/apis/cluster.example.com/v1/namespaces/default/things')
    assert.equal(answer.status, 404)
  })

  test('every version has its document, with a new hash where it changed', async () => {
    await define(
      'published.example.com',
      { plural: 'things', kind: 'Thing' },
      { versions: [version('v1', { size: { type: 'integer', description: 'how big' } })] },
    )
    type Index = { paths: Record<string, { serverRelativeURL: string }> }
    const url = async () => (await send<Index>('GET', '/openapi/v3')).body.paths['apis/published.example.com/v1']?.serverRelativeURL ?? ''
    const first = await url()
    type Document = { components: { schemas: Record<string, { properties: Record<string, object> }> } }
    const schema = (await send<Document>('GET', first)).body.components.schemas['com.example.published.v1.Thing']
    assert.deepEqual(schema?.properties['size'], { type: 'integer', description: 'how big' })
    assert.ok(schema?.properties['metadata'])
    const patch = [{ op: 'add', path: '/spec/versions/0/schema/openAPIV3Schema/properties/more', value: { type: 'string' } }]
    await send('PATCH', `${DEFINITIONS}/things.published.example.com`, patch, 'application/json-patch+json')
    await until(async () => (await url()) !== first)
    const v2 = await send<{ definitions: Record<string, object> }>('GET', '/openapi/v2')
    assert.ok('com.example.published.v1.Thing' in v2.body.definitions)
  })

  test('another storage version: objects are shown alike, and the next write brings them over', async () => {
    const both = [version('v1', { a: { type: 'string' } }), version('v2', { a: { type: 'string' } })]
    await define('moved.example.com', { plural: 'things', kind: 'Thing' }, { versions: both })
    const path = '/apis/moved.example.com/v1/namespaces/default/things'
    await send('POST', path, { apiVersion: 'moved.example.com/v1', kind: 'Thing', metadata: { name: 'one' }, a: 'x' })
    const moved = [
      { op: 'replace', path: '/spec/versions/0/storage', value: false },
      { op: 'replace', path: '/spec/versions/1/storage', value: true },
    ]
    type Definition = { status: { storedVersions: string[] } }
    const patched = await send<Definition>('PATCH', `${DEFINITIONS}/things.moved.example.com`, moved, 'application/json-patch+json')
    assert.deepEqual(patched.body.status.storedVersions, ['v1', 'v2'])
    const first = await send('GET', `${path}/one`)
    const written = await send('PUT', `${path}/one`, first.body)
    assert.notEqual(written.body.metadata.resourceVersion, first.body.metadata.resourceVersion)
    const again = await send('PUT', `${path}/one`, written.body)
    assert.equal(again.body.metadata.resourceVersion, written.body.metadata.resourceVersion)
    assert.equal(again.body.apiVersion, 'moved.example.com/v1')
    const refused = await send<{ message: string }>(
      'PATCH',
      `${DEFINITIONS}/things.moved.example.com`,
      [{ op: 'remove', path: '/spec/versions/0' }],
      'application/json-patch+json',
    )
    assert.match(refused.body.message, /status\.storedVersions\[0\]: Invalid value: "v1": missing from spec\.versions/)
  })

  test('no protobuf of the objects, but of their metadata', async () => {
    await define('media.example.com', { plural: 'things', kind: 'Thing' }, { versions: [version('v1', {})] })
    const path = '/apis/media.example.com/v1/namespaces/default/things'
    const protobuf = 'application/vnd.kubernetes.protobuf'
    const get = async (accept: string) => {
      const { status, headers } = await ask(session, 'GET', path, { headers: { accept } })
      return [status, headers['content-type']]
    }
    assert.deepEqual(await get(`${protobuf},application/json`), [200, 'application/json'])
    assert.equal((await get(protobuf))[0], 406)
    const partial = `${protobuf};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`
    assert.deepEqual(await get(partial), [200, protobuf])
    const sent = await ask(session, 'POST', path, { body: Buffer.from('k8s\0'), headers: { 'content-type': protobuf } })
    assert.equal(sent.status, 400, sent.body)
  })

  describe('with a conversion webhook', () => {
    const group = 'hosts.example.com'
    const path = (name: string): string => `/apis/${group}/${name}/namespaces/default/hosts`
    let webhook: ReturnType<typeof createServer>
    let calls = 0
    const revisions: string[] = []

    interface Review {
      request: { uid: string; desiredAPIVersion: string; objects: Widget[] }
    }

    /** v1 has `hostPort`, v2 has `host` and `port`. */
    function convert({ metadata, hostPort, host, port, kind }: Widget, apiVersion: string): object {
      if (apiVersion.endsWith('/v2')) {
        const [h, p] = (hostPort ?? '').split(':')
        return { apiVersion, kind, metadata, host: h, port: p }
      }
      return { apiVersion, kind, metadata, hostPort: `${host ?? ''}:${port ?? ''}` }
    }

    before(async () => {
      const pem = await server.ca.issue('CN=webhook', { server: true })
      webhook = createServer({ cert: pem.cert, key: pem.key }, (request, response) => {
        let text = ''
        request.on('data', (chunk: Buffer) => (text += chunk.toString()))
        request.on('end', () => {
          calls++
          const { request: asked } = JSON.parse(text) as Review
          revisions.push(...asked.objects.flatMap(({ metadata }) => metadata.resourceVersion ?? []))
          const convertedObjects = asked.objects.map((object) => convert(object, asked.desiredAPIVersion))
          const answer = { uid: asked.uid, result: { status: 'Success' }, convertedObjects }
          response.setHeader('content-type', 'application/json')
          response.end(JSON.stringify({ kind: 'ConversionReview', apiVersion: 'apiextensions.k8s.io/v1', response: answer }))
        })
      })
      await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve))
      const { port } = webhook.address() as AddressInfo
      const clientConfig = { url: `https://127.0.0.1:${port}/convert`, caBundle: Buffer.from(server.ca.cert).toString('base64') }
      await define(
        group,
        { plural: 'hosts', kind: 'Host' },
        {
          conversion: { strategy: 'Webhook', webhook: { clientConfig, conversionReviewVersions: ['v1'] } },
          versions: [
            version('v1', { hostPort: { type: 'string' } }, { selectableFields: [{ jsonPath: '.hostPort' }] }),
            version(
              'v2',
              { host: { type: 'string' }, port: { type: 'string' } },
              { selectableFields: [{ jsonPath: '.host' }, { jsonPath: '.port' }] },
            ),
          ],
        },
      )
    })
    after(() => {
      webhook.closeAllConnections()
      webhook.close()
    })

    test('an object is read, listed, selected, watched and applied in each version', async () => {
      const events: string[] = []
      const watching = session.request({ ':path': `${path('v2')}?watch=true&fieldSelector=host%3Dhost1` })
      watching.on('data', (chunk: Buffer) => {
        for (const line of chunk.toString().trim().split('\n')) {
          const { type, object } = JSON.parse(line) as { type: string; object: Widget }
          events.push(`${type} ${object.metadata.name} ${object.host}:${object.port}`)
        }
      })
      const hosts = [
        ['one', 'host1', '80'],
        ['two', 'host1', '8080'],
        ['three', 'host2', '80'],
      ] as const
      for (const [name, host, port] of hosts) {
        const created = await send('POST', path('v2'), { apiVersion: `${group}/v2`, kind: 'Host', metadata: { name }, host, port })
        assert.equal(created.status, 201, created.text)
        assert.deepEqual([created.body.host, created.body.port, created.body.apiVersion], [host, port, `${group}/v2`])
      }
      assert.equal((await send('GET', `${path('v1')}/one`)).body.hostPort, 'host1:80')
      const names = async (query: string) => (await send<{ items: Widget[] }>('GET', query)).body.items.map(({ metadata }) => metadata.name)
      assert.deepEqual(await names(`${path('v2')}?fieldSelector=host%3Dhost1,port%3D80`), ['one'])
      assert.deepEqual(await names(`${path('v1')}?fieldSelector=hostPort%3Dhost1:8080`), ['two'])

      assert.deepEqual(revisions, [], 'what is stored does not know its revision')
      const before = calls
      await send('GET', path('v2'))
      assert.equal(calls, before, 'what was converted once serves everybody')

      const merge = 'application/merge-patch+json'
      assert.equal((await send('PATCH', `${path('v2')}/two`, { host: 'host2' }, merge)).status, 200)
      assert.equal((await send('PATCH', `${path('v1')}/three`, { hostPort: 'host1:81' }, merge)).status, 200)
      const applied = { apiVersion: `${group}/v1`, kind: 'Host', metadata: { name: 'one' }, hostPort: 'host1:82' }
      const conflict = await send<{ message: string }>('PATCH', `${path('v1')}/one?fieldManager=m`, applied, 'application/apply-patch+yaml')
      assert.equal(conflict.status, 409, conflict.text)
      const forced = await send('PATCH', `${path('v1')}/one?fieldManager=m&force=true`, applied, 'application/apply-patch+yaml')
      assert.equal(forced.status, 200, forced.text)
      await send('DELETE', `${path('v1')}/one`)
      await until(async () => events.length >= 6)
      watching.close()
      assert.deepEqual(events, [
        'ADDED one host1:80',
        'ADDED two host1:8080',
        'DELETED two host1:8080',
        'ADDED three host1:81',
        'MODIFIED one host1:82',
        'DELETED one host1:82',
      ])
    })
  })
})
