/** `node tools/catalog/main.ts DIR`: regenerates what `src/api` knows of Kubernetes' kinds from the documents in DIR. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { coreDiscovery } from './core.ts'
import { writeKinds } from './kinds.ts'
import type { Discovery, OpenApi } from './sources.ts'

const dir = process.argv[2]
if (!dir) throw new Error('usage: node tools/catalog/main.ts DIR (with openapi-v2.json and aggregated_v2.json)')
const read = <T>(file: string): T => JSON.parse(readFileSync(join(dir, file), 'utf8')) as T
const root = join(import.meta.dirname, '../..')

const openapi = read<OpenApi>('openapi-v2.json')
const discovery = [coreDiscovery(openapi), read<Discovery>('aggregated_v2.json')]
writeKinds(openapi, discovery, join(root, 'src/api/kinds'))
