/**
 * Writes the TypeScript shapes of the stable API kinds, and their resource handles, from a published OpenAPI v2
 * document and an aggregated discovery document: `src/api/kinds/<group>/<version>.ts`.
 * The shapes say what a persisted object looks like (names, uids and, for namespaced kinds, namespaces are there).
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Definition, Discovery, OpenApi, Property } from './sources.ts'

const STABLE = /^v\d+$/

const ALIASES: Record<string, string> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': 'string',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': 'string',
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': 'string',
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': 'number | string',
}

interface Place {
  folder: string
  version: string
  type: string
}

/** `io.k8s.api.core.v1.Pod` is `Pod` of `core/v1`; a definition outside the stable versions has no place. */
function placeOf(definition: string): Place | undefined {
  const parts = definition.split('.')
  const type = parts.pop() as string
  const version = parts.pop() as string
  if (!STABLE.test(version)) return undefined
  return { folder: parts.pop() as string, version, type }
}

class Module {
  readonly imports = new Set<string>()
  readonly lines: string[] = []
  readonly place: Place

  constructor(place: Place) {
    this.place = place
  }

  refer(definition: string): string {
    const alias = ALIASES[definition]
    if (alias) return alias
    const place = placeOf(definition)
    if (!place) return 'unknown'
    if (place.folder === this.place.folder && place.version === this.place.version) return place.type
    this.imports.add(`import type * as ${place.folder}${place.version} from '../${place.folder}/${place.version}.ts'`)
    return `${place.folder}${place.version}.${place.type}`
  }

  typeOf(property: Property): string {
    if (property.$ref) return this.refer(property.$ref.replace('#/definitions/', ''))
    switch (property.type) {
      case 'array': {
        const item = this.typeOf(property.items as Property)
        return item.includes('|') ? `(${item})[]` : `${item}[]`
      }
      case 'object':
        return property.additionalProperties ? `Record<string, ${this.typeOf(property.additionalProperties)}>` : 'Record<string, unknown>'
      case 'integer':
      case 'number':
        return 'number'
      case 'boolean':
        return 'boolean'
      case 'string':
        return 'string'
      default:
        return 'unknown'
    }
  }
}

const OBJECT_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'
const ALWAYS_SET = new Set(['name', 'uid', 'resourceVersion', 'creationTimestamp'])

function interfaceOf(module: Module, name: string, definition: Definition, scope: 'Namespaced' | 'Cluster' | undefined): string {
  if (!definition.properties) {
    const base = definition.type === 'string' ? 'string' : 'unknown'
    return `export type ${module.place.type} = ${base}`
  }
  const required = new Set(definition.required ?? [])
  const fields = Object.entries(definition.properties).map(([field, property]) => {
    const isMeta = property.$ref?.endsWith(OBJECT_META)
    let type = module.typeOf(property)
    if (isMeta && scope === 'Namespaced') type = `${type} & { namespace: string }`
    else if (isMeta && !scope) type = `Partial<${type}>`
    const always =
      required.has(field) || (scope && (field === 'metadata' || field === 'spec')) || (name === OBJECT_META && ALWAYS_SET.has(field))
    return `  ${/^[A-Za-z_$][\w$]*$/.test(field) ? field : `'${field}'`}${always ? '' : '?'}: ${type}`
  })
  return `export interface ${module.place.type} {\n${fields.join('\n')}\n}`
}

export function writeKinds(openapi: OpenApi, discoveries: Discovery[], outDir: string): void {
  const modules = new Map<string, Module>()
  const moduleFor = (place: Place): Module => {
    const key = `${place.folder}/${place.version}`
    const found = modules.get(key) ?? new Module(place)
    modules.set(key, found)
    found.place.type = place.type
    return found
  }
  const scopes = new Map<string, 'Namespaced' | 'Cluster'>()
  const handles: { place: Place; line: string }[] = []
  const byKind = new Map<string, string>()
  for (const [name, definition] of Object.entries(openapi.definitions))
    for (const gvk of definition['x-kubernetes-group-version-kind'] ?? [])
      if (name.endsWith(`.${gvk.kind}`)) byKind.set(`${gvk.group}/${gvk.version}/${gvk.kind}`, name)

  for (const group of discoveries.flatMap((d) => d.items)) {
    const groupName = group.metadata?.name ?? ''
    for (const { version, resources } of group.versions) {
      if (!STABLE.test(version)) continue
      for (const r of resources) {
        const definition = byKind.get(`${groupName}/${version}/${r.responseKind.kind}`)
        const place = definition && placeOf(definition)
        if (!definition || !place) continue
        scopes.set(definition, r.scope)
        const handle = {
          group: groupName,
          version,
          resource: r.resource,
          kind: r.responseKind.kind,
          namespaced: r.scope === 'Namespaced',
        }
        handles.push({ place, line: `export const ${r.resource}: Resource<${r.responseKind.kind}> = ${JSON.stringify(handle)}` })
      }
    }
  }
  for (const [name, definition] of Object.entries(openapi.definitions)) {
    const place = placeOf(name)
    if (!place || ALIASES[name]) continue
    const module = moduleFor(place)
    module.lines.push(interfaceOf(module, name, definition, scopes.get(name)))
  }
  for (const { place, line } of handles) moduleFor(place).lines.push(line)

  rmSync(outDir, { recursive: true, force: true })
  for (const [key, module] of modules) {
    const file = join(outDir, `${key}.ts`)
    mkdirSync(dirname(file), { recursive: true })
    const usesHandles = module.lines.some((line) => line.startsWith('export const'))
    const head = [
      `// Generated by tools/catalog: the shapes of ${key}. Do not edit.`,
      ...(usesHandles ? [`import type { Resource } from '../../resource.ts'`] : []),
      ...module.imports,
    ]
    writeFileSync(file, `${head.join('\n')}\n\n${module.lines.join('\n\n')}\n`)
  }
}
