/**
 * JSON patch (RFC 6902) as the API server takes it. As with upstream's library (github.com/evanphx/json-patch), an index may
 * count from the end (`/-1`), `replace` adds a key that an object lacks, `test` takes such a key for null, and copies are
 * limited in size. Whatever goes wrong while applying is one and the same 422.
 */
import { cloneJson } from '../api/jsonValues.ts'
import { deepEqual } from '../api/meta.ts'
import { newBadRequest, newStatusError, StatusError } from '../api/status.ts'
import { goJsonKind, isObject, type JsonObject } from './jsonValue.ts'

const OPERATIONS_MAX = 10_000
/** All `copy` operations of one patch together. */
const COPIED_BYTES_MAX = 3 * 1024 * 1024

interface Operation {
  readonly op?: string
  readonly path?: string
  readonly from?: string
  readonly value?: unknown
}

/** Answers the patched document; neither argument is changed. Throws StatusError. */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  const operations = decode(patch)
  try {
    return applyAll(cloneJson(document), operations)
  } catch (error) {
    if (error instanceof StatusError) throw error
    const message = 'the server rejected our request due to an error in our request'
    throw new StatusError({ message, reason: 'Invalid', details: {}, code: 422 }, error)
  }
}

function decode(patch: unknown): readonly Operation[] {
  if (patch === null) return []
  if (!Array.isArray(patch)) {
    throw newBadRequest(`error decoding patch: json: cannot unmarshal ${goJsonKind(patch)} into Go value of type []handlers.jsonPatchOp`)
  }
  for (const operation of patch as readonly unknown[]) {
    if (operation === null) continue
    const into = isObject(operation) ? oddField(operation) : [operation, 'Go value of type handlers.jsonPatchOp']
    if (into) throw newBadRequest(`error decoding patch: json: cannot unmarshal ${goJsonKind(into[0])} into ${String(into[1])}`)
  }
  if (patch.length > OPERATIONS_MAX) {
    const message = `The allowed maximum operations in a JSON patch is ${OPERATIONS_MAX}, got ${patch.length}`
    throw newStatusError(413, 'RequestEntityTooLarge', `Request entity too large: ${message}`)
  }
  return patch as Operation[]
}

const TEXT_FIELDS = ['op', 'path', 'from'] as const

function oddField(operation: JsonObject): [unknown, string] | undefined {
  const name = TEXT_FIELDS.find((field) => typeof (operation[field] ?? '') !== 'string')
  return name && [operation[name], `Go struct field jsonPatchOp.${name} of type string`]
}

/** The document, or a struct or list inside of it, that an operation changes: where, and by which key. */
interface Place {
  readonly container: Record<string, unknown> | unknown[]
  readonly key: string
}

function applyAll(document: unknown, operations: readonly Operation[]): unknown {
  let copiedBytes = 0
  for (const operation of operations) {
    if (operation?.op === 'copy') {
      copiedBytes += JSON.stringify(valueAt(document, operation.from)).length
      if (copiedBytes > COPIED_BYTES_MAX) throw new Error(`the patch copies more than ${COPIED_BYTES_MAX} bytes`)
    }
    document = apply(document, operation)
  }
  return document
}

function apply(document: unknown, operation: Operation): unknown {
  const value = cloneJson(operation?.value ?? null)
  switch (operation?.op) {
    case 'add':
      add(placeOf(document, operation.path), value)
      return document
    case 'remove':
      remove(placeOf(document, operation.path))
      return document
    case 'replace':
      return replace(document, operation.path, value)
    case 'move': {
      const source = placeOf(document, operation.from)
      const moved = get(source)
      remove(source)
      add(placeOf(document, operation.path), moved)
      return document
    }
    case 'copy':
      add(placeOf(document, operation.path), cloneJson(valueAt(document, operation.from)))
      return document
    case 'test':
      if (!deepEqual(operation.path === '' ? document : valueAt(document, operation.path), value)) throw new Error('testing value failed')
      return document
    default:
      throw new Error(`unexpected operation ${String(operation?.op)}`)
  }
}

/** The whole document may become another object or list. */
function replace(document: unknown, path: string | undefined, value: unknown): unknown {
  if (path === '') {
    if (typeof value !== 'object' || value === null) throw new Error('the document can only become an object or a list')
    return value
  }
  const { container, key } = placeOf(document, path)
  if (Array.isArray(container)) container[indexOf(container, key, container.length)] = value
  else set(container, key, value)
  return document
}

function placeOf(document: unknown, path: string | undefined): Place {
  const [, ...keys] = (path ?? '').split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  const last = keys.pop()
  if (last === undefined) throw new Error(`no place: ${String(path)}`)
  const container = keys.reduce((at, key) => get({ container: asContainer(at), key }), document)
  return { container: asContainer(container), key: last }
}

function asContainer(value: unknown): Place['container'] {
  if (typeof value !== 'object' || value === null) throw new Error('there is nothing inside of a scalar')
  return value as Place['container']
}

function valueAt(document: unknown, path: string | undefined): unknown {
  return get(placeOf(document, path))
}

/** A key that an object lacks has null. */
function get({ container, key }: Place): unknown {
  if (Array.isArray(container)) return container[indexOf(container, key, container.length)]
  return Object.hasOwn(container, key) ? (container[key] ?? null) : null
}

function add({ container, key }: Place, value: unknown): void {
  if (!Array.isArray(container)) set(container, key, value)
  else if (key === '-') container.push(value)
  else container.splice(indexOf(container, key, container.length + 1), 0, value)
}

function remove({ container, key }: Place): void {
  if (Array.isArray(container)) container.splice(indexOf(container, key, container.length), 1)
  else if (Object.hasOwn(container, key)) delete container[key]
  else throw new Error(`nothing to remove: ${key}`)
}

/** `__proto__` is a key like any other. */
function set(container: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(container, key, { value, enumerable: true, configurable: true, writable: true })
}

/** Of one of `count` places, also counted from the last. */
function indexOf(list: readonly unknown[], key: string, count: number): number {
  const given = /^[+-]?[0-9]+$/.test(key) ? Number(key) : NaN
  const index = given < 0 ? given + count : given
  if (!(index >= 0 && index < count)) throw new Error(`no index of a list of ${list.length}: ${key}`)
  return index
}
