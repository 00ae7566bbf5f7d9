/** JSON merge patch (RFC 7386). */
import { newBadRequest } from '../api/status.ts'
import { goJsonKind, isObject, type JsonObject } from './jsonValue.ts'

/** Answers the patched document, which may share parts with both arguments. Throws StatusError for a patch that is no object. */
export function applyMergePatch(document: JsonObject, patch: unknown): JsonObject {
  if (patch === null) throw newBadRequest('Invalid JSON Patch')
  if (!isObject(patch)) {
    throw newBadRequest(`error decoding patch: json: cannot unmarshal ${goJsonKind(patch)} into Go value of type map[string]interface {}`)
  }
  return merge(document, patch)
}

function merge(target: unknown, patch: JsonObject): JsonObject {
  const result: [string, unknown][] = []
  const base = isObject(target) ? target : {}
  for (const [key, value] of Object.entries(base)) {
    if (!Object.hasOwn(patch, key)) result.push([key, value])
    else if (patch[key] !== null) result.push([key, mergeValue(value, patch[key])])
  }
  for (const [key, value] of Object.entries(patch)) {
    if (value !== null && !Object.hasOwn(base, key)) result.push([key, mergeValue(undefined, value)])
  }
  // fromEntries makes `__proto__` an ordinary key.
  return Object.fromEntries(result)
}

function mergeValue(target: unknown, patch: unknown): unknown {
  return isObject(patch) ? merge(target, patch) : patch
}
