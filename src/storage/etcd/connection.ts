/**
 * Calls to etcd over gRPC: the first endpoint that is ready serves, the next one when it goes. Reads are tried again until
 * their deadline. A write that broke off on the way is not: it may have happened.
 */
import { ChannelCredentials, Client, Metadata, connectivityState, status, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js'
import { isIP } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { StoreUnavailableError } from '../store.ts'
import type { Method } from './messages.ts'
import { decode, encode, type Message, type MessageTable } from './wire.ts'

/** A call that has no answer by then fails. */
const CALL_TIMEOUT_MS = 10_000
/** An endpoint that is not ready within this is left for the next one. */
const ENDPOINT_TIMEOUT_MS = 2_000
const RETRY_INTERVAL_MS = 100
const OPTIONS = {
  // Lists of large objects; etcd limits what it takes by itself.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.enable_http_proxy': 0,
  'grpc-node.flow_control_window': 8 * 1024 * 1024,
}

const NAME_OF_ADDRESSES = 'etcd'

export interface EtcdTls {
  /** PEM; the system's authorities unless given. */
  ca?: Uint8Array
  cert?: Uint8Array
  key?: Uint8Array
}

export type WatchStream = ClientDuplexStream<Message, Message>

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error
}

/** etcd's own words where it has answered. */
export function etcdMessage(error: unknown): string {
  return isServiceError(error) ? error.details : error instanceof Error ? error.message : String(error)
}

function isUnreachable(error: unknown): boolean {
  return isServiceError(error) && (error.code === status.UNAVAILABLE || error.code === status.CANCELLED)
}

function credentialsOf(url: URL, tls: EtcdTls): ChannelCredentials {
  if (url.protocol === 'http:') return ChannelCredentials.createInsecure()
  const buffer = (pem: Uint8Array | undefined): Buffer | null => (pem ? Buffer.from(pem) : null)
  const host = hostOf(url)
  const identity = isIP(host) ? { checkServerIdentity: (_name: string, cert: PeerCertificate) => checkServerIdentity(host, cert) } : {}
  return ChannelCredentials.createSsl(buffer(tls.ca), buffer(tls.key), buffer(tls.cert), identity)
}

/** Without the brackets of IPv6. */
const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '')

/** An address is no name that TLS could ask for; the certificate is held against the address itself, above. */
const nameOf = (url: URL): object => (isIP(hostOf(url)) ? { 'grpc.ssl_target_name_override': NAME_OF_ADDRESSES } : {})

function parseEndpoint(text: string): URL {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    throw new StoreUnavailableError(`not the address of an etcd: ${text} (http://host:port or https://host:port)`)
  }
  return url
}

const serializer =
  (table: MessageTable) =>
  (message: Message): Buffer =>
    encode(table, message)
const deserializer =
  (table: MessageTable) =>
  (bytes: Buffer): Message =>
    decode(table, bytes)

export class EtcdConnection {
  readonly #endpoints: readonly string[]
  readonly #clients: readonly Client[]
  #current = 0
  #closed = false
  readonly #close = Promise.withResolvers<Error>()

  constructor(endpoints: readonly string[], tls: EtcdTls) {
    this.#endpoints = endpoints
    this.#clients = endpoints.map(parseEndpoint).map((url) => {
      const port = url.port || (url.protocol === 'https:' ? '443' : '2379')
      return new Client(`dns:${url.hostname}:${port}`, credentialsOf(url, tls), { ...OPTIONS, ...nameOf(url) })
    })
  }

  close(): void {
    this.#closed = true
    this.#close.resolve(new StoreUnavailableError('the store is closed'))
    for (const client of this.#clients) client.close()
  }

  /** The client of an endpoint that answers. */
  async #ready(deadline: number): Promise<Client> {
    for (;;) {
      if (this.#closed) throw new StoreUnavailableError('the store is closed')
      const client = this.#clients[this.#current] as Client
      if (client.getChannel().getConnectivityState(true) === connectivityState.READY) return client
      const wait = Math.min(deadline, Date.now() + ENDPOINT_TIMEOUT_MS)
      const ready = new Promise<Error | undefined>((resolve) => client.waitForReady(wait, resolve))
      const error = await Promise.race([ready, this.#close.promise])
      if (!error) return client
      if (Date.now() >= deadline) throw new StoreUnavailableError(`etcd does not answer at ${this.#endpoints.join(', ')}`, { cause: error })
      this.#next()
      if (this.#clients.length === 1) await new Promise((resolve) => setTimeout(resolve, RETRY_INTERVAL_MS))
    }
  }

  #next(): void {
    this.#current = (this.#current + 1) % this.#clients.length
  }

  /** Answers as etcd does; its refusals come as they are (`etcdMessage`), a silent etcd as StoreUnavailableError. */
  async call<Response>(method: Method, request: object, kind: 'read' | 'write'): Promise<Response> {
    const deadline = Date.now() + CALL_TIMEOUT_MS
    for (;;) {
      const client = await this.#ready(deadline)
      try {
        return (await this.#once(client, method, request as Message, deadline)) as Response
      } catch (error) {
        if (!isUnreachable(error)) throw error
        this.#next()
        if (kind === 'write' || this.#closed || Date.now() + RETRY_INTERVAL_MS >= deadline) throw error
        await new Promise((resolve) => setTimeout(resolve, RETRY_INTERVAL_MS))
      }
    }
  }

  #once(client: Client, method: Method, request: Message, deadline: number): Promise<Message> {
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        serializer(method.request),
        deserializer(method.response),
        request,
        new Metadata(),
        { deadline },
        (error, response) => (error ? reject(error) : resolve(response as Message)),
      )
    })
  }

  async stream(method: Method): Promise<WatchStream> {
    const client = await this.#ready(Date.now() + CALL_TIMEOUT_MS)
    return client.makeBidiStreamRequest(method.path, serializer(method.request), deserializer(method.response), new Metadata())
  }
}
