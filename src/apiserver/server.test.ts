import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { after, before, test } from 'node:test'
import { connect as tlsConnect } from 'node:tls'
import { gunzipSync } from 'node:zlib'
import { configmaps, nodes, pods } from '../api/kinds/core/v1.ts'
import type { ServiceCIDR } from '../api/kinds/networking/v1.ts'
import type { ConfigMap, Node, Pod } from '../api/kinds/core/v1.ts'
import { isForbidden, isNotFound } from '../api/status.ts'
import { Client } from '../client/client.ts'
import { ask, startTestServer } from './testServer.ts'
import type { TestApiServer } from './testServer.ts'

const JANE = { name: 'jane', groups: ['devs'], extra: {} }
let cluster: TestApiServer
let admin: ReturnType<TestApiServer['session']>
let client: Client

before(async () => {
  cluster = await startTestServer({ staticTokens: new Map([['secret-token', JANE]]) })
  admin = cluster.session(cluster.admin)
  client = new Client(cluster.server.directTransport({ name: 'test', groups: ['system:masters'], extra: {} }))
})
after(() => cluster.stop())

const statusOf = (body: string): { message: string; reason?: string; code: number } => JSON.parse(body) as never

test('credentials: none, a certificate, tokens, strangers', async () => {
  const nobody = cluster.session()
  assert.equal((await ask(nobody, 'GET', '/version')).status, 200)
  assert.equal(statusOf((await ask(nobody, 'GET', '/api')).body).message, 'forbidden: User "system:anonymous" cannot get path "/api"')
  assert.equal((await ask(nobody, 'GET', '/version', { headers: { authorization: 'Bearer nonsense' } })).status, 401)
  assert.equal((await ask(nobody, 'GET', '/api', { headers: { authorization: 'Basic YTpi' } })).status, 403)
  assert.equal((await ask(nobody, 'GET', '/api', { headers: { authorization: 'Bearer secret-token' } })).status, 200)
  assert.equal((await ask(admin, 'GET', '/api/v1/nodes')).status, 200)
  const stranger = cluster.session(await cluster.frontProxyCa.issue('O=system:masters, CN=admin'))
  assert.equal((await ask(stranger, 'GET', '/version')).status, 401)
  const expired = cluster.session(await cluster.ca.issue('O=system:masters, CN=admin', { notAfter: new Date(Date.now() - 1000) }))
  assert.equal((await ask(expired, 'GET', '/version')).status, 401)
  const asServer = cluster.session(await cluster.ca.issue('O=system:masters, CN=admin', { server: true }))
  assert.equal((await ask(asServer, 'GET', '/api/v1/nodes')).status, 401)
})

test('what Go tells apart: empty lists, prefixes beside a name, names that are not there', async () => {
  const devices = { requests: [{ name: 'r', exactly: { deviceClassName: 'c' } }] }
  const template = { metadata: { name: 't' }, spec: { metadata: { finalizers: [] }, spec: { devices } } }
  const podSpec = { containers: [{ name: 'c', image: 'i' }], ephemeralContainers: [{ name: 'e', image: 'i', lifecycle: {}, ports: [] }] }
  const job = { spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } } }
  const controller = {
    metadata: { name: 'r', generateName: 'a/b' },
    spec: { selector: { a: 'b' }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } } },
  }
  const cases: [path: string, object: object, told: RegExp][] = [
    [
      '/apis/resource.k8s.io/v1/namespaces/default/resourceclaimtemplates',
      template,
      /: spec\.metadata\.finalizers: Forbidden: cannot be set$/,
    ],
    [
      '/api/v1/namespaces/default/podtemplates',
      { metadata: { name: 'p' }, template: { metadata: { labels: { a: 'b' } }, spec: podSpec } },
      /\.ports: Forbidden: cannot be set for an Ephemeral Container.*\.lifecycle: Forbidden/,
    ],
    ['/apis/batch/v1/namespaces/default/jobs', job, /: metadata\.name: Required value: name or generateName is required$/],
    [
      '/api/v1/namespaces/default/replicationcontrollers',
      controller,
      /: metadata\.generateName: Invalid value: "a\/b": may not contain '\/'$/,
    ],
    [
      '/apis/rbac.authorization.k8s.io/v1/clusterroles',
      { metadata: { name: 'r', generateName: '..' } },
      /generateName: Invalid value: "\.\.": may not be '\.\.'$/,
    ],
  ]
  for (const [path, object, told] of cases) {
    const { message } = statusOf((await ask(admin, 'POST', path, { body: JSON.stringify(object) })).body)
    assert.match(message, told)
  }
})

test('only the front proxy names users in headers', async () => {
  const headers = { 'x-remote-user': 'root', 'x-remote-group': 'system:masters' }
  const review = { method: 'POST', path: '/apis/authentication.k8s.io/v1/selfsubjectreviews', body: '{}' }
  assert.equal((await ask(cluster.session(), review.method, review.path, { headers, body: review.body })).status, 403)
  const proxy = cluster.session(await cluster.frontProxyCa.issue('CN=front-proxy-client'))
  const answer = await ask(proxy, review.method, review.path, { headers, body: review.body })
  const { status } = JSON.parse(answer.body) as { status: { userInfo: object } }
  assert.deepEqual(status.userInfo, { username: 'root', groups: ['system:masters', 'system:authenticated'] })
  const other = cluster.session(await cluster.frontProxyCa.issue('CN=somebody'))
  assert.equal((await ask(other, review.method, review.path, { headers, body: review.body })).status, 401)
})

test('who may not see a resource does not learn whether it exists', async () => {
  const jane = cluster.session()
  const headers = { authorization: 'Bearer secret-token' }
  for (const path of ['/api/v1/namespaces/a/secrets/x', '/api/v1/namespaces/a/nothing', '/apis/none.example/v1/things']) {
    assert.equal((await ask(jane, 'GET', path, { headers })).status, 403, path)
  }
})

test('bodies beyond the limit, and answers that are compressed', async () => {
  const big = JSON.stringify({ metadata: { name: 'big' }, data: { k: 'x'.repeat(3_300_000) } })
  const refused = await ask(admin, 'POST', '/api/v1/namespaces/default/configmaps', { body: big })
  assert.equal(refused.status, 413)
  assert.equal(statusOf(refused.body).message, 'Request entity too large: limit is 3145728')
  const body = JSON.stringify({ metadata: { name: 'large' }, data: { k: 'word '.repeat(40_000) } })
  assert.equal((await ask(admin, 'POST', '/api/v1/namespaces/default/configmaps', { body })).status, 201)
  const packed = await ask(admin, 'GET', '/api/v1/namespaces/default/configmaps/large', { headers: { 'accept-encoding': 'gzip' } })
  assert.equal(packed.headers['content-encoding'], 'gzip')
  assert.equal((JSON.parse(gunzipSync(Buffer.from(packed.body, 'latin1')).toString()) as ConfigMap).metadata.name, 'large')
})

test('a list joins its items without their types, and as a table prints them', async () => {
  await ask(admin, 'POST', '/api/v1/namespaces/kube-public/configmaps', { body: '{"metadata":{"name":"a"},"data":{"k":"v"}}' })
  const list = JSON.parse((await ask(admin, 'GET', '/api/v1/namespaces/kube-public/configmaps')).body) as {
    kind: string
    items: ConfigMap[]
  }
  assert.equal(list.kind, 'ConfigMapList')
  assert.deepEqual(
    list.items.map((item) => [item.metadata.name, item.kind, item.apiVersion]),
    [['a', undefined, undefined]],
  )
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
  const table = JSON.parse((await ask(admin, 'GET', '/api/v1/namespaces/kube-public/configmaps', { headers: { accept } })).body) as {
    rows: { cells: unknown[] }[]
  }
  assert.deepEqual(
    table.rows.map((row) => row.cells.slice(0, 2)),
    [['a', 1]],
  )
})

test('the range of the services is there, and ready', async () => {
  const { status, body } = await ask(admin, 'GET', '/apis/networking.k8s.io/v1/servicecidrs/kubernetes')
  assert.equal(status, 200)
  const range = JSON.parse(body) as ServiceCIDR
  assert.equal(range.spec?.cidrs?.length, 1)
  assert.deepEqual(
    range.status?.conditions?.map((condition) => [condition.type, condition.status]),
    [['Ready', 'True']],
  )
})

test('an address that somebody else has taken is no Service’s until it is given back', async () => {
  const path = '/apis/networking.k8s.io/v1/ipaddresses'
  const range = JSON.parse((await ask(admin, 'GET', '/apis/networking.k8s.io/v1/servicecidrs/kubernetes')).body) as ServiceCIDR
  const name = (range.spec?.cidrs?.[0] ?? '').replace(/0\/\d+$/, '77')
  const parentRef = { group: 'gateway.networking.k8s.io', resource: 'gateways', namespace: 'default', name: 'g' }
  const taken = { apiVersion: 'networking.k8s.io/v1', kind: 'IPAddress', metadata: { name }, spec: { parentRef } }
  assert.equal((await ask(admin, 'POST', path, { body: JSON.stringify(taken) })).status, 201)
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'wants' }, spec: { clusterIP: name, ports: [{ port: 80 }] } }
  const create = () => ask(admin, 'POST', '/api/v1/namespaces/default/services', { body: JSON.stringify(service) })
  const refused = await create()
  assert.equal(refused.status, 422)
  assert.match(refused.body, /failed to allocate IP [0-9.]+: provided IP is already allocated/)
  assert.equal((await ask(admin, 'DELETE', `${path}/${name}`)).status, 200)
  assert.equal((await create()).status, 201)
  assert.equal((await ask(admin, 'DELETE', '/api/v1/namespaces/default/services/wants')).status, 200)
})

test('the steps of the start are checks', async () => {
  for (const path of ['/healthz', '/livez', '/readyz']) {
    const { status, body } = await ask(admin, 'GET', `${path}?verbose=1`)
    assert.equal(status, 200)
    for (const name of ['ping', 'log', 'poststarthook/bootstrap-controller', 'autoregister-completion'])
      assert.ok(body.includes(`[+]${name} ok\n`), `${path} ${name}`)
  }
})

test('what has no table refuses clients that take nothing else', async () => {
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
  const review = (accept: string) =>
    ask(admin, 'POST', path, { headers: { accept }, body: '{"spec":{"nonResourceAttributes":{"path":"/","verb":"get"}}}' })
  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io'
  assert.equal((await review(table)).status, 406)
  const fallback = await review(`${table},application/json`)
  assert.equal(fallback.status, 201)
  assert.equal((JSON.parse(fallback.body) as { kind: string }).kind, 'SelfSubjectAccessReview')
})

test('a watch streams events over HTTP/2 and ends at its timeout', async () => {
  const stream = admin.request({ ':path': '/api/v1/namespaces/kube-node-lease/configmaps?watch=true&timeoutSeconds=2' })
  const lines: string[] = []
  stream.setEncoding('utf8').on('data', (chunk: string) => lines.push(...chunk.split('\n').filter((l) => l !== '')))
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
  assert.equal(headers[':status'], 200)
  await ask(admin, 'POST', '/api/v1/namespaces/kube-node-lease/configmaps', { body: '{"metadata":{"name":"w"}}' })
  await ask(admin, 'DELETE', '/api/v1/namespaces/kube-node-lease/configmaps/w')
  await once(stream, 'end')
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { type: string }).type),
    ['ADDED', 'DELETED'],
  )
})

test('a thousand watches that are cancelled at once do not end the session', async () => {
  const session = cluster.session(cluster.admin)
  for (let i = 0; i < 1_500; i++) {
    const stream = session.request({ ':path': '/api/v1/namespaces/default/configmaps?watch=true' })
    stream.on('error', () => {})
    stream.close(8)
  }
  assert.equal((await ask(session, 'GET', '/healthz')).body, 'ok')
})

test('HTTP/1.1, also with a method that nobody knows', async () => {
  const socket = tlsConnect({ port: cluster.port, host: '127.0.0.1', ca: cluster.ca.cert, ALPNProtocols: ['http/1.1'], ...cluster.admin })
  await once(socket, 'secureConnect')
  socket.write('FOO /api/v1/pods HTTP/1.1\r\nhost: x\r\n\r\n')
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  assert.match(bytes.toString(), /^HTTP\/1\.1 405 /)
  socket.destroy()
})

test('a long command line fits into a request', async () => {
  const { status } = await ask(admin, 'GET', `/version?command=${'a'.repeat(50_000)}`)
  assert.equal(status, 200)
  const socket = tlsConnect({ port: cluster.port, host: '127.0.0.1', ca: cluster.ca.cert, ALPNProtocols: ['http/1.1'], ...cluster.admin })
  await once(socket, 'secureConnect')
  socket.write(`GET /version?command=${'a'.repeat(200_000)} HTTP/1.1\r\nhost: x\r\n\r\n`)
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  assert.match(bytes.toString(), /^HTTP\/1\.1 200 /)
  socket.destroy()
})

test('a time to wait that is none is refused; what is longer than granted is not', async () => {
  const refused = await ask(admin, 'GET', '/version?timeout=invalid')
  assert.equal(refused.status, 400)
  assert.match(refused.body, /invalid timeout specified in the request URL - time: invalid duration/)
  for (const timeout of ['3m', '0s', '1.5s']) assert.equal((await ask(admin, 'GET', `/version?timeout=${timeout}`)).status, 200)
})

test('a resource version on what is to be created is refused once all others had their say', async () => {
  const path = '/api/v1/namespaces/default/configmaps'
  const bad = await ask(admin, 'POST', path, { body: '{"metadata":{"name":"_","resourceVersion":"5"}}' })
  assert.equal(bad.status, 422)
  const versioned = await ask(admin, 'POST', path, { body: '{"metadata":{"name":"versioned","resourceVersion":"5"}}' })
  assert.deepEqual(
    [versioned.status, (JSON.parse(versioned.body) as { message: string }).message],
    [500, 'resourceVersion should not be set on objects to be created'],
  )
})

test('in the same process: shared objects, the same refusals', async () => {
  const made = await client.create(configmaps, { metadata: { name: 'direct', namespace: 'default' }, data: { a: '1' } })
  const [one, two] = [
    await client.get(configmaps, { namespace: 'default', name: 'direct' }),
    await client.get(configmaps, { namespace: 'default', name: 'direct' }),
  ]
  assert.equal(one, two)
  assert.equal(one.metadata.uid, made.metadata.uid)
  await assert.rejects(client.get(configmaps, { namespace: 'default', name: 'none' }), isNotFound)
  const jane = new Client(cluster.server.directTransport(JANE))
  await assert.rejects(jane.get(configmaps, { namespace: 'default', name: 'direct' }), isForbidden)
})

/** What stands for a kubelet: logs, an exec that agrees to upgrade, and an attach that refuses. */
async function startKubelet(): Promise<{ port: number; server: Server; seen: string[] }> {
  const tls = await cluster.ca.issue('CN=kubelet', { server: true })
  const seen: string[] = []
  const server = createServer({ ...tls, ca: cluster.ca.cert, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    seen.push(request.url ?? '')
    if (request.url?.startsWith('/containerLogs/')) response.end('one\ntwo\n')
    else response.writeHead(403).end('no')
  })
  server.on('upgrade', (request, socket) => {
    seen.push(`${request.url} ${request.headers.authorization ?? 'no-token'}`)
    if (request.url?.startsWith('/attach/')) return void socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 7\r\n\r\nrefused')
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: SPDY/3.1\r\n\r\n')
    socket.pipe(socket)
    return undefined
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, server, seen }
}

function upgrade(path: string): Promise<{ response: IncomingMessage; socket?: Duplex }> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest({
      port: cluster.port,
      host: '127.0.0.1',
      ca: cluster.ca.cert,
      ...cluster.admin,
      method: 'POST',
      path,
      agent: false,
      headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', authorization: 'Bearer secret-token' },
    })
    request.on('upgrade', (response, socket) => resolve({ response, socket }))
    request.on('response', (response) => resolve({ response }))
    request.on('error', reject)
    request.end()
  })
}

test('logs, exec and attach reach the kubelet of the pod, and a refused upgrade leaves nothing open', async () => {
  const kubelet = await startKubelet()
  const node = await client.create(nodes, { metadata: { name: 'n1' }, spec: {}, status: {} } as unknown as Node)
  const status = { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: kubelet.port } } }
  await client.patch(nodes, { name: node.metadata.name, subresource: 'status', type: 'application/merge-patch+json' }, { status })
  await ask(admin, 'POST', '/api/v1/namespaces/default/serviceaccounts', { body: '{"metadata":{"name":"default"}}' })
  const pod = { metadata: { name: 'p', namespace: 'default' }, spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] } }
  await client.create(pods, pod as unknown as Pod)

  const logs = await ask(admin, 'GET', '/api/v1/namespaces/default/pods/p/log?tailLines=2')
  assert.deepEqual([logs.status, logs.headers['content-type'], logs.body], [200, 'text/plain', 'one\ntwo\n'])

  const { response, socket } = await upgrade('/api/v1/namespaces/default/pods/p/exec?command=ls&command=-l&stdout=true&stdin=true')
  assert.equal(response.statusCode, 101)
  assert.ok(socket)
  socket.write('hello')
  const [echo] = (await once(socket, 'data')) as [Buffer]
  assert.equal(echo.toString(), 'hello')
  socket.destroy()

  const refused = await upgrade('/api/v1/namespaces/default/pods/p/attach?stdout=true')
  assert.equal(refused.response.statusCode, 403)
  refused.response.resume()
  await once(refused.response, 'end')
  assert.equal(refused.socket, undefined)

  assert.deepEqual(kubelet.seen, [
    '/containerLogs/default/p/c?tailLines=2',
    '/exec/default/p/c?input=1&output=1&command=ls&command=-l no-token',
    '/attach/default/p/c?output=1 no-token',
  ])
  assert.equal(
    statusOf((await ask(admin, 'GET', '/api/v1/namespaces/default/pods/p/exec?command=ls&stdout=true')).body).message,
    'Upgrade request required',
  )
  kubelet.server.closeAllConnections()
  kubelet.server.close()
})
