/**
 * A SPDY/3.1 connection as kubectl and client-go speak it: streams with headers, half-close, resets and pings. They neither
 * send window updates nor heed ours, so there are none: what holds a sender back is the connection below, which is not read
 * while a stream's reader is behind.
 */
import { Duplex } from 'node:stream'
import {
  FLAG_FIN,
  FRAME,
  type ControlFrame,
  type DataPiece,
  RST,
  dataFrame,
  goAwayFrame,
  headerBlockOf,
  pingFrame,
  readFrames,
  rstStreamFrame,
  streamIdOf,
  synReplyFrame,
  synStreamFrame,
} from './frames.ts'
import { HeaderDecoder, HeaderEncoder, type SpdyHeaders } from './headers.ts'

/** What waits for a stream's reader before the whole connection waits. */
const STREAM_BUFFER_BYTES = 1024 * 1024
const DATA_FRAME_LIMIT_BYTES = 256 * 1024
/** Streams open at once: far above what a port-forwarding browser opens. */
const STREAMS_LIMIT = 2_000

export interface SpdyConnectionOptions {
  socket: Duplex
  /** Clients' streams have odd numbers. */
  side: 'server' | 'client'
  /** A stream that the other side opened. It is accepted already. */
  onStream?: (stream: SpdyStream) => void
}

export class SpdyConnection {
  readonly #socket: Duplex
  readonly #onStream: ((stream: SpdyStream) => void) | undefined
  readonly #streams = new Map<number, SpdyStream>()
  readonly #decoder = new HeaderDecoder()
  readonly #encoder = new HeaderEncoder()
  #nextId: number
  #lastIdOfPeer = 0
  #closing = false
  /** Resolves when the connection is over, whoever ended it and why. */
  readonly closed: Promise<void>

  constructor({ socket, side, onStream }: SpdyConnectionOptions) {
    this.#socket = socket
    this.#onStream = onStream
    this.#nextId = side === 'client' ? 1 : 2
    socket.on('error', () => {})
    this.closed = this.#read()
  }

  openStream(headers: SpdyHeaders): SpdyStream {
    const id = this.#nextId
    this.#nextId += 2
    const stream = this.#addStream(id, headers)
    this.#socket.write(synStreamFrame(id, this.#encoder.encode(headers)))
    return stream
  }

  /** Says so to the other side, once everything written before is on its way. */
  close(): void {
    if (this.#closing) return
    this.#closing = true
    this.#socket.write(goAwayFrame(this.#lastIdOfPeer))
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  async #read(): Promise<void> {
    try {
      for await (const frame of readFrames(this.#socket)) {
        if (frame.control) await this.#onControl(frame)
        else await this.#onData(frame)
      }
    } catch {
      // A broken connection, or one that speaks something else: either way it is over.
    } finally {
      this.#decoder.close()
      for (const stream of this.#streams.values()) stream.connectionLost()
      this.#streams.clear()
      this.#socket.destroy()
    }
  }

  async #onControl(frame: ControlFrame): Promise<void> {
    const { type, flags, body } = frame
    switch (type) {
      case FRAME.SYN_STREAM:
        return this.#onSynStream(frame)
      case FRAME.SYN_REPLY:
      case FRAME.HEADERS:
        // Nothing in them matters to us, but the ones after them build on them.
        await this.#decoder.decode(headerBlockOf(frame))
        if (flags & FLAG_FIN) this.#streams.get(streamIdOf(body))?.receiveEnd()
        return
      case FRAME.RST_STREAM:
        this.#streams.get(streamIdOf(body))?.reset()
        return
      case FRAME.PING:
        // Odd ids are pings of clients: those we answer, the others would be answers to ours.
        if (streamIdOf(body) % 2 === this.#nextId % 2) return
        this.#socket.write(pingFrame(body.readUInt32BE(0)))
        return
      default:
    }
  }

  async #onSynStream(frame: ControlFrame): Promise<void> {
    const id = streamIdOf(frame.body)
    const headers = await this.#decoder.decode(headerBlockOf(frame))
    if (this.#closing || !this.#onStream || id <= this.#lastIdOfPeer || this.#streams.size >= STREAMS_LIMIT) {
      this.#socket.write(rstStreamFrame(id, RST.REFUSED_STREAM))
      return
    }
    this.#lastIdOfPeer = id
    const stream = this.#addStream(id, headers)
    this.#socket.write(synReplyFrame(id, this.#encoder.encode({})))
    if (frame.flags & FLAG_FIN) stream.receiveEnd()
    this.#onStream(stream)
  }

  async #onData({ streamId, data, fin }: DataPiece): Promise<void> {
    const stream = this.#streams.get(streamId)
    // Data may be on its way when a stream ends.
    if (!stream) return
    if (data.length > 0) await stream.receive(data)
    if (fin) stream.receiveEnd()
  }

  #addStream(id: number, headers: SpdyHeaders): SpdyStream {
    const stream = new SpdyStream(id, headers, (frame, done) => {
      if (this.#socket.writable) this.#socket.write(frame, done)
      else done?.(new Error('the connection is closed'))
    })
    this.#streams.set(id, stream)
    stream.on('close', () => this.#streams.delete(id))
    return stream
  }
}

type Send = (frame: Buffer, done?: (error?: Error | null) => void) => void

/** Ending it closes the sending half; destroying it before both halves have ended resets it. */
export class SpdyStream extends Duplex {
  readonly id: number
  readonly headers: SpdyHeaders
  readonly #send: Send
  #receivedEnd = false
  #sentEnd = false
  #wasReset = false
  #roomMade: PromiseWithResolvers<void> | undefined

  constructor(id: number, headers: SpdyHeaders, send: Send) {
    super({ readableHighWaterMark: STREAM_BUFFER_BYTES })
    this.id = id
    this.headers = headers
    this.#send = send
    this.on('error', () => {})
  }

  /** Resolves when there is room for more. */
  async receive(data: Buffer): Promise<void> {
    if (this.#receivedEnd || this.destroyed || this.push(data)) return
    this.#roomMade = Promise.withResolvers<void>()
    await this.#roomMade.promise
  }

  receiveEnd(): void {
    if (this.#receivedEnd) return
    this.#receivedEnd = true
    if (!this.destroyed) this.push(null)
  }

  /** The other side gave the stream up. */
  reset(): void {
    this.#wasReset = true
    this.destroy()
  }

  connectionLost(): void {
    this.#wasReset = true
    this.receiveEnd()
    // What came before may still be read.
    if (this.readableLength === 0) this.destroy()
    else this.once('end', () => this.destroy())
  }

  override _read(): void {
    this.#roomMade?.resolve()
    this.#roomMade = undefined
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const next = (offset: number): void => {
      const end = Math.min(offset + DATA_FRAME_LIMIT_BYTES, chunk.length)
      const sent = (error?: Error | null): void => (error || end === chunk.length ? done(error) : next(end))
      this.#send(dataFrame(this.id, chunk.subarray(offset, end), false), sent)
    }
    next(0)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#sentEnd = true
    this.#send(dataFrame(this.id, Buffer.alloc(0), true), done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#wasReset && !(this.#sentEnd && this.#receivedEnd)) this.#send(rstStreamFrame(this.id, RST.CANCEL), () => {})
    this._read()
    done(error)
  }
}
