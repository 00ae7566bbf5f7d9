/** What reading a custom resource does to it, by one version of its definition. */
import type { CustomSchema } from '../../api/catalog/catalog.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import type { CustomResourceDefinitionVersion } from '../../api/kinds/apiextensions/v1.ts'
import type { JsonObject } from '../../api/resource.ts'
import { schemaOf } from './definitions.ts'
import { applyDefaults } from './defaulting.ts'
import type { Json } from './jsonSchema.ts'
import { coerceEmbedded, coerceMetadata, dropNulls, hasEmbedded, prune } from './pruning.ts'

export class VersionSchema implements CustomSchema {
  readonly #version: CustomResourceDefinitionVersion
  readonly #metaType: TypeDef
  readonly #keepsUnknown: boolean
  readonly scale?: NonNullable<CustomSchema['scale']>
  readonly warning?: string
  readonly storageVersion?: string

  /** `deprecation` is told where a deprecated version says nothing itself. */
  constructor(
    version: CustomResourceDefinitionVersion,
    options: { metaType: TypeDef; keepsUnknown: boolean; deprecation: string; storageVersion: string | undefined },
  ) {
    this.#version = version
    if (options.storageVersion !== undefined) this.storageVersion = options.storageVersion
    this.#metaType = options.metaType
    this.#keepsUnknown = options.keepsUnknown
    const { scale } = version.subresources ?? {}
    if (scale) this.scale = scale
    if (version.deprecated) this.warning = version.deprecationWarning ?? options.deprecation
  }

  coerce(object: JsonObject): string[] {
    return this.#coerce(object, false)
  }

  coerceMetadata(object: JsonObject): void {
    coerceMetadata(object as Json, '', { type: this.#metaType, dropMalformed: true }, [])
  }

  /** As `coerce`, for what comes out of the store: what is malformed there is dropped. */
  coerceStored(object: JsonObject): void {
    this.#coerce(object, true)
  }

  applyDefaults(object: JsonObject): void {
    applyDefaults(object, schemaOf(this.#version))
  }

  #coerce(object: JsonObject, dropMalformed: boolean): string[] {
    const schema = schemaOf(this.#version)
    const rules = { type: this.#metaType, dropMalformed }
    const unknownMeta: string[] = []
    coerceMetadata(object as Json, '', rules, unknownMeta)
    const unknown: string[] = []
    if (!this.#keepsUnknown) {
      prune(object, schema, true, unknown)
      dropNulls(object, schema)
    }
    const unknownEmbedded: string[] = []
    if (schema && this.#hasEmbedded(schema)) coerceEmbedded(object, schema, '', rules, unknownEmbedded)
    return [...unknownMeta, ...unknown, ...unknownEmbedded.sort()]
  }

  #embedded: boolean | undefined

  #hasEmbedded(schema: NonNullable<ReturnType<typeof schemaOf>>): boolean {
    return (this.#embedded ??= hasEmbedded(schema))
  }
}
