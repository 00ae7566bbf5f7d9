import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { loadCatalog } from '../catalog/load.ts'
import type { Schema, TypeDef } from '../catalog/schema.ts'
import type { JsonObject, JsonValue } from '../resource.ts'
import { normalize } from './json.ts'
import { asJsonValue, numberOf } from './longIntegers.ts'
import { decodeProtobuf, encodeProtobuf, encodeWatchFrame, protobufTypeMeta } from './protobuf.ts'

const catalog = loadCatalog({ preReleases: true })
const typeOf = (group: string, version: string, kind: string): TypeDef => catalog.typeOfKind({ group, version, kind }) as TypeDef

/** Values of a schema, deep enough to meet every field and shallow enough to end. */
function arbitrary(schema: Schema, depth: number): fc.Arbitrary<JsonValue> {
  switch (schema.type) {
    case 'object':
      return arbitraryObject(schema.def, depth - 1)
    case 'array':
      return depth <= 0 ? fc.constant([]) : fc.array(arbitrary(schema.items, depth - 1), { maxLength: 2 })
    case 'map':
      return depth <= 0
        ? fc.constant({})
        : (fc.dictionary(fc.string(), arbitrary(schema.values, depth - 1), { maxKeys: 2 }) as fc.Arbitrary<JsonObject>)
    case 'boolean':
      return fc.boolean()
    case 'int32':
      return fc.integer()
    case 'int64':
      return fc.oneof(
        fc.maxSafeInteger(),
        fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map((value) => asJsonValue(numberOf(String(value)))),
      )
    case 'double':
      return fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Object.is(n, -0))
    case 'bytes':
      return fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes).toString('base64'))
    case 'time':
      return fc.integer({ min: 1, max: 4e9 }).map((s) => `${new Date(s * 1000).toISOString().slice(0, 19)}Z`)
    case 'microTime':
      return fc.integer({ min: 1, max: 4e9 }).map((s) => `${new Date(s * 1000).toISOString().slice(0, 19)}.000123Z`)
    case 'quantity':
      return fc.constantFrom('1', '500m', '1Gi', '0')
    case 'intOrString':
      return fc.oneof(fc.integer(), fc.string())
    case 'duration':
      return fc.constantFrom('1h0m0s', '1.5s')
    case 'any':
      return schema.definition === 'JSONSchemaPropsOrStringArray'
        ? fc.constant(['a'])
        : schema.definition?.startsWith('JSONSchema')
          ? fc.constant([{ type: 'string' }])
          : fc.constantFrom<JsonValue>({ a: [1, null] }, 'x', 1)
    case 'fieldsV1':
      return fc.constant({ 'f:a': {} })
    default:
      return fc.string()
  }
}

function arbitraryObject(def: TypeDef, depth: number): fc.Arbitrary<JsonObject> {
  // JSON pointers in JSONSchemaProps, and cells of tables, have no fixed form.
  const fields = def.fields.filter(
    (f) =>
      f.proto !== 0 &&
      !(f.schema.type === 'any' && f.schema.definition === 'JSONSchemaPropsOrBool') &&
      !(f.schema.type === 'array' && f.schema.items.type === 'any' && !f.schema.items.definition),
  )
  if (depth <= 0) return fc.constant({})
  const members = Object.fromEntries(fields.map((f) => [f.name, arbitrary(f.schema, depth)]))
  return fc.record(members, { requiredKeys: [] }) as fc.Arbitrary<JsonObject>
}

/** Protobuf cannot tell an empty list from none. */
function withoutEmpty(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.length ? value.map(withoutEmpty) : null
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withoutEmpty(member)]))
}

test('every kind survives the way through protobuf', () => {
  for (const gvk of catalog.kinds) {
    const def = typeOf(gvk.group, gvk.version, gvk.kind)
    if (!def.published || !def.fields.some((f) => f.proto > 0)) continue
    fc.assert(
      fc.property(arbitraryObject(def, 6), (object) => {
        const normal = normalize({ kind: gvk.kind, apiVersion: 'x/v1', ...object }, def)
        const back = decodeProtobuf(encodeProtobuf(normal, def), def)
        assert.deepEqual(withoutEmpty(back), withoutEmpty(normal))
      }),
      { numRuns: 3 },
    )
  }
})

test('the bytes are those of upstream', () => {
  const def = typeOf('', 'v1', 'ConfigMap')
  const bytes = encodeProtobuf({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { k: 'v' } }, def)
  assert.equal(
    Buffer.from(bytes).toString('latin1'),
    // What is no pointer in Go is there though nobody set it.
    'k8s\0\n\x0f\n\x02v1\x12\tConfigMap\x12\x1b\n\x11\n\x01a\x12\0\x1a\0"\0*\x002\x008\0B\0\x12\x06\n\x01k\x12\x01v\x1a\0"\0',
  )
  assert.deepEqual(protobufTypeMeta(bytes), { apiVersion: 'v1', kind: 'ConfigMap' })
  assert.equal(Buffer.from(encodeWatchFrame('ADDED', Uint8Array.of(1))).toString('latin1'), '\0\0\0\x0c\n\x05ADDED\x12\x03\n\x01\x01')
})

test('embedded structs are messages of their own', () => {
  const def = typeOf('', 'v1', 'Pod')
  const pod = {
    kind: 'Pod',
    apiVersion: 'v1',
    spec: { volumes: [{ name: 'v', emptyDir: {} }], containers: [{ name: 'c', livenessProbe: { httpGet: { port: 'http' } } }] },
  }
  const normal = normalize(pod, def)
  assert.deepEqual(decodeProtobuf(encodeProtobuf(normal, def), def), normal)
})

test('a schema keeps its unions', () => {
  const def = typeOf('apiextensions.k8s.io', 'v1', 'CustomResourceDefinition')
  for (const additionalProperties of [true, false, { type: 'string' }]) {
    const schema = { type: 'object', additionalProperties, default: { a: 1 }, enum: ['x', 1] }
    const crd = normalize(
      {
        kind: 'CustomResourceDefinition',
        apiVersion: 'apiextensions.k8s.io/v1',
        spec: { versions: [{ name: 'v1', schema: { openAPIV3Schema: schema } }] },
      },
      def,
    )
    const back = decodeProtobuf(encodeProtobuf(crd, def), def) as typeof crd
    assert.deepEqual(back.spec.versions[0]?.schema.openAPIV3Schema, schema)
  }
})

test('what is no protobuf is refused', () => {
  const def = typeOf('', 'v1', 'ConfigMap')
  assert.throws(() => decodeProtobuf(Buffer.from('{}'), def), { name: 'ProtobufError', message: /expected prefix \[107 56 115 0\]/ })
  assert.throws(() => decodeProtobuf(Buffer.from('k8s\0\n\xff\xff'), def), { name: 'ProtobufError' })
})

test('quantities are read as in JSON: in their shape, and not at all where they are none', () => {
  const def = typeOf('', 'v1', 'ResourceQuota')
  const decoded = (cpu: string): unknown =>
    decodeProtobuf(encodeProtobuf({ apiVersion: 'v1', kind: 'ResourceQuota', spec: { hard: { cpu } } }, def), def)['spec']
  assert.deepEqual(decoded('1000m'), { hard: { cpu: '1' } })
  for (const none of ['1x', '', ' 1'])
    assert.throws(() => decoded(none), { name: 'ProtobufError', message: /^quantities must match the regular expression/ })
})
