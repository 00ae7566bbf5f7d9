/** The proxy subresources of pods and services, with real servers as their backends. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { ClientHttp2Session } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import { after, before, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { ask, startTestServer } from '../../src/apiserver/testServer.ts'
import type { TestAnswer, TestApiServer } from '../../src/apiserver/testServer.ts'
import { ownAddress } from './extensionServer.ts'

const address = ownAddress()
const skip = address ? false : 'this machine has no address but the loopback'
const PODS = '/api/v1/namespaces/default/pods'
const SERVICES = '/api/v1/namespaces/default/services'
let main: TestApiServer
let session: ClientHttp2Session
let plainPort = 0
let securePort = 0
const servers: Server[] = []

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function backend(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, search } = new URL(request.url ?? '/', 'http://backend')
  const page = '<a href="/rewriteme">test</a>'
  switch (pathname) {
    case '/page':
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-length': page.length })
      return void response.end(page)
    case '/packed':
      response.writeHead(200, { 'content-type': 'text/html', 'content-encoding': 'gzip' })
      return void response.end(gzipSync(page))
    case '/away':
      response.writeHead(302, { location: '/landing?a=b' })
      return void response.end()
    case '/far':
      response.writeHead(302, { location: 'https://elsewhere.example.com/x' })
      return void response.end()
    case '/large':
      response.writeHead(200, { 'content-type': 'application/octet-stream' })
      return void response.end(Buffer.alloc(20 * 1024 * 1024, 7))
  }
  const body = await bodyOf(request)
  const { authorization, host, connection } = request.headers
  const told = {
    method: request.method,
    path: pathname,
    search,
    sizeBytes: body.length,
    hash: createHash('sha256').update(body).digest('hex'),
    authorization,
    host,
    connection,
    uri: request.headers['x-forwarded-uri'],
    user: request.headers['x-remote-user'],
  }
  response.writeHead(200, { 'content-type': 'application/json', 'x-backend': 'yes' })
  response.end(JSON.stringify(told))
}

function onUpgrade(_: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => {})
  socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n')
  socket.on('data', (data: Buffer) => socket.write(data))
}

async function listen(server: Server): Promise<number> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  return (server.address() as AddressInfo).port
}

before(async () => {
  if (skip) return
  main = await startTestServer()
  session = main.session(main.admin)
  const handler: RequestListener = (request, response) => void backend(request, response)
  plainPort = await listen(createServer(handler).on('upgrade', onUpgrade))
  const own = await main.ca.issue('CN=somebody', { server: true })
  securePort = await listen(createTlsServer(own, handler).on('upgrade', onUpgrade))

  const create = (path: string, body: object) => ask(session, 'POST', path, { body: JSON.stringify(body) })
  await create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } })
  const pod = async (name: string, podIP: string): Promise<void> => {
    const containers = [{ name: 'c', image: 'i', ports: [{ name: 'web', containerPort: plainPort }] }]
    await create(PODS, { metadata: { name }, spec: { containers } })
    await ask(session, 'PATCH', `${PODS}/${name}/status`, {
      headers: { 'content-type': 'application/merge-patch+json' },
      body: JSON.stringify({ status: { podIP, podIPs: [{ ip: podIP }] } }),
    })
  }
  await pod('p', address as string)
  await pod('inside', '127.0.0.1')
  const ports = [
    { name: 'web', port: 80 },
    { name: 'tls', port: 443 },
  ]
  await create(SERVICES, { metadata: { name: 's' }, spec: { ports } })
  await create('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    metadata: { name: 's-1', labels: { 'kubernetes.io/service-name': 's' } },
    addressType: 'IPv4',
    ports: [
      { name: 'web', port: plainPort },
      { name: 'tls', port: securePort },
    ],
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
  })
})

after(async () => {
  if (skip) return
  for (const server of servers) server.close()
  await main.stop()
})

const told = (answer: TestAnswer): Record<string, unknown> => JSON.parse(answer.body) as Record<string, unknown>

test('every method reaches pods and services, with its path and query', { skip }, async () => {
  for (const base of [
    `${PODS}/p/proxy`,
    `${PODS}/p:${plainPort}/proxy`,
    `${SERVICES}/s:web/proxy`,
    `${SERVICES}/s:80/proxy`,
    `${SERVICES}/s/proxy`,
  ]) {
    for (const method of ['DELETE', 'GET', 'OPTIONS', 'PATCH', 'POST', 'PUT']) {
      const answer = await ask(session, method, `${base}/some/path%20x/${method}?q=1`)
      assert.equal(answer.status, 200, `${method} ${base}: ${answer.body}`)
      assert.deepEqual([told(answer)['method'], told(answer)['path'], told(answer)['search']], [method, `/some/path%20x/${method}`, '?q=1'])
      assert.equal(answer.headers['x-backend'], 'yes')
    }
    const head = await ask(session, 'HEAD', `${base}/some/path`)
    assert.deepEqual([head.status, head.body], [200, ''])
  }
})

test('TLS backends, whatever their certificate', { skip }, async () => {
  for (const base of [`${PODS}/https:p:${securePort}/proxy`, `${SERVICES}/https:s:tls/proxy`, `${SERVICES}/https:s:443/proxy`])
    assert.equal((await ask(session, 'GET', `${base}/x`)).status, 200, base)
})

test('without a path GET and HEAD are led to the slash, other methods to the root', { skip }, async () => {
  for (const base of [`${PODS}/p/proxy`, `${SERVICES}/s/proxy`]) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask(session, method, `${base}?method=${method}`)
      assert.deepEqual([answer.status, answer.headers['location']], [301, `${base}/?method=${method}`])
    }
    assert.equal(told(await ask(session, 'GET', `${base}/`))['path'], '/')
    assert.deepEqual(told(await ask(session, 'POST', `${base}?a=b`))['search'], '?a=b')
  }
})

test('links and redirects stay below the proxy', { skip }, async () => {
  const base = `${SERVICES}/s:web/proxy`
  const page = `<a href="${base}/rewriteme">test</a>`
  assert.equal((await ask(session, 'GET', `${base}/page`)).body, page)
  const packed = await ask(session, 'GET', `${base}/packed`, { headers: { 'accept-encoding': 'gzip' } })
  assert.equal(gunzipSync(Buffer.from(packed.body, 'latin1')).toString(), page)
  const away = await ask(session, 'GET', `${base}/away`)
  assert.deepEqual([away.status, away.headers['location']], [302, `${base}/landing?a=b`])
  assert.equal((await ask(session, 'GET', `${base}/far`)).headers['location'], 'https://elsewhere.example.com/x')
})

test('bodies larger than any object pass both ways, sized or not', { skip }, async () => {
  const body = Buffer.alloc(8 * 1024 * 1024, 3)
  const hash = createHash('sha256').update(body).digest('hex')
  for (const method of ['POST', 'DELETE']) {
    for (const headers of [{}, { 'content-length': String(body.length) }] as Record<string, string>[]) {
      const answer = told(await ask(session, method, `${PODS}/p/proxy/x`, { body, headers }))
      assert.deepEqual([answer['sizeBytes'], answer['hash']], [body.length, hash])
    }
  }
  assert.equal((await ask(session, 'GET', `${PODS}/p/proxy/large`)).body.length, 20 * 1024 * 1024)
})

test('no credential reaches a backend; where it is found does', { skip }, async () => {
  const headers = { authorization: 'Bearer x', 'x-remote-user': 'root' }
  const answer = told(await ask(session, 'GET', `${PODS}/p/proxy/x`, { headers }))
  assert.deepEqual([answer['authorization'], answer['user'], answer['uri']], [undefined, undefined, `${PODS}/p/proxy/x`])
  assert.equal(answer['host'], `127.0.0.1:${main.port}`)
})

test('a WebSocket through a pod, plain and over TLS', { skip }, async () => {
  for (const name of ['p', `https:p:${securePort}`]) {
    const socket = tlsConnect({ host: '127.0.0.1', port: main.port, ca: main.ca.cert, ...main.admin, ALPNProtocols: ['http/1.1'] })
    const got = await new Promise<string>((resolve, reject) => {
      let text = ''
      let sent = false
      socket.on('error', reject)
      socket.on('close', () => resolve(text))
      socket.on('data', (data: Buffer) => {
        text += data.toString()
        if (text.endsWith('hello')) socket.destroy()
        else if (!sent && text.includes('\r\n\r\n')) {
          sent = true
          socket.write('hello')
        }
      })
      socket.write(`GET ${PODS}/${name}/proxy/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)
    })
    assert.match(got, /^HTTP\/1\.1 101 [\s\S]*hello$/, name)
  }
})

test('the server leads nobody to itself, nor to a name (CVE-2020-8562, CVE-2022-3294)', { skip }, async () => {
  const inside = await ask(session, 'GET', `${PODS}/inside/proxy/x`)
  assert.equal(inside.status, 400)
  assert.match(inside.body, /address not allowed/)
  for (const [name, at] of [
    ['loop', '127.0.0.1'],
    ['link', '169.254.169.254'],
    ['named', 'localhost'],
  ] as const) {
    await ask(session, 'POST', '/api/v1/nodes', { body: JSON.stringify({ metadata: { name } }) })
    await ask(session, 'PATCH', `/api/v1/nodes/${name}/status`, {
      headers: { 'content-type': 'application/merge-patch+json' },
      body: JSON.stringify({ status: { addresses: [{ type: at === 'localhost' ? 'Hostname' : 'InternalIP', address: at }] } }),
    })
    for (const reference of [name, `${name}:${main.port}`, `https:${name}:${main.port}`]) {
      const answer = await ask(session, 'GET', `/api/v1/nodes/${reference}/proxy/healthz`)
      assert.equal(answer.status, 400, `${reference}: ${answer.body}`)
    }
  }
})

test('what is not there is told in upstream’s words', { skip }, async () => {
  await ask(session, 'POST', SERVICES, { body: JSON.stringify({ metadata: { name: 'empty' }, spec: { ports: [{ port: 80 }] } }) })
  for (const [path, code, message] of [
    [`${SERVICES}/s:nope/proxy/`, 503, 'no service port \\"nope\\" found for service \\"s\\"'],
    [`${SERVICES}/none/proxy/`, 404, 'services \\"none\\" not found'],
    [`${PODS}/none/proxy/`, 404, 'pods \\"none\\" not found'],
    [`${PODS}/p:1/proxy/`, 503, `error trying to reach service: dial tcp ${address}:1: connect: connection refused`],
  ] as const) {
    const answer = await ask(session, 'GET', path)
    assert.equal(answer.status, code, answer.body)
    assert.ok(answer.body.includes(message), answer.body)
  }
})
