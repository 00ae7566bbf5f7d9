import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadCatalog } from '../../api/catalog/load.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import type { FieldError } from '../../api/status.ts'
import { Correlated } from './correlation.ts'
import { applyDefaults } from './defaulting.ts'
import { validateDefaults } from './defaultValidation.ts'
import { formatCheck } from './formats.ts'
import type { Json, JsonSchema } from './jsonSchema.ts'
import { validateListTypes } from './listTypes.ts'
import { coerceMetadata, dropNulls, prune } from './pruning.ts'
import { publishedSchema } from './publishedSchema.ts'
import { schemaPath, shownPath } from './schemaPaths.ts'
import { validateSchemaRules } from './schemaRules.ts'
import { shownSchema } from './internalForm.ts'
import { validateEmbedded } from './embeddedValidation.ts'
import { validateStructural } from './structural.ts'
import { typeOfSchema } from './types.ts'
import { validateValue } from './valueValidation.ts'

const metaType = loadCatalog().type('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta') as TypeDef
const texts = (errors: readonly FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`)

describe('pruning', () => {
  const schema: JsonSchema = {
    type: 'object',
    properties: {
      spec: { type: 'object', properties: { known: { type: 'string' } } },
      open: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { shut: { type: 'object' } } },
      map: { type: 'object', additionalProperties: { type: 'object', properties: { a: { type: 'string' } } } },
      list: { type: 'array', items: { type: 'object', properties: { a: { type: 'string' } } } },
    },
  }

  test('cuts what is not declared, and tells where', () => {
    const object: Json = {
      apiVersion: 'x/v1',
      kind: 'X',
      metadata: { name: 'a' },
      spec: { known: 'k', unknown: 1 },
      open: { anything: { at: 'all' }, shut: { gone: true } },
      map: { key: { a: 'a', b: 'b' } },
      list: [{ a: 'a' }, { b: 'b' }],
      top: 1,
    }
    const unknown: string[] = []
    prune(object, schema, true, unknown)
    assert.deepEqual(unknown, ['list[1].b', 'map.key.b', 'open.shut.gone', 'spec.unknown', 'top'])
    assert.deepEqual(object, {
      apiVersion: 'x/v1',
      kind: 'X',
      metadata: { name: 'a' },
      spec: { known: 'k' },
      open: { anything: { at: 'all' }, shut: {} },
      map: { key: { a: 'a' } },
      list: [{ a: 'a' }, {}],
    })
  })

  test('drops nulls that may not be null and have no default', () => {
    const object: Json = { a: null, b: null, c: null }
    const properties = { a: { type: 'string' }, b: { type: 'string', nullable: true }, c: { type: 'string', default: 'x' } }
    dropNulls(object, { type: 'object', properties })
    assert.deepEqual(object, { b: null, c: null })
  })

  test('metadata of what a client sends has to be metadata; what is stored loses what is malformed', () => {
    const sent: Json = { metadata: { name: 'a', labels: { a: 1 }, odd: true } }
    const unknown: string[] = []
    assert.throws(
      () => coerceMetadata(sent, '', { type: metaType, dropMalformed: false }, unknown),
      /cannot unmarshal number into Go struct field/,
    )
    coerceMetadata(sent, '', { type: metaType, dropMalformed: true }, unknown)
    assert.deepEqual(sent, { metadata: { name: 'a' } })
  })
})

test('defaults fill what is missing and nulls that may not be null, below lists and maps too', () => {
  const item: JsonSchema = { type: 'object', properties: { protocol: { type: 'string', default: 'TCP' } } }
  const schema: JsonSchema = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        default: {},
        properties: { size: { type: 'integer', default: 3 }, none: { type: 'string', nullable: true, default: 'n' } },
      },
      ports: { type: 'array', items: item },
      byName: { type: 'object', additionalProperties: item },
    },
  }
  const object: Json = { ports: [{}, { protocol: 'UDP' }, { protocol: null }], byName: { a: {} } }
  applyDefaults(object, schema)
  assert.deepEqual(object, {
    spec: { size: 3, none: 'n' },
    ports: [{ protocol: 'TCP' }, { protocol: 'UDP' }, { protocol: 'TCP' }],
    byName: { a: { protocol: 'TCP' } },
  })
  const given: Json = { spec: { none: null } }
  applyDefaults(given, schema)
  assert.deepEqual(given, { spec: { size: 3, none: null } })
})

describe('values', () => {
  const cases: readonly (readonly [name: string, schema: JsonSchema, value: unknown, errors: readonly string[]])[] = [
    ['required', { type: 'object', required: ['a'] }, {}, ['a: Required value']],
    ['type', { type: 'integer' }, 'x', ['<nil>: Invalid value: "string":  in body must be of type integer: "string"']],
    [
      'null',
      { type: 'object', properties: { a: { type: 'string' } } },
      { a: null },
      ['a: Invalid value: "null": a in body must be of type string: "null"'],
    ],
    ['nullable', { type: 'object', properties: { a: { type: 'string', nullable: true } } }, { a: null }, []],
    [
      'int or string',
      { type: 'object', properties: { a: { 'x-kubernetes-int-or-string': true } } },
      { a: 1.5 },
      ['a: Invalid value: "number": a in body must be of type integer,string: "number"'],
    ],
    [
      'too many items',
      { type: 'object', properties: { a: { type: 'array', maxItems: 1, items: { type: 'string' } } } },
      { a: ['x', 'y'] },
      ['a: Too many: 2: must have at most 1 item'],
    ],
    [
      'doubles as Go prints them',
      { type: 'object', properties: { a: { type: 'number', maximum: 2 } } },
      { a: 1e19 },
      ['a: Invalid value: 1e+19: a in body should be less than or equal to 2'],
    ],
    [
      'the multiple of a long integer',
      { type: 'object', properties: { a: { type: 'integer', multipleOf: 2 } } },
      { a: 9_007_199_254_740_993n },
      ['a: Invalid value: 9007199254740993: a in body should be a multiple of 2'],
    ],
    [
      'what is just below the 64 bits',
      { type: 'object', properties: { a: { 'x-kubernetes-int-or-string': true } } },
      { a: -(2 ** 63) },
      ['a: Invalid value: "number": a in body must be of type integer,string: "number"'],
    ],
    [
      'too few properties',
      { type: 'object', properties: { a: { type: 'object', minProperties: 1 } } },
      { a: {} },
      ['a: Invalid value: 0: a in body should have at least 1 properties'],
    ],
    ['characters, not bytes', { type: 'object', properties: { a: { type: 'string', maxLength: 2 } } }, { a: '😀😀' }, []],
    [
      'oneOf',
      { type: 'object', properties: { a: { type: 'string' }, b: { type: 'string' } }, oneOf: [{ required: ['a'] }, { required: ['b'] }] },
      { a: '', b: '' },
      ['<nil>: Invalid value: "": "" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
    ],
    [
      'not',
      { type: 'object', properties: { a: { type: 'string', not: { enum: ['x'] } } } },
      { a: 'x' },
      ['<nil>: Invalid value: "": "a" must not validate the schema (not)'],
    ],
    ['an unknown format is no rule', { type: 'object', properties: { a: { type: 'string', format: 'mine' } } }, { a: 'x' }, []],
  ]
  for (const [name, schema, value, errors] of cases) test(name, () => assert.deepEqual(texts(validateValue(value, schema)), errors))

  test('a pattern that would take for ever elsewhere takes no time', () => {
    const schema: JsonSchema = { type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } }
    const startMs = performance.now()
    assert.equal(validateValue({ a: `${'a'.repeat(5_000)}!` }, schema).length, 1)
    assert.ok(performance.now() - startMs < 2_000)
  })

  test('what was invalid and has not changed is let be, in maps and in lists with keys', () => {
    const item: JsonSchema = { type: 'object', properties: { k: { type: 'string' }, n: { type: 'integer', maximum: 1 } } }
    const schema: JsonSchema = {
      type: 'object',
      properties: {
        n: { type: 'integer', maximum: 1 },
        list: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'], items: item },
        atomic: { type: 'array', items: item },
      },
    }
    const old = {
      n: 5,
      list: [
        { k: 'a', n: 5 },
        { k: 'b', n: 5 },
      ],
      atomic: [{ k: 'a', n: 5 }],
    }
    const check = (next: object): string[] => validateValue(next, schema, '', new Correlated(next, old, schema)).map(({ field }) => field)
    assert.deepEqual(check({ ...old, other: 1 }), [])
    assert.deepEqual(check({ ...old, n: 6 }), ['n'])
    assert.deepEqual(
      check({
        ...old,
        list: [
          { k: 'b', n: 5 },
          { k: 'a', n: 6 },
        ],
      }),
      ['list[1].n'],
    )
    assert.deepEqual(check({ ...old, atomic: [{ k: 'a', n: 5 }, { k: 'b' }] }), ['atomic[0].n'])
  })
})

test('formats', () => {
  const cases: Record<string, readonly [good: string[], bad: string[]]> = {
    'date-time': [
      ['2020-01-01T00:00:00Z', '2020-01-01t00:00:00.5+01:00'],
      ['2020-01-01', '2020-01-01T25:00:00Z', '2020-01-01T00:00:00'],
    ],
    date: [['2020-02-29'], ['2021-02-29', '2020-1-1']],
    duration: [
      ['1h30m', '22 ns', '3 weeks', '0', 'a-12d3-b'],
      ['1 fortnight', 'x'],
    ],
    byte: [
      ['YWJj', 'YQ=='],
      ['', 'YQ', '***'],
    ],
    hostname: [
      ['example.com', 'a'],
      ['-x-', `${'a'.repeat(64)}.com`],
    ],
    email: [
      ['a@b', 'A B <a@b.c>'],
      ['x', 'a@'],
    ],
    uri: [
      ['https://x/y', '/path'],
      ['no scheme', ''],
    ],
    ipv4: [
      ['1.2.3.4', '01.002.3.4'],
      ['::1', '1.2.3.0256'],
    ],
    ipv6: [['::1'], ['1.2.3.4']],
    cidr: [['10.0.0.0/8'], ['10.0.0.0']],
    mac: [
      ['00:11:22:33:44:55', '0011.2233.4455', '001122334455'],
      ['00:11', '0011'],
    ],
    uuid4: [['123e4567-e89b-42d3-a456-426614174000'], ['123e4567-e89b-12d3-a456-426614174000']],
    isbn10: [['0321751043'], ['0321751044']],
    isbn13: [['978-0321751041'], ['978-0321751042']],
    creditcard: [['4242 4242 4242 4242'], ['4242 4242 4242 4241']],
    rgbcolor: [['rgb(1,2,255)'], ['rgb(1,2,256)']],
  }
  for (const [format, [good, bad]] of Object.entries(cases)) {
    for (const text of good) assert.equal(formatCheck(format)?.(text), true, `${format} ${text}`)
    for (const text of bad) assert.equal(formatCheck(format)?.(text), false, `${format} ${text}`)
  }
})

test('sets and maps hold nothing twice', () => {
  const set: JsonSchema = { type: 'array', 'x-kubernetes-list-type': 'set' }
  assert.deepEqual(texts(validateListTypes({ a: ['x', 'y', 'x', 'x'] }, { properties: { a: set } })), ['a[2]: Duplicate value: "x"'])
  const map: JsonSchema = { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k', 'l'] }
  const items = [
    { k: 1, l: 2 },
    { l: 2, k: 1, more: true },
  ]
  assert.deepEqual(texts(validateListTypes({ a: items }, { properties: { a: map } })), ['a[1]: Duplicate value: {"k":1,"l":2}'])
})

describe('schemas', () => {
  const at = 'schema'
  const inSpec = (spec: object): JsonSchema => ({ type: 'object', properties: { spec: spec as JsonSchema } })

  test('an alternative may check what is declared, and declare nothing', () => {
    const alternative = (part: object): string[] =>
      texts(validateStructural({ type: 'object', properties: { a: { type: 'string' } }, anyOf: [part as JsonSchema] }, at))
    assert.deepEqual(alternative({ required: ['a'] }), [])
    assert.deepEqual(alternative({ properties: { a: { minLength: 1 } } }), [])
    assert.deepEqual(alternative({ properties: { b: { minLength: 1 } } }), [
      'schema.properties[b]: Required value: because it is defined in schema.anyOf[0].properties[b]',
    ])
    assert.deepEqual(alternative({ description: 'x' }), ['schema.anyOf[0].description: Forbidden: must be empty to be structural'])
  })

  test('the metadata at the root says nothing but how names look', () => {
    const metadata = (properties: object) =>
      texts(validateStructural({ type: 'object', properties: { metadata: { type: 'object', properties } } } as JsonSchema, at))
    assert.deepEqual(metadata({ name: { type: 'string', maxLength: 5 } }), [])
    assert.deepEqual(metadata({ labels: { type: 'object' } }), [
      'schema.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified',
    ])
  })

  test('defaults have to be valid and known', () => {
    const rules = { metaType, requirePruned: true }
    const check = (spec: object) => texts(validateDefaults(inSpec(spec), at, rules))
    assert.deepEqual(check({ type: 'object', default: { a: 'x' }, properties: { a: { type: 'string' } } }), [])
    assert.deepEqual(check({ type: 'object', default: { b: 1 }, properties: { a: { type: 'string' } } }), [
      'schema.properties[spec].default: Invalid value: {"b":1}: must not have unknown fields',
    ])
    assert.deepEqual(check({ type: 'string', enum: ['a'], default: 'b' }), [
      'schema.properties[spec].default: Unsupported value: "b": supported values: "a"',
    ])
  })

  test('a default is shown as it stands there, and limits below zero are no numbers of anything', () => {
    const rules = { metaType, requirePruned: false }
    assert.deepEqual(texts(validateDefaults(inSpec({ type: 'string', enum: ['a'], default: [{ v: 1 }] }), at, rules)), [
      'schema.properties[spec].default: Invalid value: "array":  in body must be of type string: "array"',
      'schema.properties[spec].default: Unsupported value: [{"v":1}]: supported values: "a"',
    ])
    assert.deepEqual(texts(validateValue('x', { type: 'string', maxLength: -1 })), ['<nil>: Too long: value is too long'])
    assert.deepEqual(texts(validateValue([], { type: 'array', maxItems: -1 }, 'a')), ['a: Too many: 0: has too many items'])
  })

  test('a default inside of metadata has to make metadata', () => {
    const check = (properties: object) => {
      const embedded = { type: 'object', 'x-kubernetes-embedded-resource': true, properties }
      const errors = texts(validateDefaults(inSpec(embedded), at, { metaType, requirePruned: true }))
      return errors.map((text) => text.replace('schema.properties[spec].properties', ''))
    }
    const of = 'must result in valid metadata:'
    assert.deepEqual(check({ kind: { type: 'string', default: 'Pod' }, metadata: { type: 'object', default: { name: 'a' } } }), [])
    assert.deepEqual(check({ kind: { type: 'string', default: 1 }, apiVersion: { type: 'string', default: 'a/b/c' } }), [
      `[kind].default: Invalid value: 1: ${of} kind: Invalid value: 1: must be a string`,
      `[apiVersion].default: Invalid value: "a/b/c": ${of} apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c`,
    ])
    assert.deepEqual(check({ metadata: { type: 'object', default: -1 } }), [
      `[metadata].default: Invalid value: -1: ${of} metadata: Invalid value: -1: json: cannot unmarshal number into Go value of type v1.ObjectMeta`,
    ])
    const labels = { type: 'object', default: { 'a b': '' } }
    const syntax = /metadata\.labels: Invalid value: "a b"/
    assert.match(check({ metadata: { type: 'object', properties: { labels } } }).join(), syntax)
  })

  test('a list type that is empty is one', () => {
    const errors = texts(validateStructural(inSpec({ type: 'object', not: { 'x-kubernetes-list-type': '' } }), at))
    assert.deepEqual(errors, ['schema.properties[spec].not.x-kubernetes-list-type: Forbidden: must be undefined to be structural'])
  })

  test('a schema is shown with all that it has', () => {
    const shown = shownSchema({
      patternProperties: { a: {} },
      additionalItems: true,
      dependencies: { a: ['b'], c: {}, d: null },
    } as unknown as JsonSchema) as Record<string, unknown>
    const none = shownSchema({})
    assert.deepEqual(shown['PatternProperties'], { a: none })
    assert.deepEqual(shown['AdditionalItems'], { Allows: true, Schema: null })
    const dependencies = { a: { Schema: null, Property: ['b'] }, c: { Schema: none, Property: null }, d: { Schema: null, Property: null } }
    assert.deepEqual(shown['Dependencies'], dependencies)
  })

  test('finalizers of embedded objects need no domain, only the syntax', () => {
    const schema = inSpec({ type: 'object', 'x-kubernetes-embedded-resource': true })
    const check = (finalizer: string) => {
      const spec = { apiVersion: 'v1', kind: 'Pod', metadata: { finalizers: [finalizer] } }
      return validateEmbedded({ spec }, schema, '', metaType).map(({ field }) => field)
    }
    assert.deepEqual(check('mine'), [])
    assert.deepEqual(check('a b'), ['spec.metadata.finalizers'])
  })

  test('rules of their own', () => {
    const options = { requireValidTypes: true, requireAtomicSets: true, requireMapKeys: true }
    const check = (spec: object) =>
      texts(validateSchemaRules(inSpec(spec), at, options)).map((text) => text.replace('schema.properties[spec].', ''))
    assert.deepEqual(check({ type: 'string', 'x-kubernetes-list-type': 'set' }), [
      'type: Invalid value: "string": must be array if x-kubernetes-list-type is specified',
    ])
    assert.deepEqual(check({ type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'object' } }), [
      'items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set',
    ])
    assert.deepEqual(check({ 'x-kubernetes-preserve-unknown-fields': false }), [
      'x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined',
    ])
  })

  test('as a type they say what apply has to know', () => {
    const type = typeOfSchema(
      inSpec({
        type: 'object',
        properties: {
          ports: {
            type: 'array',
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['p'],
            items: { type: 'object', properties: { p: { type: 'string', default: 'TCP' } } },
          },
          atomic: { type: 'object', 'x-kubernetes-map-type': 'atomic', additionalProperties: { type: 'string' } },
          any: { 'x-kubernetes-preserve-unknown-fields': true },
        },
      }),
      metaType,
    )
    assert.deepEqual([...type.fieldByName.keys()], ['apiVersion', 'kind', 'metadata', 'spec'])
    const spec = type.fieldByName.get('spec')?.schema
    assert.ok(spec?.type === 'object')
    const ports = spec.def.fieldByName.get('ports')?.schema
    assert.ok(ports?.type === 'array' && ports.items.type === 'object')
    assert.deepEqual([ports.listType, ports.listMapKeys, ports.items.def.fieldByName.get('p')?.default], ['map', ['p'], 'TCP'])
    const atomic = spec.def.fieldByName.get('atomic')?.schema
    assert.ok(atomic?.type === 'map' && atomic.atomic)
    assert.equal(spec.def.fieldByName.get('any')?.schema.type, 'any')
  })

  test('version 2 of OpenAPI is told what it can say', () => {
    const schema = inSpec({
      type: 'object',
      required: ['a', 'n'],
      anyOf: [{ required: ['a'] }],
      properties: {
        a: { type: 'string' },
        n: { type: 'object', nullable: true, properties: { x: { type: 'string' } } },
        open: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { x: { type: 'string' } } },
      },
    })
    assert.deepEqual((publishedSchema(schema, 2, false)['properties'] as Json)['spec'], {
      type: 'object',
      required: ['a'],
      properties: { a: { type: 'string' }, n: {}, open: { 'x-kubernetes-preserve-unknown-fields': true } },
    })
    assert.deepEqual((publishedSchema(schema, 3, false)['properties'] as Json)['spec'], schema.properties?.['spec'])
    assert.deepEqual(publishedSchema({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true }, 2, false), { type: 'object' })
    const metadata = (version: 2 | 3): Json => (publishedSchema(schema, version, false)['properties'] as Json)['metadata'] as Json
    assert.equal(metadata(2)['$ref'], '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta')
    assert.deepEqual(metadata(3)['allOf'], [{ $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' }])
    assert.ok(metadata(3)['description'])
  })

  test('what is understood of an int-or-string is published in version 3, defaults are not in version 2', () => {
    const schema = inSpec({ type: 'object', properties: { port: { 'x-kubernetes-int-or-string': true, default: 80 } } })
    const port = (version: 2 | 3): Json => {
      const spec = (publishedSchema(schema, version, false)['properties'] as Json)['spec'] as Json
      return (spec['properties'] as Json)['port'] as Json
    }
    assert.deepEqual(port(2), { 'x-kubernetes-int-or-string': true })
    assert.deepEqual(port(3)['anyOf'], [{ type: 'integer' }, { type: 'string' }])
    assert.equal(port(3)['default'], 80)
  })

  test('field paths', () => {
    const schema = inSpec({
      type: 'object',
      properties: { 'a.b': { type: 'string' }, map: { type: 'object', additionalProperties: { type: 'string' } } },
    })
    const shown = (path: string): string => {
      const found = schemaPath(path, schema)
      return typeof found === 'string' ? found : shownPath(found)
    }
    assert.equal(shown(".spec['a.b']"), 'spec.a.b')
    assert.equal(shown(".spec.map['x']"), 'spec.map[x]')
    assert.equal(shown('.spec.none'), 'does not refer to a valid field')
    assert.equal(shown('spec'), 'expected [ or . but got: spec')
    assert.equal(schemaPath(".spec['a.b']", schema, false), 'array notation is not allowed')
  })
})
