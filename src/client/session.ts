/**
 * One HTTP/2 session with an API server, made when it is needed and again when it breaks. It keeps the process alive for as
 * long as something is asked of it, and no longer.
 */
import { connect, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'

export interface SessionOptions {
  /** `https://127.0.0.1:8443`. */
  server: string
  /** PEM of the authority that signed the server's certificate. */
  ca: string
  /** PEM of a client certificate and its key. */
  cert?: string
  key?: string
  /** A bearer token, read anew for each request where it is a function. */
  token?: string | (() => string)
  /** Its part before the first `/` becomes the field manager of writes. */
  userAgent: string
}

const MAX_BODY_BYTES = 256 * 2 ** 20
const CONNECT_TIMEOUT_MS = 10_000
/** A session that is in use but silent is asked for a sign of life this often, and given up after the timeout. */
const PING_INTERVAL_MS = 30_000
const PING_TIMEOUT_MS = 15_000

export class Session {
  readonly #options: SessionOptions
  #current: ClientHttp2Session | undefined
  /** Streams that are open, by session: one that goes away may still have some when the next is made. */
  readonly #open = new WeakMap<ClientHttp2Session, number>()
  #lastError: Error | undefined

  constructor(options: SessionOptions) {
    this.#options = options
  }

  /** A stream whose body the caller writes and ends. Aborting the signal ends it. */
  open(headers: OutgoingHttpHeaders, signal?: AbortSignal): ClientHttp2Stream {
    const { token, userAgent } = this.#options
    const bearer = typeof token === 'function' ? token() : token
    const session = this.#usable()
    const stream = session.request(
      { 'user-agent': userAgent, accept: 'application/json', ...(bearer && { authorization: `Bearer ${bearer}` }), ...headers },
      { ...(signal && { signal }), endStream: false },
    )
    if (this.#count(session, 1) === 1) session.ref()
    stream.once('close', () => {
      if (this.#count(session, -1) === 0 && !session.destroyed) session.unref()
    })
    return stream
  }

  #count(session: ClientHttp2Session, change: 1 | -1): number {
    const open = (this.#open.get(session) ?? 0) + change
    this.#open.set(session, open)
    return open
  }

  /** Why there is no connection, where that is so. */
  get lastError(): Error | undefined {
    return this.#lastError
  }

  close(): void {
    this.#current?.destroy()
    this.#current = undefined
  }

  #usable(): ClientHttp2Session {
    const known = this.#current
    if (known && !known.closed && !known.destroyed) return known
    const { server, ca, cert, key } = this.#options
    const session = connect(server, { ca, ...(cert && key && { cert, key }) })
    this.#current = session
    const forget = (): void => {
      clearTimeout(connecting)
      clearInterval(pinging)
      if (this.#current === session) this.#current = undefined
    }
    const connecting = setTimeout(
      () => session.destroy(new Error(`no connection to ${server} after ${CONNECT_TIMEOUT_MS} ms`)),
      CONNECT_TIMEOUT_MS,
    )
    connecting.unref()
    const pinging = setInterval(() => pingOnce(session), PING_INTERVAL_MS)
    pinging.unref()
    session.once('connect', () => {
      clearTimeout(connecting)
      this.#lastError = undefined
    })
    session.on('error', (error: Error) => {
      this.#lastError = error
      forget()
    })
    session.on('goaway', forget)
    session.on('close', forget)
    session.unref()
    return session
  }
}

function pingOnce(session: ClientHttp2Session): void {
  if (session.closed || session.destroyed) return
  const late = setTimeout(() => session.destroy(new Error(`no answer to a ping after ${PING_TIMEOUT_MS} ms`)), PING_TIMEOUT_MS)
  late.unref()
  session.ping(() => clearTimeout(late))
}

/** Of the answer. Throws where the stream ends before it has one. */
export async function headersOf(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  return new Promise((resolve, reject) => {
    stream.once('response', resolve)
    stream.once('error', reject)
    stream.once('close', () => reject(new Error('the connection closed before an answer came')))
  })
}

/** Of the answer, at most 256 MiB. */
export async function bodyOf(stream: ClientHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > MAX_BODY_BYTES) throw new Error(`the answer is larger than ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
