/** JSON patches of webhooks and policies: applied, and where they do not apply, why, as upstream's library says it. */
import type { JsonObject } from '../../api/resource.ts'
import { StatusError } from '../../api/status.ts'
import { applyJsonPatch } from '../../merge/jsonPatch.ts'
import { isJsonObject } from '../cache/json.ts'

export class PatchFailure extends Error {
  override readonly name = 'PatchFailure'
  /** An operation `test` found another value. */
  readonly testFailed: boolean

  constructor(message: string, testFailed: boolean, cause: unknown) {
    super(message, { cause })
    this.testFailed = testFailed
  }
}

/** Throws PatchFailure. */
export function patchObject(object: object, patch: readonly JsonObject[]): JsonObject {
  try {
    return applyJsonPatch(object, patch) as JsonObject
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    throw explain(object, patch, error)
  }
}

/** The operation that fails, found by going through them one by one. */
function explain(object: object, patch: readonly JsonObject[], cause: StatusError): PatchFailure {
  let document: unknown = object
  for (const operation of patch) {
    try {
      document = applyJsonPatch(document, [operation])
    } catch {
      const testFailed = operation['op'] === 'test'
      return new PatchFailure(failureOf(document, operation), testFailed, cause)
    }
  }
  return new PatchFailure(cause.message, false, cause)
}

const PATHED = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test'])

const unescape = (token: string): string => token.replaceAll('~1', '/').replaceAll('~0', '~')

function parentOf(document: unknown, path: string): unknown {
  let at = document
  for (const token of path.split('/').slice(1, -1)) {
    if (Array.isArray(at)) at = at[Number(token)] as unknown
    else if (isJsonObject(at)) at = at[unescape(token)]
    else return undefined
  }
  return at
}

function failureOf(document: unknown, { op, path, from, value }: JsonObject): string {
  if ((op === 'move' || op === 'copy') && typeof from !== 'string')
    return `${op} operation failed to decode from: operation, missing from field: missing value`
  if (typeof path !== 'string' && PATHED.has(String(op))) return `${String(op)} operation failed to decode path: missing value`
  if (op === 'replace' && path === '' && value === null) return 'replace operation value must be object or array: %!w(<nil>)'
  const at = String(path ?? '')
  const parent = parentOf(document, at)
  const key = unescape(at.slice(at.lastIndexOf('/') + 1))
  const missing = typeof parent !== 'object' || parent === null || !at.includes('/')
  const index = Array.isArray(parent) ? `Unable to access invalid index: ${key}: invalid index referenced` : undefined
  switch (op) {
    case 'add':
      if (missing) return `add operation does not apply: doc is missing path: ${JSON.stringify(at)}: missing value`
      return `error in add for path: '${at}': ${index ?? 'missing value'}`
    case 'remove':
      if (missing) return `remove operation does not apply: doc is missing path: ${JSON.stringify(at)}: missing value`
      return `error in remove for path: '${at}': ${index ?? `Unable to remove nonexistent key: ${key}: missing value`}`
    case 'replace':
      if (missing) return `replace operation does not apply: doc is missing path: ${at}: missing value`
      return `replace operation does not apply: doc is missing key: ${at}: missing value`
    case 'move': {
      const source = String(from ?? '')
      const moved = unescape(source.slice(source.lastIndexOf('/') + 1))
      const holder = parentOf(document, source)
      if (isJsonObject(holder) && source.includes('/') && !Object.hasOwn(holder, moved))
        return `error in move for path: '${moved}': Unable to remove nonexistent key: ${moved}: missing value`
      return `move operation does not apply: doc is missing from path: ${source}: missing value`
    }
    case 'copy':
      return `copy operation does not apply: doc is missing from path: ${String(from ?? '')}: missing value`
    case 'test':
      return `testing value ${at} failed: test failed`
    default:
      return `Unexpected kind: ${typeof op === 'string' ? op : 'unknown'}`
  }
}
