/**
 * The user that a front proxy names in X-Remote-* headers. Only a connection with the front proxy's certificate may. No uid is
 * read unless --requestheader-uid-headers says where; what is passed on to other servers has one.
 */
import type { UserInfo } from '../request.ts'

export const REQUEST_HEADERS = {
  user: 'X-Remote-User',
  uid: 'X-Remote-Uid',
  group: 'X-Remote-Group',
  extraPrefix: 'X-Remote-Extra-',
} as const

const EXTRA_PREFIX = REQUEST_HEADERS.extraPrefix.toLowerCase()

/** Names and values as they came, one after the other: a group's name may have a comma, at which repeated headers are joined. */
export type RawHeaders = readonly string[]

/** Node reads header bytes as Latin-1, clients write UTF-8. */
export function utf8(text: string): string {
  return /[\x80-\xff]/.test(text) ? Buffer.from(text, 'latin1').toString() : text
}

/** What stands behind each header whose name begins so, by the rest of its name in lower case. */
function* headersWith(prefix: string, headers: RawHeaders): Generator<[rest: string, value: string]> {
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = (headers[at] as string).toLowerCase()
    if (name.startsWith(prefix)) yield [name.slice(prefix.length), utf8(headers[at + 1] as string)]
  }
}

/** `name` in lower case. */
export function headerValues(headers: RawHeaders, name: string): string[] {
  return [...headersWith(name, headers)].filter(([rest]) => rest === '').map(([, value]) => value)
}

export function hasHeaderWith(prefix: string, headers: RawHeaders): boolean {
  return headersWith(prefix, headers).next().done === false
}

function unescape(key: string): string {
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}

/** Headers `<prefix><key>: value` as the extra of a user; keys are percent-decoded and lower-case, and come in their order. */
export function extraOfHeaders(headers: RawHeaders, prefix: string): Record<string, string[]> {
  const extra = new Map<string, string[]>()
  for (const [rest, value] of headersWith(prefix, headers)) {
    const key = unescape(rest)
    extra.set(key, [...(extra.get(key) ?? []), value])
  }
  return Object.fromEntries([...extra].sort(([a], [b]) => (a < b ? -1 : 1)))
}

export function userOfHeaders(headers: RawHeaders): UserInfo | undefined {
  const [name] = headerValues(headers, 'x-remote-user')
  if (!name) return undefined
  return { name, groups: headerValues(headers, 'x-remote-group').filter(Boolean), extra: extraOfHeaders(headers, EXTRA_PREFIX) }
}
