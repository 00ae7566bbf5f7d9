/**
 * Custom resources (k8s.io/apiextensions-apiserver within the one server): what CustomResourceDefinitions define is served as
 * any built-in kind is, through the catalog, the registry and its strategies. This file follows the definitions and keeps what
 * is served of each; a definition that has not changed keeps its very objects, so that whatever was made of them stays good.
 */
import type { Catalog, CatalogResource } from '../../api/catalog/catalog.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import { customresourcedefinitions } from '../../api/kinds/apiextensions/v1.ts'
import type { CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import { deepEqual } from '../../api/meta.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { prefixOf } from '../cache/keys.ts'
import type { ObjectChange, WatchCache } from '../cache/watchCache.ts'
import type { CustomKind } from '../registry/kinds.ts'
import type { Strategy } from '../registry/strategy.ts'
import type { Registry } from '../request.ts'
import { converterOf } from './conversion.ts'
import type { ConversionWebhooks } from './conversion.ts'
import { customResource } from './customResource.ts'
import type { CustomResource } from './customResource.ts'
import { customResourceStrategy } from './customResourceStrategy.ts'
import { DEFINITIONS_PREFIX, DefinitionController } from './definitionController.ts'
import { isEstablished, isTerminating, schemaOf, storageVersion } from './definitions.ts'
import { definitionStrategy } from './definitionStrategy.ts'
import { SchemaExpressions, compiledRules } from './expressions.ts'
import { PublishedSchemas } from './published.ts'
import { ServedCatalog } from './servedCatalog.ts'
import { CustomVersions } from './versions.ts'

interface Served {
  definition: CustomResourceDefinition
  /** Of all versions, served or not: objects may be stored in any of them. */
  all: readonly CustomResource[]
  kinds: Map<CatalogResource, CustomKind>
}

export interface CustomResourcesRun {
  registry: Registry
  cache: WatchCache
  webhooks: ConversionWebhooks
  signal: AbortSignal
}

const OBJECT_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'

export class CustomResources {
  readonly catalog: ServedCatalog
  /** What is published of them as OpenAPI. */
  readonly published: PublishedSchemas
  /** Of the definitions themselves, by `group/resource`. */
  readonly strategies: ReadonlyMap<string, Strategy>
  readonly #clock: Clock
  readonly #log: Logger
  readonly #metaType: TypeDef
  readonly #definitions = new Map<string, CustomResourceDefinition>()
  readonly #served = new Map<string, Served>()
  #run: CustomResourcesRun | undefined
  #controller: DefinitionController | undefined
  #stopFollowing: () => void = () => {}

  constructor(options: { catalog: Catalog; clock: Clock; log: Logger }) {
    const { catalog, clock, log } = options
    this.#clock = clock
    this.#log = log
    this.#metaType = catalog.type(OBJECT_META) as TypeDef
    this.catalog = new ServedCatalog(catalog)
    this.published = new PublishedSchemas(catalog)
    const rules = { metaType: this.#metaType, expressions: new SchemaExpressions() }
    this.strategies = new Map([['apiextensions.k8s.io/customresourcedefinitions', definitionStrategy(rules)]])
  }

  /** What the registry has to know of a custom resource. */
  readonly kindOf = (resource: CatalogResource): CustomKind | undefined => {
    for (const served of this.#served.values()) {
      const kind = served.kinds.get(resource)
      if (kind) return kind
      if (served.all.includes(resource as CustomResource)) return this.#makeKind(served, resource as CustomResource)
    }
    return undefined
  }

  /** Follows the definitions until the signal aborts: those that are there are served when it returns. */
  run(options: CustomResourcesRun): { done: Promise<void> } {
    const { registry, cache, signal } = options
    this.#run = options
    const { group, version, resource } = customresourcedefinitions
    const controller = new DefinitionController({
      registry,
      cache,
      resource: this.catalog.resource(group, version, resource) as CatalogResource,
      definitions: this.#definitions,
      servedOf: (name) => this.#served.get(name)?.all.find((known) => this.#isServed(known)),
      clock: this.#clock,
      log: this.#log,
      signal,
    })
    this.#controller = controller
    let initial = true
    this.#stopFollowing = cache.onChange(DEFINITIONS_PREFIX, (change) => this.#changed(change, initial))
    initial = false
    this.#publish()
    const ended = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => ended.resolve(), { once: true })
    const done = ended.promise.then(async () => {
      this.#stopFollowing()
      await controller.settled()
    })
    return { done }
  }

  #isServed(resource: CustomResource): boolean {
    return this.catalog.resource(resource.group, resource.version, resource.resource) === resource
  }

  #changed({ before, after }: ObjectChange, initial: boolean): void {
    const definition = after as CustomResourceDefinition | undefined
    const { name } = ((after ?? before) as CustomResourceDefinition).metadata
    if (definition) this.#definitions.set(name, definition)
    else this.#definitions.delete(name)
    const changed = this.#serve(name, definition)
    if (changed && !initial) this.#publish()
    const { group } = ((after ?? before) as CustomResourceDefinition).spec
    for (const other of this.#definitions.values()) if (other.spec.group === group) this.#controller?.enqueue(other.metadata.name)
  }

  /** Whether what is served has changed. */
  #serve(name: string, definition: CustomResourceDefinition | undefined): boolean {
    const known = this.#served.get(name)
    if (!definition || !isEstablished(definition)) {
      this.#endWatches(known)
      return this.#served.delete(name)
    }
    const isSame = known && isSameService(known.definition, definition)
    if (isSame && isTerminating(known.definition) === isTerminating(definition)) return false
    if (!isSame) this.#endWatches(known)
    const all = definition.spec.versions.map((version) => customResource(definition, version, this.#metaType))
    this.#served.set(name, { definition, all, kinds: new Map() })
    return true
  }

  /** Who watches starts over with what is served now. */
  #endWatches(served: Served | undefined): void {
    const resource = served?.all[0]
    if (resource) this.#run?.cache.resource(prefixOf(resource, true)).endWatchers()
  }

  #publish(): void {
    const served = [...this.#served.values()].sort((a, b) => (a.definition.metadata.name < b.definition.metadata.name ? -1 : 1))
    const versions = served.flatMap(({ definition, all }) =>
      all.flatMap((resource, i) => (definition.spec.versions[i]?.served ? [{ resource, definition }] : [])),
    )
    this.catalog.serve(versions.map(({ resource }) => resource))
    this.published.publish(versions)
  }

  #makeKind(served: Served, resource: CustomResource): CustomKind | undefined {
    const { definition, all, kinds } = served
    const version = definition.spec.versions.find(({ name }) => name === resource.version)
    const run = this.#run
    if (!version || !run) return undefined
    const versions = new CustomVersions({
      resource,
      all,
      storage: storageVersion(definition),
      converter: converterOf(definition, run.webhooks),
      stopping: run.signal,
    })
    const metaType = this.#metaType
    let rules: ReturnType<typeof compiledRules> | undefined
    const strategy = customResourceStrategy({
      resource,
      version,
      metaType,
      rules: () => {
        const schema = schemaOf(version)
        return schema && (rules ??= compiledRules(schema)).any ? rules : undefined
      },
    })
    const kind = { strategy, versions }
    kinds.set(resource, kind)
    return kind
  }
}

/** Whether two states of a definition serve the same. */
function isSameService(before: CustomResourceDefinition, after: CustomResourceDefinition): boolean {
  return (
    before.metadata.uid === after.metadata.uid &&
    deepEqual(before.status?.acceptedNames, after.status?.acceptedNames) &&
    deepEqual(before.spec, after.spec)
  )
}
