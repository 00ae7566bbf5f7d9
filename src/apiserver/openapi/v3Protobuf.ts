/**
 * A version 3 document as protobuf (gnostic's openapi.v3 messages), which clients ask for as
 * `application/com.github.proto-openapi.spec.v3.v1.0+protobuf`.
 */
import type { JsonObject, JsonValue } from '../../api/resource.ts'
import { MessageWriter } from './messageWriter.ts'

export const OPENAPI_V3_PROTOBUF = 'application/com.github.proto-openapi.spec.v3.v1.0+protobuf'

const DOUBLES = { multipleOf: 10, maximum: 11, minimum: 13 } as const
const INTEGERS = { maxLength: 15, minLength: 16, maxItems: 18, minItems: 19, maxProperties: 21, minProperties: 22 } as const
const BOOLEANS = {
  nullable: 1,
  readOnly: 3,
  writeOnly: 4,
  deprecated: 8,
  exclusiveMaximum: 12,
  exclusiveMinimum: 14,
  uniqueItems: 20,
} as const
const STRINGS = { title: 9, pattern: 17, type: 25, description: 34, format: 35 } as const
const COMBINATIONS = { allOf: 26, oneOf: 27, anyOf: 28 } as const

/** A schema or the reference to one. */
function writeSchemaItem(m: MessageWriter, schema: JsonObject): void {
  const reference = schema['$ref']
  if (reference !== undefined) m.message(2, (r) => r.string(1, reference))
  else m.message(1, (s) => writeSchema(s, schema))
}

function writeSchema(m: MessageWriter, schema: JsonObject): void {
  for (const [key, number] of Object.entries(BOOLEANS)) m.bool(number, schema[key])
  for (const [key, number] of Object.entries(STRINGS)) m.string(number, schema[key])
  for (const [key, number] of Object.entries(DOUBLES)) m.double(number, schema[key])
  for (const [key, number] of Object.entries(INTEGERS)) m.int64(number, schema[key])
  m.any(7, schema['example'])
  m.strings(23, schema['required'])
  for (const value of (schema['enum'] as JsonValue[] | undefined) ?? []) m.any(24, value)
  for (const [key, number] of Object.entries(COMBINATIONS))
    for (const part of (schema[key] as JsonObject[] | undefined) ?? []) m.message(number, (item) => writeSchemaItem(item, part))
  const { not, items, properties, additionalProperties, default: value } = schema
  if (not) m.message(29, (s) => writeSchema(s, not as JsonObject))
  if (items) m.message(30, (item) => item.message(1, (s) => writeSchemaItem(s, items as JsonObject)))
  if (properties) m.message(31, (p) => p.named(1, properties, writeSchemaItem))
  if (typeof additionalProperties === 'boolean') m.message(32, (item) => item.bool(2, additionalProperties))
  else if (additionalProperties) m.message(32, (item) => item.message(1, (s) => writeSchemaItem(s, additionalProperties as JsonObject)))
  if (['number', 'boolean', 'string'].includes(typeof value)) m.message(33, (d) => writeDefault(d, value as JsonValue))
  m.extensions(36, schema)
}

/** Objects and lists have no form as a default. */
function writeDefault(m: MessageWriter, value: JsonValue): void {
  m.double(1, value)
  m.bool(2, value)
  m.string(3, value)
}

function writeContent(m: MessageWriter, content: JsonValue | undefined): void {
  m.named(1, content, (mediaType, value) => {
    const { schema } = value
    if (schema) mediaType.message(1, (s) => writeSchemaItem(s, schema as JsonObject))
  })
}

function writeParameter(m: MessageWriter, parameter: JsonObject): void {
  m.message(1, (p) => {
    p.string(1, parameter['name'])
    p.string(2, parameter['in'])
    p.string(3, parameter['description'])
    p.bool(4, parameter['required'])
    const { schema } = parameter
    if (schema) p.message(10, (s) => writeSchemaItem(s, schema as JsonObject))
  })
}

function writeResponse(m: MessageWriter, response: JsonObject): void {
  m.message(1, (r) => {
    r.string(1, response['description'])
    if (response['content']) r.message(3, (content) => writeContent(content, response['content']))
  })
}

function writeOperation(m: MessageWriter, operation: JsonObject): void {
  m.strings(1, operation['tags'])
  m.string(2, operation['summary'])
  m.string(3, operation['description'])
  m.string(5, operation['operationId'])
  for (const parameter of (operation['parameters'] as JsonObject[] | undefined) ?? []) m.message(6, (p) => writeParameter(p, parameter))
  const body = operation['requestBody'] as JsonObject | undefined
  if (body) {
    m.message(7, (item) =>
      item.message(1, (b) => {
        b.string(1, body['description'])
        b.message(2, (content) => writeContent(content, body['content']))
        b.bool(3, body['required'])
      }),
    )
  }
  const { default: fallback, ...responses } = (operation['responses'] ?? {}) as JsonObject
  m.message(8, (r) => {
    if (fallback) r.message(1, (item) => writeResponse(item, fallback as JsonObject))
    r.named(2, responses, writeResponse)
  })
  m.bool(10, operation['deprecated'])
  m.extensions(13, operation)
}

const METHODS = { get: 4, put: 5, post: 6, delete: 7, options: 8, head: 9, patch: 10, trace: 11 } as const

function writePathItem(m: MessageWriter, item: JsonObject): void {
  for (const [method, number] of Object.entries(METHODS)) {
    const operation = item[method]
    if (operation) m.message(number, (o) => writeOperation(o, operation as JsonObject))
  }
  for (const parameter of (item['parameters'] as JsonObject[] | undefined) ?? []) m.message(13, (p) => writeParameter(p, parameter))
  m.extensions(14, item)
}

function writeSecurityScheme(m: MessageWriter, scheme: JsonObject): void {
  m.message(1, (s) => {
    s.string(1, scheme['type'])
    s.string(2, scheme['description'])
    s.string(3, scheme['name'])
    s.string(4, scheme['in'])
  })
}

function writeDocument(m: MessageWriter, document: JsonObject): void {
  const { title, version } = (document['info'] ?? {}) as JsonObject
  const components = (document['components'] ?? {}) as JsonObject
  m.string(1, document['openapi'])
  m.message(2, (info) => {
    info.string(1, title)
    info.string(6, version)
  })
  m.message(4, (paths) => paths.named(1, document['paths'], writePathItem))
  m.message(5, (c) => {
    if (components['schemas']) c.message(1, (schemas) => schemas.named(1, components['schemas'], writeSchemaItem))
    if (components['securitySchemes']) c.message(7, (schemes) => schemes.named(1, components['securitySchemes'], writeSecurityScheme))
  })
}

/** Of a document's JSON. */
export function encodeOpenApiV3(json: Uint8Array): Uint8Array {
  const document = JSON.parse(Buffer.from(json).toString()) as JsonObject
  return MessageWriter.encode((m) => writeDocument(m, document))
}
