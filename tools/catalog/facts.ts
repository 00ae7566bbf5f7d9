/**
 * Joins the published documents and the Go facts into `catalog.generated.json`. Its rows are read by
 * `src/api/catalog/load.ts` alone; what the codes mean is written down there.
 */
import type { CatalogData, FieldRow, ResourceRow, TypeRow } from '../../src/api/catalog/data.ts'
import { abbreviate, unabbreviate } from '../../src/api/catalog/data.ts'
import type { GoField, GoTypes } from './goTypes.ts'
import type { Definition, DiscoveredResource, Discovery, OpenApi, Property } from './sources.ts'

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'
const APIEXTENSIONS = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1'

/** Kinds that clients send or receive and that no OpenAPI document defines; their fields come from Go. */
const UNPUBLISHED_KINDS: Record<string, string> = {
  ...Object.fromEntries(
    ['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList', 'TableOptions'].map((k) => [`${META}.${k}`, `meta.k8s.io/v1/${k}`]),
  ),
  ...Object.fromEntries(
    ['CreateOptions', 'UpdateOptions', 'PatchOptions', 'ListOptions', 'GetOptions'].map((k) => [`${META}.${k}`, `meta.k8s.io/v1/${k}`]),
  ),
  ...Object.fromEntries(
    [
      'NodeProxyOptions',
      'PodAttachOptions',
      'PodExecOptions',
      'PodLogOptions',
      'PodPortForwardOptions',
      'PodProxyOptions',
      'ServiceProxyOptions',
      'RangeAllocation',
      'SerializedReference',
    ].map((k) => [`io.k8s.api.core.v1.${k}`, `/v1/${k}`]),
  ),
  'io.k8s.api.admission.v1.AdmissionReview': 'admission.k8s.io/v1/AdmissionReview',
  'io.k8s.api.apidiscovery.v2.APIGroupDiscoveryList': 'apidiscovery.k8s.io/v2/APIGroupDiscoveryList',
  [`${APIEXTENSIONS}.ConversionReview`]: 'apiextensions.k8s.io/v1/ConversionReview',
}

const SCALARS: Record<string, string> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': 'q',
  [`${META}.Time`]: 't',
  [`${META}.MicroTime`]: 'm',
  [`${META}.Duration`]: 'u',
  [`${META}.FieldsV1`]: 'f',
  [`${META}.Patch`]: 'a',
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': 'o',
  'io.k8s.apimachinery.pkg.runtime.RawExtension': 'a',
  [`${APIEXTENSIONS}.JSON`]: 'a:JSON',
  [`${APIEXTENSIONS}.JSONSchemaPropsOrArray`]: 'a:JSONSchemaPropsOrArray',
  [`${APIEXTENSIONS}.JSONSchemaPropsOrBool`]: 'a:JSONSchemaPropsOrBool',
  [`${APIEXTENSIONS}.JSONSchemaPropsOrStringArray`]: 'a:JSONSchemaPropsOrStringArray',
}
const GO_SCALARS: Record<string, string> = {
  string: 's',
  bool: 'b',
  int: 'l',
  int32: 'i',
  uint32: 'i',
  int64: 'l',
  uint64: 'l',
  float64: 'd',
  'interface{}': 'a',
  'io.k8s.apimachinery.pkg.runtime.Object': 'a',
  'io.k8s.apimachinery.pkg.types.UID': 's',
  'io.k8s.apimachinery.pkg.types.PatchType': 's',
}
const JSON_SCALARS: Record<string, string> = {
  string: 's',
  'string/byte': 'y',
  boolean: 'b',
  'integer/int32': 'i',
  'integer/int64': 'l',
  'number/double': 'd',
  object: 'a',
}

function arrayCode(property: Property): string {
  const type = property['x-kubernetes-list-type']
  if (!type) return '[]'
  return type === 'map' ? `[map:${(property['x-kubernetes-list-map-keys'] ?? []).join(',')}]` : `[${type}]`
}

function schemaCode(property: Property): string {
  const ref = property.$ref?.replace('#/definitions/', '')
  if (ref) return SCALARS[ref] ?? `@${abbreviate(ref)}`
  if (property.type === 'array') return arrayCode(property) + schemaCode(property.items as Property)
  if (property.additionalProperties) return `{}${schemaCode(property.additionalProperties)}`
  const code = JSON_SCALARS[property.format ? `${property.type}/${property.format}` : (property.type ?? 'object')]
  if (!code) throw new Error(`no schema for ${JSON.stringify(property)}`)
  return code
}

/** `v1.Container`: the package's last element and the name, as Go prints it. */
function printedGoType(type: string): string {
  return type.replaceAll(/(?:[\w-]+\.)*([\w-]+\.\w+)/g, '$1')
}

/** What the printed Go type is when nothing else is known: the loader fills it in. */
function impliedGoType(code: string): string {
  const plain: Record<string, string> = {
    s: 'string',
    b: 'bool',
    i: 'int32',
    l: 'int64',
    d: 'float64',
    y: '[]uint8',
    t: 'v1.Time',
    m: 'v1.MicroTime',
    u: 'v1.Duration',
    q: 'resource.Quantity',
    o: 'intstr.IntOrString',
    f: 'v1.FieldsV1',
  }
  if (code.startsWith('[')) return `[]${impliedGoType(code.slice(code.indexOf(']') + 1))}`
  if (code.startsWith('{')) return `map[string]${impliedGoType(code.slice(code.indexOf('}') + 1))}`
  if (code.startsWith('@')) return printedGoType(unabbreviate(code.slice(1)))
  return plain[code] ?? 'interface {}'
}

class TypeWriter {
  readonly types: Record<string, TypeRow> = {}
  readonly openapi: OpenApi
  readonly defaults: Record<string, Definition>
  readonly go: GoTypes

  constructor(openapi: OpenApi, defaults: Record<string, Definition>, go: GoTypes) {
    this.openapi = openapi
    this.defaults = defaults
    this.go = go
  }

  /** Schema code of a Go type; structs that it refers to and that no document defines are added. */
  goSchemaCode(type: string): string {
    if (type === '[]byte') return 'y'
    const wrapped = /^(\*|\[\]|map\[[^\]]+\])(.*)$/.exec(type)
    if (wrapped) {
      const inner = this.goSchemaCode(wrapped[2] as string)
      return wrapped[1] === '*' ? inner : wrapped[1] === '[]' ? `[]${inner}` : `{}${inner}`
    }
    const known = GO_SCALARS[type] ?? SCALARS[type]
    if (known) return known
    const go = this.go[type]
    if (!go) throw new Error(`unknown Go type ${type}`)
    if ('alias' in go) return this.goSchemaCode(go.alias)
    this.add(type)
    return `@${abbreviate(type)}`
  }

  #row(
    name: string,
    property: Property | undefined,
    published: Property | undefined,
    required: boolean,
    go: GoField | undefined,
  ): FieldRow {
    const goType = go?.type ?? ''
    const schema = property ? schemaCode(property) : this.goSchemaCode(goType)
    const printed = printedGoType(goType.replace(/^\*/, '')).replace('[]byte', '[]uint8')
    const flags = [required && 'r', goType.startsWith('*') && 'p', go?.omitEmpty && 'e', go?.omitZero && 'z'].filter(Boolean).join('')
    const named = this.go[goType.replace(/^(\*|\[\]|map\[[^\]]+\])+/, '')]
    const extras = {
      ...(named && 'alias' in named && named.values?.length && { n: named.values }),
      ...(published?.default !== undefined && { d: published.default }),
      ...(printed && printed !== impliedGoType(schema) && { g: printed }),
      ...(property?.['x-kubernetes-patch-strategy'] && { s: property['x-kubernetes-patch-strategy'] }),
      ...(property?.['x-kubernetes-map-type'] && { m: property['x-kubernetes-map-type'] }),
      ...(property?.['x-kubernetes-patch-merge-key'] && { k: property['x-kubernetes-patch-merge-key'] }),
      ...(go?.via.length && { v: go.via, e: go.embedded }),
    }
    const row: FieldRow = [name, schema, flags, go?.proto ?? 0]
    if (Object.keys(extras).length) row.push(extras)
    return row
  }

  add(name: string): void {
    const key = abbreviate(name)
    if (this.types[key] || SCALARS[name]) return
    const row: TypeRow = { f: [] }
    this.types[key] = row
    const definition = this.openapi.definitions[name]
    const go = this.go[name]
    const goFields = go && 'fields' in go ? go.fields : []
    if (!definition) {
      row.u = 1
      row.f = goFields.map((f) => this.#row(f.json, undefined, undefined, !f.omitEmpty, f))
      return
    }
    const properties = definition.properties ?? {}
    const order = [...goFields.map((f) => f.json).filter((f) => f in properties), ...Object.keys(properties)]
    const required = new Set(definition.required ?? [])
    row.f = [...new Set(order)].map((f) =>
      this.#row(
        f,
        properties[f],
        this.defaults[name]?.properties?.[f],
        required.has(f),
        goFields.find((g) => g.json === f),
      ),
    )
    if (definition['x-kubernetes-map-type']) row.a = definition['x-kubernetes-map-type']
    if (definition['x-kubernetes-unions']) row.x = definition['x-kubernetes-unions']
  }
}

function resourceRow(group: string, version: string, r: DiscoveredResource): ResourceRow {
  const gvk = (k: { group: string; version: string; kind: string }): string =>
    k.version ? `${k.group}/${k.version}/${k.kind}` : `${group}/${version}/${k.kind}`
  return {
    r: r.resource,
    k: r.responseKind.kind,
    ...(r.singularResource !== r.responseKind.kind.toLowerCase() && { s: r.singularResource }),
    ...(r.scope === 'Namespaced' && { n: 1 as const }),
    v: r.verbs.join(','),
    ...(r.shortNames && { a: r.shortNames }),
    ...(r.categories && { c: r.categories }),
    ...(r.subresources && { sub: r.subresources.map((s) => [s.subresource, gvk(s.responseKind), s.verbs.join(',')] as const) }),
  }
}

export function catalogData(openapi: OpenApi, v3: Record<string, Definition>, discoveries: Discovery[], go: GoTypes): CatalogData {
  const writer = new TypeWriter(openapi, v3, go)
  const kinds: Record<string, string> = {}
  const everywhere: Record<string, string> = {}
  const everyGroupVersion = new Set<string>()
  for (const [name, definition] of Object.entries(openapi.definitions)) {
    writer.add(name)
    const gvks = definition['x-kubernetes-group-version-kind'] ?? []
    if (gvks.length > 1) {
      everywhere[(gvks[0] as { kind: string }).kind] = abbreviate(name)
      for (const g of gvks) everyGroupVersion.add(`${g.group}/${g.version}`)
    } else for (const g of gvks) kinds[`${g.group}/${g.version}/${g.kind}`] = abbreviate(name)
  }
  for (const [name, gvk] of Object.entries(UNPUBLISHED_KINDS)) {
    writer.add(name)
    kinds[gvk] = abbreviate(name)
  }
  return {
    groups: discoveries.flatMap((d) => d.items).map((g) => [g.metadata?.name ?? '', g.versions.map((v) => v.version)]),
    resources: Object.fromEntries(
      discoveries
        .flatMap((d) => d.items)
        .flatMap((g) =>
          g.versions.map((v) => {
            const group = g.metadata?.name ?? ''
            return [`${group}/${v.version}`, v.resources.map((r) => resourceRow(group, v.version, r))]
          }),
        ),
    ),
    kinds,
    everywhere,
    everyGroupVersion: [...everyGroupVersion],
    types: writer.types,
  }
}

/** The part of the Go facts that the catalog uses: what is kept beside the generator. */
export function neededGoTypes(openapi: OpenApi, all: GoTypes): GoTypes {
  const needed: GoTypes = {}
  const visit = (type: string): void => {
    const name = type.replace(/^(\*|\[\]|map\[[^\]]+\])+/, '')
    const found = all[name]
    if (!found || needed[name]) return
    needed[name] = found
    if ('alias' in found) visit(found.alias)
    else for (const f of found.fields) visit(f.type)
  }
  for (const name of [...Object.keys(openapi.definitions), ...Object.keys(UNPUBLISHED_KINDS)]) visit(name)
  return Object.fromEntries(Object.entries(needed).sort(([a], [b]) => (a < b ? -1 : 1)))
}
