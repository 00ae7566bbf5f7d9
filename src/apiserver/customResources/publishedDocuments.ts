/** The OpenAPI documents of one group version of custom resources. Loaded with the first client that asks for one. */
import type { Catalog } from '../../api/catalog/catalog.ts'
import type { JsonObject, JsonValue } from '../../api/resource.ts'
import { hashOf } from '../openapi/hash.ts'
import { customResourcePaths } from '../openapi/operations.ts'
import type { PathItem } from '../openapi/operations.ts'
import type { Descriptions } from '../openapi/schemas.ts'
import { customPartV2 } from '../openapi/v2.ts'
import { customDocumentV3 } from '../openapi/v3.ts'
import type { OpenApiDocument } from '../openapi/v3.ts'
import type { CustomResource } from './customResource.ts'
import { schemaOf } from './definitions.ts'
import type { GroupVersion } from './publishedVersions.ts'
import { TYPE_META, describedReference, publishedSchema } from './publishedSchema.ts'

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'

/** `com.example.v1.Widget`. */
function definitionName({ group, version }: CustomResource, kind: string): string {
  return [...group.split('.').toReversed(), version, kind].join('.')
}

function pathsOf(catalog: Catalog, { resources }: GroupVersion): PathItem[] {
  return resources.flatMap(({ resource }) => {
    const list = definitionName(resource, resource.listKind ?? `${resource.kind}List`)
    return customResourcePaths(catalog, resource, { object: definitionName(resource, resource.kind), list })
  })
}

export function makeV3(catalog: Catalog, groupVersion: GroupVersion, describe: Descriptions | undefined): OpenApiDocument {
  const document = customDocumentV3(catalog, groupVersion, pathsOf(catalog, groupVersion), schemasOf(groupVersion, 3), describe)
  const json = Buffer.from(JSON.stringify(document))
  return { json, hash: hashOf(json) }
}

export function makeV2(catalog: Catalog, groupVersion: GroupVersion): JsonObject {
  return customPartV2(pathsOf(catalog, groupVersion), schemasOf(groupVersion, 2))
}

function schemasOf({ resources }: GroupVersion, version: 2 | 3): JsonObject {
  const prefix = version === 2 ? '#/definitions/' : '#/components/schemas/'
  return Object.fromEntries(
    resources.flatMap(({ resource, definition }) => {
      const of = definition.spec.versions.find(({ name }) => name === resource.version)
      const { group, kind, listKind = `${kind}List` } = resource
      const name = definitionName(resource, kind)
      const selectable: JsonObject = of?.selectableFields?.length
        ? { 'x-kubernetes-selectable-fields': of.selectableFields.map(({ jsonPath }) => ({ fieldPath: jsonPath.replace(/^\./, '') })) }
        : {}
      const stands = (as: string): JsonObject => ({
        'x-kubernetes-group-version-kind': [{ group, version: resource.version, kind: as }],
        ...selectable,
      })
      const schema = publishedSchema(of && schemaOf(of), version, definition.spec.preserveUnknownFields === true)
      const list: JsonObject = {
        description: `${listKind} is a list of ${kind}`,
        type: 'object',
        required: ['items'],
        properties: {
          apiVersion: TYPE_META.apiVersion,
          items: {
            description: `List of ${resource.resource}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md`,
            type: 'array',
            items: { $ref: prefix + name },
          },
          kind: TYPE_META.kind,
          metadata: describedReference(LIST_METADATA, `${META}.ListMeta`, version),
        },
        ...stands(listKind),
      }
      return [
        [name, { ...schema, ...stands(kind) }],
        [definitionName(resource, listKind), list],
      ] satisfies [string, JsonValue][]
    }),
  )
}

const LIST_METADATA =
  'Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds'
