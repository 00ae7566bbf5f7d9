import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { loadCatalog } from '../catalog/load.ts'
import type { TypeDef } from '../catalog/schema.ts'
import { asGiven, hidesEmptyOnes } from './goShape.ts'
import { decodeJson, decodeValue, jsonValue, normalize, parseJson, typeMetaOf, withoutEmptyOnes } from './json.ts'
import type { JsonObject } from '../resource.ts'

const catalog = loadCatalog()
const typeOf = (group: string, kind: string, version = 'v1'): TypeDef => catalog.typeOfKind({ group, version, kind }) as TypeDef
const pod = typeOf('', 'Pod')
const configMap = typeOf('', 'ConfigMap')
const deployment = typeOf('apps', 'Deployment')

test("type errors are Go's", () => {
  const cases: [TypeDef, string, string][] = [
    [
      deployment,
      '{"spec":{"replicas":"three"}}',
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      deployment,
      '{"spec":{"replicas":1.5}}',
      'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      deployment,
      '{"spec":{"replicas":1.0}}',
      'json: cannot unmarshal number 1.0 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      deployment,
      '{"spec":{"replicas":99999999999}}',
      'json: cannot unmarshal number 99999999999 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      typeOf('', 'Service'),
      '{"spec":{"ports":[{"port":80,"targetPort":true}]}}',
      'json: cannot unmarshal bool into Go struct field ServicePort.spec.ports.targetPort of type int32',
    ],
    [pod, '{"spec":{"hostNetwork":"yes"}}', 'json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool'],
    [
      pod,
      '{"spec":{"containers":{"name":"c"}}}',
      'json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container',
    ],
    [
      pod,
      '{"spec":{"containers":["c"]}}',
      'json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container',
    ],
    [pod, '{"metadata":"x"}', 'json: cannot unmarshal string into Go struct field Pod.metadata of type v1.ObjectMeta'],
    [
      pod,
      '{"spec":{"restartPolicy":1}}',
      'json: cannot unmarshal number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy',
    ],
    [configMap, '{"data":{"a":1}}', 'json: cannot unmarshal number into Go struct field ConfigMap.data of type string'],
    [configMap, '{"data":[]}', 'json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string'],
    [
      configMap,
      '{"metadata":{"name":"a","labels":{"a":1}}}',
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    [
      pod,
      '{"metadata":{"creationTimestamp":1}}',
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string',
    ],
    [
      pod,
      '{"metadata":{"creationTimestamp":"yesterday"}}',
      'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
    ],
    [
      typeOf('coordination.k8s.io', 'Lease'),
      '{"spec":{"renewTime":"2021-01-01"}}',
      'parsing time "2021-01-01" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "" as "T"',
    ],
    [
      typeOf('coordination.k8s.io', 'Lease'),
      '{"spec":{"renewTime":"2020-01-01T00:00:00Z"}}',
      'parsing time "2020-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"',
    ],
    [typeOf('', 'Secret'), '{"data":{"k":"!!notbase64"}}', 'illegal base64 data at input byte 0'],
    [
      pod,
      '{"spec":{"overhead":{"cpu":"lots"}}}',
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
  ]
  for (const [def, body, message] of cases) assert.throws(() => decodeJson(body, def), { name: 'DecodeError', message }, body)
})

test('the first type error counts, but a type that decodes itself fails at once', () => {
  assert.throws(() => decodeJson('{"spec":{"hostPID":1,"hostIPC":1}}', pod), /PodSpec.spec.hostPID of type bool/)
  assert.throws(() => decodeJson('{"spec":{"hostPID":1},"metadata":{"creationTimestamp":"x"}}', pod), /parsing time "x"/)
})

test("syntax errors are Go's", () => {
  for (const [body, message] of [
    ['{bad', "invalid character 'b' looking for beginning of object key string"],
    ['', 'unexpected end of JSON input'],
    ['{"a":1', 'unexpected end of JSON input'],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b"}', "invalid character '\"' after object key:value pair"],
    ['[1 2]', "invalid character '2' after array element"],
    ['{} x', "invalid character 'x' after top-level value"],
    ['tru}', "invalid character '}' in literal true (expecting 'e')"],
    ['{"a":01}', "invalid character '1' after object key:value pair"],
    ['[1.x]', "invalid character 'x' after decimal point in numeric literal"],
    ['["\\x"]', "invalid character 'x' in string escape code"],
    ["{'a':1}", "invalid character '\\'' looking for beginning of object key string"],
  ] as const)
    assert.throws(() => parseJson(body), { name: 'JsonSyntaxError', message }, body)
  assert.throws(() => parseJson('['.repeat(2000) + ']'.repeat(2000)), /exceeded max depth/)
})

test('unknown and double fields are told in document order, with indices', () => {
  const body = '{"metadata":{"name":"a","name":"b","odd":1},"spec":{"containers":[{"name":"c","Image":"x"},{"bogus":{}}]},"top":1,"data":2}'
  assert.deepEqual(decodeJson(body, pod).strictErrors, [
    'duplicate field "metadata.name"',
    'unknown field "metadata.odd"',
    'unknown field "spec.containers[0].Image"',
    'unknown field "spec.containers[1].bogus"',
    'unknown field "top"',
    'unknown field "data"',
  ])
  assert.equal((decodeJson(body, pod).object['metadata'] as { name: string }).name, 'b')
  assert.deepEqual(decodeJson('{"data":{"a":"1","a":"2"}}', configMap), {
    object: { metadata: {}, data: { a: '2' } },
    strictErrors: ['duplicate field "data.a"'],
  })
  assert.deepEqual(jsonValue(parseJson('{"spec":{"size":1,"size":2}}')), {
    value: { spec: { size: 2 } },
    strictErrors: ['duplicate field "spec.size"'],
  })
})

test('the result has the shape in which Go writes it', () => {
  assert.deepEqual(decodeJson('{"metadata":{"name":"a","labels":null,"creationTimestamp":null},"data":{"a":null}}', configMap).object, {
    metadata: { name: 'a' },
    data: { a: '' },
  })
  assert.deepEqual(
    decodeJson(
      '{"spec":{"replicas":0,"paused":false,"template":{"spec":{"containers":[{"name":"c","tty":false,"ports":[]}]}}}}',
      deployment,
    ).object,
    {
      metadata: {},
      spec: {
        replicas: 0,
        selector: null,
        template: { metadata: {}, spec: { containers: [{ name: 'c', ports: [], resources: {} }] } },
        strategy: {},
      },
      status: {},
    },
  )
  assert.deepEqual(decodeJson('null', configMap).object, { metadata: {} })
})

test('an empty optional list is there until it is written', () => {
  const spec = { containers: [{ name: 'c', image: 'i', ports: [], resources: {} }], tolerations: [] }
  const { object } = decodeJson(JSON.stringify({ spec }), pod)
  assert.deepEqual((object['spec'] as { tolerations?: unknown }).tolerations, [])
  const bare = { containers: [{ name: 'c', image: 'i', resources: {} }] }
  assert.deepEqual(structuredClone(withoutEmptyOnes(object, pod)['spec']), bare)
  assert.deepEqual(structuredClone(normalize(object, pod)['spec']), bare)
  assert.deepEqual(withoutEmptyOnes({ spec: { containers: [] } }, pod)['spec'], { containers: [] })
})

test('what was given empty is known of the stored shape until it is cloned', () => {
  const { object } = decodeJson('{"spec":{"containers":[],"tolerations":[],"nodeSelector":{},"overhead":null}}', pod)
  const stored = normalize(object, pod)['spec'] as { [field: string]: unknown }
  assert.deepEqual(structuredClone(stored), { containers: null })
  assert.deepEqual(asGiven({ ...stored }, 'tolerations'), [])
  assert.deepEqual(
    ['containers', 'tolerations', 'nodeSelector', 'overhead', 'volumes'].map((member) => asGiven(stored, member)),
    [[], [], {}, undefined, undefined],
  )
  assert.equal(hidesEmptyOnes({ spec: stored }), true)
  assert.equal(hidesEmptyOnes({ spec: structuredClone(stored) }), false)
})

test('quantities, times and base64 come out canonical', () => {
  const body =
    '{"metadata":{"creationTimestamp":"2020-01-01T02:00:00.5+02:00"},"spec":{"overhead":{"cpu":"1000m","memory":1024.5},"containers":null}}'
  assert.deepEqual(decodeJson(body, pod).object, {
    metadata: { creationTimestamp: '2020-01-01T00:00:00Z' },
    spec: { containers: null, overhead: { cpu: '1', memory: '1024500m' } },
    status: {},
  })
  assert.deepEqual(decodeJson('{"data":{"k":"YQ==\\n"}}', typeOf('', 'Secret')).object, { metadata: {}, data: { k: 'YQ==' } })
})

test('__proto__ is a key like any other', () => {
  for (const key of ['__proto__', '\\u005f_proto__']) {
    const { object } = decodeJson(`{"data":{"${key}":"x"}}`, configMap)
    assert.deepEqual(Object.keys(object['data'] as object), ['__proto__'])
    assert.equal(JSON.stringify(object), '{"metadata":{},"data":{"__proto__":"x"}}')
  }
  assert.deepEqual(decodeJson('{"__proto__":{"data":{"a":"b"}}}', configMap), {
    object: { metadata: {} },
    strictErrors: ['unknown field "__proto__"'],
  })
})

test('unions inside a schema: what is of no shape of theirs is nothing, and what is wrong inside ends the decoding', () => {
  const def = typeOf('apiextensions.k8s.io', 'CustomResourceDefinition')
  const decode = (schema: string): unknown => {
    const { object } = decodeJson(`{"spec":{"versions":[{"name":"v1","schema":{"openAPIV3Schema":${schema}}}]}}`, def)
    const { versions } = (object as unknown as { spec: { versions: { schema: { openAPIV3Schema: unknown } }[] } }).spec
    return versions[0]?.schema.openAPIV3Schema
  }
  assert.deepEqual(decode('{"type":"array","items":"x"}'), { type: 'array' })
  assert.deepEqual(decode('{"dependencies":{"a":1}}'), { dependencies: { a: null } })
  assert.deepEqual(decode('{"additionalProperties":false}'), { additionalProperties: false })
  assert.throws(() => decode('{"additionalProperties":1}'), { message: 'boolean or JSON schema expected' })
  const at = 'Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema'
  assert.throws(() => decode('{"type":1,"items":{"required":"x","type":2}}'), {
    message: `json: cannot unmarshal string into ${at}.items.required of type []string`,
  })
  assert.throws(() => decode('{"type":1,"items":"x"}'), { message: `json: cannot unmarshal number into ${at}.type of type string` })
})

test('a schema inside a CustomResourceDefinition keeps what it knows', () => {
  const def = typeOf('apiextensions.k8s.io', 'CustomResourceDefinition')
  const schema = {
    type: 'object',
    additionalProperties: false,
    properties: { a: { items: { type: 'string', nonsense: 1 }, enum: [null, 1, { a: 1 }], default: { x: [1] } } },
  }
  const body = { spec: { versions: [{ name: 'v1', schema: { openAPIV3Schema: schema } }] } }
  const { object, strictErrors } = decodeJson(JSON.stringify(body), def)
  const versions = (object['spec'] as { versions: { schema: { openAPIV3Schema: typeof schema } }[] }).versions
  assert.deepEqual(versions[0]?.schema.openAPIV3Schema, {
    type: 'object',
    additionalProperties: false,
    properties: { a: { items: { type: 'string' }, enum: [null, 1, { a: 1 }], default: { x: [1] } } },
  })
  assert.deepEqual(strictErrors, [])
})

test('kind and apiVersion of anything', () => {
  assert.deepEqual(typeMetaOf(parseJson('{"kind":"Pod"}')), { apiVersion: '', kind: 'Pod' })
  assert.deepEqual(typeMetaOf(parseJson('null')), { apiVersion: '', kind: '' })
  assert.throws(() => typeMetaOf(parseJson('{"kind":1}')), {
    message: "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string",
  })
})

test('the fast way and the slow way agree, and decoding twice changes nothing', () => {
  const container = fc.record(
    { name: fc.string(), image: fc.string(), tty: fc.boolean(), args: fc.array(fc.string()) },
    { requiredKeys: [] },
  )
  const labels = fc.dictionary(fc.string(), fc.string())
  const anyPod = fc.record(
    {
      metadata: fc.record({ name: fc.string(), labels }, { requiredKeys: [] }),
      spec: fc.record(
        { containers: fc.array(container), priority: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }) },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(anyPod, (value) => {
      const text = JSON.stringify(value)
      const fast = decodeJson(text, pod)
      // A field that nobody knows sends the same body the slow way.
      const slow = decodeJson(text === '{}' ? '{"nobody":1}' : `${text.slice(0, -1)},"nobody":1}`, pod)
      assert.deepEqual(slow.strictErrors, ['unknown field "nobody"'])
      assert.equal(JSON.stringify(slow.object).toWellFormed(), JSON.stringify(fast.object).toWellFormed())
      assert.deepEqual(decodeValue(fast.object, pod).object, fast.object)
      const stored = normalize(fast.object, pod)
      assert.deepEqual(normalize(stored, pod), structuredClone(stored))
    }),
  )
})

test('a required list that is empty stays one until it is stored', () => {
  const sent = decodeJson('{"spec":{"containers":[]}}', pod).object
  assert.deepEqual((sent['spec'] as JsonObject)['containers'], [])
  assert.equal((normalize(sent, pod)['spec'] as JsonObject)['containers'], null)
})
