/** Who may do what, and as whom: the front proxy, nodes, tokens of every kind, grants and impersonation, over the wire. */
import assert from 'node:assert/strict'
import type { ClientHttp2Session } from 'node:http2'
import { connect as tlsConnect } from 'node:tls'
import { after, before, test } from 'node:test'
import { ask, startTestServer, TestAuthority } from '../../src/apiserver/testServer.ts'
import type { TestAnswer, TestApiServer } from '../../src/apiserver/testServer.ts'

const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const STATIC = new Map([['statictoken', { name: 'static', groups: ['static-group'], extra: {} }]])
const SELF = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
let main: TestApiServer
let admin: ClientHttp2Session
let plain: ClientHttp2Session

before(async () => {
  main = await startTestServer({ staticTokens: STATIC })
  admin = main.session(main.admin)
  plain = main.session()
  await create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } })
})
after(() => main.stop())

function create(path: string, body: object, session = admin, headers: Record<string, string> = {}): Promise<TestAnswer> {
  return ask(session, 'POST', path, { body: JSON.stringify(body), headers })
}
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })
const parsed = <T>(answer: TestAnswer): T => JSON.parse(answer.body) as T

async function whoAmI(session: ClientHttp2Session, headers: Record<string, string> = {}): Promise<string | number> {
  const answer = await create(SELF, {}, session, headers)
  return answer.status === 201 ? parsed<{ status: { userInfo: { username: string } } }>(answer).status.userInfo.username : answer.status
}

test('X-Remote-User is believed of the front proxy alone', async () => {
  const headers = { 'x-remote-user': 'jane', 'x-remote-group': 'system:masters' }
  const proxy = main.session(await main.frontProxyCa.issue('CN=front-proxy-client'))
  assert.equal(await whoAmI(proxy, headers), 'jane')
  // The CA of clients does not make a front proxy, nor does its own with another name, nor anybody's.
  assert.equal(await whoAmI(main.session(await main.ca.issue('CN=front-proxy-client')), headers), 'front-proxy-client')
  assert.equal(await whoAmI(main.session(await main.frontProxyCa.issue('CN=other')), headers), 401)
  const stranger = await TestAuthority.create('stranger')
  assert.equal(await whoAmI(main.session(await stranger.issue('CN=front-proxy-client')), headers), 401)
  assert.equal(await whoAmI(admin, headers), 'admin')
  // Of nobody it makes nobody.
  assert.equal((await ask(plain, 'GET', '/api/v1/namespaces', { headers })).status, 403)
  // The front proxy's CA makes no users.
  assert.equal(await whoAmI(main.session(await main.frontProxyCa.issue('O=system:masters, CN=admin'))), 401)
})

test('anonymous sees whether the server is well, and nothing else', async () => {
  for (const path of ['/livez', '/readyz', '/healthz', '/version']) assert.equal((await ask(plain, 'GET', path)).status, 200, path)
  for (const path of [
    '/',
    '/metrics',
    '/api',
    '/apis',
    '/openapi/v2',
    '/openapi/v3',
    '/api/v1/namespaces',
    '/openid/v1/jwks',
    '/logs/',
    '/livez/none/such',
  ])
    assert.equal((await ask(plain, 'GET', path)).status, 403, path)
})

test('what would look inside the server is not there', async () => {
  for (const path of ['/debug/pprof/', '/debug/pprof/profile', '/debug/flags/v', '/logs', '/swagger.json'])
    assert.equal((await ask(admin, 'GET', path)).status, 404, path)
})

test('what flow control does at the moment is shown to those who may see all', async () => {
  const path = '/debug/api_priority_and_fairness/dump_priority_levels'
  assert.match((await ask(admin, 'GET', path)).body, /^PriorityLevelName, ActiveQueues, .*\n(?:[a-z-]+, .*\n)+$/)
  assert.equal((await ask(plain, 'GET', path)).status, 403)
})

test('a wrong credential is refused where none would do', async () => {
  for (const token of ['wrong', 'a.b.c', `${'x'.repeat(6)}.${'y'.repeat(16)}`])
    assert.equal((await ask(plain, 'GET', '/livez', { headers: bearer(token) })).status, 401, token)
  assert.equal(await whoAmI(plain, bearer('statictoken')), 'static')
})

test('a node reads what its own pods use, and nothing of another', async () => {
  const nodeA = main.session(await main.ca.issue('O=system:nodes, CN=system:node:a'))
  const nodeB = main.session(await main.ca.issue('O=system:nodes, CN=system:node:b'))
  for (const name of ['of-a', 'of-b', 'of-nobody']) {
    await create('/api/v1/namespaces/default/secrets', { metadata: { name } })
    await create('/api/v1/namespaces/default/configmaps', { metadata: { name } })
  }
  for (const [node, session] of [
    ['a', nodeA],
    ['b', nodeB],
  ] as const) {
    assert.equal((await create('/api/v1/nodes', { metadata: { name: node } }, session)).status, 201)
    const containers = [
      { name: 'c', image: 'i', envFrom: [{ secretRef: { name: `of-${node}` } }, { configMapRef: { name: `of-${node}` } }] },
    ]
    const spec = { nodeName: node, containers }
    assert.equal((await create('/api/v1/namespaces/default/pods', { metadata: { name: `p-${node}` }, spec })).status, 201)
  }
  for (const kind of ['secrets', 'configmaps']) {
    const read = async (session: ClientHttp2Session, name: string) =>
      (await ask(session, 'GET', `/api/v1/namespaces/default/${kind}/${name}`)).status
    assert.deepEqual([await read(nodeA, 'of-a'), await read(nodeA, 'of-b'), await read(nodeA, 'of-nobody')], [200, 403, 403], kind)
    assert.deepEqual([await read(nodeB, 'of-b'), await read(nodeB, 'of-a')], [200, 403], kind)
    assert.equal((await ask(nodeA, 'GET', `/api/v1/namespaces/default/${kind}`)).status, 403)
    assert.equal((await ask(nodeA, 'GET', `/api/v1/namespaces/default/${kind}?fieldSelector=metadata.name%3Dof-b`)).status, 403)
  }
  const merge = { 'content-type': 'application/merge-patch+json' }
  const status = { headers: merge, body: JSON.stringify({ status: { phase: 'Running' } }) }
  assert.equal((await ask(nodeA, 'PATCH', '/api/v1/namespaces/default/pods/p-a/status', status)).status, 200)
  assert.equal((await ask(nodeA, 'PATCH', '/api/v1/namespaces/default/pods/p-b/status', status)).status, 403)
  assert.equal((await ask(nodeA, 'DELETE', '/api/v1/namespaces/default/pods/p-b')).status, 403)
  const label = { headers: merge, body: JSON.stringify({ metadata: { labels: { 'node-restriction.kubernetes.io/x': 'y' } } }) }
  assert.equal((await ask(nodeA, 'PATCH', '/api/v1/nodes/a', label)).status, 403)
  assert.equal((await ask(nodeA, 'PATCH', '/api/v1/nodes/b', { headers: merge, body: '{}' })).status, 403)
  const uidOf = async (name: string) =>
    parsed<{ metadata: { uid: string } }>(await ask(admin, 'GET', `/api/v1/namespaces/default/pods/${name}`)).metadata.uid
  const tokenFor = async (name: string, more: object = {}, uid?: string) => {
    const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name, uid: uid ?? (await uidOf(name)) }
    return create('/api/v1/namespaces/default/serviceaccounts/default/token', { spec: { boundObjectRef, ...more } }, nodeA)
  }
  const own = await tokenFor('p-a')
  assert.equal(own.status, 201, own.body)
  assert.match((await tokenFor('p-b')).body, /node requested token bound to a pod scheduled on a different node/)
  assert.match((await tokenFor('p-a', {}, '')).body, /node requested token with a pod binding without a uid/)
  assert.match((await tokenFor('p-a', { audiences: ['vault'] })).body, /audience \\"vault\\" not found in pod spec volume/)
  const unbound = await create('/api/v1/namespaces/default/serviceaccounts/default/token', { spec: {} }, nodeA)
  assert.match(unbound.body, /node requested token not bound to a pod/)
  const mirror = {
    metadata: { name: 'mirror', annotations: { 'kubernetes.io/config.mirror': 'x' } },
    spec: { nodeName: 'a', containers: [{ name: 'c', image: 'i', envFrom: [{ secretRef: { name: 'of-b' } }] }] },
  }
  assert.match(
    (await create('/api/v1/namespaces/default/pods', mirror, nodeA)).body,
    /mirror pod may not reference secrets|can not create pods that reference secrets/,
  )
  // A certificate of a node without its group is no node.
  const fraud = main.session(await main.ca.issue('CN=system:node:a'))
  assert.equal((await ask(fraud, 'GET', '/api/v1/namespaces/default/secrets/of-a')).status, 403)
})

interface TokenRequest {
  status: { token: string }
}

async function podToken(pod: string, options: object = {}): Promise<string> {
  const { uid } = parsed<{ metadata: { uid: string } }>(await ask(admin, 'GET', `/api/v1/namespaces/default/pods/${pod}`)).metadata
  const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: pod, uid }
  const answer = await create('/api/v1/namespaces/default/serviceaccounts/default/token', { spec: { boundObjectRef, ...options } })
  assert.equal(answer.status, 201, answer.body)
  return parsed<TokenRequest>(answer).status.token
}

test('tokens: of another audience, altered, and of a pod that is gone', async () => {
  const spec = { containers: [{ name: 'c', image: 'i' }] }
  await create('/api/v1/namespaces/default/pods', { metadata: { name: 'holder' }, spec })
  const token = await podToken('holder')
  const user = 'system:serviceaccount:default:default'
  assert.equal(await whoAmI(plain, bearer(token)), user)
  assert.equal(await whoAmI(plain, bearer(await podToken('holder', { audiences: ['vault'] }))), 401)
  const [header = '', payload = '', signature = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
  const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'system:serviceaccount:kube-system:x' })).toString('base64url')
  assert.equal(await whoAmI(plain, bearer(`${header}.${forged}.${signature}`)), 401)
  const none = Buffer.from('{"alg":"none"}').toString('base64url')
  assert.equal(await whoAmI(plain, bearer(`${none}.${payload}.`)), 401)
  await ask(admin, 'DELETE', '/api/v1/namespaces/default/pods/holder?gracePeriodSeconds=0')
  assert.equal(await whoAmI(plain, bearer(token)), 401)
  // Another pod of the name is another pod.
  await create('/api/v1/namespaces/default/pods', { metadata: { name: 'holder' }, spec })
  assert.equal(await whoAmI(plain, bearer(token)), 401)
})

test('tokens of a service account that is gone', async () => {
  await create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'brief' } })
  const answer = await create('/api/v1/namespaces/default/serviceaccounts/brief/token', { spec: {} })
  const { token } = parsed<TokenRequest>(answer).status
  assert.equal(await whoAmI(plain, bearer(token)), 'system:serviceaccount:default:brief')
  const review = await create('/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token, audiences: ['elsewhere'] } })
  assert.notEqual(parsed<{ status: { authenticated?: boolean } }>(review).status.authenticated, true)
  await ask(admin, 'DELETE', '/api/v1/namespaces/default/serviceaccounts/brief')
  assert.equal(await whoAmI(plain, bearer(token)), 401)
})

test('bootstrap tokens: good, over, for something else, gone', async () => {
  const secret = (id: string, more: Record<string, string>) => ({
    metadata: { name: `bootstrap-token-${id}` },
    type: 'bootstrap.kubernetes.io/token',
    stringData: {
      'token-id': id,
      'token-secret': '0123456789abcdef',
      'usage-bootstrap-authentication': 'true',
      'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
      ...more,
    },
  })
  const path = '/api/v1/namespaces/kube-system/secrets'
  await create(path, secret('aaaaaa', { expiration: new Date(Date.now() + 60_000).toISOString() }))
  await create(path, secret('bbbbbb', { expiration: '2020-01-01T00:00:00Z' }))
  await create(path, secret('cccccc', { 'usage-bootstrap-authentication': 'false' }))
  await create(path, secret('dddddd', { 'auth-extra-groups': 'system:masters' }))
  const as = (id: string, text = '0123456789abcdef') => whoAmI(plain, bearer(`${id}.${text}`))
  assert.equal(await as('aaaaaa'), 'system:bootstrap:aaaaaa')
  assert.equal(await as('aaaaaa', '0123456789abcdee'), 401)
  for (const id of ['bbbbbb', 'cccccc', 'dddddd', 'eeeeee']) assert.equal(await as(id), 401, id)
  await ask(admin, 'DELETE', `${path}/bootstrap-token-aaaaaa`)
  assert.equal(await as('aaaaaa'), 401)
})

test('nobody grants what they do not hold, unless they may', async () => {
  await create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'grantor' } })
  const grantor = main.session(await main.ca.issue('CN=grantor'))
  const rolePath = `${RBAC}/namespaces/default/roles`
  const bindingPath = `${RBAC}/namespaces/default/rolebindings`
  const rule = (verbs: string[], resources: string[], apiGroups = [''], resourceNames?: string[]) => ({
    apiGroups,
    resources,
    verbs,
    ...(resourceNames && { resourceNames }),
  })
  const grant = async (name: string, rules: object[]): Promise<void> => {
    await create(rolePath, { metadata: { name }, rules })
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name }
    await create(bindingPath, {
      metadata: { name },
      roleRef,
      subjects: [{ kind: 'User', name: 'grantor', apiGroup: 'rbac.authorization.k8s.io' }],
    })
  }
  const group = ['rbac.authorization.k8s.io']
  await grant('may-write-roles', [rule(['create', 'update'], ['roles', 'rolebindings'], group), rule(['get'], ['pods'])])
  const role = (name: string, rules: object[]) => create(rolePath, { metadata: { name }, rules }, grantor)
  const binding = (name: string, roleName: string) => {
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: roleName }
    const subjects = [{ kind: 'User', name: 'friend', apiGroup: 'rbac.authorization.k8s.io' }]
    return create(bindingPath, { metadata: { name }, roleRef, subjects }, grantor)
  }
  assert.equal((await role('holds', [rule(['get'], ['pods'])])).status, 201)
  const refused = await role('lacks', [rule(['get'], ['secrets'])])
  assert.equal(refused.status, 403)
  assert.match(refused.body, /is attempting to grant RBAC permissions not currently held/)
  await create(rolePath, { metadata: { name: 'secret-reader' }, rules: [rule(['get'], ['secrets'])] })
  assert.equal((await binding('b1', 'holds')).status, 201)
  assert.equal((await binding('b2', 'secret-reader')).status, 403)
  await grant('may-bind', [rule(['bind'], ['roles'], group, ['secret-reader'])])
  assert.equal((await binding('b2', 'secret-reader')).status, 201)
  assert.equal((await role('lacks', [rule(['get'], ['secrets'])])).status, 403)
  await grant('may-escalate', [rule(['escalate'], ['roles'], group)])
  assert.equal((await role('lacks', [rule(['get'], ['secrets'])])).status, 201)
})

test('impersonation needs its right, of each part', async () => {
  const actor = main.session(await main.ca.issue('CN=actor'))
  const allow = async (name: string, rules: object[]): Promise<void> => {
    await create(`${RBAC}/clusterroles`, { metadata: { name }, rules })
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name }
    await create(`${RBAC}/clusterrolebindings`, {
      metadata: { name },
      roleRef,
      subjects: [{ kind: 'User', name: 'actor', apiGroup: 'rbac.authorization.k8s.io' }],
    })
  }
  const jane = { 'impersonate-user': 'jane' }
  assert.equal(await whoAmI(actor, jane), 403)
  await allow('imp-user', [{ apiGroups: [''], resources: ['users'], verbs: ['impersonate'], resourceNames: ['jane'] }])
  assert.equal(await whoAmI(actor, jane), 'jane')
  assert.equal(await whoAmI(actor, { 'impersonate-user': 'john' }), 403)
  assert.equal(await whoAmI(actor, { ...jane, 'impersonate-group': 'system:masters' }), 403)
  assert.equal(await whoAmI(actor, { ...jane, 'impersonate-uid': '1' }), 403)
  assert.equal(await whoAmI(actor, { ...jane, 'impersonate-extra-scope': 'x' }), 403)
  assert.equal(await whoAmI(actor, { 'impersonate-user': 'system:serviceaccount:default:default' }), 403)
  await allow('imp-extra', [
    { apiGroups: ['authentication.k8s.io'], resources: ['userextras/scope'], verbs: ['impersonate'], resourceNames: ['x'] },
  ])
  assert.equal(await whoAmI(actor, { ...jane, 'impersonate-extra-scope': 'x' }), 'jane')
  assert.equal(await whoAmI(actor, { ...jane, 'impersonate-extra-scope': 'y' }), 403)
  // Groups alone make nobody.
  const groupsAlone = await create(SELF, {}, actor, { 'impersonate-group': 'dev' })
  assert.ok(groupsAlone.status >= 400, String(groupsAlone.status))
})

test('names do not lead out of their place (CVE-2019-11247, CVE-2022-3162)', async () => {
  for (const path of [
    '/api/v1/namespaces/default/nodes',
    '/api/v1/namespaces/default/namespaces/kube-system',
    `${RBAC}/namespaces/default/clusterroles`,
    '/api/v1/namespaces/default/configmaps/..%2F..%2Fkube-system',
    '/api/v1/namespaces/default/configmaps/../secrets',
  ]) {
    const { status } = await ask(admin, 'GET', path)
    assert.ok(status === 404 || status === 400, `${path}: ${status}`)
  }
  const pods = '/api/v1/namespaces/default/pods'
  for (const path of [
    `${pods}/%2e%2e/log`,
    `${pods}/%2E%2e/proxy/`,
    `${pods}/a%252fb/exec?command=a`,
    '/api/v1/nodes/%2e',
    '/api/v1/namespaces/%2e%2e',
  ])
    for (const method of ['GET', 'DELETE']) {
      const { status, body } = await ask(admin, method, path)
      assert.ok(status === 405 || (status === 400 && body.includes('Name parameter invalid')), `${method} ${path}: ${status} ${body}`)
    }
})

test('a certificate of nobody’s CA is not even a stranger', async () => {
  const stranger = await TestAuthority.create('stranger')
  const certificate = await stranger.issue('O=system:masters, CN=admin')
  const socket = tlsConnect({ host: '127.0.0.1', port: main.port, ca: main.ca.cert, ...certificate, ALPNProtocols: ['http/1.1'] })
  const answer = await new Promise<string>((resolve, reject) => {
    socket.on('data', (data: Buffer) => resolve(data.toString()))
    socket.on('error', reject)
    socket.write('GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\n\r\n')
  })
  socket.destroy()
  assert.match(answer, /^HTTP\/1\.1 401 /)
})
