/** Continue tokens (k8s.io/apiserver/pkg/storage/continue.go): where a list goes on, and at which revision. */
import { posix } from 'node:path'
import { newBadRequest } from '../../api/status.ts'
import type { StatusError } from '../../api/status.ts'
import { goJsonKind } from '../../merge/jsonValue.ts'

const TOKEN_VERSION = 'meta.k8s.io/v1'

export interface ContinueToken {
  /** -1: whatever is the newest (the continuation of a list whose revision is gone). */
  revision: number
  /** The last key that was listed. */
  after: string
}

export function encodeContinue(token: ContinueToken, prefix: string): string {
  const start = `${token.after.slice(prefix.length)}\0`
  return Buffer.from(JSON.stringify({ v: TOKEN_VERSION, rv: token.revision, start })).toString('base64url')
}

function broken(why: string): StatusError {
  return newBadRequest(`invalid continue token: continue key is not valid: ${why}`)
}

function describeJsonError(text: string): string {
  try {
    JSON.parse(text)
  } catch {
    const at = firstBadCharacter(text)
    if (at === undefined) return 'unexpected end of JSON input'
    const code = at.codePointAt(0) as number
    const shown = code < 0x20 || (code >= 0x7f && code < 0xa0) ? `\\u${code.toString(16).padStart(4, '0')}` : at
    return `invalid character '${shown}' looking for beginning of value`
  }
  return 'start key is not a string'
}

function firstBadCharacter(text: string): string | undefined {
  const first = text.trimStart()[0]
  return first === undefined || first === '{' ? undefined : first
}

/** Where Go's decoder stops: at a character that is none of base64's, or at one that is left over. */
function illegalAt(token: string): number {
  const odd = token.search(/[^\w-]/)
  return odd < 0 && token.length % 4 === 1 ? token.length - 1 : odd
}

export function decodeContinue(token: string, prefix: string): ContinueToken {
  const illegal = illegalAt(token)
  if (illegal >= 0) throw broken(`illegal base64 data at input byte ${illegal}`)
  const bytes = Buffer.from(token, 'base64url')
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    throw broken(describeJsonError(bytes.toString('latin1')))
  }
  const odd = oddShape(value)
  if (odd) throw broken(`json: cannot unmarshal ${odd}`)
  const { v, rv, start } = (value ?? {}) as { v?: string; rv?: number; start?: string }
  if (v !== TOKEN_VERSION) throw broken(`server does not recognize this encoded version ${v ?? ''}`)
  if (!rv) throw broken('incorrect encoded start resourceVersion (version meta.k8s.io/v1)')
  if (!start) throw broken('encoded start key empty (version meta.k8s.io/v1)')
  const key = start.startsWith('/') ? start : `/${start}`
  if (posix.normalize(key).replace(/(.)\/$/, '$1') !== key) throw broken(start)
  return { revision: rv, after: prefix + before(key.slice(1)) }
}

/** What comes right before a key that a list begins at: ours are the last one's with a zero behind it, as no key has one. */
function before(key: string): string {
  if (key.endsWith('\0')) return key.slice(0, -1)
  const last = key.charCodeAt(key.length - 1)
  return `${key.slice(0, -1)}${String.fromCharCode(last - 1)}\uffff`
}

const SHAPE = { v: 'string', rv: 'int64', start: 'string' } as const

/** Whoever made the token, it may hold anything; null is what is not there. */
function oddShape(value: unknown): string | undefined {
  if (value === null) return undefined
  if (typeof value !== 'object' || Array.isArray(value)) return `${goJsonKind(value)} into Go value of type storage.continueToken`
  for (const [name, type] of Object.entries(SHAPE)) {
    const member = (value as Record<string, unknown>)[name] ?? undefined
    if (member === undefined || (type === 'string' ? typeof member === 'string' : Number.isSafeInteger(member))) continue
    const what = typeof member === 'number' ? `number ${member}` : goJsonKind(member)
    return `${what} into Go struct field continueToken.${name} of type ${type}`
  }
  return undefined
}

/** undefined where Go's ParseUint has an error. */
export function parseRevision(text: string): number | undefined {
  return /^\d+$/.test(text) && BigInt.asUintN(64, BigInt(text)) === BigInt(text) ? Number(text) : undefined
}
