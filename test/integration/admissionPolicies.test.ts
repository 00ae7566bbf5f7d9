/** Admission policies over the API server: what their expressions see, and what becomes of their verdicts. */
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { ADMISSION, MAPS, configMap, startAdmissionServer } from './admissionTest.ts'
import type { AdmissionServer } from './admissionTest.ts'

let server: AdmissionServer

const send: AdmissionServer['send'] = (...request) => server.send(...request)

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments'
const onMaps = { resourceRules: [{ operations: ['CREATE', 'UPDATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }] }
const onDeployments = {
  resourceRules: [{ operations: ['CREATE', 'UPDATE'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'] }],
}
const deployment = (name: string, replicas: number): object => ({
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } },
  },
})

let made: string[] = []

async function create(resource: string, name: string, spec: object): Promise<void> {
  const { code, body } = await send('POST', `${ADMISSION}/${resource}`, { metadata: { name }, spec })
  assert.equal(code, 201, body.message ?? '')
  made.push(`${ADMISSION}/${resource}/${name}`)
}

async function validating(name: string, spec: object, binding: object = {}): Promise<void> {
  await create('validatingadmissionpolicies', name, { matchConstraints: onMaps, ...spec })
  await create('validatingadmissionpolicybindings', `${name}-b`, { policyName: name, validationActions: ['Deny'], ...binding })
}

async function mutating(name: string, spec: object, binding: object = {}): Promise<void> {
  await create('mutatingadmissionpolicies', name, { matchConstraints: onMaps, reinvocationPolicy: 'Never', ...spec })
  await create('mutatingadmissionpolicybindings', `${name}-b`, { policyName: name, ...binding })
}

const denied = (policy: string, why: string): string =>
  `ValidatingAdmissionPolicy '${policy}' with binding '${policy}-b' denied request: ${why}`

before(async () => {
  server = await startAdmissionServer()
})

afterEach(async () => {
  for (const path of made) await send('DELETE', path)
  made = []
  await send('DELETE', MAPS)
  await send('DELETE', DEPLOYMENTS)
})

after(() => server.api.stop())

test('validations with variables, over a Deployment', async () => {
  await validating('replicas', {
    matchConstraints: onDeployments,
    variables: [
      { name: 'replicas', expression: 'object.spec.replicas' },
      { name: 'oddReplicas', expression: 'variables.replicas % 2 == 1' },
    ],
    validations: [
      { expression: 'variables.replicas > 1' },
      { expression: 'variables.oddReplicas', messageExpression: "'even: ' + string(variables.replicas)", reason: 'Forbidden' },
    ],
  })
  const one = await send('POST', DEPLOYMENTS, deployment('one', 1))
  assert.equal(one.code, 422)
  assert.equal(one.body.message, `deployments.apps "one" is forbidden: ${denied('replicas', 'failed expression: variables.replicas > 1')}`)
  const two = await send('POST', DEPLOYMENTS, deployment('two', 2))
  assert.deepEqual([two.code, two.body['reason']], [403, 'Forbidden'])
  assert.match(two.body.message ?? '', /denied request: even: 2$/)
  assert.equal((await send('POST', DEPLOYMENTS, deployment('three', 3))).code, 201)
})

test('parameters: by name, by selector, of the request’s namespace', async () => {
  const policy = {
    paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
    validations: [{ expression: "size(object.data) <= int(params.data['max'])" }],
  }
  const onlySmall = { ...onMaps, objectSelector: { matchLabels: { checked: 'y' } } }
  await send('POST', MAPS, configMap('limit', { max: '1' }, { role: 'limit' }))
  await send('POST', MAPS, configMap('wide', { max: '9' }, { role: 'limit' }))
  const binding = { matchResources: onlySmall, paramRef: { selector: { matchLabels: { role: 'limit' } }, parameterNotFoundAction: 'Deny' } }
  await validating('bysel', policy, binding)
  const { body } = await send('POST', MAPS, configMap('x', { a: '', b: '' }, { checked: 'y' }))
  assert.match(body.message ?? '', /failed expression: size\(object.data\) <= int\(params.data\['max'\]\)$/)
  await send('PATCH', `${MAPS}/limit`, { data: { max: '2' } }, 'application/merge-patch+json')
  assert.equal((await send('POST', MAPS, configMap('x', { a: '', b: '' }, { checked: 'y' }))).code, 201)
  await send('DELETE', `${MAPS}/limit`)
  await send('DELETE', `${MAPS}/wide`)
  const gone = await send('POST', MAPS, configMap('y', {}, { checked: 'y' }))
  assert.match(
    gone.body.message ?? '',
    /failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction$/,
  )
})

test('parameters of a kind that nobody serves', async () => {
  const validations = [{ expression: 'true' }]
  await validating('nokind', { paramKind: { apiVersion: 'example.com/v1', kind: 'Limit' }, validations })
  const { body } = await send('POST', MAPS, configMap('x'))
  const why = "failed to configure policy: failed to find resource referenced by paramKind: 'example.com/v1, Kind=Limit'"
  assert.equal(body.message, `configmaps "x" is forbidden: ValidatingAdmissionPolicy 'nokind' denied request: ${why}`)
})

test('errors of expressions follow the failurePolicy; costs are bounded', async () => {
  await validating('broken', { validations: [{ expression: 'object.data.missing == "x"' }] })
  const broken = await send('POST', MAPS, configMap('x', { a: 'b' }))
  assert.match(broken.body.message ?? '', /expression 'object.data.missing == "x"' resulted in error: no such key: missing$/)
  await send('DELETE', made.shift() as string)
  await validating('lenient', { failurePolicy: 'Ignore', validations: [{ expression: 'object.data.missing == "x"' }] })
  assert.equal((await send('POST', MAPS, configMap('x', { a: 'b' }))).code, 201)
  const nested = "object.data.all(a, object.data.all(b, object.data.all(c, object.data.all(d, a + b + c + d != ''))))"
  await validating('costly', { validations: [{ expression: nested }] })
  const data = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`key${i}`, 'x']))
  const startedMs = performance.now()
  const costly = await send('POST', MAPS, configMap('big', data))
  assert.equal(costly.code, 422)
  assert.match(costly.body.message ?? '', /cost/)
  assert.ok(performance.now() - startedMs < 5_000)
})

test('warnings, conditions, the namespace, the user and what the user may do', async () => {
  await validating(
    'warns',
    { validations: [{ expression: "object.metadata.name != 'warned'", message: 'not that name' }] },
    { validationActions: ['Warn', 'Audit'] },
  )
  const warned = await send('POST', MAPS, configMap('warned'))
  assert.equal(warned.code, 201)
  assert.deepEqual(warned.warnings, [
    `299 - "Validation failed for ValidatingAdmissionPolicy 'warns' with binding 'warns-b': not that name"`,
  ])
  await validating('knows', {
    matchConditions: [{ name: 'only-asked', expression: "object.metadata.name.startsWith('ask')" }],
    validations: [
      { expression: "namespaceObject.metadata.name == 'default'" },
      { expression: "request.userInfo.username == 'admin' && request.operation == 'CREATE'" },
      { expression: "authorizer.group('').resource('secrets').namespace('default').check('get').allowed()" },
      { expression: "authorizer.requestResource.check('create').allowed()" },
    ],
  })
  const asked = await send('POST', MAPS, configMap('asked'))
  assert.equal(asked.code, 201, asked.body.message ?? '')
  assert.match(
    (await send('PUT', `${MAPS}/asked`, configMap('asked', { a: 'b' }))).body.message ?? '',
    /denied request: failed expression: request.userInfo/,
  )
  assert.equal((await send('PUT', `${MAPS}/warned`, configMap('warned'))).code, 200)
})

test('what a manifest leaves out is there where Go writes it', async () => {
  const containers = 'object.spec.template.spec.containers'
  const conditions = [{ name: 'unlimited', expression: `${containers}.all(c, !has(c.resources.limits)) && !has(object.status.replicas)` }]
  const mutations = [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Object{spec: Object.spec{replicas: 7}}' } }]
  await mutating('zero', { matchConstraints: onDeployments, matchConditions: conditions, mutations })
  await validating('zero-too', {
    matchConstraints: onDeployments,
    validations: [{ expression: `${containers}.all(c, c.resources == {})` }],
  })
  const { code, body } = await send('POST', DEPLOYMENTS, deployment('zero', 1))
  assert.deepEqual([code, (body.spec as { replicas?: number } | undefined)?.replicas], [201, 7], String(body.message))
})

test('mutations: configurations are merged, patches applied, in order', async () => {
  await mutating('a-labels', {
    matchConstraints: onDeployments,
    variables: [{ name: 'team', expression: "'t-' + object.metadata.name" }],
    mutations: [
      {
        patchType: 'ApplyConfiguration',
        applyConfiguration: {
          expression: `Object{
            metadata: Object.metadata{annotations: {'team': variables.team}},
            spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
              containers: [Object.spec.template.spec.containers{name: 'side', image: 'side:1'}]}}}}`,
        },
      },
      {
        patchType: 'JSONPatch',
        jsonPatch: {
          expression: `[JSONPatch{op: 'test', path: '/spec/replicas', value: 1}, JSONPatch{op: 'replace', path: '/spec/replicas', value: 2}]`,
        },
      },
    ],
  })
  const { code, body } = await send('POST', DEPLOYMENTS, deployment('d', 1))
  assert.equal(code, 201, body.message ?? '')
  const spec = body['spec'] as { replicas: number; template: { spec: { containers: { name: string; imagePullPolicy: string }[] } } }
  assert.deepEqual(body.metadata?.annotations, { team: 't-d' })
  assert.equal(spec.replicas, 2)
  assert.deepEqual(
    spec.template.spec.containers.map(({ name, imagePullPolicy }) => [name, imagePullPolicy]),
    [
      ['c', 'Always'],
      ['side', 'IfNotPresent'],
    ],
  )
  // A test that fails leaves the object as it was.
  const other = await send('POST', DEPLOYMENTS, deployment('e', 5))
  assert.equal((other.body['spec'] as { replicas: number }).replicas, 5)
})

test('a mutation that names a part of what is owned as a whole is refused', async () => {
  await mutating('atomic', {
    matchConstraints: onDeployments,
    mutations: [
      {
        patchType: 'ApplyConfiguration',
        applyConfiguration: { expression: "Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'a': 'b'}}}}" },
      },
    ],
  })
  const { code, body } = await send('POST', DEPLOYMENTS, deployment('f', 1))
  assert.deepEqual([code, body['reason']], [403, 'Invalid'])
  const why = 'error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector'
  assert.equal(body.message, `policy 'atomic' with binding 'atomic-b' denied request: ${why}`)
})

test('a mutation makes no unknown fields and takes no object elsewhere', async () => {
  const cases: [string, object][] = [
    ['unknown', { patchType: 'JSONPatch', jsonPatch: { expression: "[JSONPatch{op: 'add', path: '/nope', value: 1}]" } }],
    [
      'elsewhere',
      {
        patchType: 'ApplyConfiguration',
        applyConfiguration: { expression: "Object{metadata: Object.metadata{namespace: 'kube-system'}}" },
      },
    ],
  ]
  const answers: unknown[] = []
  for (const [name, mutation] of cases) {
    const matchConditions = [{ name: 'own', expression: `object.metadata.name == '${name}'` }]
    await mutating(name, { matchConditions, mutations: [mutation] })
    const { code, body } = await send('POST', MAPS, configMap(name, { k: 'v' }))
    answers.push([code, body.message])
  }
  assert.deepEqual(answers, [
    [500, 'Internal error occurred: strict decoding error: unknown field "nope"'],
    [400, 'the namespace of the provided object does not match the namespace sent on the request'],
  ])
})

test('a policy that asks for it works once more on what others changed', async () => {
  const add = (key: string, value: string): object => ({
    patchType: 'JSONPatch',
    jsonPatch: { expression: `[JSONPatch{op: 'add', path: '/data/${key}', value: ${value}}]` },
  })
  await mutating('aa', { reinvocationPolicy: 'IfNeeded', mutations: [add('count', 'string(size(object.data))')] })
  await mutating('bb', { mutations: [add('more', "'x'")] })
  const { body } = await send('POST', MAPS, configMap('r', { k: 'v' }))
  assert.deepEqual(body.data, { k: 'v', count: '3', more: 'x' })
})

test('expressions that cannot be compiled are refused when they are written', async () => {
  const policy = { metadata: { name: 'bad' }, spec: { matchConstraints: onMaps, validations: [{ expression: 'object.data +' }] } }
  const { code, body } = await send('POST', `${ADMISSION}/validatingadmissionpolicies`, policy)
  assert.equal(code, 422)
  assert.match(
    body.message ?? '',
    /spec.validations\[0\].expression: Invalid value: "object.data \+": compilation failed: ERROR: <input>:1:/,
  )
  const constant = { ...policy, spec: { ...policy.spec, validations: [{ expression: "int('x') == 1" }] } }
  assert.match(
    (await send('POST', `${ADMISSION}/validatingadmissionpolicies`, constant)).body.message ?? '',
    /expression: Internal error: program instantiation failed: type conversion error from 'string' to 'int'$/,
  )
})

test('policies are never about themselves', async () => {
  const everything = { resourceRules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }] }
  await validating('locked', { matchConstraints: everything, validations: [{ expression: 'false' }] })
  assert.equal((await send('POST', MAPS, configMap('no'))).code, 422)
  for (const path of made) assert.equal((await send('DELETE', path)).code, 200)
  assert.equal((await send('POST', MAPS, configMap('yes'))).code, 201)
  made = []
})

test('a mutation makes no other kind and no other identity of the object', async () => {
  const replace = (path: string, value: string): object => ({
    mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: `[JSONPatch{op: "add", path: "${path}", value: "${value}"}]` } }],
  })
  const told = async (name: string, path: string, value: string): Promise<string[]> => {
    await send('POST', MAPS, configMap(`old-${name}`))
    await mutating(name, replace(path, value))
    const created = await send('POST', MAPS, configMap(`new-${name}`))
    const changed = await send('PUT', `${MAPS}/old-${name}`, configMap(`old-${name}`))
    for (const made of [`mutatingadmissionpolicybindings/${name}-b`, `mutatingadmissionpolicies/${name}`])
      await send('DELETE', `${ADMISSION}/${made}`)
    return [created, changed].map(({ code, body }) => `${code} ${body.message ?? ''}`)
  }
  const other =
    '500 Internal error occurred: failed to convert object: converting (v1.ServiceAccount) to (core.ConfigMap): unknown conversion'
  assert.deepEqual(await told('kind', '/kind', 'ServiceAccount'), [other, other])
  const [created, changed] = await told('uid', '/metadata/uid', 'a')
  assert.deepEqual([created, changed], ['201 ', '422 ConfigMap "old-uid" is invalid: metadata.uid: Invalid value: "a": field is immutable'])
})
