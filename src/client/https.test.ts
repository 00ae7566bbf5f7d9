import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { deployments } from '../api/kinds/apps/v1.ts'
import { configmaps } from '../api/kinds/core/v1.ts'
import { isExpired, isNotFound, newExpired, newNotFound, reasonOf } from '../api/status.ts'
import { Client } from './client.ts'
import { watchEvents } from './answers.ts'
import { HttpsTransport } from './https.ts'

type Answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: string) => void

async function setUp(t: TestContext, answer: Answer) {
  const server = createServer()
  server.on('stream', (stream, headers) => {
    let body = ''
    stream.on('data', (chunk) => (body += String(chunk)))
    stream.on('end', () => answer(stream as ServerHttp2Stream, headers, body))
    stream.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const transport = new HttpsTransport({ server: `http://127.0.0.1:${port}`, ca: '', token: 'secret', userAgent: 'tester/1' })
  t.after(() => {
    transport.close()
    server.close()
  })
  return { client: new Client(transport), transport, server }
}

function json(stream: ServerHttp2Stream, code: number, value: unknown): void {
  stream.respond({ ':status': code, 'content-type': 'application/json' })
  stream.end(JSON.stringify(value))
}

test('paths, methods, headers and bodies', async (t) => {
  const seen: string[] = []
  const { client } = await setUp(t, (stream, headers, body) => {
    seen.push(`${headers[':method']} ${headers[':path']} ${headers['content-type'] ?? ''} ${body}`.trimEnd())
    assert.equal(headers.authorization, 'Bearer secret')
    assert.equal(headers['user-agent'], 'tester/1')
    json(stream, 200, { metadata: { name: 'x' } })
  })
  await client.get(deployments, { namespace: 'ns', name: 'd', subresource: 'scale' })
  await client.create(configmaps, { metadata: { name: 'c', namespace: 'ns' } })
  await client.patch(configmaps, { namespace: 'ns', name: 'c', type: 'application/merge-patch+json', fieldManager: 'me' }, { data: null })
  await client.delete(configmaps, { namespace: 'ns', name: 'c' }, { propagationPolicy: 'Orphan' })
  await client.deleteCollection(configmaps, { namespace: 'ns', labelSelector: 'a=b' })
  assert.deepEqual(seen, [
    'GET /apis/apps/v1/namespaces/ns/deployments/d/scale',
    'POST /api/v1/namespaces/ns/configmaps application/json {"metadata":{"name":"c","namespace":"ns"}}',
    'PATCH /api/v1/namespaces/ns/configmaps/c?fieldManager=me application/merge-patch+json {"data":null}',
    'DELETE /api/v1/namespaces/ns/configmaps/c application/json {"propagationPolicy":"Orphan"}',
    'DELETE /api/v1/namespaces/ns/configmaps?labelSelector=a%3Db application/json {}',
  ])
})

test('a list gives every item its kind', async (t) => {
  const { client } = await setUp(t, (stream) =>
    json(stream, 200, {
      kind: 'ConfigMapList',
      metadata: { resourceVersion: '7', continue: 'more' },
      items: [{ metadata: { name: 'a' } }],
    }),
  )
  const list = await client.list(configmaps, { limit: 1 })
  assert.deepEqual(list, {
    resourceVersion: '7',
    continue: 'more',
    items: [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } }],
  })
})

test('a Status becomes an error; so does any other failing answer', async (t) => {
  const { client } = await setUp(t, (stream, headers) => {
    if (headers[':path']?.endsWith('/a')) return json(stream, 404, newNotFound(configmaps, 'a').status)
    stream.respond({ ':status': 503 })
    stream.end('no upstream')
  })
  await assert.rejects(
    client.get(configmaps, { namespace: 'ns', name: 'a' }),
    (error: Error) => isNotFound(error) && error.message === 'configmaps "a" not found',
  )
  await assert.rejects(
    client.get(configmaps, { namespace: 'ns', name: 'b' }),
    (error: Error) => reasonOf(error) === 'ServiceUnavailable' && error.message === 'no upstream',
  )
})

test('a broken connection is told as ServiceUnavailable, and the next request connects anew', async (t) => {
  let broken = true
  const { client } = await setUp(t, (stream) => {
    if (!broken) return json(stream, 200, { metadata: { name: 'a' } })
    broken = false
    stream.session?.destroy()
  })
  await assert.rejects(client.get(configmaps, { namespace: 'ns', name: 'a' }), (error: Error) => reasonOf(error) === 'ServiceUnavailable')
  assert.equal((await client.get(configmaps, { namespace: 'ns', name: 'a' })).metadata.name, 'a')
})

test('a watch yields events until it is aborted', async (t) => {
  const { client } = await setUp(t, (stream, headers) => {
    assert.equal(headers[':path'], '/api/v1/configmaps?watch=true&allowWatchBookmarks=true&resourceVersion=3')
    stream.respond({ ':status': 200 })
    stream.write(`${JSON.stringify({ type: 'ADDED', object: { metadata: { name: 'a', resourceVersion: '4' } } })}\n`)
  })
  const stop = new AbortController()
  const seen: string[] = []
  for await (const event of client.watch(configmaps, { resourceVersion: '3', signal: stop.signal })) {
    seen.push(event.type)
    stop.abort()
  }
  assert.deepEqual(seen, ['ADDED'])
})

test('watch lines may come in any pieces; an ERROR event is thrown', async () => {
  const text = [
    { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } },
    { type: 'ERROR', object: newExpired('too old resource version: 1 (5)').status },
  ]
    .map((e) => `${JSON.stringify(e)}\n`)
    .join('')
  const bytes = Buffer.from(text)
  for (const size of [1, 7, bytes.length]) {
    const pieces = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    const seen: unknown[] = []
    await assert.rejects(
      async () => {
        for await (const event of watchEvents(pieces())) seen.push(event)
      },
      (error: unknown) => isExpired(error),
    )
    assert.deepEqual(seen, [{ type: 'BOOKMARK', resourceVersion: '9' }])
  }
})

test('an error of now is not told as one of a connection that failed before', async (t) => {
  let whole = false
  const { client, server } = await setUp(t, (stream) => {
    stream.respond({ ':status': 200 })
    stream.end(whole ? '{}' : '{"cut')
  })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  await assert.rejects(client.get(configmaps, { namespace: 'ns', name: 'c' }), /cannot be reached: .*ECONNREFUSED/)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await assert.rejects(client.get(configmaps, { namespace: 'ns', name: 'c' }), (error: unknown) => !/ECONNREFUSED/.test(String(error)))
  whole = true
  await client.get(configmaps, { namespace: 'ns', name: 'c' })
})

test('a watch event that comes in many pieces', async () => {
  const line = Buffer.from(`${JSON.stringify({ type: 'ADDED', object: { metadata: { name: 'ü'.repeat(50) } } })}\n`)
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (const byte of Buffer.concat([line, line])) yield Uint8Array.of(byte)
  }
  const names: string[] = []
  for await (const event of watchEvents(pieces())) if (event.type === 'ADDED') names.push(event.object.metadata.name)
  assert.deepEqual(names, ['ü'.repeat(50), 'ü'.repeat(50)])
})
