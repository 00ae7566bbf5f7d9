/**
 * Reads what no published document says of the API's Go structs: the order of their fields, what is left out of JSON when it
 * is empty, which fields are pointers, the names of Go's types (decoding errors print them), and protobuf numbers.
 * Only declarations and tags are read. SOURCE is `staging/src/k8s.io` of a Kubernetes checkout.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface GoField {
  json: string
  /** Like reflection prints it, but with whole package names: `*int32`, `[]io.k8s.api.core.v1.Container`. */
  type: string
  omitEmpty: boolean
  omitZero: boolean
  /** 0 where it has none. */
  proto: number
  /** Protobuf numbers of the embedded structs around it, outermost first, and the names of those structs. */
  via: number[]
  embedded: string[]
}

/** The embedded structs on the way to a field. */
type Way = Pick<GoField, 'via' | 'embedded'>

/** `values` are the constants of a type that is marked `+enum`. */
export type GoType = { alias: string; values?: string[] } | { fields: GoField[] }
/** By OpenAPI definition name. */
export type GoTypes = Record<string, GoType>

const ROOTS = [
  'api',
  'apimachinery/pkg/apis/meta/v1',
  'apimachinery/pkg/runtime',
  'apimachinery/pkg/types',
  'apimachinery/pkg/version',
  'apimachinery/pkg/util/intstr',
  'apimachinery/pkg/api/resource',
  'apiextensions-apiserver/pkg/apis/apiextensions/v1',
  'kube-aggregator/pkg/apis/apiregistration/v1',
]

const BUILT_IN = /^(string|bool|u?int(8|16|32|64)?|float(32|64)|byte|error|interface\{\}|any)$/

interface RawField {
  /** '' for an embedded struct. */
  name: string
  type: string
  tag: string
}
type RawType = { alias: string; values?: string[] } | { fields: RawField[] }

function packageFolders(root: string): string[] {
  const here = readdirSync(root, { withFileTypes: true })
  const below = here.filter((e) => e.isDirectory() && e.name !== 'testdata').flatMap((e) => packageFolders(join(root, e.name)))
  return here.some((e) => e.isFile() && e.name.endsWith('.go')) ? [root, ...below] : below
}

const definitionPrefix = (importPath: string): string => importPath.replace(/^k8s\.io\//, 'io.k8s.').replaceAll('/', '.')

function importsOf(text: string): Map<string, string> {
  const imports = new Map<string, string>()
  const block = /^import \(([\s\S]*?)^\)/m.exec(text)?.[1] ?? /^import (.*)$/m.exec(text)?.[1] ?? ''
  for (const match of block.matchAll(/^\s*(\w+)?\s*"([^"]+)"/gm)) {
    const path = match[2] as string
    imports.set(match[1] ?? (path.split('/').pop() as string), definitionPrefix(path))
  }
  return imports
}

/** `[]metav1.Condition` with the package written out. */
function qualify(type: string, here: string, imports: Map<string, string>): string {
  const wrapped = /^(\*|\[\]|map\[([^\]]+)\])(.*)$/.exec(type)
  if (wrapped) {
    const head = wrapped[2] ? `map[${qualify(wrapped[2], here, imports)}]` : wrapped[1]
    return head + qualify(wrapped[3] as string, here, imports)
  }
  if (BUILT_IN.test(type)) return type
  const [first, second] = type.split('.') as [string, string?]
  if (second === undefined) return `${here}.${first}`
  return `${imports.get(first) ?? first}.${second}`
}

function readFile(text: string, here: string, into: Map<string, RawType>): void {
  const imports = importsOf(text)
  for (const match of text.matchAll(/^type (\w+) (.+)$/gm)) {
    const [, name, rest] = match as unknown as [string, string, string]
    if (!rest.startsWith('struct')) {
      const alias = rest
        .replace(/\s*\/\/.*$/, '')
        .replace(/^= /, '')
        .trim()
      if (!alias.startsWith('interface') && !alias.startsWith('func')) into.set(`${here}.${name}`, { alias: qualify(alias, here, imports) })
      continue
    }
    const fields: RawField[] = []
    const start = (match.index as number) + match[0].length
    const body = rest.endsWith('}') ? '' : text.slice(start, text.indexOf('\n}', start))
    for (const line of body.split('\n')) {
      const field = /^\s*(?:(\w+)\s+)?((?:\*|\[\]|map\[[^\]]+\])*[\w.]+(?:\{\})?)\s*(?:`([^`]*)`)?\s*(?:\/\/.*)?$/.exec(line)
      if (!field || line.trim().startsWith('//')) continue
      fields.push({ name: field[1] ?? '', type: qualify(field[2] as string, here, imports), tag: field[3] ?? '' })
    }
    into.set(`${here}.${name}`, { fields })
  }
}

/** Constants that have a value of their own, by name: those of other packages are found by it. */
function readConstants(text: string, into: Map<string, string>): void {
  for (const [, name, value] of text.matchAll(/^(?:const)?\s*(\w+)\s+\w+\s*=\s*"([^"]*)"/gm)) into.set(name as string, value as string)
}

/** Constants of the enumerations of a package: `PullAlways PullPolicy = "Always"`, `AddressTypeIPv4 = AddressType(v1.IPv4Protocol)`. */
function readEnums(texts: readonly string[], here: string, constants: ReadonlyMap<string, string>, into: Map<string, RawType>): void {
  const all = texts.join('\n')
  for (const marked of all.matchAll(/^\/\/ \+enum\n(?:\/\/.*\n)*type (\w+) string$/gm)) {
    const name = marked[1] as string
    const own = all.matchAll(new RegExp(`^(?:const)?\\s*\\w+\\s+(?:${name}\\s*=\\s*|=\\s*${name}\\()"([^"]*)"`, 'gm'))
    const others = all.matchAll(new RegExp(`^\\s*\\w+\\s+=\\s*${name}\\(\\w+\\.(\\w+)\\)`, 'gm'))
    const values = [...[...own].map((c) => c[1]), ...[...others].map((c) => constants.get(c[1] as string))]
    const type = into.get(`${here}.${name}`)
    if (type && 'alias' in type) type.values = [...new Set(values.filter((value) => value !== undefined))].sort()
  }
}

function flatten(raw: Map<string, RawType>, name: string, way: Way): GoField[] {
  const type = raw.get(name.replace(/^\*/, ''))
  if (!type) return []
  if ('alias' in type) return flatten(raw, type.alias, way)
  return type.fields.flatMap((field): GoField[] => {
    const json = /json:"([^"]*)"/.exec(field.tag)?.[1]
    if (json === undefined && !(field.name === '' && field.tag === '')) return []
    const [key = '', ...options] = (json ?? ',inline').split(',')
    const proto = Number(/protobuf:"\w+,(\d+)/.exec(field.tag)?.[1] ?? 0)
    if (key === '-') return []
    if (key === '') {
      const embedded = [...way.embedded, field.type.split('.').pop() as string]
      // An embedded struct without a number (TypeMeta) is not part of the protobuf message.
      if (proto) return flatten(raw, field.type, { via: [...way.via, proto], embedded })
      return flatten(raw, field.type, { via: way.via, embedded }).map((f) => ({ ...f, proto: 0 }))
    }
    return [
      { json: key, type: field.type, omitEmpty: options.includes('omitempty'), omitZero: options.includes('omitzero'), proto, ...way },
    ]
  })
}

export function readGoTypes(source: string): GoTypes {
  const raw = new Map<string, RawType>()
  const constants = new Map<string, string>()
  const packages = ROOTS.flatMap((r) => packageFolders(join(source, r))).map((folder) => {
    const here = definitionPrefix(`k8s.io${folder.slice(source.length)}`)
    const files = readdirSync(folder).filter((f) => f.endsWith('.go') && !/_test\.go$|^zz_|generated|swagger/.test(f))
    return { here, texts: files.map((f) => readFileSync(join(folder, f), 'utf8')) }
  })
  for (const { here, texts } of packages) {
    for (const text of texts) {
      readFile(text, here, raw)
      readConstants(text, constants)
    }
  }
  for (const { here, texts } of packages) readEnums(texts, here, constants, raw)
  const types: GoTypes = {}
  for (const [name, type] of [...raw].sort(([a], [b]) => (a < b ? -1 : 1)))
    types[name] = 'alias' in type ? type : { fields: flatten(raw, name, { via: [], embedded: [] }) }
  return types
}

/** The same in one short row a field: name, type, flags (`e` omitempty, `z` omitzero), number, and what it is embedded in. */
type PackedField = [json: string, type: string, flags: string, proto: number, via?: number[], embedded?: string[]]
export type PackedGoTypes = Record<string, string | { alias: string; values: string[] } | PackedField[]>

export function packGoTypes(types: GoTypes): PackedGoTypes {
  const packType = (type: GoType): PackedGoTypes[string] => {
    if ('fields' in type) return type.fields.map(pack)
    return type.values ? { alias: type.alias, values: type.values } : type.alias
  }
  const pack = (f: GoField): PackedField => {
    const row: PackedField = [f.json, f.type, (f.omitEmpty ? 'e' : '') + (f.omitZero ? 'z' : ''), f.proto]
    return f.embedded.length ? [row[0], row[1], row[2], row[3], f.via, f.embedded] : row
  }
  return Object.fromEntries(Object.entries(types).map(([name, type]) => [name, packType(type)]))
}

export function unpackGoTypes(packed: PackedGoTypes): GoTypes {
  const unpack = ([json, type, flags, proto, via = [], embedded = []]: PackedField): GoField => ({
    json,
    type,
    omitEmpty: flags.includes('e'),
    omitZero: flags.includes('z'),
    proto,
    via,
    embedded,
  })
  return Object.fromEntries(
    Object.entries(packed).map(([name, type]) => [
      name,
      typeof type === 'string' ? { alias: type } : Array.isArray(type) ? { fields: type.map(unpack) } : type,
    ]),
  )
}
