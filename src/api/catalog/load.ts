/**
 * The one reader of the generated catalog. Loading parses the rows and no more: types and resources are decoded when they
 * are first asked for, since a server uses a third of them and start-up is counted in milliseconds.
 */
import generated from './catalog.generated.json' with { type: 'json' }
import type { Catalog, CatalogResource, GroupVersionKind } from './catalog.ts'
import { abbreviate, type CatalogData, type FieldRow, type ResourceRow, type SchemaCode, unabbreviate } from './data.ts'
import type { Field, Schema, ScalarSchema, TypeDef } from './schema.ts'

export interface CatalogOptions {
  /** Also serve alpha and beta versions; like upstream's, they are off by default. */
  preReleases?: boolean
}

const NOTHING: readonly never[] = []
const STABLE = /^v\d+$/

const SCALARS: Record<string, ScalarSchema> = {
  s: { type: 'string' },
  b: { type: 'boolean' },
  i: { type: 'int32' },
  l: { type: 'int64' },
  d: { type: 'double' },
  y: { type: 'bytes' },
  t: { type: 'time' },
  m: { type: 'microTime' },
  u: { type: 'duration' },
  q: { type: 'quantity' },
  o: { type: 'intOrString' },
  f: { type: 'fieldsV1' },
  a: { type: 'any' },
}

const GO_SCALARS: Record<ScalarSchema['type'], string> = {
  string: 'string',
  boolean: 'bool',
  int32: 'int32',
  int64: 'int64',
  double: 'float64',
  bytes: '[]uint8',
  time: 'v1.Time',
  microTime: 'v1.MicroTime',
  duration: 'v1.Duration',
  quantity: 'resource.Quantity',
  intOrString: 'intstr.IntOrString',
  any: 'interface {}',
  fieldsV1: 'v1.FieldsV1',
}

/** Go's printed name of a schema's type, without named types of fields: `[]v1.Container`, `map[string]string`. */
export function goTypeOf(schema: Schema): string {
  switch (schema.type) {
    case 'object':
      return schema.def.goName
    case 'array':
      return `[]${goTypeOf(schema.items)}`
    case 'map':
      return `map[string]${goTypeOf(schema.values)}`
    default:
      return GO_SCALARS[schema.type]
  }
}

class Types {
  readonly #rows: CatalogData['types']
  readonly #decoded = new Map<string, TypeDef>()

  constructor(rows: CatalogData['types']) {
    this.#rows = rows
  }

  /** By abbreviated name. */
  get(short: string): TypeDef | undefined {
    const found = this.#decoded.get(short)
    if (found) return found
    const row = this.#rows[short]
    if (!row) return undefined
    const name = unabbreviate(short)
    const decode = (): readonly Field[] => row.f.map((f) => this.#field(f))
    let fields: readonly Field[] | undefined
    let byName: ReadonlyMap<string, Field> | undefined
    const def: TypeDef = {
      name,
      goName: name.split('.').slice(-2).join('.'),
      get fields() {
        return (fields ??= decode())
      },
      get fieldByName() {
        return (byName ??= new Map(def.fields.map((f) => [f.name, f])))
      },
      atomic: row.a === 'atomic',
      preserveUnknownFields: false,
      published: !row.u,
      ...(row.x !== undefined && { unions: row.x }),
    }
    this.#decoded.set(short, def)
    return def
  }

  names(): string[] {
    return Object.keys(this.#rows).map(unabbreviate)
  }

  #field([name, code, flags, proto, extras = {}]: FieldRow): Field {
    const schema = withMapType(this.#schema(code), extras.m)
    let goType = extras.g
    return {
      name,
      schema,
      proto,
      required: flags.includes('r'),
      ...('d' in extras && { default: extras.d }),
      patchStrategy: (extras.s?.split(',') ?? []) as Field['patchStrategy'],
      ...(extras.k && { patchMergeKey: extras.k }),
      ...(extras.n && { enum: extras.n }),
      ...(extras.m && { mapType: extras.m }),
      go: {
        get type() {
          return (goType ??= goTypeOf(schema))
        },
        pointer: flags.includes('p'),
        omitEmpty: flags.includes('e'),
        omitZero: flags.includes('z'),
        protoVia: extras.v ?? NOTHING,
        embeddedIn: extras.e ?? NOTHING,
      },
    }
  }

  #schema(code: SchemaCode): Schema {
    const head = code[0]
    if (head === '@') return { type: 'object', def: this.get(code.slice(1)) as TypeDef }
    if (head === '[') {
      const end = code.indexOf(']')
      const [type = '', keys = ''] = code.slice(1, end).split(':')
      return {
        type: 'array',
        items: this.#schema(code.slice(end + 1)),
        listType: (type || 'atomic') as 'atomic' | 'set' | 'map',
        listMapKeys: keys ? keys.split(',') : [],
        declared: type !== '',
      }
    }
    if (head === '{') return { type: 'map', values: this.#schema(code.slice(2)), atomic: false }
    if (code.startsWith('a:')) return { type: 'any', definition: code.slice(2) }
    return SCALARS[code] as Schema
  }
}

/** A field's own map type goes before that of its type. */
function withMapType(schema: Schema, mapType: 'atomic' | 'granular' | undefined): Schema {
  if (!mapType) return schema
  const atomic = mapType === 'atomic'
  if (schema.type === 'map') return { ...schema, atomic }
  if (schema.type !== 'object' || schema.def.atomic === atomic) return schema
  const { def } = schema
  // Spelled out, since a spread would decode the fields at once.
  const own: TypeDef = {
    name: def.name,
    goName: def.goName,
    preserveUnknownFields: false,
    published: def.published !== false,
    get fields() {
      return def.fields
    },
    get fieldByName() {
      return def.fieldByName
    },
    atomic,
  }
  return { type: 'object', def: own }
}

function parseKind(text: string): GroupVersionKind {
  const [group, version, kind] = text.split('/') as [string, string, string]
  return { group, version, kind }
}

function resourceOf(row: ResourceRow, group: string, version: string, types: Types, kinds: CatalogData['kinds']): CatalogResource {
  let type: TypeDef | undefined
  return {
    group,
    version,
    resource: row.r,
    singular: row.s ?? row.k.toLowerCase(),
    kind: row.k,
    namespaced: row.n === 1,
    verbs: row.v.split(','),
    shortNames: row.a ?? [],
    categories: row.c ?? [],
    subresources: (row.sub ?? []).map(([name, gvk, verbs]) => ({ name, kind: parseKind(gvk), verbs: verbs.split(',') })),
    get type() {
      return (type ??= types.get(kinds[`${group}/${version}/${row.k}`] as string) as TypeDef)
    },
  }
}

export function loadCatalog(options: CatalogOptions = {}): Catalog {
  const data = generated as unknown as CatalogData
  const types = new Types(data.types)
  const served = (version: string): boolean => options.preReleases === true || STABLE.test(version)
  const decoded = new Map<string, readonly CatalogResource[]>()
  const byName = new Map<string, CatalogResource>()
  const resources = (group: string, version: string): readonly CatalogResource[] => {
    const key = `${group}/${version}`
    const found = decoded.get(key)
    if (found) return found
    const rows = served(version) ? (data.resources[key] ?? []) : []
    const list = rows.map((row) => resourceOf(row, group, version, types, data.kinds))
    decoded.set(key, list)
    for (const resource of list) byName.set(`${key}/${resource.resource}`, resource)
    return list
  }
  return {
    groups: data.groups
      .map(([name, versions]) => ({ name, versions: versions.filter(served) }))
      .filter((group) => group.versions.length > 0),
    resources,
    resource(group, version, resource) {
      resources(group, version)
      return byName.get(`${group}/${version}/${resource}`)
    },
    typeOfKind({ group, version, kind }) {
      const short = data.kinds[`${group}/${version}/${kind}`] ?? data.everywhere[kind] ?? data.kinds[`meta.k8s.io/v1/${kind}`]
      return short === undefined ? undefined : types.get(short)
    },
    type: (name) => types.get(abbreviate(name)),
    get kinds() {
      return Object.keys(data.kinds).map(parseKind)
    },
    get typeNames() {
      return types.names()
    },
    get everywhere() {
      return {
        kinds: Object.keys(data.everywhere),
        groupVersions: data.everyGroupVersion.map((text) => {
          const [group = '', version = ''] = text.split('/')
          return { group, version }
        }),
      }
    },
  }
}
