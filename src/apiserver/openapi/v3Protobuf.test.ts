import assert from 'node:assert/strict'
import { test } from 'node:test'
import protobuf from 'protobufjs'
import { loadCatalog } from '../../api/catalog/load.ts'
import { OpenApiV3 } from './v3.ts'
import { encodeOpenApiV3 } from './v3Protobuf.ts'

/** The part of gnostic's messages that the test looks at. */
const { root } = protobuf.parse(
  `
  syntax = "proto3";
  message Any { string yaml = 2; }
  message NamedAny { string name = 1; Any value = 2; }
  message Reference { string _ref = 1; }
  message SchemaItem { Schema schema = 1; Reference reference = 2; }
  message NamedSchema { string name = 1; SchemaItem value = 2; }
  message ItemsItem { repeated SchemaItem schema = 1; }
  message Properties { repeated NamedSchema additional_properties = 1; }
  message DefaultType { double number = 1; bool boolean = 2; string string = 3; }
  message Schema { double minimum = 13; int64 max_length = 15; repeated string required = 23; repeated Any enum = 24; string type = 25;
    repeated SchemaItem all_of = 26; ItemsItem items = 30; Properties properties = 31; DefaultType default = 33; string format = 35;
    repeated NamedAny extension = 36; }
  message MediaType { SchemaItem schema = 1; }
  message NamedMediaType { string name = 1; MediaType value = 2; }
  message MediaTypes { repeated NamedMediaType additional_properties = 1; }
  message RequestBody { MediaTypes content = 2; bool required = 3; }
  message BodyItem { RequestBody body = 1; }
  message Parameter { string name = 1; string in = 2; bool required = 4; SchemaItem schema = 10; }
  message ParameterItem { Parameter parameter = 1; }
  message Response { string description = 1; MediaTypes content = 3; }
  message ResponseItem { Response response = 1; }
  message NamedResponse { string name = 1; ResponseItem value = 2; }
  message Responses { repeated NamedResponse response = 2; }
  message Operation { string operation_id = 5; repeated ParameterItem parameters = 6; BodyItem body = 7; Responses responses = 8; }
  message PathItem { Operation get = 4; Operation post = 6; repeated ParameterItem parameters = 13; }
  message NamedPathItem { string name = 1; PathItem value = 2; }
  message Paths { repeated NamedPathItem path = 1; }
  message Schemas { repeated NamedSchema additional_properties = 1; }
  message Components { Schemas schemas = 1; }
  message Info { string title = 1; string version = 6; }
  message Document { string openapi = 1; Info info = 2; Paths paths = 4; Components components = 5; }
`,
  { keepCase: true },
)
const type = root.lookupType('Document')
const decode = (json: object): Record<string, unknown> =>
  type.toObject(type.decode(encodeOpenApiV3(Buffer.from(JSON.stringify(json)))), { longs: Number }) as Record<string, unknown>

test('every part of a document is in its protobuf form', () => {
  const ref = { $ref: '#/components/schemas/A' }
  const decoded = decode({
    openapi: '3.0.0',
    info: { title: 't', version: 'v' },
    paths: {
      '/a': {
        post: {
          operationId: 'o',
          parameters: [{ name: 'q', in: 'query', schema: { type: 'string' } }],
          requestBody: { required: true, content: { 'application/json': { schema: ref } } },
          responses: { 200: { description: 'OK', content: { 'application/json': { schema: ref } } } },
        },
        parameters: [{ name: 'p', in: 'path', required: true, schema: { type: 'string' } }],
      },
    },
    components: {
      schemas: {
        A: {
          type: 'object',
          required: ['b'],
          properties: { b: { type: 'array', items: ref, default: 'x' }, c: { type: 'integer', minimum: 1, maxLength: 5, enum: [1] } },
          'x-kubernetes-group-version-kind': [{ kind: 'A' }],
        },
      },
    },
  })
  const reference = { reference: { _ref: '#/components/schemas/A' } }
  const content = { additional_properties: [{ name: 'application/json', value: { schema: reference } }] }
  const string = { schema: { schema: { type: 'string' } } }
  assert.deepEqual(decoded, {
    openapi: '3.0.0',
    info: { title: 't', version: 'v' },
    paths: {
      path: [
        {
          name: '/a',
          value: {
            post: {
              operation_id: 'o',
              parameters: [{ parameter: { name: 'q', in: 'query', ...string } }],
              body: { body: { required: true, content } },
              responses: { response: [{ name: '200', value: { response: { description: 'OK', content } } }] },
            },
            parameters: [{ parameter: { name: 'p', in: 'path', required: true, ...string } }],
          },
        },
      ],
    },
    components: {
      schemas: {
        additional_properties: [
          {
            name: 'A',
            value: {
              schema: {
                type: 'object',
                required: ['b'],
                properties: {
                  additional_properties: [
                    { name: 'b', value: { schema: { type: 'array', items: { schema: [reference] }, default: { string: 'x' } } } },
                    { name: 'c', value: { schema: { type: 'integer', minimum: 1, max_length: 5, enum: [{ yaml: '1' }] } } },
                  ],
                },
                extension: [{ name: 'x-kubernetes-group-version-kind', value: { yaml: '[{"kind":"A"}]' } }],
              },
            },
          },
        ],
      },
    },
  })
})

test('a built-in document has all its paths and schemas', () => {
  const { json } = new OpenApiV3(loadCatalog()).document('apis/apps/v1') ?? {}
  const document = JSON.parse(String(json)) as { paths: object; components: { schemas: object } }
  const decoded = decode(document) as { paths: { path: unknown[] }; components: { schemas: { additional_properties: unknown[] } } }
  assert.equal(decoded.paths.path.length, Object.keys(document.paths).length)
  assert.equal(decoded.components.schemas.additional_properties.length, Object.keys(document.components.schemas).length)
})
