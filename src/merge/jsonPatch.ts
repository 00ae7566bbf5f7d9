/**
 * JSON patch (RFC 6902) as the API server takes it. As with upstream's library, an index may count from the end (`/-1`),
 * `replace` adds a key that an object lacks, `test` takes such a key for null, and copies are limited in size. Whatever
 * goes wrong while applying is one and the same 422.
 */
import jsonpatch, { type Operation, unescapePathComponent } from 'fast-json-patch'
import { newBadRequest, newStatusError, StatusError } from '../api/status.ts'
import { goJsonKind, isObject, type JsonObject } from './jsonValue.ts'

const OPERATIONS_MAX = 10_000
/** All `copy` operations of one patch together. */
const COPIED_BYTES_MAX = 3 * 1024 * 1024

/** Answers the patched document; neither argument is changed. Throws StatusError. */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  const operations = decode(patch)
  try {
    return applyAll(structuredClone(document), structuredClone(operations))
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

function applyAll(document: unknown, operations: readonly Operation[]): unknown {
  let copiedBytes = 0
  for (const given of operations) {
    const operation = ofMissing(document, leniently(document, located(document, withValue(given))))
    refuseRoot(operation)
    refuseCircle(operation)
    if (operation.op === 'copy') {
      copiedBytes += JSON.stringify(jsonpatch.getValueByPointer(document, operation.from) ?? null).length
      if (copiedBytes > COPIED_BYTES_MAX) throw new Error(`the patch copies more than ${COPIED_BYTES_MAX} bytes`)
    }
    document = jsonpatch.applyOperation(document, operation, true, true, true).newDocument
  }
  return document
}

/** The document as a whole stays: only `test` may name it, and `replace` by an object or a list. */
function refuseRoot(operation: Operation): void {
  if (operation.path !== '' || operation.op === 'test') return
  const container = operation.op === 'replace' && typeof operation.value === 'object' && operation.value !== null
  if (!container) throw new Error(`cannot ${operation.op} the whole document`)
}

/** Nothing is moved into itself, nor is the whole document taken from anywhere. */
function refuseCircle(operation: Operation): void {
  if (operation.op !== 'move' && operation.op !== 'copy') return
  const { from, path } = operation
  if (from === '' || (operation.op === 'move' && path.startsWith(`${from}/`))) throw new Error(`cannot ${operation.op} ${from} to ${path}`)
}

function leniently(document: unknown, operation: Operation): Operation {
  if ((operation.op !== 'replace' && operation.op !== 'test') || !lacksKey(document, operation.path)) return operation
  if (operation.op === 'replace') return { ...operation, op: 'add' }
  return operation.value === null ? { op: 'test', path: '', value: document } : operation
}

/** An operation that says no value means null. */
function withValue(operation: Operation): Operation {
  const takesValue = operation.op === 'add' || operation.op === 'replace' || operation.op === 'test'
  return takesValue && operation.value === undefined ? { ...operation, value: null } : operation
}

/** A key that an object lacks is copied as null. */
function ofMissing(document: unknown, operation: Operation): Operation {
  if (operation.op !== 'copy' || !lacksKey(document, operation.from)) return operation
  return { op: 'add', path: operation.path, value: null }
}

/** Whether a path leads to an object that does not have the path's last key. */
function lacksKey(document: unknown, path: string): boolean {
  if (typeof path !== 'string' || path === '') return false
  const end = path.lastIndexOf('/')
  const parent: unknown = jsonpatch.getValueByPointer(document, path.slice(0, end))
  const key = unescapePathComponent(path.slice(end + 1))
  return isObject(parent) && (!Object.hasOwn(parent, key) || parent[key] === undefined)
}

/** The operation with its paths as they stand in the document: indices from the end counted out, what leads to the root dropped. */
function located(document: unknown, operation: Operation): Operation {
  const path = locate(document, operation.path, operation.op === 'add' || operation.op === 'move' || operation.op === 'copy')
  if (operation.op !== 'move' && operation.op !== 'copy') return { ...operation, path }
  return { ...operation, path, from: locate(document, operation.from, false) }
}

/** `adding`: the last index may be one past the end, from which it is counted then. */
function locate(document: unknown, path: string, adding: boolean): string {
  if (typeof path !== 'string' || path === '') return path
  let at = document
  const [, ...given] = path.split('/')
  const tokens = given.map((token, i) => {
    const resolved = Array.isArray(at) && /^[+-]?[0-9]+$/.test(token) ? indexIn(at, Number(token), adding && i === given.length - 1) : token
    at = Array.isArray(at) || isObject(at) ? (at as Record<string, unknown>)[unescapePathComponent(resolved)] : undefined
    return resolved
  })
  return tokens.map((token) => `/${token}`).join('')
}

function indexIn(list: readonly unknown[], index: number, adding: boolean): string {
  return String(index < 0 ? list.length + (adding ? 1 : 0) + index : index)
}
