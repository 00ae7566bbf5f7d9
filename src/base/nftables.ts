/**
 * An nftables table as data, and the way from one state of it to the next as a single nft script, which the kernel applies
 * as one transaction. Only what differs is written, so that a change of one element among thousands costs one element.
 */
import { run } from './exec.ts'

export interface NftSet {
  /** As nft writes it: `ipv4_addr . inet_proto . inet_service`. */
  type: string
  /** `flags dynamic,timeout ; timeout 10s ;` and the like. */
  options?: string
  elements: ReadonlySet<string>
}

export interface NftMap {
  /** `ipv4_addr : verdict`. */
  type: string
  elements: ReadonlyMap<string, string>
}

/** The variable part of a table, by name. */
export interface NftTable {
  /** Rules in order. */
  chains: ReadonlyMap<string, readonly string[]>
  sets: ReadonlyMap<string, NftSet>
  maps: ReadonlyMap<string, NftMap>
}

const EMPTY: NftTable = { chains: new Map(), sets: new Map(), maps: new Map() }

/** Elements of one command: nft parses long lists fast, but a line has its limits. */
const ELEMENTS_PER_COMMAND = 500

function elementCommands(verb: 'add' | 'delete', table: string, set: string, elements: readonly string[]): string[] {
  const commands: string[] = []
  for (let i = 0; i < elements.length; i += ELEMENTS_PER_COMMAND)
    commands.push(`${verb} element ${table} ${set} { ${elements.slice(i, i + ELEMENTS_PER_COMMAND).join(', ')} }`)
  return commands
}

function sameRules(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.length === b.length && a.every((rule, i) => rule === b[i])
}

/** A named set or map and what differs in it. */
interface Difference {
  declare: string[]
  remove: string[]
  add: string[]
  drop: string[]
}

const setText = ({ type, options }: NftSet): string => `type ${type} ; ${options ? `${options} ; ` : ''}`.replaceAll('; ;', ';')

function setDifference(table: string, before: NftTable['sets'], after: NftTable['sets']): Difference {
  const found: Difference = { declare: [], remove: [], add: [], drop: [] }
  for (const [name, set] of after) {
    const old = before.get(name)
    if (!old) found.declare.push(`add set ${table} ${name} { ${setText(set)}}`)
    const had = old?.elements ?? new Set<string>()
    found.remove.push(...elementCommands('delete', table, name, [...had.difference(set.elements)]))
    found.add.push(...elementCommands('add', table, name, [...set.elements.difference(had)]))
  }
  for (const name of before.keys()) if (!after.has(name)) found.drop.push(`delete set ${table} ${name}`)
  return found
}

function mapDifference(table: string, before: NftTable['maps'], after: NftTable['maps']): Difference {
  const found: Difference = { declare: [], remove: [], add: [], drop: [] }
  const print = ([key, value]: [string, string]): string => `${key} : ${value}`
  for (const [name, { type, elements }] of after) {
    const old = before.get(name)
    if (!old) found.declare.push(`add map ${table} ${name} { type ${type} ; }`)
    const had = old?.elements ?? new Map<string, string>()
    const gone = [...had].filter(([key, value]) => elements.get(key) !== value)
    const fresh = [...elements].filter(([key, value]) => had.get(key) !== value)
    found.remove.push(...elementCommands('delete', table, name, gone.map(print)))
    found.add.push(...elementCommands('add', table, name, fresh.map(print)))
  }
  for (const name of before.keys()) if (!after.has(name)) found.drop.push(`delete map ${table} ${name}`)
  return found
}

/**
 * The commands that turn `before` into `after`; '' when nothing differs. A set whose type or options change must get another
 * name. `table` is family and name: `ip minicube_proxy`.
 */
export function tableChange(table: string, before: NftTable = EMPTY, after: NftTable = EMPTY): string {
  const changedChains = [...after.chains].filter(([chain, rules]) => !sameRules(before.chains.get(chain), rules))
  const goneChains = [...before.chains.keys()].filter((chain) => !after.chains.has(chain))
  const sets = setDifference(table, before.sets, after.sets)
  const maps = mapDifference(table, before.maps, after.maps)
  const commands = [
    ...sets.remove,
    ...maps.remove,
    ...sets.declare,
    ...maps.declare,
    // All chains exist before the first rule that jumps to one, and none is deleted before the last such rule is gone.
    ...changedChains.map(([chain]) => `add chain ${table} ${chain}`),
    ...goneChains.map((chain) => `flush chain ${table} ${chain}`),
    ...changedChains.filter(([chain]) => before.chains.has(chain)).map(([chain]) => `flush chain ${table} ${chain}`),
    ...changedChains.flatMap(([chain, rules]) => rules.map((rule) => `add rule ${table} ${chain} ${rule}`)),
    ...sets.add,
    ...maps.add,
    ...maps.drop,
    ...goneChains.map((chain) => `delete chain ${table} ${chain}`),
    ...sets.drop,
  ]
  return commands.map((command) => `${command}\n`).join('')
}

const NFT_TIMEOUT_MS = 30_000

/** Hands a script to the kernel, as one transaction. */
export async function applyScript(script: string, signal: AbortSignal): Promise<void> {
  await run('nft', ['-f', '-'], { input: script, signal, timeoutMs: NFT_TIMEOUT_MS })
}
