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
  fakenodes: ['client', 'api', 'base'],
  kubelet: ['reconcile', 'client', 'merge', 'cel', 'api', 'base'],
  proxy: ['reconcile', 'client', 'merge', 'cel', 'api', 'base'],
  networkpolicy: ['client', 'api', 'base'],
  dns: ['reconcile', 'client', 'merge', 'cel', 'api', 'base'],
  node: [
    'apiserver',
    'storage',
    'reconcile',
    'controllers',
    'cloud',
    'scheduler',
    'fakenodes',
    'kubelet',
    'proxy',
    'networkpolicy',
    'dns',
    'client',
    'merge',
    'cel',
    'api',
    'base',
  ],
  cluster: ['client', 'api', 'base'],
  cli: ['cluster', 'client', 'api', 'base'],
}

/** Outside packages that belong to one room (or one folder of it). */
const OWNERS: Record<string, readonly string[]> = {
  dockerode: ['kubelet/runtime/docker/', 'cluster/'],
  commander: ['cli/'],
  ora: ['cli/'],
  'tar-fs': ['cluster/'],
  'node:sqlite': ['storage/sqlite/'],
  protobufjs: ['api/codec/'],
  'dns-packet': ['dns/'],
  croner: ['controllers/'],
  tweetnacl: ['apiserver/encryption/'],
  'prom-client': ['apiserver/metrics/', 'client/metrics/', 'scheduler/metrics.ts'],
  '@grpc/grpc-js': ['storage/etcd/', 'kubelet/csi/csi.test.ts'],
}

interface Import {
  file: string
  specifier: string
  /** Nothing of it is left at run time. */
  isTypeOnly: boolean
}

function sources(): string[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.split(sep).join('/'))
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(SRC, file), 'utf8')
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^'"\n;]*(?:\n[^'"\n;]*)*?from\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s+['"]([^'"]+)['"]/g,
  )
  return [...found].map((match) => ({
    file,
    specifier: (match[1] ?? match[2] ?? match[3]) as string,
    isTypeOnly: /^\s*(?:import|export)\s+type\b/.test(match[0]),
  }))
}

const files = sources()
const imports = files.flatMap(importsOf)
const roomOf = (file: string): string => file.split('/')[0] as string

function targetOf({ file, specifier }: Import): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  return relative(SRC, resolve(dirname(join(SRC, file)), specifier))
    .split(sep)
    .join('/')
}

test('the import graph was read', () => {
  assert.ok(files.length > 20, `only ${files.length} files found`)
  assert.ok(imports.length > files.length / 2, `only ${imports.length} imports found in ${files.length} files`)
  const types = imports.filter(({ isTypeOnly }) => isTypeOnly).length
  assert.ok(types > files.length / 2 && types < imports.length, `${types} of ${imports.length} imports are of types only`)
})

test('every room is known', () => {
  assert.deepEqual(
    [...new Set(files.map(roomOf))].filter((room) => !(room in MAY_IMPORT)),
    [],
  )
})

test('imports go down the list of rooms only', () => {
  const broken = imports.filter((entry) => {
    const target = targetOf(entry)
    if (!target || target.startsWith('..')) return target?.startsWith('../package.json') === false
    const from = roomOf(entry.file)
    const to = roomOf(target)
    return from !== to && !MAY_IMPORT[from]?.includes(to)
  })
  assert.deepEqual(
    broken.map(({ file, specifier }) => `${file} -> ${specifier}`),
    [],
  )
})

test('outside packages stay with their owners', () => {
  const broken = imports.filter(({ file, specifier }) => {
    const owners = OWNERS[specifier]
    return owners && !file.endsWith('.test.ts') && !owners.some((owner) => file.startsWith(owner))
  })
  assert.deepEqual(
    broken.map(({ file, specifier }) => `${file} -> ${specifier}`),
    [],
  )
})

/** The groups of nodes that lead to each other (Tarjan's strongly connected components, those of one node left out). */
function circlesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const circles: string[][] = []
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const open: string[] = []
  const visit = (node: string): void => {
    order.set(node, order.size)
    lowest.set(node, order.get(node) as number)
    open.push(node)
    for (const next of graph.get(node) ?? []) {
      if (!order.has(next)) visit(next)
      else if (!open.includes(next)) continue
      lowest.set(node, Math.min(lowest.get(node) as number, lowest.get(next) as number))
    }
    if (lowest.get(node) !== order.get(node)) return
    const group = open.splice(open.indexOf(node))
    if (group.length > 1) circles.push(group.toSorted())
  }
  for (const node of graph.keys()) if (!order.has(node)) visit(node)
  return circles
}

function graphOf(kept: readonly Import[]): Map<string, string[]> {
  const graph = new Map<string, string[]>()
  for (const entry of kept) {
    const target = targetOf(entry)
    if (target) graph.set(entry.file, [...(graph.get(entry.file) ?? []), target])
  }
  return graph
}

test('circles are found', () => {
  const graph = new Map([
    ['a', ['b']],
    ['b', ['c', 'd']],
    ['c', ['a']],
    ['d', ['e']],
    ['e', ['d']],
    ['f', ['a', 'e']],
  ])
  assert.deepEqual(circlesOf(graph).toSorted(), [
    ['a', 'b', 'c'],
    ['d', 'e'],
  ])
})

test('the rule for the rooms has no circle itself', () => {
  assert.deepEqual(circlesOf(new Map(Object.entries(MAY_IMPORT))), [])
})

test('no circle of imports, of types neither: what two files share has a file of its own', () => {
  assert.deepEqual(circlesOf(graphOf(imports)), [])
})

/** Where folders still import each other in circles. */
const WITH_CIRCLES_OF_FOLDERS: ReadonlySet<string> = new Set(['apiserver', 'scheduler'])

test('no circle of folders that stand beside each other: what a folder shares with those within it aside', () => {
  const contains = (outer: string, inner: string): boolean => `${inner}/`.startsWith(`${outer}/`)
  const graph = new Map<string, string[]>()
  for (const entry of imports) {
    const [from, to] = [dirname(entry.file), dirname(targetOf(entry) ?? entry.file)]
    if (entry.file.endsWith('.test.ts') || WITH_CIRCLES_OF_FOLDERS.has(roomOf(entry.file)) || contains(from, to) || contains(to, from))
      continue
    graph.set(from, [...(graph.get(from) ?? []), to])
  }
  assert.deepEqual(circlesOf(graph), [])
})
