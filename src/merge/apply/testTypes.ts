/** Types and objects that the tests of this folder share. */
import * as fc from 'fast-check'
import { loadCatalog } from '../../api/catalog/load.ts'
import type { Field, Schema, TypeDef } from '../../api/catalog/schema.ts'
import type { JsonObject } from '../jsonValue.ts'
import type { FieldSet } from './fieldSet.ts'
import { DEDUCED } from './typedValue.ts'

const catalog = loadCatalog()

export function typeOf(kind: string, group = '', version = 'v1'): TypeDef {
  const type = catalog.typeOfKind({ group, version, kind })
  if (!type) throw new Error(`the catalog has no ${kind}`)
  return type
}

/** An object type as a custom resource's schema gives it. */
export function customType(fields: Record<string, Schema>, more: Partial<TypeDef> = {}): TypeDef {
  const list: Field[] = Object.entries(fields).map(([name, schema]) => ({ name, schema, proto: 0, required: false, patchStrategy: [] }))
  return {
    name: '',
    goName: 'object',
    fields: list,
    fieldByName: new Map(list.map((f) => [f.name, f])),
    atomic: false,
    preserveUnknownFields: false,
    ...more,
  }
}

/** What every object of the API has. */
export const kindFields: Record<string, Schema> = { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: DEDUCED }

const item = customType({
  key: { type: 'string' },
  size: { type: 'int32' },
  labels: { type: 'map', values: { type: 'string' }, atomic: false },
})

/** One of everything. */
export const sampleType = customType({
  ...kindFields,
  scalar: { type: 'string' },
  map: { type: 'map', values: { type: 'int32' }, atomic: false },
  atomicMap: { type: 'map', values: { type: 'int32' }, atomic: true },
  list: { type: 'array', items: { type: 'object', def: item }, listType: 'map', listMapKeys: ['key'] },
  set: { type: 'array', items: { type: 'string' }, listType: 'set', listMapKeys: [] },
  atomicList: { type: 'array', items: { type: 'int32' }, listType: 'atomic', listMapKeys: [] },
  struct: { type: 'object', def: customType({ a: { type: 'string' }, b: { type: 'boolean' } }, { preserveUnknownFields: true }) },
})

const someKey = fc.constantFrom('a', 'b', 'c')
const someMap = fc.dictionary(someKey, fc.nat(2), { noNullPrototype: true })

export const someSample: fc.Arbitrary<JsonObject> = fc.record(
  {
    scalar: fc.constantFrom('x', 'y'),
    map: someMap,
    atomicMap: someMap,
    list: fc.uniqueArray(
      fc.record(
        { key: someKey, size: fc.nat(2), labels: fc.dictionary(someKey, fc.constantFrom('1', '2'), { noNullPrototype: true }) },
        { requiredKeys: ['key'], noNullPrototype: true },
      ),
      { selector: ({ key }) => key, maxLength: 3 },
    ),
    set: fc.uniqueArray(someKey, { maxLength: 3 }),
    atomicList: fc.array(fc.nat(2), { maxLength: 2 }),
    struct: fc.record({ a: fc.constantFrom('1', '2'), b: fc.boolean(), other: someMap }, { requiredKeys: [], noNullPrototype: true }),
  },
  { requiredKeys: [], noNullPrototype: true },
)

const element = fc.constantFrom('f:a', 'f:b', 'k:{"key":"a"}', 'v:1', 'v:10', 'v:9')

/** Any field set but the empty one below the root, which would be a member. */
export const someFieldSet: fc.Arbitrary<FieldSet> = fc.letrec<{ node: FieldSet; set: FieldSet }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 2 },
    fc.constant({}),
    fc.tuple(fc.boolean(), tie('set')).map(([self, set]) => (self && Object.keys(set).length > 0 ? { '.': {}, ...set } : set)),
  ),
  set: fc.dictionary(element, tie('node'), { maxKeys: 3, noNullPrototype: true }),
})).set
