import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientHttp2Session } from 'node:http2'
import type { CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import { ask, startTestServer } from '../testServer.ts'
import type { TestApiServer } from '../testServer.ts'

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const LABEL =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"

const inSpec = (spec: object): object => ({ type: 'object', properties: { spec } })
const version = (name: string, schema: object, rest: object = {}): object => ({
  name,
  served: true,
  storage: name === 'v1',
  schema: { openAPIV3Schema: schema },
  ...rest,
})

function definition(group: string, spec: object, metadata: object = {}): object {
  const names = { plural: 'things', kind: 'Thing' }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `things.${group}`, ...metadata },
    spec: { group, scope: 'Namespaced', names, versions: [version('v1', { type: 'object' })], ...spec },
  }
}

describe('definitions', () => {
  let server: TestApiServer
  let session: ClientHttp2Session

  before(async () => {
    server = await startTestServer()
    session = server.session(server.admin)
  })
  after(() => server.stop())

  async function send<T = CustomResourceDefinition>(method: string, path: string, body?: object): Promise<{ status: number; body: T }> {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    const answer = await ask(session, method, path, { ...(body && { body: JSON.stringify(body) }), headers: { 'content-type': type } })
    return { status: answer.status, body: JSON.parse(answer.body) as T }
  }

  /** What is wrong with a definition, field by field. */
  async function faults(given: object): Promise<string[]> {
    const { body } = await send<{ details?: { causes?: { field: string; message: string }[] } }>('POST', `${DEFINITIONS}?dryRun=All`, given)
    return (body.details?.causes ?? []).map(({ field, message }) => `${field}: ${message}`)
  }

  async function define(group: string, spec: object, metadata: object = {}): Promise<string> {
    const created = await send('POST', DEFINITIONS, definition(group, spec, metadata))
    assert.equal(created.status, 201, JSON.stringify(created.body))
    const path = `${DEFINITIONS}/things.${group}`
    await until(path, 'Established', 'True')
    return path
  }

  async function until(path: string, type: string, status: string): Promise<CustomResourceDefinition> {
    for (let tries = 0; tries < 200; tries++) {
      const { body } = await send('GET', path)
      if (body.status?.conditions?.some((condition) => condition.type === type && condition.status === status)) return body
      await sleep(10)
    }
    return assert.fail(`${type} does not become ${status}`)
  }

  const two = (first: object, second: object): object => ({
    versions: [version('v1', { type: 'object' }, first), version('v2', { type: 'object' }, second)],
  })
  const refused: readonly (readonly [what: string, spec: object, metadata: object, ...errors: string[]])[] = [
    ['no versions', { versions: null }, {}, 'spec.versions: Invalid value: null: must have exactly one version marked as storage version'],
    [
      'versions that are none',
      { versions: [] },
      {},
      'spec.versions: Invalid value: []: must have exactly one version marked as storage version',
    ],
    [
      'a version without a name',
      { versions: [version('', {}, { storage: true })] },
      {},
      `spec.versions[0].name: Invalid value: "": ${LABEL}`,
    ],
    [
      'a prefix for a name',
      {},
      { generateName: 'x' },
      'metadata.generateName: Invalid value: "x": must be spec.names.plural+"."+spec.group',
    ],
    [
      'a warning as JSON has it',
      { versions: [version('v1', { type: 'object' }, { deprecationWarning: 'a<b' })] },
      {},
      'spec.versions[0].deprecationWarning: Invalid value: "a\\u003cb": can only be set for deprecated versions',
    ],
    [
      'fields to select by, without the schema that all versions share',
      two({}, { selectableFields: [{ jsonPath: '.spec.a' }] }),
      {},
      'spec.versions[1].selectableFields: Invalid value: "": may only be set when `version.schema.openAPIV3Schema` is not included',
    ],
    [
      'keeping unknown fields denied, and nothing else of that schema is looked at',
      {
        versions: [
          version('v1', inSpec({ type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': false })),
        ],
      },
      {},
      'spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined',
    ],
    [
      'defaults, by name',
      { versions: [version('v1', inSpec({ type: 'object', default: { z: 1, a: 2 } }))] },
      {},
      'spec.validation.openAPIV3Schema.properties[spec].default: Invalid value: {"a":2,"z":1}: must not have unknown fields',
    ],
  ]
  for (const [what, spec, metadata, ...errors] of refused)
    test(`refused: ${what}`, async () => {
      const found = await faults(definition('refused.example.com', spec, metadata))
      assert.deepEqual(
        found.filter((text) => !/openAPIV3Schema\.type|storedVersions/.test(text)),
        errors,
      )
    })

  test('what the root of a schema with a status may not say is shown with all that a schema can', async () => {
    const spec = { versions: [version('v1', { type: 'object', nullable: true }, { subresources: { status: {} } })] }
    const [text = ''] = await faults(definition('root.example.com', spec))
    assert.match(text, /Invalid value: \{"ID":"","Schema":"","Ref":null,"Description":"","Type":"object","Nullable":true,"Format":""/)
    assert.match(text, /"XMapType":null,"XValidations":null\}: only \[Description Type /)
  })

  test('a group of the community is approved by a URL that is one', async () => {
    const approved = (by: string) => faults(definition('x.k8s.io', {}, { annotations: { 'api-approved.kubernetes.io': by } }))
    assert.equal((await approved('https://example.com/1')).length, 0)
    assert.equal((await approved('https://x y')).length, 1)
  })

  test('accepted: defaults of any type for int-or-string, transitions below atomic maps, a webhook with nothing in it', async () => {
    const spec = {
      versions: [
        version(
          'v1',
          inSpec({
            type: 'object',
            'x-kubernetes-map-type': 'atomic',
            properties: {
              any: { 'x-kubernetes-int-or-string': true, default: true },
              kept: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self == oldSelf' }] },
            },
          }),
        ),
      ],
      conversion: { strategy: 'None', webhook: {} },
    }
    const created = await send('POST', `${DEFINITIONS}?dryRun=All`, definition('accepted.example.com', spec))
    assert.equal(created.status, 201)
    assert.deepEqual(created.body.spec.conversion, { strategy: 'None' })
  })

  test('an update that is refused leaves the versions of stored objects as they were', async () => {
    const path = await define('kept.example.com', {})
    const refusal = await send('PATCH', path, { spec: { versions: [version('v2', { type: 'object' }, { storage: true })] } })
    assert.equal(refusal.status, 422)
    assert.deepEqual((await send('GET', path)).body.status?.storedVersions, ['v1'])
  })

  test('deleting marks: no other generation, no period of grace, whatever is to become of dependents', async () => {
    const path = await define('marked.example.com', {}, { finalizers: ['example.com/mine'] })
    const { metadata } = (await send('DELETE', path, { propagationPolicy: 'Foreground' })).body
    assert.deepEqual([metadata.generation, metadata.deletionGracePeriodSeconds], [1, undefined])
    assert.deepEqual(metadata.finalizers, ['example.com/mine', 'customresourcecleanup.apiextensions.k8s.io'])

    await until(path, 'Terminating', 'False')
    const again = (await send('DELETE', path)).body.metadata
    assert.deepEqual([again.generation, again.deletionGracePeriodSeconds], [1, 0])
    const thing = { apiVersion: 'marked.example.com/v1', kind: 'Thing', metadata: { name: 'late' } }
    assert.equal((await send('POST', '/apis/marked.example.com/v1/namespaces/default/things', thing)).status, 201)
    const { resources } = (await send<{ resources: { verbs: string[] }[] }>('GET', '/apis/marked.example.com/v1')).body
    assert.ok(resources[0]?.verbs.includes('create'))
  })

  test('who scales owns nothing: upstream cannot convert the Scale of a custom resource', async () => {
    const scale = { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size' }
    const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
    await define('scaled.example.com', { versions: [version('v1', schema, { subresources: { scale } })] })
    const path = '/apis/scaled.example.com/v1/namespaces/default/things'
    await send('POST', path, { apiVersion: 'scaled.example.com/v1', kind: 'Thing', metadata: { name: 'a' }, spec: { size: 1 } })
    assert.equal((await send('PATCH', `${path}/a/scale`, { spec: { replicas: 2 } })).status, 200)
    const { managedFields } = (await send('GET', `${path}/a`)).body.metadata
    assert.deepEqual(
      managedFields?.map(({ fieldsV1 }) => fieldsV1),
      [{ 'f:spec': {} }],
    )
  })

  test('discovery has a hash of the storage version where that is served', async () => {
    const versions = [version('v1', { type: 'object' }, { served: false }), version('v2', { type: 'object' })]
    await define('hashed.example.com', { versions })
    const { resources } = (await send<{ resources: { storageVersionHash?: string }[] }>('GET', '/apis/hashed.example.com/v2')).body
    assert.equal(resources[0]?.storageVersionHash, undefined)
  })
})
