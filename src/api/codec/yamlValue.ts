/**
 * What go-yaml makes of a document whose syntax is right: aliases and merge keys in the order in which they stand, keys with a type of
 * their own (`1` is another one than `"1"`), and of keys that are there twice the last one, with a word on each of them.
 */
import { type Alias, type Document, isAlias, isMap, isScalar, isSeq, type ParsedNode, type YAMLMap, type YAMLSeq, type Scalar } from 'yaml'
import type { LineCounter } from 'yaml'
import type { JsonObject, JsonValue } from '../resource.ts'
import { MAX_JSON_DEPTH, setMember } from './jsonTree.ts'
import { asJsonValue, numberOf } from './longIntegers.ts'
import { resolveScalar, type YamlScalar, YamlScalarError } from './yamlScalars.ts'

export class YamlSyntaxError extends Error {
  override readonly name = 'YamlSyntaxError'
}

type Node = ParsedNode | null
/** By the key's type and text. */
type GoMap = Map<string, readonly [key: GoValue, value: GoValue]>
type GoValue = YamlScalar | GoValue[] | GoMap

/** Beyond these the share of what is there through aliases counts. */
const FREE_ALIASED = 100
const FREE_NODES = 1_000
/** The share that a document may have, small and large. */
const SMALL = { nodes: 400_000, share: 0.99 }
const LARGE = { nodes: 4_000_000, share: 0.1 }
/** Upstream tells all of them. */
const MAX_DOUBLES = 1_000

function allowedShare(nodes: number): number {
  const way = Math.max(0, Math.min(1, (nodes - SMALL.nodes) / (LARGE.nodes - SMALL.nodes)))
  return SMALL.share - (SMALL.share - LARGE.share) * way
}

/** What each alias stands for: the node that had the name last, when the alias came. */
function aliasTargets(document: Document.Parsed): Map<Alias, ParsedNode> {
  const anchors = new Map<string, ParsedNode>()
  const targets = new Map<Alias, ParsedNode>()
  const look = (node: Node): void => {
    if (!node) return
    if (isAlias(node)) {
      const target = anchors.get(node.source)
      if (!target) throw new YamlSyntaxError(`yaml: unknown anchor '${node.source}' referenced`)
      targets.set(node, target)
      return
    }
    if (node.anchor) anchors.set(node.anchor, node)
    if (isSeq(node)) for (const item of node.items) look(item as Node)
    if (!isMap(node)) return
    for (const { key, value } of node.items) {
      look(key as Node)
      look(value as Node)
    }
  }
  look(document.contents)
  return targets
}

class DocumentDecoder {
  readonly #targets: Map<Alias, ParsedNode>
  readonly #lines: LineCounter
  readonly #open = new Set<Alias>()
  readonly doubles: string[] = []
  #nodes = 0
  #aliased = 0
  #depth = 0

  constructor(document: Document.Parsed, lines: LineCounter) {
    this.#targets = aliasTargets(document)
    this.#lines = lines
  }

  value(node: Node): GoValue {
    this.#count()
    if (!node) return null
    if (isAlias(node)) return this.#followed(node, (target) => this.value(target))
    if (isScalar(node)) return scalar(node)
    if (++this.#depth > MAX_JSON_DEPTH) throw new YamlSyntaxError('yaml: exceeded max depth')
    let made: GoValue
    if (isSeq(node)) made = (node as YAMLSeq<ParsedNode>).items.map((item) => this.value(item))
    else this.#fill((made = new Map()), node as YAMLMap.Parsed)
    this.#depth--
    return made
  }

  #count(): void {
    this.#nodes++
    if (this.#open.size > 0) this.#aliased++
    if (this.#aliased <= FREE_ALIASED || this.#nodes <= FREE_NODES) return
    if (this.#aliased / this.#nodes > allowedShare(this.#nodes)) throw new YamlSyntaxError('yaml: document contains excessive aliasing')
  }

  #followed<T>(alias: Alias, follow: (target: ParsedNode) => T): T {
    if (this.#open.has(alias)) throw new YamlSyntaxError(`yaml: anchor '${alias.source}' value contains itself`)
    this.#open.add(alias)
    const made = follow(this.#targets.get(alias) as ParsedNode)
    this.#open.delete(alias)
    return made
  }

  #fill(map: GoMap, node: YAMLMap.Parsed): void {
    for (const { key: keyNode, value: valueNode } of node.items) {
      if (isMergeKey(keyNode)) {
        this.#merge(map, valueNode)
        continue
      }
      const key = this.value(keyNode)
      if (typeof key === 'object' && key !== null) throw new YamlSyntaxError(`yaml: invalid map key: ${goSyntax(key)}`)
      const value = this.value(valueNode)
      const identity = `${typeof key} ${String(key)}`
      if (map.has(identity)) this.#double(key, valueNode ?? keyNode)
      map.set(identity, [key, value])
    }
  }

  /** Of several maps the first one has the last word. */
  #merge(map: GoMap, node: Node): void {
    const sources = isSeq(node) ? (node as YAMLSeq<ParsedNode>).items.toReversed() : [node]
    for (const source of sources) {
      const target = isAlias(source) ? this.#targets.get(source) : source
      if (!isMap(target)) throw new YamlSyntaxError('yaml: map merge requires map or sequence of maps as the value')
      this.#count()
      if (isAlias(source)) this.#followed(source, () => this.#fill(map, target as YAMLMap.Parsed))
      else this.#fill(map, target as YAMLMap.Parsed)
    }
  }

  #double(key: GoValue, node: ParsedNode): void {
    if (this.doubles.length >= MAX_DOUBLES) return
    this.doubles.push(`line ${this.#lines.linePos(node.range[0]).line}: key ${goSyntax(key)} already set in map`)
  }
}

function isMergeKey(node: ParsedNode): boolean {
  return isScalar(node) && node.source === '<<' && ((node.type === 'PLAIN' && !node.tag) || node.tag === 'tag:yaml.org,2002:merge')
}

function scalar({ type, value, tag }: Scalar): YamlScalar {
  const text = String(value ?? '')
  if (!tag && type !== 'PLAIN') return text
  try {
    return resolveScalar(text, tag)
  } catch (error) {
    if (error instanceof YamlScalarError) throw new YamlSyntaxError(`yaml: ${error.message}`, { cause: error })
    throw error
  }
}

/** Go's `%#v`. */
function goSyntax(value: GoValue): string {
  if (value === null) return 'interface {}(nil)'
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`
  if (value instanceof Map) {
    const members = [...value.values()].map(([key, member]) => `${goSyntax(key)}:${goSyntax(member)}`)
    return `map[interface {}]interface {}{${members.join(', ')}}`
  }
  if (typeof value === 'string') return JSON.stringify(value)
  return typeof value === 'number' ? goFloat(value) : String(value)
}

const EXPONENT_FROM = 6

/** Go's shortest form of a float (`%g`). */
function goFloat(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? '.nan' : value > 0 ? '.inf' : '-.inf'
  const [digits, exponent] = value.toExponential().split('e') as [string, string]
  const places = Number(exponent)
  if (places >= -4 && places < EXPONENT_FROM) return String(value)
  return `${digits}e${places < 0 ? '-' : '+'}${String(Math.abs(places)).padStart(2, '0')}`
}

function keyText(key: GoValue, value: GoValue): string {
  if (key === null) throw new YamlSyntaxError(`unsupported map key of type: %!s(<nil>), key: <nil>, value: ${goSyntax(value)}`)
  return typeof key === 'number' ? goFloat(Math.fround(key) === key ? key : Number(key.toPrecision(7))) : String(key)
}

function toJson(value: GoValue): JsonValue {
  if (typeof value === 'bigint') return asJsonValue(numberOf(String(value)))
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new YamlSyntaxError(`json: unsupported value: ${Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'}`)
  if (Array.isArray(value)) return value.map(toJson)
  if (!(value instanceof Map)) return value
  const members = [...value.values()].map(([key, member]) => [keyText(key, member), member] as const)
  const out: JsonObject = {}
  for (const [key, member] of members.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) setMember(out, key, toJson(member))
  return out
}

export interface YamlValue {
  readonly value: JsonValue
  /** `line 5: key "data" already set in map` for each key that its map has already. */
  readonly doubles: readonly string[]
}

/** Throws YamlSyntaxError. */
export function documentValue(document: Document.Parsed, lines: LineCounter): YamlValue {
  const decoder = new DocumentDecoder(document, lines)
  const value = toJson(decoder.value(document.contents))
  return { value, doubles: decoder.doubles }
}
