/**
 * `node tools/catalog/descriptions.ts [FILE]`: collects the descriptions of kinds, fields and parameters for `kubectl explain` out of
 * @kubernetes/client-node's declarations (those generated from this Kubernetes release) into FILE, by default
 * `.cache/descriptions.json`. The prose is not part of this repository; without the file OpenAPI has none.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { loadCatalog } from '../../src/api/catalog/load.ts'
import type { Schema, TypeDef } from '../../src/api/catalog/schema.ts'

const RELEASE = 'release-1.36'
/** Classes are named after group, version and kind, without the group where the rest is unique. */
const GROUP = /\.([\w-]+)\.(v\d\w*)\.(\w+)$/

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

function fileOf(models: string, definition: string): string | undefined {
  const match = GROUP.exec(definition)
  const names = match
    ? [capitalized(match[1] as string) + capitalized(match[2] as string) + match[3], capitalized(match[2] as string) + match[3]]
    : [definition.endsWith('.version.Info') ? 'VersionInfo' : '']
  return names.map((name) => join(models, `${name}.d.ts`)).find((file) => existsSync(file))
}

function prose(comment: string): string {
  return comment
    .replace(/^\s*\* ?/gm, '')
    .replace(/\\(['"])/g, '$1')
    .trim()
}

/** JavaScript names drop what is no identifier: `_default`, `x_kubernetes_map_type`. */
const plain = (name: string): string => name.replace(/[^a-zA-Z0-9]/g, '')

function descriptionsIn(text: string, def: TypeDef): Record<string, string> {
  const found: Record<string, string> = {}
  const ofClass = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export declare class/.exec(text)
  if (ofClass) found[''] = prose(ofClass[1] as string)
  const fields = new Map(def.fields.map((f) => [plain(f.name), f.name]))
  for (const match of text.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*'([^']+)'\??:/g)) {
    const name = fields.get(plain(match[2] as string))
    if (name) found[name] = prose(match[1] as string)
  }
  return found
}

const REQUEST = /export interface \w+?Api(\w+)Request \{([\s\S]*?)\n\}/g
const OPTIONS = /^(?:ConnectGet|Read)(?:Namespaced)?(Pod\w+|NodeProxy|ServiceProxy)$/
const NAMED: Readonly<Record<string, string>> = { quot: '"', lt: '<', gt: '>', amp: '&' }

function withoutEntities(text: string): string {
  return text
    .replace(/\\?&#(x?)(\w+);/g, (_, hex: string, code: string) => String.fromCodePoint(parseInt(code, hex ? 16 : 10)))
    .replace(/\\?&(quot|lt|gt|amp);/g, (_, name: string) => NAMED[name] ?? '')
}

/** Query parameters mean the same wherever they are, but for those of connections and logs: these are the fields of their options. */
function describeParameters(text: string, all: Record<string, Record<string, string>>): void {
  for (const [, operation = '', body = ''] of text.matchAll(REQUEST)) {
    const options = `io.k8s.api.core.v1.${OPTIONS.exec(operation)?.[1]?.replace('Portforward', 'PortForward')}Options`
    const isOptions = catalog.type(options) !== undefined
    if (operation.startsWith('Connect') && !isOptions) continue
    const described = (all[isOptions ? options : 'parameters'] ??= {})
    for (const [, comment = '', name = ''] of body.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*_?(\w+)\??:/g)) {
      const said = withoutEntities(prose(comment.replace(/\* Defaults to: [\s\S]*/, '')))
      if (name !== 'name' && name !== 'body' && said) described[name] ??= said
    }
  }
}

/** The definition of a field's value, or of its elements. */
function valueType(schema: Schema): string | undefined {
  if (schema.type === 'object') return schema.def.name
  if (schema.type === 'array') return valueType(schema.items)
  return schema.type === 'map' ? valueType(schema.values) : undefined
}

/** Of fields that have a kind of their own the declarations say nothing: what is said of the kind then stands for the field. */
function describeByType(described: Record<string, string>, def: TypeDef, all: Readonly<Record<string, Record<string, string>>>): void {
  for (const { name, schema } of def.fields) {
    const type = valueType(schema)
    const ofType = type && all[type]?.['']
    if (ofType && described[name] === undefined) described[name] = ofType
  }
}

const root = join(import.meta.dirname, '../..')
const out = process.argv[2] ?? join(root, '.cache/descriptions.json')
const models = join(dirname(createRequire(import.meta.url).resolve('@kubernetes/client-node')), 'gen/models')
const catalog = loadCatalog({ preReleases: true })
const descriptions: Record<string, Record<string, string>> = {}
for (const name of catalog.typeNames) {
  const file = fileOf(models, name)
  const text = file ? readFileSync(file, 'utf8') : ''
  if (text.includes(RELEASE)) descriptions[name] = descriptionsIn(text, catalog.type(name) as TypeDef)
}
for (const [name, described] of Object.entries(descriptions)) describeByType(described, catalog.type(name) as TypeDef, descriptions)
describeParameters(readFileSync(join(models, '../types/ObjectParamAPI.d.ts'), 'utf8'), descriptions)
mkdirSync(dirname(out), { recursive: true })
writeFileSync(out, JSON.stringify(descriptions))
console.log(`${Object.keys(descriptions).length} of ${catalog.typeNames.length} definitions described in ${out}`)
