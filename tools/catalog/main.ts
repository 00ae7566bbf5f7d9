/**
 * `node tools/catalog/main.ts DIR [SOURCE]`: regenerates what `src/api` knows of Kubernetes' kinds from the documents in DIR
 * (openapi-v2.json, openapi-v3/, aggregated_v2.json). With SOURCE (`staging/src/k8s.io` of a Kubernetes checkout) the
 * facts about Go's structs in goFacts.json are renewed first.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { coreDiscovery } from './core.ts'
import { catalogData, neededGoTypes } from './facts.ts'
import { packGoTypes, type PackedGoTypes, readGoTypes, unpackGoTypes } from './goTypes.ts'
import { writeKinds } from './kinds.ts'
import type { Definition, Discovery, OpenApi } from './sources.ts'

const [dir, source] = process.argv.slice(2)
if (!dir)
  throw new Error('usage: node tools/catalog/main.ts DIR [SOURCE] (with openapi-v2.json, openapi-v3/ and aggregated_v2.json in DIR)')
const read = <T>(file: string): T => JSON.parse(readFileSync(file, 'utf8')) as T
const root = join(import.meta.dirname, '../..')
const goFactsFile = join(import.meta.dirname, 'goFacts.json')

/** One entry a line, so that a change of version reads as a diff. */
function lines(record: object, indent = ''): string {
  const entries = Object.entries(record).map(([key, value]) => `${indent}${JSON.stringify(key)}:${JSON.stringify(value)}`)
  return `{\n${entries.join(',\n')}\n}`
}

function publishedDefaults(folder: string): Record<string, Definition> {
  const schemas = readdirSync(folder).map(
    (f) => read<{ components?: { schemas?: Record<string, Definition> } }>(join(folder, f)).components?.schemas,
  )
  return Object.assign({}, ...schemas) as Record<string, Definition>
}

const openapi = read<OpenApi>(join(dir, 'openapi-v2.json'))
const discovery = [coreDiscovery(openapi), read<Discovery>(join(dir, 'aggregated_v2.json'))]
writeKinds(openapi, discovery, join(root, 'src/api/kinds'))

if (source) writeFileSync(goFactsFile, `${lines(packGoTypes(neededGoTypes(openapi, readGoTypes(source))))}\n`)
const data = catalogData(openapi, publishedDefaults(join(dir, 'openapi-v3')), discovery, unpackGoTypes(read<PackedGoTypes>(goFactsFile)))
const parts = Object.entries(data).map(
  ([key, value]) => `${JSON.stringify(key)}:${Array.isArray(value) ? JSON.stringify(value) : lines(value)}`,
)
writeFileSync(join(root, 'src/api/catalog/catalog.generated.json'), `{${parts.join(',\n')}}\n`)
