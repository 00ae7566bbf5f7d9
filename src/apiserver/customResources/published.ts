/**
 * Custom resources in OpenAPI (apiextensions-apiserver's controller/openapi): a version 3 document for each group version, and
 * the part that they have in the version 2 document. Made when somebody asks, one at a time, since schemas may be huge.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Catalog } from '../../api/catalog/catalog.ts'
import type { CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import type { JsonObject, JsonValue } from '../../api/resource.ts'
import { hashOf } from '../openapi/hash.ts'
import { customResourcePaths } from '../openapi/operations.ts'
import type { Descriptions } from '../openapi/schemas.ts'
import { customPartV2 } from '../openapi/v2.ts'
import { customDocumentV3 } from '../openapi/v3.ts'
import type { OpenApiDocument } from '../openapi/v3.ts'
import type { CustomDocuments } from '../transport/openApiPaths.ts'
import type { CustomResource } from './customResource.ts'
import { schemaOf } from './definitions.ts'
import { publishedSchema } from './publishedSchema.ts'

export interface PublishedVersion {
  resource: CustomResource
  definition: CustomResourceDefinition
}

interface GroupVersion {
  group: string
  version: string
  resources: readonly PublishedVersion[]
  v3?: OpenApiDocument
  v2?: JsonObject
}

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'

/** `com.example.v1.Widget`. */
function definitionName({ group, version }: CustomResource, kind: string): string {
  return [...group.split('.').toReversed(), version, kind].join('.')
}

export class PublishedSchemas implements CustomDocuments {
  readonly #catalog: Catalog
  #groupVersions = new Map<string, GroupVersion>()
  #generation = 0

  constructor(catalog: Catalog) {
    this.#catalog = catalog
  }

  get generation(): number {
    return this.#generation
  }

  publish(versions: readonly PublishedVersion[]): void {
    const before = this.#groupVersions
    const byName = Map.groupBy(versions, ({ resource }) => `apis/${resource.group}/${resource.version}`)
    this.#groupVersions = new Map(
      [...byName].map(([name, resources]) => {
        const known = before.get(name)
        const same =
          known?.resources.length === resources.length && resources.every(({ resource }, i) => resource === known.resources[i]?.resource)
        const { group, version } = (resources[0] as PublishedVersion).resource
        return [name, same ? known : { group, version, resources }]
      }),
    )
    this.#generation++
  }

  async prepare(describe: Descriptions | undefined): Promise<void> {
    for (const groupVersion of this.#groupVersions.values()) {
      if (groupVersion.v3) continue
      groupVersion.v3 = this.#makeV3(groupVersion, describe)
      await nextTurn()
    }
  }

  documents(): ReadonlyMap<string, OpenApiDocument> {
    return new Map([...this.#groupVersions].flatMap(([name, { v3 }]) => (v3 ? [[name, v3] as const] : [])))
  }

  documentsV2(): readonly JsonObject[] {
    return [...this.#groupVersions.values()].map((groupVersion) => (groupVersion.v2 ??= this.#makeV2(groupVersion)))
  }

  #paths({ resources }: GroupVersion) {
    return resources.flatMap(({ resource }) => {
      const list = definitionName(resource, resource.listKind ?? `${resource.kind}List`)
      return customResourcePaths(this.#catalog, resource, { object: definitionName(resource, resource.kind), list })
    })
  }

  #makeV3(groupVersion: GroupVersion, describe: Descriptions | undefined): OpenApiDocument {
    const schemas = schemasOf(groupVersion, 3)
    const document = customDocumentV3(this.#catalog, groupVersion, this.#paths(groupVersion), schemas, describe)
    const json = Buffer.from(JSON.stringify(document))
    return { json, hash: hashOf(json) }
  }

  #makeV2(groupVersion: GroupVersion): JsonObject {
    return customPartV2(this.#paths(groupVersion), schemasOf(groupVersion, 2))
  }
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
          apiVersion: (schema['properties'] as JsonObject | undefined)?.['apiVersion'] ?? { type: 'string' },
          items: {
            description: `List of ${resource.resource}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md`,
            type: 'array',
            items: { $ref: prefix + name },
          },
          kind: (schema['properties'] as JsonObject | undefined)?.['kind'] ?? { type: 'string' },
          metadata: { description: LIST_METADATA, $ref: `${prefix}${META}.ListMeta` },
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
