/** A lean API client for load: raw HTTP/2 on a client certificate, nothing parsed that need not be. */
import { readFileSync } from 'node:fs'
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { parse } from 'yaml'

export interface Target {
  url: string
  ca: string
  cert: string
  key: string
}

interface Kubeconfig {
  'current-context': string
  contexts: { name: string; context: { cluster: string; user: string } }[]
  clusters: { name: string; cluster: { server: string; 'certificate-authority-data'?: string; 'certificate-authority'?: string } }[]
  users: {
    name: string
    user: { 'client-certificate-data'?: string; 'client-certificate'?: string; 'client-key-data'?: string; 'client-key'?: string }
  }[]
}

export function readTarget(kubeconfig: string): Target {
  const config = parse(readFileSync(kubeconfig, 'utf8')) as Kubeconfig
  const context = config.contexts.find(({ name }) => name === config['current-context'])?.context
  const cluster = config.clusters.find(({ name }) => name === context?.cluster)?.cluster
  const user = config.users.find(({ name }) => name === context?.user)?.user
  const pem = (data: string | undefined, file: string | undefined): string =>
    data ? Buffer.from(data, 'base64').toString() : file ? readFileSync(file, 'utf8') : ''
  if (!cluster || !user) throw new Error(`${kubeconfig} has no current context with a cluster and a user`)
  return {
    url: cluster.server,
    ca: pem(cluster['certificate-authority-data'], cluster['certificate-authority']),
    cert: pem(user['client-certificate-data'], user['client-certificate']),
    key: pem(user['client-key-data'], user['client-key']),
  }
}

const REQUEST_TIMEOUT_MS = 60_000
const WINDOW_BYTES = 16 * 1024 * 1024

export class Connection {
  readonly #session: ClientHttp2Session

  constructor({ url, ca, cert, key }: Target) {
    this.#session = connect(url, { ca, cert, key, settings: { initialWindowSize: WINDOW_BYTES } })
    this.#session.once('connect', () => this.#session.setLocalWindowSize(WINDOW_BYTES))
    this.#session.on('error', () => {})
  }

  #open(method: string, path: string, body: Uint8Array | undefined, contentType: string): ClientHttp2Stream {
    const stream = this.#session.request(
      {
        ':method': method,
        ':path': path,
        accept: 'application/json',
        ...(body && { 'content-type': contentType, 'content-length': body.length }),
      },
      { endStream: body === undefined },
    )
    if (body) stream.end(body)
    return stream
  }

  /** The answer's bytes; throws for any other than 2xx. */
  request(method: string, path: string, body?: Uint8Array, contentType = 'application/json'): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.#open(method, path, body, contentType)
      const chunks: Buffer[] = []
      let status = 0
      stream.setTimeout(REQUEST_TIMEOUT_MS, () => stream.close(constants.NGHTTP2_CANCEL))
      stream.on('response', (headers) => (status = Number(headers[':status'])))
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('error', reject)
      // After an answer this changes nothing.
      stream.on('close', () => reject(new Error(`${method} ${path}: the connection was closed`)))
      stream.on('end', () => {
        const answer = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
        if (status >= 200 && status < 300) resolve(answer)
        else reject(new Error(`${method} ${path}: ${status} ${answer.toString().slice(0, 300)}`))
      })
    })
  }

  /** Resolves once the watch is accepted; counts its events until `stop`. */
  async watch(path: string, onEvents: (count: number) => void): Promise<() => void> {
    const stream = this.#open('GET', path, undefined, '')
    stream.on('data', (chunk: Buffer) => {
      let count = 0
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) count++
      onEvents(count)
    })
    stream.on('error', () => {})
    await new Promise<void>((resolve, reject) => {
      stream.once('response', (headers) =>
        headers[':status'] === 200 ? resolve() : reject(new Error(`the watch was answered ${headers[':status']}`)),
      )
      stream.once('error', reject)
    })
    return () => stream.close(constants.NGHTTP2_CANCEL)
  }

  /** The lines of a watch until it ends, breaks or `signal` aborts; read no faster than they are taken. */
  async *lines(path: string, signal: AbortSignal): AsyncGenerator<string> {
    const stream = this.#open('GET', path, undefined, '')
    const stop = (): void => stream.close(constants.NGHTTP2_CANCEL)
    signal.addEventListener('abort', stop, { once: true })
    try {
      let rest = ''
      for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() ?? ''
        yield* lines
      }
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  close(): void {
    this.#session.destroy()
  }
}

export interface Measurement {
  count: number
  perSecond: number
  p50Ms: number
  p99Ms: number
}

/** `count` calls by `workers` at once, each waiting for its answer. */
export async function measure(count: number, workers: number, call: (index: number) => Promise<unknown>): Promise<Measurement> {
  const latencies = new Float64Array(count)
  let next = 0
  const work = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) {
      const fromMs = performance.now()
      await call(i)
      latencies[i] = performance.now() - fromMs
    }
  }
  const fromMs = performance.now()
  await Promise.all(Array.from({ length: workers }, work))
  const seconds = (performance.now() - fromMs) / 1000
  latencies.sort()
  const at = (share: number): number => latencies[Math.min(count - 1, Math.floor(count * share))] as number
  return { count, perSecond: count / seconds, p50Ms: at(0.5), p99Ms: at(0.99) }
}
