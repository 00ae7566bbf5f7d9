/**
 * A proxied web page stays below its proxy: `Location` headers and the links of HTML that lead to the backend itself are
 * led through the proxy again (k8s.io/apimachinery/pkg/util/proxy's Transport). Pages are rewritten as they pass.
 */
import { Transform } from 'node:stream'
import type { Duplex } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { createDeflateRaw, createGunzip, createGzip, createInflateRaw } from 'node:zlib'

export interface ProxiedAt {
  /** Where the backend's root is found on this server, without a slash at its end. */
  prefix: string
  /** `host:port` as the server reached it, and as the client named it: links to either are the backend's own. */
  hosts: readonly string[]
}

/** A URL of the backend as its client must write it. What leads elsewhere, or is relative, stays. */
export function rewriteUrl(url: string, { prefix, hosts }: ProxiedAt): string {
  const match = /^(?:(?:[A-Za-z][A-Za-z0-9+.-]*:)?\/\/([^/?#]*))?(\/[^?#]*)?(.*)$/s.exec(url)
  const [, host, path, rest = ''] = match ?? []
  if (path === undefined) return url
  if (host === undefined ? url.startsWith('//') : !hosts.includes(host)) return url
  return path === prefix || path.startsWith(`${prefix}/`) ? path + rest : prefix + path + rest
}

/** The attributes of HTML that hold URLs, by tag. */
const URL_ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
  a: ['href'],
  applet: ['codebase'],
  area: ['href'],
  audio: ['src'],
  base: ['href'],
  blockquote: ['cite'],
  body: ['background'],
  button: ['formaction'],
  command: ['icon'],
  del: ['cite'],
  embed: ['src'],
  form: ['action'],
  frame: ['longdesc', 'src'],
  head: ['profile'],
  html: ['manifest'],
  iframe: ['longdesc', 'src'],
  img: ['longdesc', 'src', 'usemap'],
  input: ['src', 'usemap', 'formaction'],
  ins: ['cite'],
  link: ['href'],
  object: ['classid', 'codebase', 'data', 'usemap'],
  q: ['cite'],
  script: ['src'],
  source: ['src'],
  video: ['poster', 'src'],
}
/** What stands in these is text, whatever it looks like. */
const RAW_TEXT = new Set(['script', 'style', 'textarea', 'title', 'xmp', 'iframe', 'noembed', 'noframes', 'noscript', 'plaintext'])
const ATTRIBUTE = /([^\s"'<>/=]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)/g
/** A tag or comment that is longer than this is passed on unread. */
const LONGEST_TAG_CHARS = 64 * 1024

function rewriteTag(tag: string, at: ProxiedAt): string {
  const name = /^<([A-Za-z][^\s/>]*)/.exec(tag)?.[1] ?? ''
  const attributes = URL_ATTRIBUTES[name.toLowerCase()]
  if (!attributes) return tag
  const head = tag.slice(0, name.length + 1)
  const rest = tag.slice(name.length + 1).replace(ATTRIBUTE, (whole, key: string, equals: string, value: string) => {
    if (!attributes.includes(key.toLowerCase())) return whole
    const quote = value.startsWith('"') || value.startsWith("'") ? (value[0] as string) : ''
    const url = quote ? value.slice(1, -1) : value
    const rewritten = rewriteUrl(url.replaceAll('&amp;', '&'), at).replaceAll('&', '&amp;')
    return rewritten === url.replaceAll('&amp;', '&').replaceAll('&', '&amp;') ? whole : key + equals + quote + rewritten + quote
  })
  return head + rest
}

/** The end of the tag that begins at `from`, quotes considered; -1 where it is not there yet. */
function endOfTag(text: string, from: number): number {
  let quote = ''
  for (let i = from + 1; i < text.length; i++) {
    const char = text[i] as string
    if (quote) {
      if (char === quote) quote = ''
    } else if ((char === '"' || char === "'") && /=\s*$/.test(text.slice(Math.max(from, i - 8), i))) quote = char
    else if (char === '>') return i + 1
  }
  return -1
}

/** Rewrites HTML that comes in pieces. */
export class HtmlRewriter {
  readonly #at: ProxiedAt
  #rest = ''
  /** Inside an element of raw text: its name. */
  #rawText = ''

  constructor(at: ProxiedAt) {
    this.#at = at
  }

  write(text: string): string {
    const all = this.#rest + text
    let out = ''
    let position = 0
    for (;;) {
      const open = all.indexOf('<', position)
      if (open < 0) break
      const end = this.#endOf(all, open)
      if (end < 0) {
        this.#rest = all.slice(open)
        if (this.#rest.length <= LONGEST_TAG_CHARS) return out + all.slice(position, open)
        this.#rest = ''
        return out + all.slice(position)
      }
      out += all.slice(position, open) + this.#tag(all.slice(open, end))
      position = end
    }
    this.#rest = ''
    return out + all.slice(position)
  }

  end(): string {
    return this.#rest
  }

  /** Of the markup at `open`: one character where it is none. */
  #endOf(text: string, open: number): number {
    if (text.length < open + 4 && text.indexOf('>', open) < 0) return -1
    if (this.#rawText) {
      const close = `</${this.#rawText}`
      const have = text.slice(open, open + close.length).toLowerCase()
      if (have === close) return endOfTag(text, open)
      return close.startsWith(have) && text.length < open + close.length ? -1 : open + 1
    }
    if (text.startsWith('<!--', open)) {
      const end = text.indexOf('-->', open + 4)
      return end < 0 ? -1 : end + 3
    }
    return /[A-Za-z/!?]/.test(text[open + 1] ?? '') ? endOfTag(text, open) : open + 1
  }

  #tag(markup: string): string {
    if (this.#rawText) {
      if (markup.length > 1) this.#rawText = ''
      return markup
    }
    const name = /^<([A-Za-z][^\s/>]*)/.exec(markup)?.[1]?.toLowerCase() ?? ''
    if (RAW_TEXT.has(name)) this.#rawText = name
    return name ? rewriteTag(markup, this.#at) : markup
  }
}

function htmlTransform(at: ProxiedAt): Transform {
  const rewriter = new HtmlRewriter(at)
  const decoder = new StringDecoder('utf8')
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      callback(null, rewriter.write(decoder.write(chunk)))
    },
    flush(callback) {
      callback(null, rewriter.write(decoder.end()) + rewriter.end())
    },
  })
}

/** What a body passes through on its way: nothing where it is no HTML, or packed in a way that is not understood. */
export function htmlStages(contentType: string | undefined, encoding: string | undefined, at: ProxiedAt): Duplex[] {
  if ((contentType ?? '').split(';')[0]?.trim() !== 'text/html') return []
  switch (encoding ?? '') {
    case '':
      return [htmlTransform(at)]
    case 'gzip':
      return [createGunzip(), htmlTransform(at), createGzip()]
    case 'deflate':
      return [createInflateRaw(), htmlTransform(at), createDeflateRaw()]
    default:
      return []
  }
}
