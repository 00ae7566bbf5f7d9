import assert from 'node:assert/strict'
import { test } from 'node:test'
import protobuf from 'protobufjs'
import { loadCatalog } from '../../api/catalog/load.ts'
import { buildOpenApiV2 } from './v2.ts'
import { encodeOpenApiV2 } from './v2Protobuf.ts'

/** The part of gnostic's messages that the test looks at. */
const { root } = protobuf.parse(
  `
  syntax = "proto3";
  message Any { string yaml = 2; }
  message NamedAny { string name = 1; Any value = 2; }
  message TypeItem { repeated string value = 1; }
  message ItemsItem { repeated Schema schema = 1; }
  message AdditionalPropertiesItem { Schema schema = 1; }
  message Properties { repeated NamedSchema additional_properties = 1; }
  message Schema { string _ref = 1; string format = 2; repeated string required = 19; AdditionalPropertiesItem additional_properties = 21;
    TypeItem type = 22; ItemsItem items = 23; Properties properties = 25; repeated NamedAny vendor_extension = 31; }
  message NamedSchema { string name = 1; Schema value = 2; }
  message QueryParameter { string in = 2; string name = 4; string type = 6; bool unique_items = 20; }
  message PathParameter { bool required = 1; string in = 2; string name = 4; string type = 5; }
  message BodyParameter { string name = 2; string in = 3; bool required = 4; Schema schema = 5; }
  message NonBodyParameter { QueryParameter query = 3; PathParameter path = 4; }
  message Parameter { BodyParameter body = 1; NonBodyParameter plain = 2; }
  message ParametersItem { Parameter parameter = 1; }
  message Operation { repeated string tags = 1; string operation_id = 5; repeated ParametersItem parameters = 8; repeated NamedAny vendor_extension = 13; }
  message PathItem { Operation get = 2; Operation post = 4; repeated ParametersItem parameters = 9; }
  message NamedPathItem { string name = 1; PathItem value = 2; }
  message Paths { repeated NamedPathItem path = 2; }
  message Definitions { repeated NamedSchema additional_properties = 1; }
  message Document { string swagger = 1; Paths paths = 8; Definitions definitions = 9; }
`,
  { keepCase: true },
)

interface Named<T> {
  name: string
  value: T
}
interface Schema {
  _ref?: string
  type?: { value: string[] }
  items?: { schema: Schema[] }
  properties?: { additional_properties: Named<Schema>[] }
  vendor_extension?: Named<{ yaml: string }>[]
}
interface Document {
  swagger: string
  paths: {
    path: Named<{
      post?: { operation_id: string; parameters: object[]; vendor_extension: Named<{ yaml: string }>[] }
      parameters?: object[]
    }>[]
  }
  definitions: { additional_properties: Named<Schema>[] }
}

test('the protobuf document says what the JSON document says', () => {
  const json = buildOpenApiV2(loadCatalog())
  const type = root.lookupType('Document')
  const document = type.toObject(type.decode(encodeOpenApiV2(json))) as Document
  assert.equal(document.swagger, '2.0')
  assert.deepEqual(
    document.paths.path.map((p) => p.name),
    Object.keys(json['paths'] as object),
  )
  assert.deepEqual(
    document.definitions.additional_properties.map((d) => d.name),
    Object.keys(json['definitions'] as object),
  )
  const container = document.definitions.additional_properties.find((d) => d.name === 'io.k8s.api.core.v1.PodSpec')?.value
  const containers = container?.properties?.additional_properties.find((p) => p.name === 'containers')?.value
  assert.deepEqual(containers?.type?.value, ['array'])
  assert.equal(containers?.items?.schema[0]?._ref, '#/definitions/io.k8s.api.core.v1.Container')
  assert.deepEqual(containers?.vendor_extension?.find((e) => e.name === 'x-kubernetes-list-map-keys')?.value, { yaml: '["name"]' })
  const path = document.paths.path.find((p) => p.name === '/api/v1/namespaces/{namespace}/pods')?.value
  assert.equal(path?.post?.operation_id, 'createCoreV1NamespacedPod')
  assert.deepEqual(path?.parameters?.[0], {
    parameter: { plain: { path: { required: true, in: 'path', name: 'namespace', type: 'string' } } },
  })
  assert.deepEqual(path?.post?.parameters[0], {
    parameter: { body: { name: 'body', in: 'body', required: true, schema: { _ref: '#/definitions/io.k8s.api.core.v1.Pod' } } },
  })
})
