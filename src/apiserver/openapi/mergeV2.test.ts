import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../api/resource.ts'
import { mergeV2, schemasOf, v3OfV2 } from './mergeV2.ts'

const ref = (name: string): JsonObject => ({ $ref: `#/definitions/${name}` })
const get = (name: string): JsonObject => ({
  get: { produces: ['application/json'], responses: { 200: { description: 'OK', schema: ref(name) } } },
})

test('a document is cut to its paths and what they refer to', () => {
  const cut = schemasOf(
    {
      paths: { '/apis/g/v1/a': get('A'), '/version': get('V') },
      definitions: { A: { properties: { b: ref('B') } }, B: { properties: { a: ref('A') } }, V: {} },
    },
    '/apis/g/v1/',
  )
  assert.deepEqual(Object.keys(cut['paths'] as JsonObject), ['/apis/g/v1/a'])
  assert.deepEqual(Object.keys(cut['definitions'] as JsonObject), ['A', 'B'])
})

test('definitions of one name stay apart unless they say the same', () => {
  const own = { paths: { '/own': get('A') }, definitions: { A: { type: 'object' }, Same: { type: 'string' } } }
  const other = {
    paths: { '/other': get('A'), '/own': get('Same') },
    definitions: { A: { type: 'string', properties: { a: ref('A') } }, Same: { type: 'string' } },
  }
  const merged = mergeV2(own, [other])
  assert.deepEqual(merged['definitions'], {
    A: { type: 'object' },
    A_v2: { type: 'string', properties: { a: ref('A_v2') } },
    Same: { type: 'string' },
  })
  assert.deepEqual(merged['paths'], { '/other': get('A_v2'), '/own': get('A') })
})

test('version 2 told as version 3', () => {
  const operation: JsonObject = {
    parameters: [
      { in: 'body', name: 'body', required: true, schema: ref('A') },
      { in: 'query', name: 'q', type: 'string' },
    ],
    responses: {},
  }
  const converted = v3OfV2({
    info: { title: 't' },
    paths: { '/a': { ...get('A'), post: operation } },
    definitions: { A: { properties: { a: ref('A') } } },
  })
  const schema = { $ref: '#/components/schemas/A' }
  assert.deepEqual(converted, {
    openapi: '3.0.0',
    info: { title: 't' },
    paths: {
      '/a': {
        get: { responses: { 200: { description: 'OK', content: { 'application/json': { schema } } } } },
        post: {
          parameters: [{ in: 'query', name: 'q', schema: { type: 'string' } }],
          requestBody: { content: { 'application/json': { schema } }, required: true },
          responses: {},
        },
      },
    },
    components: { schemas: { A: { properties: { a: schema } } } },
  })
})
