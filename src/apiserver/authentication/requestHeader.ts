/** The user that a front proxy names in X-Remote-* headers. Only a connection with the front proxy's certificate may. */
import type { IncomingHttpHeaders } from 'node:http'
import type { UserInfo } from '../request.ts'

export const REQUEST_HEADERS = {
  user: 'X-Remote-User',
  uid: 'X-Remote-Uid',
  group: 'X-Remote-Group',
  extraPrefix: 'X-Remote-Extra-',
} as const

const EXTRA_PREFIX = REQUEST_HEADERS.extraPrefix.toLowerCase()

export function headerValues(value: string | string[] | undefined): string[] {
  if (value === undefined) return []
  return typeof value === 'string' ? value.split(',').map((v) => v.trim()) : value
}

function unescape(key: string): string {
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}

/** Headers `<prefix><key>: value` as the extra of a user; keys are percent-decoded and lower-case. */
export function extraOfHeaders(headers: IncomingHttpHeaders, prefix: string): Record<string, string[]> {
  const extra: Record<string, string[]> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(prefix)) continue
    const key = unescape(name.slice(prefix.length).toLowerCase())
    extra[key] = [...(extra[key] ?? []), ...headerValues(value)]
  }
  return extra
}

export function userOfHeaders(headers: IncomingHttpHeaders): UserInfo | undefined {
  const name = String(headers['x-remote-user'] ?? '')
  if (!name) return undefined
  const uid = String(headers['x-remote-uid'] ?? '')
  return { name, ...(uid && { uid }), groups: headerValues(headers['x-remote-group']), extra: extraOfHeaders(headers, EXTRA_PREFIX) }
}
