/**
 * Strategic merge patch: a merge patch in which lists with a merge key are merged item by item, steered by the type's
 * patch strategies and by directives inside the patch (k8s.io/apimachinery/pkg/util/strategicpatch is the reference).
 */
import type { ArraySchema, Field, Schema, TypeDef } from '../api/catalog/schema.ts'
import { newBadRequest, newStatusError, type StatusError } from '../api/status.ts'
import { goFormat, goJsonKind, isObject, type JsonObject } from './jsonValue.ts'

const DIRECTIVE = '$patch'
const RETAIN_KEYS = '$retainKeys'
const DELETE_FROM_LIST = '$deleteFromPrimitiveList'
const ELEMENT_ORDER = '$setElementOrder'

/** A patch on its way: what is obeyed of it is taken out of it, as messages of what comes after show it. */
type Patch = { [key: string]: unknown }

/**
 * Answers the patched document, which may share parts with both arguments. The patch is used up: it is the caller's own, and
 * holds afterwards what was no directive. Throws StatusError.
 */
export function applyStrategicMergePatch(document: JsonObject, patch: unknown, type: TypeDef): JsonObject {
  if (patch === null) return document
  if (!isObject(patch)) throw newBadRequest(`json: cannot unmarshal ${goJsonKind(patch)} into Go value of type map[string]interface {}`)
  return mergeMap(document, patch as Patch, { type: 'object', def: type })
}

/** Upstream has no reason for these; they arrive as bare 500s. */
function failed(message: string): StatusError {
  return newStatusError(500, '', message)
}

const badRetainKeys = (): StatusError => newBadRequest('invalid patch format of retainKeys')
const badElementOrder = (): StatusError => newBadRequest('invalid patch format of setElementOrder list')
const badPrimitiveList = (): StatusError => newBadRequest('invalid patch format of primitive list')
const noMergeKey = (item: unknown, key: string): StatusError => failed(`map: ${goFormat(item)} does not contain declared merge key: ${key}`)
const badDirective = (directive: unknown, item: JsonObject): StatusError =>
  failed(`unknown patch type: ${goText(directive)} in map: ${goFormat(item)}`)

/** Go's `%s`, inside lists and maps as well. */
function goText(value: unknown, inside = false): string {
  if (typeof value === 'string') return value
  if (value === null) return inside ? '<nil>' : goTypeOf(value)
  if (Array.isArray(value)) return `[${value.map((item) => goText(item, true)).join(' ')}]`
  if (!isObject(value)) return `%!s(${goTypeOf(value)}=${goFormat(value)})`
  const keys = Object.keys(value).toSorted()
  return `map[${keys.map((key) => `${key}:${goText(value[key], true)}`).join(' ')}]`
}

interface ListStrategy {
  merge: boolean
  mergeKey: string
  items: Schema | undefined
}

function fieldOf(schema: Schema | undefined, key: string): Field | undefined {
  return schema?.type === 'object' ? schema.def.fieldByName.get(key) : undefined
}

function childSchema(schema: Schema | undefined, key: string): Schema | undefined {
  return schema?.type === 'map' ? schema.values : fieldOf(schema, key)?.schema
}

function assertKnown(schema: Schema | undefined, key: string): void {
  if (schema?.type !== 'object' || schema.def.fieldByName.has(key) || schema.def.preserveUnknownFields) return
  const name = schema.def.goName.split('.').at(-1)
  throw failed(`unable to find api field in struct ${name} for the json field "${key}"`)
}

function listStrategy(schema: Schema | undefined, key: string): ListStrategy {
  const field = fieldOf(schema, key)
  const list = field?.schema.type === 'array' ? (field.schema satisfies ArraySchema) : undefined
  return { merge: field?.patchStrategy.includes('merge') ?? false, mergeKey: field?.patchMergeKey ?? '', items: list?.items }
}

function mergeMap(original: JsonObject, patch: Patch, schema: Schema | undefined): JsonObject {
  if (Object.hasOwn(patch, DIRECTIVE)) return obeyDirective(patch)
  const result = new Map(Object.entries(original))
  retainKeys(result, patch)
  mergeOrderedLists(result, patch, schema)
  for (const [key, value] of Object.entries(patch)) mergeField(result, key, value, schema)
  return Object.fromEntries(result)
}

function obeyDirective(patch: Patch): JsonObject {
  const directive = patch[DIRECTIVE]
  if (directive === 'delete') return {}
  if (directive !== 'replace') throw badDirective(directive, patch)
  delete patch[DIRECTIVE]
  return patch
}

function retainKeys(result: Map<string, unknown>, patch: Patch): void {
  if (!Object.hasOwn(patch, RETAIN_KEYS)) return
  const listed = patch[RETAIN_KEYS]
  delete patch[RETAIN_KEYS]
  if (!Array.isArray(listed)) throw badRetainKeys()
  const retained = new Set<unknown>(listed)
  for (const [key, value] of Object.entries(patch)) {
    const directive = key.startsWith(DELETE_FROM_LIST) || key.startsWith(ELEMENT_ORDER)
    if (value !== null && !directive && !retained.has(key)) throw badRetainKeys()
  }
  for (const key of result.keys()) if (!retained.has(key)) result.delete(key)
}

function mergeField(result: Map<string, unknown>, patchKey: string, value: unknown, schema: Schema | undefined): void {
  const deleting = patchKey.startsWith(DELETE_FROM_LIST)
  const key = deleting ? keyAfter(patchKey, DELETE_FROM_LIST, badPrimitiveList) : patchKey
  if (value === null) {
    result.delete(key)
    return
  }
  const before = result.get(key)
  if (goJsonKind(before) !== goJsonKind(value)) {
    if (!deleting) setClean(result, key, value)
  } else if (isObject(value) && isObject(before)) {
    assertKnown(schema, key)
    const replace = fieldOf(schema, key)?.patchStrategy.includes('replace') ?? false
    result.set(key, replace ? value : mergeMap(before, value as Patch, childSchema(schema, key)))
  } else if (Array.isArray(value) && Array.isArray(before)) {
    assertKnown(schema, key)
    const strategy = listStrategy(schema, key)
    // To delete maps from a list is to merge them into it.
    if (deleting && !elementsAreMaps(before, value)) result.set(key, without(before, value))
    else result.set(key, strategy.merge || deleting ? mergeList(before, value, strategy) : value)
  } else {
    result.set(key, value)
  }
}

function without(list: readonly unknown[], dropped: readonly unknown[]): readonly unknown[] {
  return list.filter((item) => !dropped.includes(item))
}

function keyAfter(key: string, prefix: string, bad: () => StatusError): string {
  if (key[prefix.length] !== '/') throw bad()
  return key.slice(prefix.length + 1)
}

function setClean(result: Map<string, unknown>, key: string, value: unknown): void {
  dropNulls(value)
  const clean = withoutDirectives(value)
  if (clean === undefined) result.delete(key)
  else result.set(key, clean)
}

function dropNulls(value: unknown): void {
  if (Array.isArray(value)) value.forEach(dropNulls)
  if (!isObject(value)) return
  for (const [key, member] of Object.entries(value)) {
    if (member === null) delete (value as Patch)[key]
    else dropNulls(member)
  }
}

/** undefined for an object that is itself a directive. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives).filter((item) => item !== undefined)
  if (!isObject(value)) return value
  if (Object.hasOwn(value, DIRECTIVE)) return undefined
  const left = value as Patch
  for (const [key, member] of Object.entries(value)) {
    const clean = withoutDirectives(member)
    if (clean === undefined) delete left[key]
    else left[key] = clean
  }
  return left
}

/** `$setElementOrder/x` merges the list x as well, so that x is not merged once more afterwards. */
function mergeOrderedLists(result: Map<string, unknown>, patch: Patch, schema: Schema | undefined): void {
  for (const [patchKey, order] of Object.entries(patch)) {
    if (!patchKey.startsWith(ELEMENT_ORDER)) continue
    delete patch[patchKey]
    if (!Array.isArray(order)) throw failed(`expected a []interface {}, but received a ${goTypeOf(order)}`)
    const key = keyAfter(patchKey, ELEMENT_ORDER, badElementOrder)
    assertKnown(schema, key)
    const before = result.has(key) ? listed(result.get(key)) : undefined
    const change = Object.hasOwn(patch, key) ? listed(patch[key]) : undefined
    const strategy = listStrategy(schema, key)
    assertOrder(change ?? [], order, strategy.mergeKey)
    if (!before && !change) continue
    if (!before?.length && !change?.length) throw failed('no elements in any of the given slices')
    const merged = mergeForOrder(before, change, strategy)
    result.set(key, arrange(merged, order, before ?? [], strategy.mergeKey))
    delete patch[key]
  }
}

function listed(list: unknown): readonly unknown[] {
  if (!Array.isArray(list)) throw failed(`expected a []interface {}, but received a ${goTypeOf(list)}`)
  return list
}

function goTypeOf(value: unknown): string {
  if (isObject(value)) return 'map[string]interface {}'
  if (Array.isArray(value)) return '[]interface {}'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  return value === null ? '%!s(<nil>)' : goJsonKind(value)
}

function mergeForOrder(
  before: readonly unknown[] | undefined,
  change: readonly unknown[] | undefined,
  strategy: ListStrategy,
): readonly unknown[] {
  if (!before) return withoutDirectives(change) as unknown[]
  if (!change) return before
  return strategy.merge ? mergeList(before, change, strategy) : change
}

function keyOfItem(item: unknown, mergeKey: string): unknown {
  if (mergeKey === '') return item
  if (!isObject(item)) throw failed(`expected a map[string]interface {}, but received a ${goTypeOf(item)}`)
  if (!Object.hasOwn(item, mergeKey)) throw noMergeKey(item, mergeKey)
  return item[mergeKey]
}

/** The patch's items must come in the order that the patch asks for. */
function assertOrder(change: readonly unknown[], order: readonly unknown[], mergeKey: string): void {
  if (change.length === 0 || order.length === 0) return
  const items = change.filter((item) => !isObject(item) || !Object.hasOwn(item, DIRECTIVE))
  let next = 0
  for (const wanted of order) {
    if (next < items.length && keyOfItem(items[next], mergeKey) === keyOfItem(wanted, mergeKey)) next++
  }
  if (next < items.length) {
    throw failed(`The order in patch list:\n${goFormat(change)}\n doesn't match ${ELEMENT_ORDER} list:\n${goFormat(order)}\n`)
  }
}

function mergeList(before: readonly unknown[], change: readonly unknown[], { mergeKey, items }: ListStrategy): readonly unknown[] {
  if (before.length === 0 && change.length === 0) return before
  if (!elementsAreMaps(before, change)) return arrange([...new Set([...before, ...change])], change, before, '')
  if (mergeKey === '') throw failed(`cannot merge lists without merge key for ${items?.type === 'object' ? 'struct' : 'unknown'}`)
  const special = obeyItemDirectives(before as readonly JsonObject[], change as readonly JsonObject[], mergeKey)
  const merged = [...special.before]
  for (const item of special.change) {
    const at = merged.findIndex((other) => other[mergeKey] === keyOfItem(item, mergeKey))
    const old = merged[at]
    if (old) merged[at] = mergeMap(old, item as Patch, items)
    else merged.push(item)
  }
  return arrange(merged, special.change, special.before, mergeKey)
}

function elementsAreMaps(...lists: (readonly unknown[])[]): boolean {
  const items = lists.flat()
  if (Array.isArray(items[0])) throw failed('lists of lists are not supported')
  const kinds = new Set(items.map((item) => (Array.isArray(item) ? 'array' : goTypeOf(item))))
  if (kinds.size > 1) throw failed(`list element types are not identical: ${goFormat(lists)}`)
  return kinds.has('map[string]interface {}')
}

function obeyItemDirectives(
  before: readonly JsonObject[],
  change: readonly JsonObject[],
  mergeKey: string,
): { before: readonly JsonObject[]; change: readonly JsonObject[] } {
  let left = before
  const ordinary: JsonObject[] = []
  let replace = false
  for (const item of change) {
    const directive = item[DIRECTIVE]
    if (!Object.hasOwn(item, DIRECTIVE)) {
      ordinary.push(item)
    } else if (directive === 'delete') {
      const key = keyOfItem(item, mergeKey)
      left = left.filter((other) => other[mergeKey] !== key)
    } else if (directive === 'replace') {
      replace = true
    } else if (directive === 'merge') {
      throw failed('merging lists cannot yet be specified in the patch')
    } else {
      throw badDirective(directive, item)
    }
  }
  return replace ? { before: ordinary, change: [] } : { before: left, change: ordinary }
}

/**
 * Items that the patch's order names take that order; the others keep the server's. Where the two meet, an item that the
 * server did not have comes first, otherwise the server's order decides.
 */
function arrange(merged: readonly unknown[], order: readonly unknown[], serverOrder: readonly unknown[], mergeKey: string): unknown[] {
  const positions = (list: readonly unknown[]): Map<unknown, number> =>
    new Map(
      list.map((item, i) => {
        if (mergeKey !== '' && !isObject(item)) throw failed(`value for key ${i} is not a map`)
        return [keyOfItem(item, mergeKey), i]
      }),
    )
  const [inOrder, onServer] = [positions(order), positions(serverOrder)]
  const place = (item: unknown, where: Map<unknown, number>): number => where.get(keyOfItem(item, mergeKey)) ?? -1
  const sortedBy = (list: readonly unknown[], where: Map<unknown, number>): unknown[] =>
    list.toSorted((a, b) => place(a, where) - place(b, where))
  const ours = sortedBy(
    merged.filter((item) => place(item, inOrder) >= 0),
    inOrder,
  )
  const theirs = sortedBy(
    merged.filter((item) => place(item, inOrder) < 0),
    onServer,
  )
  const result: unknown[] = []
  for (const item of ours) {
    while (theirs.length > 0 && place(theirs[0], onServer) >= 0 && place(item, onServer) > place(theirs[0], onServer))
      result.push(theirs.shift())
    result.push(item)
  }
  return [...result, ...theirs]
}
