/** Whatever shape decodes is judged: no rule of any kind may throw on what it did not expect. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../../../api/catalog/load.ts'
import { decodeValue, normalize } from '../../../api/codec/json.ts'
import { applyDefaults } from '../../../api/defaulting/apply.ts'
import { strategies } from './table.ts'
import type { CatalogResource } from '../../../api/catalog/catalog.ts'
import type { Field, Schema } from '../../../api/catalog/schema.ts'
import type { JsonObject, JsonValue, KubeObject } from '../../../api/resource.ts'
import type { Strategy, StrategyContext } from '../strategy.ts'

interface Shape {
  /** Whether the field is set at all. */
  has(field: Field, depth: number): boolean
  items: number
  text: string
  number: number
}

const DEPTH = 11
const SHAPES: Record<string, Shape> = {
  'what is required': { has: (field) => field.required, items: 0, text: '', number: 0 },
  'empty structs': { has: (field, depth) => depth < 2 || field.schema.type === 'object', items: 0, text: '', number: 0 },
  'one empty item': { has: (field, depth) => depth < 2 || field.schema.type === 'array', items: 1, text: '', number: 0 },
  'lists of lists': { has: (field) => ['array', 'object', 'map'].includes(field.schema.type), items: 2, text: '', number: -1 },
  everything: { has: () => true, items: 2, text: 'a', number: 1 },
  'everything wrong': { has: () => true, items: 1, text: '_/%\u0001', number: -2 },
}

const SCALARS: Partial<Record<Schema['type'], JsonValue>> = {
  boolean: true,
  bytes: 'YQ==',
  time: '2026-01-01T00:00:00Z',
  microTime: '2026-01-01T00:00:00.000000Z',
  duration: '30s',
  quantity: '1',
  fieldsV1: {},
  any: {},
}

function make(schema: Schema, shape: Shape, depth: number): JsonValue {
  const { items, text, number } = shape
  if (schema.type === 'array') return Array.from({ length: items }, () => make(schema.items, shape, depth + 1))
  if (schema.type === 'map') return items === 0 ? {} : { [text || 'k']: make(schema.values, shape, depth + 1) }
  if (schema.type === 'object') {
    const fields = depth > DEPTH ? [] : schema.def.fields.filter((field) => shape.has(field, depth))
    const valueOf = ({ schema: inner, enum: values }: Field): JsonValue =>
      (inner.type === 'string' && text === 'a' && values?.[0]) || make(inner, shape, depth + 1)
    return Object.fromEntries(fields.map((field) => [field.name, valueOf(field)]))
  }
  if (schema.type === 'string') return text
  return SCALARS[schema.type] ?? number
}

function objectOf(resource: CatalogResource, shape: Shape): KubeObject {
  const given = make({ type: 'object', def: resource.type }, shape, 0) as JsonObject
  const { object } = decodeValue({ ...given, metadata: { name: 'a', namespace: 'ns', resourceVersion: '1' } }, resource.type)
  applyDefaults(resource.type, object)
  return normalize(object, resource.type) as unknown as KubeObject
}

const context = {
  user: { name: 'u', groups: [], extra: {} },
  verb: 'update',
  refusal: () => undefined,
  group: 'events.k8s.io',
  now: '2026-01-01T00:00:00Z',
  dryRun: false,
  reader: { get: () => undefined, list: () => [] },
  warnings: [],
} as unknown as StrategyContext

function judge(strategy: Strategy, next: KubeObject, old: KubeObject): void {
  strategy.validateCreate?.(next, context)
  strategy.warningsOnCreate?.(next)
  strategy.validateUpdate?.(next, old, context)
  strategy.validateStatusUpdate?.(next, old, context)
  strategy.warningsOnUpdate?.(next, old)
}

const catalog = loadCatalog()

for (const [key, strategy] of strategies) {
  const [group = '', name = ''] = key.split('/')
  const resource = catalog.groups
    .find((g) => g.name === group)
    ?.versions.flatMap((version) => catalog.resource(group, version, name) ?? [])[0]
  test(`rules of ${key}`, () => {
    assert.ok(resource)
    const objects = Object.entries(SHAPES).map(([shape, rules]) => ({ shape, object: objectOf(resource, rules) }))
    for (const next of objects) {
      for (const old of objects)
        assert.doesNotThrow(() => judge(strategy, next.object, old.object), `${next.shape}, before it ${old.shape}`)
    }
  })
}
