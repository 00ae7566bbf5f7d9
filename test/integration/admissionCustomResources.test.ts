/** Admission of custom resources: webhooks and policies about them, and as parameters of policies. */
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { ADMISSION, MAPS, configMap, startAdmissionServer } from './admissionTest.ts'
import type { AdmissionServer } from './admissionTest.ts'
import { patchOf, startWebhookServer } from './webhookServer.ts'
import type { WebhookServer } from './webhookServer.ts'

let server: AdmissionServer
let hooks: WebhookServer

const send: AdmissionServer['send'] = (...request) => server.send(...request)
const WIDGETS = '/apis/example.com/v1/namespaces/default/widgets'
const schema = {
  openAPIV3Schema: {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        properties: { size: { type: 'integer' }, color: { type: 'string' }, shape: { type: 'string', default: 'round' } },
      },
    },
  },
}

let made: string[] = []

async function create(path: string, body: object): Promise<void> {
  const reply = await send('POST', path, body)
  assert.equal(reply.code, 201, String(reply.body.message))
  made.push(`${path}/${(body as { metadata: { name: string } }).metadata.name}`)
}

async function configure(kind: 'mutating' | 'validating', name: string, rules: object[]): Promise<void> {
  const clientConfig = { url: `https://127.0.0.1:${hooks.port}/${name}`, caBundle: hooks.caBundle }
  const webhook = { name: `${name}.example.com`, clientConfig, rules, sideEffects: 'None', admissionReviewVersions: ['v1'] }
  await create(`${ADMISSION}/${kind}webhookconfigurations`, { metadata: { name }, webhooks: [webhook] })
}

const rulesFor = (version: string): object[] => [
  { operations: ['*'], apiGroups: ['example.com'], apiVersions: [version], resources: ['widgets'] },
]

before(async () => {
  server = await startAdmissionServer()
  hooks = await startWebhookServer()
  const versions = ['v1', 'v2'].map((name) => ({ name, served: true, storage: name === 'v2', schema }))
  const definition = {
    metadata: { name: 'widgets.example.com' },
    spec: { group: 'example.com', scope: 'Namespaced', names: { plural: 'widgets', kind: 'Widget' }, versions },
  }
  const reply = await send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition)
  assert.equal(reply.code, 201, String(reply.body.message))
  for (let tries = 0; (await send('GET', WIDGETS)).code !== 200; tries++) assert.ok(tries < 500, 'the resource is not served')
})

afterEach(async () => {
  for (const path of made.toReversed()) await send('DELETE', path)
  made = []
  hooks.seen.length = 0
  await send('DELETE', WIDGETS)
})

after(async () => {
  hooks.stop()
  await server.api.stop()
})

const widget = (name: string, spec: object, version = 'v1'): object => ({
  apiVersion: `example.com/${version}`,
  kind: 'Widget',
  metadata: { name },
  spec,
})

test('creation, update and deletion are refused', async () => {
  hooks.on('/deny', ({ object, oldObject }) => ({
    allowed: (object ?? oldObject)?.spec?.['color'] !== 'red',
    status: { message: 'no red' },
  }))
  assert.equal((await send('POST', WIDGETS, widget('old', { color: 'red' }))).code, 201)
  await configure('validating', 'deny', rulesFor('v1'))
  const created = await send('POST', WIDGETS, widget('w', { color: 'red' }))
  assert.equal(created.body.message, 'admission webhook "deny.example.com" denied the request: no red')
  assert.equal((await send('POST', WIDGETS, widget('w', { color: 'blue' }))).code, 201)
  const updated = await send('PATCH', `${WIDGETS}/w`, { spec: { color: 'red' } }, 'application/merge-patch+json')
  assert.equal(updated.code, 400)
  assert.equal((await send('DELETE', `${WIDGETS}/old`)).code, 400)
  await send('DELETE', made.pop() as string)
})

test('mutated objects are pruned and get the defaults of their schema', async () => {
  hooks.on('/mutate', () =>
    patchOf([
      { op: 'add', path: '/spec/color', value: 'green' },
      { op: 'add', path: '/spec/unknown', value: 'x' },
      { op: 'remove', path: '/spec/shape' },
    ]),
  )
  await configure('mutating', 'mutate', rulesFor('v1'))
  const { code, body } = await send('POST', WIDGETS, widget('m', { size: 1 }))
  assert.equal(code, 201, String(body.message))
  assert.deepEqual(body.spec, { size: 1, color: 'green', shape: 'round' })
})

test('a webhook for another version of the resource gets that version', async () => {
  hooks.on('/other', () => patchOf([{ op: 'add', path: '/spec/color', value: 'grey' }]))
  await configure('mutating', 'other', rulesFor('v2'))
  const { code, body } = await send('POST', WIDGETS, widget('o', { size: 1 }))
  assert.equal(code, 201, String(body.message))
  assert.deepEqual([body['apiVersion'], body.spec?.['color']], ['example.com/v1', 'grey'])
  const [review] = hooks.seen
  assert.deepEqual([review?.request.object?.apiVersion, review?.request.kind.version], ['example.com/v2', 'v2'])
  assert.equal(review?.request.requestKind.version, 'v1')
})

test('policies over custom resources, with custom resources as parameters', async () => {
  assert.equal((await send('POST', WIDGETS, widget('limit', { size: 3 }))).code, 201)
  const policy = {
    paramKind: { apiVersion: 'example.com/v1', kind: 'Widget' },
    matchConstraints: {
      resourceRules: [{ ...rulesFor('v1')[0] }, { operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
    },
    validations: [
      {
        expression: "object.kind != 'Widget' || object.spec.size <= params.spec.size",
        messageExpression: "'at most ' + string(params.spec.size)",
      },
      { expression: "object.kind != 'ConfigMap' || size(object.data) <= params.spec.size" },
    ],
  }
  await create(`${ADMISSION}/validatingadmissionpolicies`, { metadata: { name: 'sizes' }, spec: policy })
  await create(`${ADMISSION}/validatingadmissionpolicybindings`, {
    metadata: { name: 'sizes' },
    spec: { policyName: 'sizes', validationActions: ['Deny'], paramRef: { name: 'limit', parameterNotFoundAction: 'Deny' } },
  })
  const large = await send('POST', WIDGETS, widget('large', { size: 4 }))
  assert.match(String(large.body.message), /^widgets.example.com "large" is forbidden: .* denied request: at most 3$/)
  assert.equal((await send('POST', WIDGETS, widget('small', { size: 2 }))).code, 201)
  assert.equal((await send('POST', MAPS, configMap('x', { a: '', b: '', c: '', d: '' }))).code, 422)
  assert.equal((await send('POST', MAPS, configMap('x', { a: '' }))).code, 201)
})

test('mutating policies merge by the schema of the custom resource', async () => {
  const expression = "Object{spec: Object.spec{color: 'gold'}, metadata: Object.metadata{labels: {'by': 'policy'}}}"
  await create(`${ADMISSION}/mutatingadmissionpolicies`, {
    metadata: { name: 'gold' },
    spec: {
      matchConstraints: { resourceRules: rulesFor('v1') },
      reinvocationPolicy: 'Never',
      mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }],
    },
  })
  await create(`${ADMISSION}/mutatingadmissionpolicybindings`, { metadata: { name: 'gold' }, spec: { policyName: 'gold' } })
  const { code, body } = await send('POST', WIDGETS, widget('g', { size: 5 }))
  assert.equal(code, 201, String(body.message))
  assert.deepEqual(body.spec, { size: 5, color: 'gold', shape: 'round' })
  assert.deepEqual(body.metadata?.labels, { by: 'policy' })
})
