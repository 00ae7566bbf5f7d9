/** The rows of `catalog.generated.json`: written by `tools/catalog`, read by `load.ts`, known to nobody else. */

/**
 * Codes of schemas. Scalars: `s` string, `b` boolean, `i` int32, `l` int64, `d` double, `y` bytes, `t` time, `m` microTime,
 * `u` duration, `q` quantity, `o` intOrString, `f` fieldsV1, `a` any (`a:X`: any, and X is the definition behind it).
 * `@type`, `[]item` (list type not declared), `[atomic]item`, `[set]item`, `[map:key,key]item`, `{}value`.
 */
export type SchemaCode = string

export interface FieldExtras {
  /** OpenAPI default. */
  d?: unknown
  /** Go type where the schema does not imply it. */
  g?: string
  /** Patch strategy, patch merge key. */
  s?: string
  k?: string
  /** The values of an enumeration, sorted: of the field, or of its items. */
  n?: string[]
  /** x-kubernetes-map-type of the field. */
  m?: 'atomic' | 'granular'
  /** Protobuf numbers of the embedded structs around the field. */
  v?: number[]
  /** The names of those structs. */
  e?: string[]
}

/** JSON name, schema, flags (`r` required, `p` pointer, `e` omitempty, `z` omitzero), protobuf number. */
export type FieldRow = [name: string, schema: SchemaCode, flags: string, proto: number, extras?: FieldExtras]

export interface TypeRow {
  /** In Go's order. */
  f: FieldRow[]
  /** x-kubernetes-map-type. */
  a?: string
  /** x-kubernetes-unions. */
  x?: unknown
  /** No OpenAPI document defines it. */
  u?: 1
}

export interface ResourceRow {
  r: string
  k: string
  /** Singular, where it is not the lower-case kind. */
  s?: string
  /** Namespaced. */
  n?: 1
  v: string
  a?: string[]
  c?: string[]
  sub?: (readonly [name: string, gvk: string, verbs: string])[]
}

export interface CatalogData {
  groups: [name: string, versions: string[]][]
  /** By `group/version`. */
  resources: Record<string, ResourceRow[]>
  /** `group/version/Kind` to type. */
  kinds: Record<string, string>
  /** Kinds that every group and version has. */
  everywhere: Record<string, string>
  /** The groups and versions that publish those. */
  everyGroupVersion: string[]
  types: Record<string, TypeRow>
}

const PREFIXES = [
  ['io.k8s.apimachinery.pkg.apis.meta.v1.', 'meta/'],
  ['io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.', 'apiextensions/'],
  ['io.k8s.api.', ''],
] as const

/** Short form of a definition name; a name without a known prefix is left alone. */
export function abbreviate(name: string): string {
  for (const [long, short] of PREFIXES) if (name.startsWith(long)) return short + name.slice(long.length)
  return `:${name}`
}

export function unabbreviate(short: string): string {
  if (short.startsWith(':')) return short.slice(1)
  for (const [long, prefix] of PREFIXES) if (prefix && short.startsWith(prefix)) return long + short.slice(prefix.length)
  return `io.k8s.api.${short}`
}
