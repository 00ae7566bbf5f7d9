/**
 * JSON patch (RFC 6902) as the API server takes it. As with upstream's library, an index may count from the end (`/-1`),
 * `replace` adds a key that an object lacks, `test` takes such a key for null, and copies are limited in size. Whatever
 * goes wrong while applying is one and the same 422.
 */
import jsonpatch, { type Operation, unescapePathComponent } from 'fast-json-patch'
import { newBadRequest, newStatusError, StatusError } from '../api/status.ts'
import { goJsonKind, isObject } from './jsonValue.ts'

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
  const odd: unknown = patch.find((operation) => !isObject(operation))
  if (odd !== undefined) {
    throw newBadRequest(`error decoding patch: json: cannot unmarshal ${goJsonKind(odd)} into Go value of type handlers.jsonPatchOp`)
  }
  if (patch.length > OPERATIONS_MAX) {
    const message = `The allowed maximum operations in a JSON patch is ${OPERATIONS_MAX}, got ${patch.length}`
    throw newStatusError(413, 'RequestEntityTooLarge', `Request entity too large: ${message}`)
  }
  return patch as Operation[]
}

function applyAll(document: unknown, operations: readonly Operation[]): unknown {
  let copiedBytes = 0
  for (const given of operations) {
    const operation = leniently(document, fromTheEnd(document, given))
    refuseCircle(operation)
    if (operation.op === 'copy') {
      copiedBytes += JSON.stringify(jsonpatch.getValueByPointer(document, operation.from) ?? null).length
      if (copiedBytes > COPIED_BYTES_MAX) throw new Error(`the patch copies more than ${COPIED_BYTES_MAX} bytes`)
    }
    document = jsonpatch.applyOperation(document, operation, true, true, true).newDocument
  }
  return document
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

/** Whether a path leads to an object that does not have the path's last key. */
function lacksKey(document: unknown, path: string): boolean {
  if (typeof path !== 'string' || path === '') return false
  const end = path.lastIndexOf('/')
  const parent: unknown = jsonpatch.getValueByPointer(document, path.slice(0, end))
  const key = unescapePathComponent(path.slice(end + 1))
  return isObject(parent) && (!Object.hasOwn(parent, key) || parent[key] === undefined)
}

/** The operation with the negative indices of its paths counted out. */
function fromTheEnd(document: unknown, operation: Operation): Operation {
  const path = resolveIndices(document, operation.path)
  if (operation.op !== 'move' && operation.op !== 'copy') return { ...operation, path }
  return { ...operation, path, from: resolveIndices(document, operation.from) }
}

function resolveIndices(document: unknown, path: string): string {
  if (typeof path !== 'string' || !/\/-[0-9]/.test(path)) return path
  let at = document
  const tokens = path.split('/').map((token, i) => {
    if (i === 0) return token
    const resolved = Array.isArray(at) && /^-[0-9]+$/.test(token) ? String(at.length + Number(token)) : token
    const key = unescapePathComponent(resolved)
    at = Array.isArray(at) || isObject(at) ? (at as Record<string, unknown>)[key] : undefined
    return resolved
  })
  return tokens.join('/')
}
