import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:http2'
import type { ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { isAbort } from '../../base/abort.ts'
import { StatusError } from '../../api/status.ts'
import { Http2Exchange, originForm, readBody } from './exchange.ts'
import type { Exchange } from './exchange.ts'

function exchange(body: PassThrough, headers: Record<string, string> = {}): Exchange {
  return { headers, body } as unknown as Exchange
}

const isTooLarge = (error: unknown): boolean => error instanceof StatusError && error.code === 413

test('a body in pieces is read whole', async () => {
  const body = new PassThrough()
  const read = readBody(exchange(body))
  body.write('one ')
  setImmediate(() => body.end('two'))
  assert.equal(Buffer.from(await read).toString(), 'one two')
})

test('an empty body, and one that has been read already', async () => {
  const body = new PassThrough()
  body.end()
  assert.equal((await readBody(exchange(body))).length, 0)
  assert.equal((await readBody(exchange(body))).length, 0)
})

test('a body of an announced length is whole with its last byte', async () => {
  const body = new PassThrough()
  const announced = exchange(body, { 'content-length': '7' })
  const read = readBody(announced)
  body.write('one ')
  setImmediate(() => body.write('two'))
  assert.equal(Buffer.from(await read).toString(), 'one two')
  assert.equal(body.readableEnded, false)
  assert.equal((await readBody(announced)).length, 0)
})

test('a body that is too large is refused and leaves the stream as it is', async () => {
  const body = new PassThrough()
  const read = readBody(exchange(body), 5)
  body.write('1234')
  setImmediate(() => body.write('56'))
  await assert.rejects(read, isTooLarge)
  assert.equal(body.destroyed, false)
  assert.equal(body.isPaused(), true)
  await assert.rejects(readBody(exchange(new PassThrough(), { 'content-length': '6' }), 5), isTooLarge)
})

test('a client that goes away in the middle, or before', async () => {
  const body = new PassThrough()
  const read = readBody(exchange(body))
  body.write('half')
  setImmediate(() => body.destroy())
  await assert.rejects(read, isAbort)
  await assert.rejects(readBody(exchange(body)), isAbort)
})

test('an error of the stream', async () => {
  const body = new PassThrough()
  const read = readBody(exchange(body))
  body.destroy(new Error('reset'))
  await assert.rejects(read, /reset/)
})

/** What a server answers with `respond`, until the stream is over on both sides. Where a length is announced it reads the body. */
async function answered(method: string, sent: string | undefined, body: string | undefined, isAnnounced = false): Promise<string> {
  const server = createServer()
  const gone = Promise.withResolvers<void>()
  server.on('stream', async (stream: ServerHttp2Stream, headers, _flags: number, rawHeaders: string[]) => {
    const served = new Http2Exchange(stream, headers, rawHeaders)
    served.onGone(() => gone.resolve())
    if (isAnnounced) assert.equal(Buffer.from(await readBody(served)).toString(), sent)
    served.respond(200, { 'content-type': 'text/plain' }, body)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  try {
    const announced = isAnnounced ? { 'content-length': Buffer.byteLength(sent ?? '') } : {}
    const stream = session.request({ ':method': method, ...announced }, { endStream: sent === undefined })
    if (sent !== undefined) stream.end(sent)
    let text = ''
    for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) text += chunk
    await gone.promise
    return text
  } finally {
    session.destroy()
    server.close()
  }
}

test('every stream ends, with and without a body on either side', { timeout: 30_000 }, async () => {
  const large = 'x'.repeat(300_000)
  assert.equal(await answered('GET', undefined, 'answer'), 'answer')
  assert.equal(await answered('GET', undefined, large), large)
  assert.equal(await answered('GET', undefined, undefined), '')
  assert.equal(await answered('HEAD', undefined, 'answer'), '')
  assert.equal(await answered('DELETE', 'unread', 'answer'), 'answer')
  assert.equal(await answered('POST', large, large), large)
  assert.equal(await answered('POST', 'read', 'answer', true), 'answer')
  assert.equal(await answered('POST', large, large, true), large)
  assert.equal(await answered('POST', large, undefined, true), '')
})

test('a request that names the server is for its path', () => {
  const cases: [string, string][] = [
    ['/api?x=1', '/api?x=1'],
    ['https://host:1/api?x=1', '/api?x=1'],
    ['http://host', '/'],
    ['http://host?x=1', '/?x=1'],
    ['*', '*'],
    ['mailto:x', 'mailto:x'],
  ]
  for (const [target, path] of cases) assert.equal(originForm(target), path)
})
