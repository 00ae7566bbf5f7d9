/** Admission webhooks: the API server against a real HTTPS server that keeps, bends and breaks the protocol. */
import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { after, afterEach, before, test } from 'node:test'
import { loadCatalog } from '../../src/api/catalog/load.ts'
import { TestAuthority, ask } from '../../src/apiserver/testServer.ts'
import { ADMISSION, MAPS, configMap, startAdmissionServer } from './admissionTest.ts'
import type { AdmissionServer } from './admissionTest.ts'
import { patchOf, startWebhookServer } from './webhookServer.ts'
import type { WebhookServer } from './webhookServer.ts'

let server: AdmissionServer
let hooks: WebhookServer

const send: AdmissionServer['send'] = (...request) => server.send(...request)

const RULES = [{ operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }]

const catalog = loadCatalog()
let made: string[] = []

async function configure(kind: 'mutating' | 'validating', name: string, ...webhooks: object[]): Promise<void> {
  const complete = webhooks.map((webhook, i) => ({
    name: `${name}${i}.example.com`,
    clientConfig: { url: `https://127.0.0.1:${hooks.port}/${name}`, caBundle: hooks.caBundle },
    rules: RULES,
    sideEffects: 'None',
    admissionReviewVersions: ['v1', 'v1beta1'],
    ...webhook,
  }))
  const path = `${ADMISSION}/${kind}webhookconfigurations`
  const { code, body } = await send('POST', path, { metadata: { name }, webhooks: complete })
  assert.equal(code, 201, JSON.stringify(body))
  made.push(`${path}/${name}`)
}

before(async () => {
  server = await startAdmissionServer()
  hooks = await startWebhookServer()
  await send('POST', '/api/v1/namespaces', { metadata: { name: 'labelled', labels: { team: 'a' } } })
})

afterEach(async () => {
  for (const path of made) await send('DELETE', path)
  made = []
  await send('DELETE', MAPS)
  hooks.seen.length = 0
})

after(async () => {
  hooks.stop()
  await server.api.stop()
})

test('a validating webhook sees the whole request and may refuse it', async () => {
  hooks.on('/deny', ({ object }) =>
    object?.data?.['bad']
      ? { allowed: false, status: { code: 418, reason: 'Teapot', message: 'bad data' } }
      : { allowed: true, warnings: ['careful'] },
  )
  await configure('validating', 'deny', {})
  const good = await send('POST', `${MAPS}?fieldManager=me`, configMap('good'))
  assert.equal(good.code, 201)
  assert.deepEqual(good.warnings, ['299 - "careful"'])
  const [review] = hooks.seen
  assert.equal(review?.apiVersion, 'admission.k8s.io/v1')
  assert.deepEqual(review.request.kind, { group: '', version: 'v1', kind: 'ConfigMap' })
  assert.deepEqual(review.request.resource, { group: '', version: 'v1', resource: 'configmaps' })
  assert.deepEqual(
    [review.request.name, review.request.namespace, review.request.operation, review.request.dryRun],
    ['good', 'default', 'CREATE', false],
  )
  assert.equal(review.request.userInfo.username, 'admin')
  assert.ok(review.request.userInfo.groups?.includes('system:masters'))
  assert.equal(review.request.object?.metadata?.name, 'good')
  assert.equal(review.request.object?.kind, 'ConfigMap')
  assert.equal(review.request.oldObject, null)
  assert.deepEqual(review.request.options, { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', fieldManager: 'me' })
  const bad = await send('POST', MAPS, configMap('bad', { bad: 'x' }))
  assert.equal(bad.code, 418)
  assert.equal(bad.body.reason, 'Teapot')
  assert.equal(bad.body.message, 'admission webhook "deny0.example.com" denied the request: bad data')
})

test('updates, patches, deletes and collections come with the object before', async () => {
  await send('POST', MAPS, configMap('one', { a: '1' }))
  await send('POST', MAPS, configMap('two'))
  // A collection's deletions come without a name.
  hooks.on('/watch', ({ operation, oldObject }) => ({ allowed: operation !== 'DELETE' || oldObject?.metadata?.name !== 'two' }))
  await configure('validating', 'watch', {})
  await send('PATCH', `${MAPS}/one`, { data: { a: '2' } }, 'application/merge-patch+json')
  const [update] = hooks.seen
  assert.deepEqual([update?.request.operation, update?.request.options?.['kind']], ['UPDATE', 'UpdateOptions'])
  assert.deepEqual([update?.request.oldObject?.data, update?.request.object?.data], [{ a: '1' }, { a: '2' }])
  const refused = await send('DELETE', `${MAPS}/two`)
  assert.equal(refused.body.message, 'admission webhook "watch0.example.com" denied the request without explanation')
  assert.equal(refused.code, 400)
  const all = await send('DELETE', MAPS)
  assert.equal(all.code, 400)
  assert.equal((await send('GET', `${MAPS}/one`)).code, 404)
  assert.equal((await send('GET', `${MAPS}/two`)).code, 200)
  const last = hooks.seen.findLast(({ request }) => request.oldObject?.metadata?.name === 'one' && request.operation === 'DELETE')
  assert.deepEqual([last?.request.object, last?.request.oldObject?.data], [null, { a: '2' }])
})

test('what a mutating webhook changes of a token request or of the options of a connection counts', async () => {
  hooks.on('/change', ({ kind }) =>
    kind.kind === 'TokenRequest'
      ? patchOf([{ op: 'replace', path: '/spec/expirationSeconds', value: 1800 }])
      : patchOf([{ op: 'add', path: '/container', value: 'nope' }]),
  )
  const resources = ['serviceaccounts/token', 'pods/exec']
  await configure('mutating', 'change', { rules: [{ operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources }] })
  await send('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'asked' } })
  const token = await send('POST', '/api/v1/namespaces/default/serviceaccounts/asked/token', { spec: {} })
  assert.deepEqual([token.code, (token.body.spec as { expirationSeconds?: number }).expirationSeconds], [201, 1800])
  const spec = { serviceAccountName: 'asked', automountServiceAccountToken: false, containers: [{ name: 'c', image: 'i' }] }
  await send('POST', '/api/v1/namespaces/default/pods', { metadata: { name: 'asked' }, spec })
  const exec = await send('POST', '/api/v1/namespaces/default/pods/asked/exec?command=ls')
  assert.equal(exec.body.message, 'container nope is not valid for pod asked')
})

test('mutating webhooks work one after the other, defaults and owners of fields as for the client', async () => {
  hooks.on('/first', () => patchOf([{ op: 'add', path: '/data', value: { first: 'yes' } }]))
  hooks.on('/second', ({ object }) =>
    patchOf([{ op: 'add', path: '/data/second', value: `after ${Object.keys(object?.data ?? {}).join()}` }]),
  )
  await configure('mutating', 'second', {})
  await configure('mutating', 'first', {})
  const created = await send('POST', MAPS, { metadata: { name: 'a' } })
  assert.equal(created.code, 201, String(created.body.message))
  assert.deepEqual(created.body.data, { first: 'yes', second: 'after first' })
  const pods = [{ ...RULES[0], resources: ['pods'] }]
  hooks.on('/pods', () => patchOf([{ op: 'add', path: '/spec/initContainers', value: [{ name: 'init', image: 'busybox' }] }]))
  await configure('mutating', 'pods', { rules: pods })
  await send('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } })
  const pod = await send('POST', '/api/v1/namespaces/default/pods', {
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', image: 'busybox' }] },
  })
  assert.equal(pod.code, 201, String(pod.body.message))
  const init = (pod.body['spec'] as { initContainers: Record<string, string>[] }).initContainers[0]
  assert.equal(init?.['terminationMessagePath'], '/dev/termination-log')
  assert.equal(init?.['imagePullPolicy'], 'Always')
})

test('what webhooks did goes into the audit event', async () => {
  hooks.on('/audited', () => ({
    ...patchOf([{ op: 'add', path: '/data', value: { k: 'v' } }]),
    auditAnnotations: { why: 'because', 'not a key': 'x' },
  }))
  await configure('mutating', 'audited', {})
  const told = new Map<string, string>()
  const resource = catalog.resource('', 'v1', 'configmaps')
  assert.ok(resource)
  await server.api.server.registry.handle({
    user: { name: 'me', groups: ['system:masters'], extra: {} },
    verb: 'create',
    resource,
    namespace: 'default',
    name: '',
    body: { metadata: { name: 'told' } },
    query: new URLSearchParams(),
    userAgent: 'test',
    warnings: [],
    annotate: (key, value, level) => void told.set(level ? `${level} ${key}` : key, value),
    signal: new AbortController().signal,
  })
  assert.deepEqual([...told.keys()].toSorted(), [
    'Request patch.webhook.admission.k8s.io/round_0_index_0',
    'audited0.example.com/why',
    'mutation.webhook.admission.k8s.io/round_0_index_0',
  ])
  assert.equal(
    told.get('mutation.webhook.admission.k8s.io/round_0_index_0'),
    '{"configuration":"audited","webhook":"audited0.example.com","mutated":true}',
  )
})

test('managedFields that a webhook has broken are as they were', async () => {
  hooks.on('/owners', () => patchOf([{ op: 'add', path: '/metadata/managedFields', value: [{ manager: 'x', operation: 'Own' }] }]))
  await configure('mutating', 'owners', {})
  const { code, body, warnings } = await send('POST', `${MAPS}?fieldManager=me`, configMap('owned', { a: 'b' }))
  assert.equal(code, 201)
  assert.match(warnings[0] ?? '', /managedFields was in an invalid state after admission.*operation must be `Apply` or `Update`/)
  const [entry] = (body.metadata as { managedFields: { manager: string }[] }).managedFields
  assert.equal(entry?.manager, 'me')
})

test('a webhook that asks for it sees what later ones changed', async () => {
  let count = 0
  hooks.on('/aa', () => {
    count++
    return { allowed: true }
  })
  hooks.on('/bb', () => patchOf([{ op: 'add', path: '/data/b', value: '1' }]))
  await configure('mutating', 'aa', { reinvocationPolicy: 'IfNeeded' })
  await configure('mutating', 'bb', {})
  assert.equal((await send('POST', MAPS, configMap('again', { x: '1' }))).code, 201)
  assert.equal(count, 2)
  assert.equal(hooks.seen.filter(({ path }) => path === '/bb').length, 1)
})

test('selectors, conditions and what is exempt', async () => {
  hooks.on('/no', () => ({ allowed: false }))
  const all = [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] }]
  await configure('validating', 'no', {
    rules: all,
    namespaceSelector: { matchLabels: { team: 'a' } },
    objectSelector: { matchExpressions: [{ key: 'skip', operator: 'DoesNotExist' }] },
    matchConditions: [
      { name: 'not-leases', expression: "request.resource.group != 'coordination.k8s.io'" },
      { name: 'not-free', expression: "!has(object.data) || !('free' in object.data)" },
    ],
  })
  const at = '/api/v1/namespaces/labelled/configmaps'
  assert.equal((await send('POST', MAPS, configMap('elsewhere'))).code, 201)
  assert.equal((await send('POST', at, configMap('here'))).code, 400)
  assert.equal((await send('POST', at, { metadata: { name: 'skipped', labels: { skip: 'x' } } })).code, 201)
  assert.equal((await send('POST', at, configMap('free', { free: 'x' }))).code, 201)
  // Cluster-scoped objects are in no namespace that could be selected, so they are not exempt from selectors.
  assert.equal((await send('POST', '/apis/storage.k8s.io/v1/storageclasses', { metadata: { name: 's' }, provisioner: 'p' })).code, 400)
  await configure('validating', 'no-more', { rules: all })
})

test('a condition that fails refuses the request, or leaves the webhook out', async () => {
  const matchConditions = [{ name: 'broken', expression: 'object.data.missing == "x"' }]
  await configure('validating', 'conditional', { matchConditions })
  const { code, body } = await send('POST', MAPS, configMap('c', { a: 'b' }))
  assert.equal(code, 403)
  assert.equal(body.message, `configmaps "c" is forbidden: expression 'object.data.missing == "x"' resulted in error: no such key: missing`)
  assert.equal(hooks.seen.length, 0)
})

test('equivalent versions: the webhook gets the one it has asked for', async () => {
  const rules = [{ operations: ['CREATE'], apiGroups: ['autoscaling'], apiVersions: ['v1'], resources: ['horizontalpodautoscalers'] }]
  hooks.on('/hpa', () => patchOf([{ op: 'replace', path: '/spec/targetCPUUtilizationPercentage', value: 42 }]))
  await configure('mutating', 'hpa', { rules })
  const { code, body } = await send('POST', '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers', {
    metadata: { name: 'h' },
    spec: {
      scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' },
      maxReplicas: 3,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }],
    },
  })
  assert.equal(code, 201, String(body.message))
  const [review] = hooks.seen
  assert.equal(review?.request.resource.version, 'v1')
  assert.equal(review.request.requestResource.version, 'v2')
  assert.equal(review.request.object?.apiVersion, 'autoscaling/v1')
  const [metric] = (body['spec'] as { metrics: { resource: { target: { averageUtilization: number } } }[] }).metrics
  assert.equal(metric?.resource.target.averageUtilization, 42)
})

test('subresources and connections', async () => {
  hooks.on('/sub', ({ subResource, operation }) => ({ allowed: subResource !== 'exec' && operation !== 'CONNECT' }))
  await configure('validating', 'sub', {
    rules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['pods/*', '*/scale'] }],
  })
  await send('POST', '/api/v1/namespaces/default/pods', { metadata: { name: 'q' }, spec: { containers: [{ name: 'c', image: 'i' }] } })
  const exec = await send('POST', '/api/v1/namespaces/default/pods/q/exec?command=ls&command=-l&stdout=true')
  assert.equal(exec.body.message, 'admission webhook "sub0.example.com" denied the request without explanation')
  const connect = hooks.seen.at(-1)?.request
  assert.deepEqual(connect?.object, { kind: 'PodExecOptions', apiVersion: 'v1', stdout: true, command: ['ls', '-l'] } as unknown)
  assert.deepEqual([connect?.operation, connect?.subResource, connect?.options], ['CONNECT', 'exec', null])
  await send('POST', '/apis/apps/v1/namespaces/default/deployments', {
    metadata: { name: 'd' },
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  })
  const scaled = await send(
    'PATCH',
    '/apis/apps/v1/namespaces/default/deployments/d/scale',
    { spec: { replicas: 3 } },
    'application/merge-patch+json',
  )
  assert.equal(scaled.code, 200, String(scaled.body.message))
  const scale = hooks.seen.at(-1)?.request
  assert.deepEqual(
    [scale?.kind, scale?.object?.kind, scale?.object?.spec],
    [{ group: 'autoscaling', version: 'v1', kind: 'Scale' }, 'Scale', { replicas: 3 }],
  )
})

test('reviews pass through webhooks, too', async () => {
  hooks.on('/reviews', () => ({ allowed: false }))
  await configure('validating', 'reviews', {
    rules: [{ operations: ['*'], apiGroups: ['authorization.k8s.io'], apiVersions: ['*'], resources: ['*'] }],
  })
  const review = { spec: { resourceAttributes: { verb: 'get', resource: 'pods' } } }
  assert.equal((await send('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', review)).code, 400)
  assert.equal(hooks.seen[0]?.request.kind.kind, 'SelfSubjectAccessReview')
})

test('dry runs ask only webhooks without side effects', async () => {
  hooks.on('/dry', () => ({ allowed: true }))
  await configure('validating', 'dry', { sideEffects: 'NoneOnDryRun' })
  assert.equal((await send('POST', `${MAPS}?dryRun=All`, configMap('d'))).code, 201)
  assert.equal(hooks.seen[0]?.request.dryRun, true)
})

test('webhooks that break: failurePolicy decides', async () => {
  const cases: [path: string, answer: Parameters<WebhookServer['on']>[1], why: RegExp][] = [
    ['/silent', () => () => {}, /^failed to call webhook: Post "https:\/\/127.0.0.1:\d+\/silent\?timeout=1s": context deadline exceeded$/],
    [
      '/crash',
      () => (response) => void response.writeHead(500, { 'content-type': 'text/plain' }).end('boom'),
      /an error on the server \("boom"\) has prevented/,
    ],
    [
      '/broken',
      () => (response) => void response.end('{"kind":'),
      /couldn't get version\/kind; json parse error: unexpected end of JSON input/,
    ],
    [
      '/away',
      () => (response) => void response.writeHead(307, { location: `https://127.0.0.1:${hooks.port}/ok` }).end(),
      /status code 307/,
    ],
    ['/uid', () => ({ uid: 'other', allowed: true }), /received invalid webhook response: expected response.uid="[0-9a-f-]+", got "other"/],
    ['/huge', () => (response) => void response.end(Buffer.alloc(13 * 1024 * 1024, ' ')), /the answer is larger than/],
    ['/hangup', () => (response) => void response.destroy(), /: EOF$/],
  ]
  for (const [path, answer, why] of cases) {
    hooks.on(path, answer)
    const clientConfig = { url: `https://127.0.0.1:${hooks.port}${path}`, caBundle: hooks.caBundle }
    const timeoutSeconds = path === '/silent' ? 1 : 20
    await configure('validating', 'fails', { clientConfig, timeoutSeconds })
    const { code, body } = await send('POST', MAPS, configMap('f'))
    assert.equal(code, 500, path)
    assert.equal(body.reason, 'InternalError')
    const prefix = 'Internal error occurred: failed calling webhook "fails0.example.com": '
    assert.ok(body.message?.startsWith(prefix), String(body.message))
    assert.match((body.message as string).slice(prefix.length), why)
    await send('DELETE', made.pop() as string)
    await configure('mutating', 'ignored', { clientConfig, timeoutSeconds, failurePolicy: 'Ignore' })
    assert.equal((await send('POST', MAPS, configMap(`i${path.slice(1)}`))).code, 201, path)
    await send('DELETE', made.pop() as string)
  }
  const metrics = (await ask(server.session, 'GET', '/metrics')).body
  assert.match(metrics, /apiserver_admission_webhook_fail_open_count\{name="ignored0.example.com",type="admit"\} 7/)
  assert.match(metrics, /apiserver_admission_webhook_rejection_count\{.*error_type="calling_webhook_error",rejection_code="503"\}/)
})

test('a webhook with a certificate of somebody else is not asked', async () => {
  const stranger = await TestAuthority.create('webhooks')
  const clientConfig = { url: `https://127.0.0.1:${hooks.port}/x`, caBundle: Buffer.from(stranger.cert).toString('base64') }
  await configure('validating', 'stranger', { clientConfig })
  const { body } = await send('POST', MAPS, configMap('s'))
  assert.match(body.message ?? '', /tls: failed to verify certificate: x509: certificate signed by unknown authority$/)
  assert.equal(hooks.seen.length, 0)
})

test('a service is reached through the ready addresses of its slices', async (t) => {
  await send('POST', '/api/v1/namespaces/default/services', {
    metadata: { name: 'webhook' },
    spec: { ports: [{ name: 'https', port: 8443, targetPort: 1 }] },
  })
  const clientConfig = { service: { namespace: 'default', name: 'webhook', port: 8443, path: '/svc' }, caBundle: hooks.caBundle }
  await configure('validating', 'svc', { clientConfig })
  const without = await send('POST', MAPS, configMap('early'))
  assert.equal(
    without.body.message,
    'Internal error occurred: failed calling webhook "svc0.example.com": failed to call webhook: Post "https://webhook.default.svc:8443/svc?timeout=10s": no endpoints available for service "webhook"',
  )
  const address = ownAddress()
  // Slices take no addresses of the loopback.
  if (!address) return t.diagnostic('this machine has no address but the loopback')
  const slice = {
    metadata: { name: 'webhook-1', labels: { 'kubernetes.io/service-name': 'webhook' } },
    addressType: 'IPv4',
    ports: [{ name: 'https', port: hooks.port, protocol: 'TCP' }],
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
  }
  const sliced = await send('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', slice)
  assert.equal(sliced.code, 201, String(sliced.body.message))
  const now = await send('POST', MAPS, configMap('now'))
  assert.equal(now.code, 201, String(now.body.message))
  assert.equal(hooks.seen.at(-1)?.path, '/svc')
})

function ownAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address
}
