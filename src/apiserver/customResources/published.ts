/**
 * Custom resources in OpenAPI (apiextensions-apiserver's controller/openapi): a version 3 document for each group version, and
 * the part that they have in the version 2 document. Made when somebody asks, one at a time, since schemas may be huge.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Catalog } from '../../api/catalog/catalog.ts'
import type { JsonObject } from '../../api/resource.ts'
import type { Descriptions } from '../openapi/schemas.ts'
import type { OpenApiDocument } from '../openapi/v3.ts'
import type { CustomDocuments } from '../transport/openApiPaths.ts'
import type { GroupVersion, PublishedVersion } from './publishedVersions.ts'

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
    if ([...this.#groupVersions.values()].every(({ v2, v3 }) => v2 && v3)) return
    const { makeV2, makeV3 } = await import('./publishedDocuments.ts')
    for (const groupVersion of this.#groupVersions.values()) {
      if (groupVersion.v3) continue
      groupVersion.v3 = makeV3(this.#catalog, groupVersion, describe)
      groupVersion.v2 = makeV2(this.#catalog, groupVersion)
      await nextTurn()
    }
  }

  documents(): ReadonlyMap<string, OpenApiDocument> {
    return new Map([...this.#groupVersions].flatMap(([name, { v3 }]) => (v3 ? [[name, v3] as const] : [])))
  }

  documentsV2(): readonly JsonObject[] {
    return [...this.#groupVersions.values()].flatMap(({ v2 }) => (v2 ? [v2] : []))
  }
}
