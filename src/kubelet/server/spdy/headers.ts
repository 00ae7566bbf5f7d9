/**
 * SPDY/3.1 header blocks: name/value pairs, compressed with zlib and the protocol's own dictionary, one compression context
 * for each direction of a connection.
 */
import { type Inflate, constants, createInflate } from 'node:zlib'

/** Names are lower-case; a header may have several values. */
export type SpdyHeaders = Readonly<Record<string, string>>

const DICTIONARY_NAMES = [
  'options',
  'head',
  'post',
  'put',
  'delete',
  'trace',
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'accept-ranges',
  'age',
  'allow',
  'authorization',
  'cache-control',
  'connection',
  'content-base',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-md5',
  'content-range',
  'content-type',
  'date',
  'etag',
  'expect',
  'expires',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'pragma',
  'proxy-authenticate',
  'proxy-authorization',
  'range',
  'referer',
  'retry-after',
  'server',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'vary',
  'via',
  'warning',
  'www-authenticate',
  'method',
  'get',
  'status',
  '200 OK',
  'version',
  'HTTP/1.1',
  'url',
  'public',
  'set-cookie',
  'keep-alive',
  'origin',
]
const DICTIONARY_TAIL =
  '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505' +
  '203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized' +
  '403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable' +
  'Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT' +
  'chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,' +
  'publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.'

export const DICTIONARY: Buffer = Buffer.concat([...DICTIONARY_NAMES.map(lengthPrefixed), Buffer.from(DICTIONARY_TAIL, 'latin1')])
/** Adler-32 of the dictionary: how a zlib stream names it. */
const DICTIONARY_ID = 0xe3c6a7c2
const ZLIB_HEADER_WITH_DICTIONARY = 0x78bb
/** Of one block, uncompressed. Ours are a few hundred bytes. */
const BLOCK_LIMIT_BYTES = 64 * 1024
const STORED_LIMIT_BYTES = 0xffff
/** What zlib's sync flush ends with; Go's decoder gives out what it has read only then. */
const EMPTY_BLOCK = Buffer.of(0, 0, 0, 0xff, 0xff)

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8')
  return Buffer.concat([uint32(bytes.length), bytes])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function encodePairs(headers: SpdyHeaders): Buffer {
  const pairs = Object.entries(headers)
  return Buffer.concat([
    uint32(pairs.length),
    ...pairs.flatMap(([name, value]) => [lengthPrefixed(name.toLowerCase()), lengthPrefixed(value)]),
  ])
}

export function decodePairs(block: Buffer): SpdyHeaders {
  let offset = 0
  const number = (): number => {
    if (offset + 4 > block.length) throw new RangeError('SPDY header block ends early')
    offset += 4
    return block.readUInt32BE(offset - 4)
  }
  const text = (): string => {
    const length = number()
    if (offset + length > block.length) throw new RangeError('SPDY header block ends early')
    offset += length
    return block.toString('utf8', offset - length, offset)
  }
  const headers = new Map<string, string>()
  for (let left = number(); left > 0; left--) {
    const name = text()
    // Values of one name are parted by NUL; none of ours has several.
    headers.set(name.toLowerCase(), text().split('\0')[0] ?? '')
  }
  return Object.fromEntries(headers)
}

/** Ours are tiny, so they are sent as `stored` blocks: valid zlib, and no state. */
export class HeaderEncoder {
  #started = false

  encode(headers: SpdyHeaders): Buffer {
    const pairs = encodePairs(headers)
    if (pairs.length > STORED_LIMIT_BYTES) throw new RangeError('SPDY headers too large')
    const stored = Buffer.alloc(5)
    stored.writeUInt16LE(pairs.length, 1)
    stored.writeUInt16LE(pairs.length ^ 0xffff, 3)
    if (this.#started) return Buffer.concat([stored, pairs, EMPTY_BLOCK])
    this.#started = true
    const start = Buffer.alloc(6)
    start.writeUInt16BE(ZLIB_HEADER_WITH_DICTIONARY, 0)
    start.writeUInt32BE(DICTIONARY_ID, 2)
    return Buffer.concat([start, stored, pairs, EMPTY_BLOCK])
  }
}

/** One call after the other: blocks depend on those before them. */
export class HeaderDecoder {
  readonly #inflate: Inflate = createInflate({ dictionary: DICTIONARY, flush: constants.Z_SYNC_FLUSH })
  #parts: Buffer[] = []
  #sizeBytes = 0
  #failed = Promise.withResolvers<never>()

  constructor() {
    this.#failed.promise.catch(() => {})
    this.#inflate.on('error', (error) => this.#failed.reject(error))
    this.#inflate.on('data', (part: Buffer) => {
      this.#sizeBytes += part.length
      this.#parts.push(part)
      if (this.#sizeBytes > BLOCK_LIMIT_BYTES) this.#inflate.destroy(new RangeError('SPDY headers too large'))
    })
  }

  async decode(block: Buffer): Promise<SpdyHeaders> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#inflate.write(block, () => resolve())
    await Promise.race([promise, this.#failed.promise])
    if (this.#sizeBytes > BLOCK_LIMIT_BYTES) throw new RangeError('SPDY headers too large')
    const pairs = Buffer.concat(this.#parts)
    this.#parts = []
    this.#sizeBytes = 0
    return decodePairs(pairs)
  }

  close(): void {
    this.#inflate.destroy()
  }
}
