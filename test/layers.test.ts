/**
 * The house's rules on who may import whom, checked on the import graph itself. ARCHITECTURE.md explains them.
 */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { test } from 'node:test'

const SRC = join(import.meta.dirname, '../src')

/** What each room may import besides itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  api: ['base'],
  merge: ['api', 'base'],
  cel: ['api', 'base'],
  storage: ['merge', 'cel', 'api', 'base'],
  client: ['merge', 'cel', 'api', 'base'],
  apiserver: ['storage', 'client', 'merge', 'cel', 'api', 'base'],
  reconcile: ['client', 'merge', 'cel', 'api', 'base'],
  controllers: ['reconcile', 'client', 'merge', 'cel', 'api', 'base'],
  cloud: ['reconcile', 'client', 'merge', 'cel', 'api', 'base'],
  scheduler: ['reconcile', 'client', 'merge', 'cel', 'api', 'base'],
  kubelet: ['reconcile', 'client', 'merge', 'cel', 'api', 'base'],
  proxy: ['reconcile', 'client', 'merge', 'cel', 'api', 'base'],
  dns: ['reconcile', 'client', 'merge', 'cel', 'api', 'base'],
  node: ['apiserver', 'storage', 'reconcile', 'controllers', 'cloud', 'scheduler', 'kubelet', 'proxy', 'dns', 'client', 'merge', 'cel', 'api', 'base'],
  cluster: ['client', 'api', 'base'],
  cli: ['cluster', 'client', 'api', 'base'],
}

/** Outside packages that belong to one room (or one folder of it). */
const OWNERS: Record<string, readonly string[]> = {
  dockerode: ['kubelet/runtime/docker/', 'cluster/'],
  commander: ['cli/'],
  ora: ['cli/'],
  execa: ['base/exec.ts'],
  'tar-fs': ['cluster/'],
  'node:sqlite': ['storage/sqlite/'],
  protobufjs: ['api/codec/', 'storage/etcd/'],
  'dns-packet': ['dns/'],
  croner: ['controllers/'],
  'prom-client': ['apiserver/metrics/'],
}

interface Import {
  file: string
  specifier: string
}

function sources(): string[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.split(sep).join('/'))
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(SRC, file), 'utf8')
  const found = text.matchAll(/(?:^|\n)\s*(?:import|export)\b[^'"\n;]*(?:\n[^'"\n;]*)*?from\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s+['"]([^'"]+)['"]/g)
  return [...found].map((match) => ({ file, specifier: (match[1] ?? match[2] ?? match[3]) as string }))
}

const files = sources()
const imports = files.flatMap(importsOf)
const roomOf = (file: string): string => file.split('/')[0] as string

function targetOf({ file, specifier }: Import): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  return relative(SRC, resolve(dirname(join(SRC, file)), specifier)).split(sep).join('/')
}

test('the import graph was read', () => {
  assert.ok(files.length > 20, `only ${files.length} files found`)
  assert.ok(imports.length > files.length / 2, `only ${imports.length} imports found in ${files.length} files`)
})

test('every room is known', () => {
  assert.deepEqual([...new Set(files.map(roomOf))].filter((room) => !(room in MAY_IMPORT)), [])
})

test('imports go down the list of rooms only', () => {
  const broken = imports.filter((entry) => {
    const target = targetOf(entry)
    if (!target || target.startsWith('..')) return target?.startsWith('../package.json') === false
    const from = roomOf(entry.file)
    const to = roomOf(target)
    return from !== to && !MAY_IMPORT[from]?.includes(to)
  })
  assert.deepEqual(broken.map(({ file, specifier }) => `${file} -> ${specifier}`), [])
})

test('outside packages stay with their owners', () => {
  const broken = imports.filter(({ file, specifier }) => {
    const owners = OWNERS[specifier]
    return owners && !file.endsWith('.test.ts') && !owners.some((owner) => file.startsWith(owner))
  })
  assert.deepEqual(broken.map(({ file, specifier }) => `${file} -> ${specifier}`), [])
})

test('no circle of imports', () => {
  const graph = new Map<string, string[]>()
  for (const entry of imports) {
    const target = targetOf(entry)
    if (!target || isTypeOnly(entry)) continue
    graph.set(entry.file, [...(graph.get(entry.file) ?? []), target])
  }
  const circles: string[] = []
  const state = new Map<string, 'open' | 'done'>()
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === 'done') return
    if (state.get(file) === 'open') {
      circles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
      return
    }
    state.set(file, 'open')
    for (const next of graph.get(file) ?? []) visit(next, [...path, file])
    state.set(file, 'done')
  }
  for (const file of graph.keys()) visit(file, [])
  assert.deepEqual(circles, [])
})

function isTypeOnly({ file, specifier }: Import): boolean {
  const text = readFileSync(join(SRC, file), 'utf8')
  const escaped = specifier.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
  return !new RegExp(`(?:import|export)\\s+(?!type\\b)[^'"]*from\\s+['"]${escaped}['"]`).test(text)
}
