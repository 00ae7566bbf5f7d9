import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { FieldError } from '../../api/status.ts'
import { Correlated } from './correlation.ts'
import { SchemaExpressions, compiledRules } from './expressions.ts'
import type { JsonSchema } from './jsonSchema.ts'
import { validateSchemaRules } from './schemaRules.ts'

const texts = (errors: readonly FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`)

/** What an update of `old` (undefined: a create) is answered. */
function judge(schema: JsonSchema, value: object, old?: object): string[] {
  const correlated = old && new Correlated(value, old, schema)
  return texts(compiledRules(schema).validate(value, old, correlated))
}

const spec = (properties: Record<string, JsonSchema>, rest: object = {}): JsonSchema => ({
  type: 'object',
  properties: { spec: { type: 'object', properties, ...rest } },
})

describe('expressions judge an object', () => {
  test('by its values, its kind and its name', () => {
    const schema: JsonSchema = {
      ...spec({}),
      'x-kubernetes-validations': [{ rule: "self.metadata.name.startsWith('a') && self.kind == 'X'", message: 'no' }],
    }
    assert.deepEqual(judge(schema, { kind: 'X', metadata: { name: 'a' } }), [])
    assert.deepEqual(judge(schema, { kind: 'X', metadata: { name: 'b' } }), ['<nil>: Invalid value: no'])
  })

  test('below lists and maps, where they stand', () => {
    const item: JsonSchema = { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self > 0' }] }
    const schema = spec({ list: { type: 'array', items: item }, map: { type: 'object', additionalProperties: item } })
    assert.deepEqual(judge(schema, { spec: { list: [1, 0], map: { a: 1, b: -1 } } }), [
      'spec.list[1]: Invalid value: 0: failed rule: self > 0',
      'spec.map[b]: Invalid value: -1: failed rule: self > 0',
    ])
  })

  test('with the reason, field and message of the rule', () => {
    const rule = {
      rule: 'self.a <= self.b',
      messageExpression: '"a is " + string(self.a)',
      reason: 'FieldValueForbidden',
      fieldPath: '.a',
    }
    const schema = spec({ a: { type: 'integer' }, b: { type: 'integer' } }, { 'x-kubernetes-validations': [rule] })
    assert.deepEqual(judge(schema, { spec: { a: 2, b: 1 } }), ['spec.a: Forbidden: a is 2'])
  })

  test('by the old value, where there is one; lists by their keys', () => {
    const entry: JsonSchema = {
      type: 'object',
      properties: {
        k: { type: 'string' },
        v: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self >= oldSelf', message: 'may not shrink' }] },
      },
    }
    const schema = spec({ list: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'], items: entry } })
    const old = {
      spec: {
        list: [
          { k: 'a', v: 5 },
          { k: 'b', v: 5 },
        ],
      },
    }
    assert.deepEqual(judge(schema, old), [])
    assert.deepEqual(
      judge(
        schema,
        {
          spec: {
            list: [
              { k: 'new', v: 0 },
              { k: 'b', v: 4 },
              { k: 'a', v: 6 },
            ],
          },
        },
        old,
      ),
      ['spec.list[1].v: Invalid value: 4: may not shrink'],
    )
  })

  test('by an old value that may not be there, where the rule says so', () => {
    const rule = { rule: "oldSelf.hasValue() ? self == oldSelf.value() : self == 'first'", optionalOldSelf: true, message: 'no' }
    const schema = spec({ a: { type: 'string', 'x-kubernetes-validations': [rule] } })
    assert.deepEqual(judge(schema, { spec: { a: 'first' } }), [])
    assert.deepEqual(judge(schema, { spec: { a: 'second' } }), ['spec.a: Invalid value: "second": no'])
    assert.deepEqual(judge(schema, { spec: { a: 'second' } }, { spec: { a: 'second' } }), [])
    assert.deepEqual(judge(schema, { spec: { a: 'first' } }, { spec: { a: 'second' } }), ['spec.a: Invalid value: "first": no'])
  })

  test('and let be what was wrong before and has not changed', () => {
    const schema = spec({ a: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self < 10' }] }, b: { type: 'string' } })
    const old = { spec: { a: 20 } }
    assert.deepEqual(judge(schema, { spec: { a: 20, b: 'new' } }, old), [])
    assert.equal(judge(schema, { spec: { a: 21 } }, old).length, 1)
    const warnings: string[] = []
    const next = { spec: { a: 20, b: 'new' } }
    compiledRules(schema).validate(next, old, new Correlated(next, old, schema), warnings)
    assert.deepEqual(warnings, ['spec.a: Invalid value: 20: failed rule: self < 10'])
  })

  test('within what a request may cost', () => {
    const rule = { rule: 'self.all(x, self.all(y, x == y || x != y))' }
    const schema = spec({ list: { type: 'array', items: { type: 'string' }, 'x-kubernetes-validations': [rule] } })
    const list = Array.from({ length: 2_000 }, (_, i) => `item ${i}`)
    const startMs = performance.now()
    const [error, ...more] = judge(schema, { spec: { list } })
    assert.deepEqual(more, [])
    assert.match(
      error ?? '',
      /^spec\.list: Invalid value: "array": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run/,
    )
    assert.ok(performance.now() - startMs < 20_000)
  })
})

describe('a definition may hold expressions', () => {
  const options = { requireValidTypes: true, requireAtomicSets: true, requireMapKeys: true }
  function check(schema: JsonSchema, unchanged = false): string[] {
    const context = new SchemaExpressions().context(schema, unchanged)
    return [...texts(validateSchemaRules(schema, 's', options, context)), ...texts(context.total('s'))]
  }
  const rule = (text: string, rest: object = {}) => ({ 'x-kubernetes-validations': [{ rule: text, ...rest }] })

  test('that compile, to what they have to be', () => {
    const shown = '{"Rule":"1","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}'
    assert.deepEqual(check(spec({ a: { type: 'string', ...rule('1') } })), [
      `s.properties[spec].properties[a].x-kubernetes-validations[0].rule: Invalid value: ${shown}: cel expression must evaluate to a bool`,
    ])
  })

  test('that cost no more than can be borne', () => {
    const expensive = spec({ a: { type: 'array', items: { type: 'string', ...rule("self.contains('x')") } } })
    assert.match(check(expensive)[0] ?? '', /Forbidden: estimated rule cost exceeds budget by factor of more than 100x \(try simplifying/)
    const bounded = spec({ a: { type: 'array', maxItems: 10, items: { type: 'string', maxLength: 10, ...rule("self.contains('x')") } } })
    assert.deepEqual(check(bounded), [])
    const huge = (2n ** 63n - 1n) as unknown as number
    const endless = spec({
      a: { type: 'array', maxItems: huge, items: { type: 'string', maxLength: huge, ...rule("self.contains('x')") } },
    })
    assert.match(check(endless)[0] ?? '', /Forbidden: estimated rule cost exceeds budget by factor of more than 100x/)
  })

  test('about old values only where there is one to be found', () => {
    const list = { type: 'array', maxItems: 5, items: { type: 'integer', ...rule('self == oldSelf') } } as JsonSchema
    assert.deepEqual(check(spec({ list })), [
      's.properties[spec].properties[list].items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within s.properties[spec].properties[list]',
    ])
    assert.deepEqual(check(spec({ a: { type: 'integer', ...rule('self > 0', { optionalOldSelf: true }) } })), [
      's.properties[spec].properties[a].x-kubernetes-validations[0].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule',
    ])
  })
})
