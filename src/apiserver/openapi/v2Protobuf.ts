/**
 * The version 2 document as protobuf (gnostic's openapi.v2 messages), which `kubectl explain --output=plaintext-openapiv2` and
 * older clients ask for as `application/com.github.proto-openapi.spec.v2.v1.0+protobuf`.
 */
import type { JsonObject, JsonValue } from '../../api/resource.ts'
import { MessageWriter } from './messageWriter.ts'

export const OPENAPI_V2_PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'

function writeSchema(m: MessageWriter, schema: JsonObject): void {
  m.string(1, schema['$ref'])
  m.string(2, schema['format'])
  m.string(4, schema['description'])
  m.any(5, schema['default'])
  m.strings(19, schema['required'])
  const { additionalProperties, type, items, properties } = schema
  if (typeof additionalProperties === 'boolean') m.message(21, (item) => item.bool(2, additionalProperties))
  else if (additionalProperties) m.message(21, (item) => item.message(1, (s) => writeSchema(s, additionalProperties as JsonObject)))
  if (type) m.message(22, (t) => t.string(1, type))
  if (items) m.message(23, (item) => item.message(1, (s) => writeSchema(s, items as JsonObject)))
  for (const part of (schema['allOf'] as JsonObject[] | undefined) ?? []) m.message(24, (s) => writeSchema(s, part))
  if (properties) m.message(25, (p) => p.named(1, properties, writeSchema))
  m.extensions(31, schema)
}

const QUERY_PARAMETER = 3
const PATH_PARAMETER = 4

function writeParameter(m: MessageWriter, parameter: JsonObject): void {
  m.message(1, (p) => {
    if (parameter['in'] === 'body') p.message(1, (body) => writeBodyParameter(body, parameter))
    else
      p.message(2, (other) =>
        other.message(parameter['in'] === 'path' ? PATH_PARAMETER : QUERY_PARAMETER, (inner) => writePlainParameter(inner, parameter)),
      )
  })
}

function writeBodyParameter(m: MessageWriter, parameter: JsonObject): void {
  m.string(1, parameter['description'])
  m.string(2, parameter['name'])
  m.string(3, parameter['in'])
  m.bool(4, parameter['required'])
  m.message(5, (schema) => writeSchema(schema, parameter['schema'] as JsonObject))
}

function writePlainParameter(m: MessageWriter, parameter: JsonObject): void {
  const isPath = parameter['in'] === 'path'
  m.bool(1, parameter['required'])
  m.string(2, parameter['in'])
  m.string(3, parameter['description'])
  m.string(4, parameter['name'])
  m.string(isPath ? 5 : 6, parameter['type'])
  m.bool(isPath ? 19 : 20, parameter['uniqueItems'])
}

function writeResponse(m: MessageWriter, response: JsonObject): void {
  m.message(1, (r) => {
    r.string(1, response['description'])
    const { schema } = response
    if (schema) r.message(2, (item) => item.message(1, (s) => writeSchema(s, schema as JsonObject)))
  })
}

function writeOperation(m: MessageWriter, operation: JsonObject): void {
  m.strings(1, operation['tags'])
  m.string(3, operation['description'])
  m.string(5, operation['operationId'])
  m.strings(6, operation['produces'])
  m.strings(7, operation['consumes'])
  for (const parameter of (operation['parameters'] as JsonObject[] | undefined) ?? []) m.message(8, (p) => writeParameter(p, parameter))
  m.message(9, (responses) => responses.named(1, operation['responses'], writeResponse))
  m.strings(10, operation['schemes'])
  m.extensions(13, operation)
}

const METHODS = { get: 2, put: 3, post: 4, delete: 5, options: 6, head: 7, patch: 8 } as const

function writePathItem(m: MessageWriter, item: JsonObject): void {
  for (const [method, number] of Object.entries(METHODS)) {
    const operation = item[method]
    if (operation) m.message(number, (o) => writeOperation(o, operation as JsonObject))
  }
  for (const parameter of (item['parameters'] as JsonObject[] | undefined) ?? []) m.message(9, (p) => writeParameter(p, parameter))
}

function writeApiKey(m: MessageWriter, scheme: JsonObject): void {
  m.message(2, (key) => {
    key.string(1, scheme['type'])
    key.string(2, scheme['name'])
    key.string(3, scheme['in'])
  })
}

/** Of a document as `buildOpenApiV2` makes it. */
export function encodeOpenApiV2(document: JsonObject): Uint8Array {
  return MessageWriter.encode((m) => writeDocument(m, document))
}

function writeDocument(m: MessageWriter, document: JsonObject): void {
  const info = document['info'] as JsonObject
  m.string(1, document['swagger'])
  m.message(2, (i) => {
    i.string(1, info['title'])
    i.string(2, info['version'])
  })
  m.message(8, (paths) => paths.named(2, document['paths'], writePathItem))
  m.message(9, (definitions) => definitions.named(1, document['definitions'], writeSchema))
  for (const requirement of (document['security'] as JsonObject[] | undefined) ?? [])
    m.message(12, (r) => r.named(1, requirement, (values, list) => values.strings(1, list as unknown as JsonValue)))
  m.message(13, (security) => security.named(1, document['securityDefinitions'], writeApiKey))
}
