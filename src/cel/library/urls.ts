/** URLs, read as Go reads them. */
import { ArrayList, EntryMap, Fault, OpaqueValue } from '../values.ts'
import { func, member } from '../overloads.ts'
import type { Overload } from '../overloads.ts'
import type { Value } from '../values.ts'

interface Url {
  scheme: string
  opaque: string
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
  if (found) throw new UrlError(`invalid URL escape ${JSON.stringify(`%${found[1]}`)}`)
}

function checkHost(authority: string): string {
  const host = authority.slice(authority.lastIndexOf('@') + 1)
  const bracket = host.lastIndexOf(']')
  if (host.startsWith('[') && bracket < 0) throw new UrlError("missing ']' in host")
  const port = host.startsWith('[') ? host.slice(bracket + 1) : (/:.*$/s.exec(host)?.[0] ?? '')
  if (!/^(?::\d*)?$/.test(port)) throw new UrlError(`invalid port ${JSON.stringify(port)} after host`)
  checkEscapes(host)
  const wrong = /[\s"<>\\^`{|}]/.exec(host)?.[0]
  if (wrong !== undefined) throw new UrlError(`invalid character ${JSON.stringify(wrong)} in host name`)
  return host
}

/** For a request there is no fragment, and the URL is absolute or a path from the root. @throws UrlError */
function parseUrl(text: string, isForRequest: boolean): Url {
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
  const url = { scheme: scheme.toLowerCase(), opaque: '', host: '', path: rest, query, fragment }
  if (!rest.startsWith('/')) {
    if (scheme) return { ...url, opaque: rest, path: '' }
    if (isForRequest) throw new UrlError('invalid URI for request')
    if (rest.split('/')[0]!.includes(':')) throw new UrlError('first path segment in URL cannot contain colon')
  }
  if (rest.startsWith('//') && (scheme || (!isForRequest && !rest.startsWith('///')))) {
    const end = rest.indexOf('/', 2)
    url.host = checkHost(end < 0 ? rest.slice(2) : rest.slice(2, end))
    url.path = end < 0 ? '' : rest.slice(end)
  }
  checkEscapes(url.path)
  return url
}

/** What is wrong with a URL, in Go's words; undefined where nothing is. */
export function urlError(text: string): string | undefined {
  try {
    parseUrl(text, true)
    return undefined
  } catch (error) {
    if (!(error instanceof UrlError)) throw error
    return `parse ${JSON.stringify(text)}: ${error.message}`
  }
}

class UrlValue extends OpaqueValue {
  readonly typeName = 'kubernetes.URL'
  readonly url: Url
  readonly text: string

  constructor(text: string) {
    super()
    this.text = text
    this.url = parseUrl(text, false)
  }

  equals(other: OpaqueValue): boolean {
    return other instanceof UrlValue && other.text === this.text
  }

  toJSON(): string {
    return this.text
  }
}

function toUrl(text: string): UrlValue {
  const error = urlError(text)
  if (error !== undefined) throw new Fault(`URL parse error during conversion from string: ${error}`)
  return new UrlValue(text)
}

const hostnameOf = (host: string): string => (host.startsWith('[') ? host.slice(1, host.indexOf(']')) : host.replace(/:\d*$/, ''))
const portOf = (host: string): string => /:(\d*)$/.exec(host.slice(host.lastIndexOf(']') + 1))?.[1] ?? ''

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

function queryOf({ query }: Url): Value {
  const values = new Map<string, Value[]>()
  for (const pair of query.split('&')) {
    if (pair === '' || pair.includes(';')) continue
    const equal = pair.indexOf('=')
    const [key, value] = [decoded(equal < 0 ? pair : pair.slice(0, equal)), decoded(equal < 0 ? '' : pair.slice(equal + 1))]
    if (key === undefined || value === undefined) continue
    const known = values.get(key)
    if (known) known.push(value)
    else values.set(key, [value])
  }
  return EntryMap.of([...values].map(([key, list]) => [key, new ArrayList(list)] as const))
}

const UNESCAPED_PATH = /^(?:[\w\-.~!$&'()*+,;=:@/[\]]|%[0-9A-Fa-f]{2})*$/

function escapedPath({ path }: Url): string {
  if (UNESCAPED_PATH.test(path)) return path
  return path.replace(/%[0-9A-Fa-f]{2}|[^\w\-.~$&+,/:;=@]/gu, (part) =>
    part.length === 3 && part[0] === '%' ? part : encodeURIComponent(part),
  )
}

const U = 'kubernetes.URL'

export const URLS: readonly Overload[] = [
  func('string_to_url', 'url', 'string', U, toUrl),
  member('url_get_scheme', 'getScheme', U, 'string', ({ url }: UrlValue) => url.scheme),
  member('url_get_host', 'getHost', U, 'string', ({ url }: UrlValue) => url.host),
  member('url_get_hostname', 'getHostname', U, 'string', ({ url }: UrlValue) => hostnameOf(url.host)),
  member('url_get_port', 'getPort', U, 'string', ({ url }: UrlValue) => portOf(url.host)),
  member('url_get_escaped_path', 'getEscapedPath', U, 'string', ({ url }: UrlValue) => escapedPath(url)),
  member('url_get_query', 'getQuery', U, 'map(string, list(string))', ({ url }: UrlValue) => queryOf(url)),
  func('is_url_string', 'isURL', 'string', 'bool', (text: string) => urlError(text) === undefined),
]
