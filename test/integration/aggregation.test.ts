/** The aggregation layer with a real server behind it: availability, discovery, OpenAPI, proxying, identity, refusals. */
import assert from 'node:assert/strict'
import { connect as tlsConnect } from 'node:tls'
import { after, before, test } from 'node:test'
import type { ClientHttp2Session } from 'node:http2'
import type { APIService } from '../../src/api/kinds/apiregistration/v1.ts'
import { ask, startTestServer, TestAuthority } from '../../src/apiserver/testServer.ts'
import type { TestAnswer, TestApiServer } from '../../src/apiserver/testServer.ts'
import { Client } from '../../src/client/client.ts'
import { GROUP, ownAddress, startExtensionServer, VERSION } from './extensionServer.ts'
import type { ExtensionServer } from './extensionServer.ts'

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
const SERVICE = `${VERSION}.${GROUP}`
const BASE = `/apis/${GROUP}/${VERSION}`
const WAIT_MS = 5_000

const address = ownAddress()
const skip = address ? false : 'this machine has no address but the loopback'
let main: TestApiServer
let extension: ExtensionServer
let extensionCa: TestAuthority
let session: ClientHttp2Session

before(async () => {
  if (skip) return
  main = await startTestServer()
  session = main.session(main.admin)
  extensionCa = await TestAuthority.create('extension-ca')
  const serving = await extensionCa.issue('CN=extension', { server: true, names: ['api.default.svc'] })
  extension = await startExtensionServer({ ...serving, frontProxyCa: main.frontProxyCa.cert, address: address as string })
})

after(async () => {
  if (skip) return
  await extension.close()
  await main.stop()
})

const send = (method: string, path: string, body?: object): Promise<TestAnswer> =>
  ask(session, method, path, body === undefined ? {} : { body: JSON.stringify(body) })

async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const untilMs = Date.now() + WAIT_MS
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (Date.now() > untilMs) throw new Error(`not within ${WAIT_MS} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const condition = async (): Promise<{ status: string; reason?: string; message?: string } | undefined> => {
  const { body } = await send('GET', `/apis/apiregistration.k8s.io/v1/apiservices/${SERVICE}`)
  return (JSON.parse(body) as APIService).status?.conditions?.find((c) => c.type === 'Available')
}
const becomes = (reason: string) => eventually(reason, async () => ((await condition())?.reason === reason ? condition() : undefined))

test('an APIService becomes available step by step', { skip }, async () => {
  const created = await send('POST', '/apis/apiregistration.k8s.io/v1/apiservices', {
    metadata: { name: SERVICE },
    spec: {
      group: GROUP,
      version: VERSION,
      groupPriorityMinimum: 2000,
      versionPriority: 200,
      caBundle: Buffer.from(extensionCa.cert).toString('base64'),
      service: { namespace: 'default', name: 'api', port: 7443 },
    },
  })
  assert.equal(created.status, 201)
  assert.deepEqual((await becomes('ServiceNotFound'))?.message, 'service/api in "default" is not present')
  const down = await send('GET', `${BASE}/namespaces/default/flunders`)
  assert.deepEqual([down.status, down.body], [503, 'service unavailable\n'])
  const stale = await ask(session, 'GET', '/apis', { headers: { accept: AGGREGATED } })
  assert.match(stale.body, /"version":"v1alpha1","resources":\[\],"freshness":"Stale"/)

  await send('POST', '/api/v1/namespaces/default/services', { metadata: { name: 'api' }, spec: { ports: [{ port: 80 }] } })
  assert.equal((await becomes('ServicePortError'))?.message, 'service/api in "default" is not listening on port 7443')
  const patch = { spec: { ports: [{ port: 7443 }] } }
  await ask(session, 'PATCH', '/api/v1/namespaces/default/services/api', {
    headers: { 'content-type': 'application/merge-patch+json' },
    body: JSON.stringify(patch),
  })
  assert.equal((await becomes('EndpointsNotFound'))?.message, 'cannot find endpointslices for service/api in "default"')
  const slice = {
    metadata: { name: 'api-1', labels: { 'kubernetes.io/service-name': 'api' } },
    addressType: 'IPv4',
    ports: [{ name: '', port: extension.port, protocol: 'TCP' }],
    endpoints: [{ addresses: [extension.address], conditions: { ready: false } }],
  }
  await send('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', slice)
  assert.equal(
    (await becomes('MissingEndpoints'))?.message,
    'endpointslices for service/api in "default" have no addresses with port name ""',
  )
  slice.endpoints[0] = { addresses: [extension.address], conditions: { ready: true } }
  await send('PUT', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/api-1', slice)
  assert.deepEqual((await becomes('Passed'))?.message, 'all checks passed')
})

test('its group is discovered beside the others', { skip }, async () => {
  const plain = JSON.parse((await send('GET', '/apis')).body) as { groups: { name: string; preferredVersion: object }[] }
  assert.deepEqual(plain.groups.at(-1), {
    name: GROUP,
    versions: [{ groupVersion: `${GROUP}/${VERSION}`, version: VERSION }],
    preferredVersion: { groupVersion: `${GROUP}/${VERSION}`, version: VERSION },
  })
  assert.equal(plain.groups[0]?.name, 'apiregistration.k8s.io')
  const group = await send('GET', `/apis/${GROUP}`)
  assert.equal((JSON.parse(group.body) as { kind: string }).kind, 'APIGroup')
  const resources = await send('GET', BASE)
  assert.match(resources.body, /"name":"flunders"/)
  const aggregated = await ask(session, 'GET', '/apis', { headers: { accept: AGGREGATED } })
  const { items } = JSON.parse(aggregated.body) as { items: { metadata: { name: string }; versions: object[] }[] }
  assert.deepEqual(items.at(-1)?.versions, [
    {
      version: VERSION,
      resources: [
        {
          resource: 'flunders',
          responseKind: { group: '', version: '', kind: 'Flunder' },
          scope: 'Namespaced',
          singularResource: 'flunder',
          verbs: ['create', 'delete', 'deletecollection', 'get', 'list'],
        },
      ],
      freshness: 'Current',
    },
  ])
})

test('its OpenAPI is part of both documents', { skip }, async () => {
  const index = JSON.parse((await send('GET', '/openapi/v3')).body) as { paths: Record<string, { serverRelativeURL: string }> }
  const url = index.paths[`apis/${GROUP}/${VERSION}`]?.serverRelativeURL
  assert.match(String(url), /^\/openapi\/v3\/apis\/wardle\.example\.com\/v1alpha1\?hash=[0-9A-F]+$/)
  assert.match((await send('GET', url as string)).body, /what the flunder is/)
  const v2 = JSON.parse((await send('GET', '/openapi/v2')).body) as { paths: object; definitions: Record<string, object> }
  assert.ok(`${BASE}/namespaces/{namespace}/flunders` in v2.paths)
  assert.ok('Flunder' in v2.definitions && 'io.k8s.api.core.v1.Pod' in v2.definitions)
  assert.ok(!('Unused' in v2.definitions))
  const protobuf = await ask(session, 'GET', '/openapi/v2', {
    headers: { accept: 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf' },
  })
  assert.match(protobuf.body, /wardle\.example\.com/)
})

test('requests reach it with the name of who asked, and no credential', { skip }, async () => {
  const body = { apiVersion: `${GROUP}/${VERSION}`, kind: 'Flunder', metadata: { name: 'f' } }
  const created = await send('POST', `${BASE}/namespaces/default/flunders`, body)
  assert.equal(created.status, 201)
  const seen = extension.users.at(-1)
  assert.deepEqual([seen?.user, seen?.groups, seen?.commonName], ['admin', 'system:masters, system:authenticated', 'front-proxy-client'])
  assert.match(String(seen?.extra['x-remote-extra-authentication.kubernetes.io%2fcredential-id']), /^X509SHA256=/)
  const as = await ask(session, 'GET', `${BASE}/namespaces/default/flunders`, {
    headers: { 'impersonate-user': 'jane', 'impersonate-group': 'system:masters', 'x-remote-user': 'root' },
  })
  assert.equal(as.status, 200)
  assert.equal(extension.users.at(-1)?.user, 'jane')
  const before = extension.users.length
  const refused = await ask(session, 'GET', `${BASE}/namespaces/default/flunders`, { headers: { 'impersonate-user': 'nobody' } })
  assert.equal(refused.status, 403)
  assert.equal(extension.users.length, before)
})

test('components in the process reach it, and learn what it serves', { skip }, async () => {
  const user = { name: 'system:kube-controller-manager', groups: ['system:masters'], extra: {} }
  const client = new Client(main.server.directTransport(user))
  const [resource] = await client.discover(GROUP, VERSION)
  assert.deepEqual([resource?.resource, resource?.kind, resource?.namespaced], ['flunders', 'Flunder', true])
  assert.ok((await client.discover('apps', 'v1')).some((each) => each.resource === 'deployments'))
  const flunders = resource as NonNullable<typeof resource>
  assert.equal((await client.list(flunders, { namespace: 'default' })).items.length, 1)
  await client.deleteCollection(flunders, { namespace: 'default' })
  assert.equal((await client.list(flunders, { namespace: 'default' })).items.length, 0)
  assert.equal(extension.users.at(-1)?.user, 'system:kube-controller-manager')
  const nobody = new Client(main.server.directTransport({ name: 'nobody', groups: [], extra: {} }))
  await assert.rejects(
    nobody.list(flunders, { namespace: 'default' }),
    /flunders\.wardle\.example\.com is forbidden: User "nobody" cannot list/,
  )
})

test('a redirect of it is refused', { skip }, async () => {
  const answer = await send('GET', `${BASE}/namespaces/default/away`)
  assert.deepEqual([answer.status, answer.body], [502, 'the backend attempted to redirect this request, which is not permitted'])
  assert.equal(answer.headers['location'], undefined)
})

/** What comes back on one HTTP/1.1 connection for raw bytes, then for more of them. */
async function raw(...texts: string[]): Promise<string> {
  const socket = tlsConnect({ host: '127.0.0.1', port: main.port, ca: main.ca.cert, ...main.admin, ALPNProtocols: ['http/1.1'] })
  let got = ''
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  socket.on('error', () => {})
  socket.on('data', (data: Buffer) => (got += data.toString()))
  for (const text of texts) {
    const length = got.length
    socket.write(text)
    await Promise.race([closed, eventually('an answer', async () => (got.length > length ? true : undefined))])
  }
  socket.destroy()
  return got
}

test('a failed upgrade leaves no way to the server behind (CVE-2018-1002105)', { skip }, async () => {
  const upgrade = (path: string): string => `GET ${BASE}/${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`
  const refused = await raw(upgrade('refuse'), 'GET /secret HTTP/1.1\r\nHost: x\r\n\r\n')
  assert.match(refused, /^HTTP\/1\.1 400 /)
  assert.doesNotMatch(refused, /secret/)
  const joined = await raw(upgrade('echo'), 'hello')
  assert.match(joined, /^HTTP\/1\.1 101 [\s\S]*hello$/)
})

test('what fails to answer is stale, unavailable, and back again', { skip }, async () => {
  extension.failing = true
  const update = { metadata: { annotations: { touched: 'yes' } } }
  await ask(session, 'PATCH', '/api/v1/namespaces/default/services/api', {
    headers: { 'content-type': 'application/merge-patch+json' },
    body: JSON.stringify(update),
  })
  const failed = await becomes('FailedDiscoveryCheck')
  assert.match(
    String(failed?.message),
    /^failing or missing response from https:\/\/[\d.]+:\d+\/apis\/wardle\.example\.com\/v1alpha1: bad status from .*: 500$/,
  )
  const aggregated = await ask(session, 'GET', '/apis', { headers: { accept: AGGREGATED } })
  assert.match(aggregated.body, /"resource":"flunders".*"freshness":"Stale"/)
  extension.failing = false
  await becomes('Passed')
})

test('an APIService that goes takes its group along', { skip }, async () => {
  await send('DELETE', `/apis/apiregistration.k8s.io/v1/apiservices/${SERVICE}`)
  await eventually('no group', async () => ((await send('GET', `/apis/${GROUP}`)).status === 404 ? true : undefined))
  assert.equal((await send('GET', `${BASE}/namespaces/default/flunders`)).status, 404)
  assert.doesNotMatch((await send('GET', '/openapi/v2')).body, /wardle/)
})
