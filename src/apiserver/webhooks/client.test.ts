import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { newServiceUnavailable } from '../../api/status.ts'
import { TestAuthority } from '../testServer.ts'
import { WebhookCallError } from './callErrors.ts'
import { WebhookClient } from './client.ts'
import type { WebhookCall } from './client.ts'

const authority = await TestAuthority.create('webhooks')
const bundle = (ca: TestAuthority): string => Buffer.from(ca.cert).toString('base64')
const never = new AbortController().signal

let server: Server
let port: number
let connections = 0
let answer: (request: IncomingMessage, response: ServerResponse, body: string) => void
let client: WebhookClient

before(async () => {
  const pem = await authority.issue('CN=hook', { server: true, names: ['hook.apps.svc'] })
  server = createServer(pem, (request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => answer(request, response, body))
  })
  server.on('secureConnection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
  client = new WebhookClient({
    resolver(_namespace, name) {
      if (name === 'empty') throw newServiceUnavailable('no endpoints available for service "empty"')
      return { host: '127.0.0.1', port }
    },
    clock: systemClock,
  })
})

after(() => {
  client.close()
  server.closeAllConnections()
  server.close()
})

const call = (changes: Partial<WebhookCall> = {}): Promise<unknown> =>
  client.call({
    clientConfig: { service: { namespace: 'apps', name: 'hook', path: '/mutate', port: 443 }, caBundle: bundle(authority) },
    body: { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1' },
    timeoutMs: 5_000,
    signal: never,
    announceTimeout: true,
    ...changes,
  })

const failure = async (changes: Partial<WebhookCall> = {}): Promise<string> => {
  const error = await call(changes).then(
    () => assert.fail('the call succeeded'),
    (error: unknown) => error,
  )
  assert.ok(error instanceof WebhookCallError, String(error))
  return error.message
}

const reply =
  (code: number, text: string, headers: Record<string, string> = {}): typeof answer =>
  (_request, response) =>
    void response.writeHead(code, headers).end(text)

test('a service is called by its name at the address of an endpoint, connections are kept', async () => {
  const seen: unknown[] = []
  answer = ({ url, headers, method }, response, body) => {
    seen.push([method, url, headers.host, headers['content-type'], body])
    response.end('{"response":{"allowed":true}}')
  }
  connections = 0
  for (let i = 0; i < 3; i++) assert.deepEqual(await call(), { response: { allowed: true } })
  assert.deepEqual(seen[0], [
    'POST',
    '/mutate?timeout=5s',
    'hook.apps.svc:443',
    'application/json',
    '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}',
  ])
  assert.equal(connections, 1)
})

test('a URL is called as it stands', async () => {
  answer = ({ url }, response) => void response.end(JSON.stringify({ response: { uid: url } }))
  const clientConfig = { url: `https://127.0.0.1:${port}/v`, caBundle: bundle(authority) }
  assert.deepEqual(await call({ clientConfig, announceTimeout: false }), { response: { uid: '/v' } })
  const unclean = { ...clientConfig, url: `HTTPS://127.0.0.1:${port}/a/../v//w/` }
  assert.deepEqual(await call({ clientConfig: unclean, announceTimeout: false }), { response: { uid: '/v/w' } })
})

test('a connection that the webhook closed while idle is no failure', async () => {
  answer = reply(200, '{}')
  await call()
  server.closeIdleConnections()
  assert.deepEqual(await call(), {})
})

test('a call that the webhook may have seen is not made again', async () => {
  let seen = 0
  answer = (request, response) => {
    if (++seen === 1) response.end('{}')
    else request.socket.destroy()
  }
  await call()
  assert.equal(await failure(), 'Post "https://hook.apps.svc:443/mutate?timeout=5s": EOF')
  assert.equal(seen, 2)
})

test('certificates: of another authority, for another name', async () => {
  answer = reply(200, '{}')
  const other = await TestAuthority.create('webhooks')
  const service = { namespace: 'apps', name: 'hook' }
  const url = 'Post "https://hook.apps.svc:443/?timeout=5s": '
  const x509 = 'tls: failed to verify certificate: x509: '
  assert.match(await failure({ clientConfig: { service, caBundle: bundle(other) } }), /x509: certificate signed by unknown authority$/)
  assert.equal(await failure({ clientConfig: { service } }), `${url}${x509}certificate signed by unknown authority`)
  assert.equal(
    await failure({ clientConfig: { service: { namespace: 'apps', name: 'wrong', path: '/' }, caBundle: bundle(authority) } }),
    `Post "https://wrong.apps.svc:443/?timeout=5s": ${x509}certificate is valid for hook.apps.svc, not wrong.apps.svc`,
  )
  assert.equal(
    await failure({ clientConfig: { service, caBundle: Buffer.from('no PEM').toString('base64') } }),
    'could not get REST client: unable to load root certificates: unable to parse bytes as PEM block',
  )
})

test('answers that are none', async () => {
  const cases: [answer: typeof answer, message: string][] = [
    [reply(404, ''), 'the server could not find the requested resource'],
    [
      reply(500, 'out of order\n', { 'content-type': 'text/plain' }),
      'an error on the server ("out of order") has prevented the request from succeeding',
    ],
    [
      reply(302, '', { location: 'https://127.0.0.1:1/' }),
      'the server responded with the status code 302 but did not return more information',
    ],
    [
      reply(406, '{}', { 'content-type': 'application/json' }),
      'the server was unable to respond with a content type that the client supports',
    ],
    [reply(500, ''), 'an error on the server ("") has prevented the request from succeeding'],
    [reply(200, '{}', { 'content-type': '; charset=utf-8' }), 'Internal error occurred: mime: no media type'],
    [reply(200, ''), '0-length response with status code: 200 and content type: application/json'],
    [reply(200, '{"broken'), "couldn't get version/kind; json parse error: unexpected end of JSON input"],
    [reply(200, '', { 'content-type': 'application/json' }), '0-length response with status code: 200 and content type: application/json'],
    [reply(403, '{"kind":"Status","apiVersion":"v1","status":"Failure","message":"not you","reason":"Forbidden","code":403}'), 'not you'],
  ]
  for (const [given, message] of cases) {
    answer = given
    assert.equal(await failure(), message)
  }
})

test('a huge answer is not read to its end', async () => {
  let sentBytes = 0
  answer = (_request, response) => {
    const more = (): void => {
      while (!response.destroyed) {
        sentBytes += 65_536
        if (!response.write(' '.repeat(65_536))) return void response.once('drain', more)
      }
    }
    more()
  }
  assert.equal(await failure({ maxAnswerBytes: 1_000_000 }), 'the answer is larger than 1000000 bytes')
  assert.ok(sentBytes < 50_000_000)
})

test('a webhook that never answers, or never ends its answer', async () => {
  answer = () => {}
  assert.equal(await failure({ timeoutMs: 50 }), 'Post "https://hook.apps.svc:443/mutate?timeout=1s": context deadline exceeded')
  answer = (_request, response) => void response.writeHead(200).write('{')
  const reading = 'unexpected error when reading response body. Please retry. Original error: context deadline exceeded'
  // Long enough for the head to arrive on a busy machine.
  assert.equal(await failure({ timeoutMs: 1_000 }), reading)
})

test('who asked has gone', async () => {
  const abort = new AbortController()
  answer = () => abort.abort()
  const error = await call({ signal: abort.signal }).catch((error: unknown) => error)
  assert.ok(error instanceof WebhookCallError && error.canceled)
  assert.match(error.message, /: context canceled$/)
})

test('nobody listens, nobody serves, or what answers speaks no TLS', async () => {
  const closed = createTcpServer()
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
  const { port: closedPort } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  assert.equal(
    await failure({ clientConfig: { url: `https://127.0.0.1:${closedPort}/` } }),
    `Post "https://127.0.0.1:${closedPort}/?timeout=5s": dial tcp 127.0.0.1:${closedPort}: connect: connection refused`,
  )
  assert.equal(
    await failure({ clientConfig: { service: { namespace: 'apps', name: 'empty' } } }),
    'Post "https://empty.apps.svc:443/?timeout=5s": no endpoints available for service "empty"',
  )
  const plain = createTcpServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
  const url = `https://127.0.0.1:${(plain.address() as AddressInfo).port}/`
  assert.match(await failure({ clientConfig: { url } }), /: http: server gave HTTP response to HTTPS client$/)
  plain.close()
})

test('a webhook that asks for time is called again, as long as the call may take', async () => {
  const codes = [503, 429, 200]
  answer = (_request, response) => {
    const code = codes.shift() ?? 503
    response.writeHead(code, code === 200 ? {} : { 'retry-after': '0' }).end('{}')
  }
  assert.deepEqual(await call(), {})
  assert.deepEqual(codes, [])
  answer = reply(503, '{}', { 'retry-after': '30' })
  assert.match(await failure({ timeoutMs: 50 }), /^Post "https:.*": context deadline exceeded$/)
  answer = reply(404, '', { 'retry-after': '30' })
  assert.equal(await failure(), 'the server could not find the requested resource')
})
