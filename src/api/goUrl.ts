/** URLs, read as Go reads them. */
import { quote } from './quote.ts'

export interface Url {
  scheme: string
  opaque: string
  /** As it stands before the host; none is not the empty one. */
  user: string | undefined
  host: string
  /** As written. */
  path: string
  query: string
  fragment: string
}

class UrlError extends Error {
  override readonly name = 'UrlError'
}

const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):/
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})(.{0,2})/s

function checkEscapes(text: string): void {
  const found = BAD_ESCAPE.exec(text)
  if (found) throw new UrlError(`invalid URL escape ${quote(`%${found[1]}`)}`)
}

function checkHost(host: string): void {
  const bracket = host.lastIndexOf(']')
  if (host.startsWith('[') && bracket < 0) throw new UrlError("missing ']' in host")
  const port = host.startsWith('[') ? host.slice(bracket + 1) : (/:.*$/s.exec(host)?.[0] ?? '')
  if (!/^(?::\d*)?$/.test(port)) throw new UrlError(`invalid port ${quote(port)} after host`)
  checkEscapes(host)
  const wrong = /[\s"<>\\^`{|}]/.exec(host)?.[0]
  if (wrong !== undefined) throw new UrlError(`invalid character ${quote(wrong)} in host name`)
}

/** For a request (Go's ParseRequestURI) there is no fragment, and the URL is absolute or a path from the root. @throws UrlError */
export function parseUrl(text: string, isForRequest: boolean): Url {
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(text)) throw new UrlError('net/url: invalid control character in URL')
  if (text === '' && isForRequest) throw new UrlError('empty url')
  if (text.startsWith(':')) throw new UrlError('missing protocol scheme')
  const hash = isForRequest ? -1 : text.indexOf('#')
  const fragment = hash < 0 ? '' : text.slice(hash + 1)
  const whole = hash < 0 ? text : text.slice(0, hash)
  const scheme = SCHEME.exec(whole)?.[1] ?? ''
  const afterScheme = scheme ? whole.slice(scheme.length + 1) : whole
  const mark = afterScheme.indexOf('?')
  const query = mark < 0 ? '' : afterScheme.slice(mark + 1)
  const rest = mark < 0 ? afterScheme : afterScheme.slice(0, mark)
  const url: Url = { scheme: scheme.toLowerCase(), opaque: '', user: undefined, host: '', path: rest, query, fragment }
  if (!rest.startsWith('/')) {
    if (scheme) return { ...url, opaque: rest, path: '' }
    if (isForRequest) throw new UrlError('invalid URI for request')
    if (rest.split('/')[0]!.includes(':')) throw new UrlError('first path segment in URL cannot contain colon')
  }
  if (rest.startsWith('//') && (scheme || (!isForRequest && !rest.startsWith('///')))) {
    const end = rest.indexOf('/', 2)
    const authority = end < 0 ? rest.slice(2) : rest.slice(2, end)
    const at = authority.lastIndexOf('@')
    if (at >= 0) url.user = authority.slice(0, at)
    url.host = authority.slice(at + 1)
    checkHost(url.host)
    url.path = end < 0 ? '' : rest.slice(end)
  }
  checkEscapes(url.path)
  return url
}

/** What is wrong with a URL, in Go's words; undefined where nothing is. */
export function urlError(text: string, isForRequest = true): string | undefined {
  try {
    parseUrl(text, isForRequest)
    return undefined
  } catch (error) {
    if (!(error instanceof UrlError)) throw error
    return `parse ${quote(text)}: ${error.message}`
  }
}
