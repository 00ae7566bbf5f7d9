/** URLs, read as Go reads them. */
import { ArrayList, EntryMap, Fault, OpaqueValue } from '../values.ts'
import { func, member } from '../overloads.ts'
import { parseUrl, urlError } from '../../api/goUrl.ts'
import type { Overload } from '../overloads.ts'
import type { Url } from '../../api/goUrl.ts'
import type { Value } from '../values.ts'

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
