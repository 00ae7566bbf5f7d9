/**
 * `/openapi/v3`: an index of documents, one for each group and version and a few beside, each with a hash so that clients may
 * keep it. kubectl reads them to validate, patch and explain. Documents are built when they are asked for, then kept.
 */
import type { Catalog } from '../../api/catalog/catalog.ts'
import { KUBERNETES_MINOR } from '../../api/kubernetesVersion.ts'
import type { JsonObject } from '../../api/resource.ts'
import { hashOf } from './hash.ts'
import { groupPaths, type Operation, type Parameter, type PathItem, REASONS, resourcePaths, ROOT_DOCUMENTS } from './operations.ts'
import {
  closure,
  describeParameter,
  type Descriptions,
  type KindsByDefinition,
  kindsByDefinition,
  newSchemaWriter,
  type SchemaWriter,
} from './schemas.ts'

const INFO = { title: 'Kubernetes', version: KUBERNETES_MINOR }
const SECURITY_SCHEMES = {
  BearerToken: { description: 'Bearer Token authentication', in: 'header', name: 'authorization', type: 'apiKey' },
}

function parameterV3(writer: SchemaWriter, parameter: Parameter): JsonObject {
  const { name, in: place, type } = parameter
  return {
    ...describeParameter(writer, parameter),
    in: place,
    name,
    ...(place === 'path' && { required: true }),
    schema: { type, uniqueItems: true },
  }
}

function contentOf(writer: SchemaWriter, mediaTypes: readonly string[], definition: string): JsonObject {
  if (definition !== '') writer.referred.add(definition)
  const schema: JsonObject = definition === '' ? { type: 'string' } : { $ref: writer.prefix + definition }
  return Object.fromEntries(mediaTypes.map((type) => [type, { schema }]))
}

function operationV3(writer: SchemaWriter, operation: Operation): JsonObject {
  const { operationId, description, tag, action, kind, query, body, answer } = operation
  const responses: JsonObject = {}
  for (const code of operation.codes)
    responses[code] = {
      description: REASONS[code],
      ...(answer !== undefined && { content: contentOf(writer, operation.produces, answer) }),
    }
  responses[401] = { description: 'Unauthorized' }
  return {
    description,
    operationId,
    ...(query.length && { parameters: query.map((each) => parameterV3(writer, each)) }),
    ...(body && {
      requestBody: { content: contentOf(writer, operation.consumes ?? ['*/*'], body), ...(operation.bodyRequired && { required: true }) },
    }),
    responses,
    tags: [tag],
    ...(action && { 'x-kubernetes-action': action }),
    ...(kind && { 'x-kubernetes-group-version-kind': { group: kind.group, version: kind.version, kind: kind.kind } }),
  }
}

/** A document that is not of the catalog: `more` are the schemas that its paths refer to, by name. */
export function customDocumentV3(
  catalog: Catalog,
  groupVersion: { group: string; version: string },
  items: readonly PathItem[],
  more: JsonObject,
  describe?: Descriptions,
): JsonObject {
  return documentV3(catalog, items, kindsIn(catalog, groupVersion.group, groupVersion.version), describe, more)
}

function documentV3(
  catalog: Catalog,
  items: readonly PathItem[],
  kinds: KindsByDefinition,
  describe?: Descriptions,
  more: JsonObject = {},
): JsonObject {
  const writer = newSchemaWriter(3, describe)
  const paths: JsonObject = {}
  for (const item of items) {
    const operations = Object.fromEntries(item.operations.map((o) => [o.method, operationV3(writer, o)]))
    paths[item.path] = {
      ...operations,
      ...(item.parameters.length && { parameters: item.parameters.map((each) => parameterV3(writer, each)) }),
    }
  }
  const schemas = { ...closure(withMetadata(writer, more), catalog, kinds), ...more }
  return {
    openapi: '3.0.0',
    info: INFO,
    paths,
    components: { ...(Object.keys(schemas).length && { schemas }), securitySchemes: SECURITY_SCHEMES },
  }
}

/** Schemas of custom resources refer to the metadata of objects and lists. */
function withMetadata(writer: SchemaWriter, more: JsonObject): SchemaWriter {
  if (Object.keys(more).length > 0)
    for (const name of ['ObjectMeta', 'ListMeta']) writer.referred.add(`io.k8s.apimachinery.pkg.apis.meta.v1.${name}`)
  return writer
}

/** The path items of each document, by its name: `api/v1`, `apis/apps`, `apis/apps/v1`, `version`. */
function documents(catalog: Catalog): Map<string, () => PathItem[]> {
  const found = new Map<string, () => PathItem[]>(Object.entries(ROOT_DOCUMENTS).map(([name, items]) => [name, () => items]))
  for (const { name: group, versions } of catalog.groups) {
    const base = group === '' ? 'api' : `apis/${group}`
    found.set(base, () => groupPaths(group))
    for (const version of versions) found.set(`${base}/${version}`, () => resourcePaths(catalog, group, version))
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
}

export interface OpenApiDocument {
  readonly json: Buffer
  /** Upper-case hex, part of its URL. */
  readonly hash: string
}

export interface OpenApiV3Index {
  paths: Record<string, { serverRelativeURL: string }>
}

/** DeleteOptions and the like stand for the core's and for the document's own group and version. */
function kindsIn(catalog: Catalog, group: string, version: string): KindsByDefinition {
  const core = { group: '', version: 'v1' }
  return kindsByDefinition(catalog, group && version ? [core, { group, version }] : [core])
}

export class OpenApiV3 {
  readonly #catalog: Catalog
  readonly #describe: Descriptions | undefined
  readonly #documents: Map<string, () => PathItem[]>
  /** Documents that someone asked for. */
  readonly #built = new Map<string, OpenApiDocument>()
  readonly #hashes = new Map<string, string>()

  constructor(catalog: Catalog, describe?: Descriptions) {
    this.#catalog = catalog
    this.#describe = describe
    this.#documents = documents(catalog)
  }

  get names(): readonly string[] {
    return [...this.#documents.keys()]
  }

  /** By name, without slashes around it: `apis/apps/v1`. */
  document(name: string): OpenApiDocument | undefined {
    const found = this.#built.get(name) ?? this.#build(name)
    if (found) this.#built.set(name, found)
    return found
  }

  #build(name: string): OpenApiDocument | undefined {
    const items = this.#documents.get(name)
    if (!items) return undefined
    const [, group = '', version = ''] = /^apis?(?:\/([^/]+\.?[^/]*))?\/(v\d[^/]*)$/.exec(name) ?? []
    const json = Buffer.from(JSON.stringify(documentV3(this.#catalog, items(), kindsIn(this.#catalog, group, version), this.#describe)))
    const hash = hashOf(json)
    this.#hashes.set(name, hash)
    return { json, hash }
  }

  /** Hashes want every document to be built once (some 50 ms); they are not kept. `more` are documents from elsewhere (custom resources). */
  index(more: ReadonlyMap<string, string> = new Map()): OpenApiV3Index {
    const own = this.names.map((name) => [name, this.#hashes.get(name) ?? this.#build(name)?.hash ?? ''] as const)
    const hashes = new Map([...own, ...more])
    const entries = [...hashes].sort(([a], [b]) => (a < b ? -1 : 1))
    return { paths: Object.fromEntries(entries.map(([name, hash]) => [name, { serverRelativeURL: `/openapi/v3/${name}?hash=${hash}` }])) }
  }
}
