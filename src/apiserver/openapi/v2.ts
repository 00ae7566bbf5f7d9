/** `/openapi/v2`: everything in one document (Swagger 2.0). Old clients read it; `explain --output=plaintext-openapiv2` too. */
import type { Catalog } from '../../api/catalog/catalog.ts'
import { KUBERNETES_MINOR } from '../../api/kubernetesVersion.ts'
import type { JsonObject } from '../../api/resource.ts'
import { groupPaths, type Operation, type Parameter, type PathItem, REASONS, resourcePaths, ROOT_DOCUMENTS } from './operations.ts'
import { closure, describeParameter, type Descriptions, kindsByDefinition, newSchemaWriter, type SchemaWriter } from './schemas.ts'

function parameterV2(writer: SchemaWriter, parameter: Parameter): JsonObject {
  const { name, in: place, type } = parameter
  return { ...describeParameter(writer, parameter), in: place, name, ...(place === 'path' && { required: true }), type, uniqueItems: true }
}

function refer(writer: SchemaWriter, definition: string): JsonObject {
  if (definition === '') return { type: 'string' }
  writer.referred.add(definition)
  return { $ref: writer.prefix + definition }
}

function operationV2(writer: SchemaWriter, operation: Operation): JsonObject {
  const { operationId, description, tag, action, kind, query, body, answer, consumes, produces } = operation
  const responses: JsonObject = {}
  for (const code of operation.codes)
    responses[code] = { description: REASONS[code], ...(answer !== undefined && { schema: refer(writer, answer) }) }
  responses[401] = { description: 'Unauthorized' }
  const bodyParameter = body
    ? [{ in: 'body', name: 'body', ...(operation.bodyRequired && { required: true }), schema: refer(writer, body) }]
    : []
  const parameters = [...bodyParameter, ...query.map((each) => parameterV2(writer, each))]
  return {
    ...(consumes && { consumes: [...consumes] }),
    produces: [...produces],
    schemes: ['https'],
    description,
    tags: [tag],
    operationId,
    ...(parameters.length && { parameters }),
    responses,
    ...(action && { 'x-kubernetes-action': action }),
    ...(kind && { 'x-kubernetes-group-version-kind': { group: kind.group, version: kind.version, kind: kind.kind } }),
  }
}

function pathsOf(catalog: Catalog): PathItem[] {
  const ofGroups = catalog.groups.flatMap(({ name, versions }) => [
    ...groupPaths(name),
    ...versions.flatMap((version) => resourcePaths(catalog, name, version)),
  ])
  return [...Object.values(ROOT_DOCUMENTS).flat(), ...ofGroups].sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** Paths and definitions of custom resources alone, to be merged into the whole. */
export function customPartV2(items: readonly PathItem[], definitions: JsonObject): JsonObject {
  return { paths: writePaths(newSchemaWriter(2), items), definitions }
}

export function buildOpenApiV2(catalog: Catalog, describe?: Descriptions): JsonObject {
  const writer = newSchemaWriter(2, describe)
  const paths = writePaths(writer, pathsOf(catalog))
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: KUBERNETES_MINOR },
    paths,
    definitions: closure(writer, catalog, kindsByDefinition(catalog)),
    securityDefinitions: {
      BearerToken: { description: 'Bearer Token authentication', type: 'apiKey', name: 'authorization', in: 'header' },
    },
    security: [{ BearerToken: [] }],
  }
}

function writePaths(writer: SchemaWriter, items: readonly PathItem[]): JsonObject {
  const paths: JsonObject = {}
  for (const item of items) {
    const operations = Object.fromEntries(item.operations.map((o) => [o.method, operationV2(writer, o)]))
    paths[item.path] = {
      ...operations,
      ...(item.parameters.length && { parameters: item.parameters.map((each) => parameterV2(writer, each)) }),
    }
  }
  return paths
}
