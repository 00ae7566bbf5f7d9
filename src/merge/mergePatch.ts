/** JSON merge patch (RFC 7386, but for nulls inside of lists, which github.com/evanphx/json-patch takes out of what is new). */
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

function merge(base: JsonObject, patch: JsonObject): JsonObject {
  const result: [string, unknown][] = []
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
  if (!isObject(target)) return withoutNulls(patch)
  return isObject(patch) ? merge(target, patch) : patch
}

/** A null of a member that is new takes nothing away, be the member in a list; a list's own nulls stay. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isObject(value)) return value
  const members = Object.entries(value).filter(([, member]) => member !== null)
  return Object.fromEntries(members.map(([key, member]) => [key, withoutNulls(member)]))
}
