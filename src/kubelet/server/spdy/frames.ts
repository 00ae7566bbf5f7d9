/** SPDY/3.1 frames on the wire. Pure. */

export const FRAME = { SYN_STREAM: 1, SYN_REPLY: 2, RST_STREAM: 3, SETTINGS: 4, PING: 6, GOAWAY: 7, HEADERS: 8, WINDOW_UPDATE: 9 } as const
export const FLAG_FIN = 1
export const RST = { PROTOCOL_ERROR: 1, INVALID_STREAM: 2, REFUSED_STREAM: 3, CANCEL: 5, INTERNAL_ERROR: 6 } as const

const VERSION = 3
const HEADER_BYTES = 8
/** Control frames carry headers at most; data comes through in pieces, however long its frame. */
const CONTROL_LIMIT_BYTES = 64 * 1024
const ID_MASK = 0x7fffffff

export interface ControlFrame {
  control: true
  type: number
  flags: number
  body: Buffer
}

/** A piece of a data frame; `fin` on its last. */
export interface DataPiece {
  control: false
  streamId: number
  fin: boolean
  data: Buffer
}

export function controlFrame(type: number, flags: number, body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt16BE(0x8000 | VERSION, 0)
  header.writeUInt16BE(type, 2)
  header.writeUInt32BE(flags * 2 ** 24 + body.length, 4)
  return Buffer.concat([header, body])
}

export function dataFrame(streamId: number, data: Uint8Array, fin: boolean): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32BE(streamId, 0)
  header.writeUInt32BE((fin ? FLAG_FIN : 0) * 2 ** 24 + data.length, 4)
  return Buffer.concat([header, data])
}

function numbers(...values: number[]): Buffer {
  const body = Buffer.alloc(values.length * 4)
  values.forEach((value, i) => body.writeUInt32BE(value, i * 4))
  return body
}

export const synReplyFrame = (streamId: number, headers: Buffer): Buffer =>
  controlFrame(FRAME.SYN_REPLY, 0, Buffer.concat([numbers(streamId), headers]))

export const synStreamFrame = (streamId: number, headers: Buffer): Buffer =>
  controlFrame(FRAME.SYN_STREAM, 0, Buffer.concat([numbers(streamId, 0), Buffer.alloc(2), headers]))

export const rstStreamFrame = (streamId: number, status: number): Buffer => controlFrame(FRAME.RST_STREAM, 0, numbers(streamId, status))
export const pingFrame = (id: number): Buffer => controlFrame(FRAME.PING, 0, numbers(id))
export const goAwayFrame = (lastStreamId: number): Buffer => controlFrame(FRAME.GOAWAY, 0, numbers(lastStreamId, 0))

export function streamIdOf(body: Buffer): number {
  if (body.length < 4) throw new RangeError('SPDY frame ends early')
  return body.readUInt32BE(0) & ID_MASK
}

/** The header block within SYN_STREAM, SYN_REPLY or HEADERS. */
export function headerBlockOf({ type, body }: Pick<ControlFrame, 'type' | 'body'>): Buffer {
  return body.subarray(type === FRAME.SYN_STREAM ? 10 : 4)
}

export async function* readFrames(source: AsyncIterable<Buffer>): AsyncGenerator<ControlFrame | DataPiece> {
  let pending: Buffer = Buffer.alloc(0)
  let data: { streamId: number; fin: boolean; leftBytes: number } | undefined
  for await (const chunk of source) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    for (;;) {
      if (data) {
        if (pending.length === 0) break
        const piece = pending.subarray(0, data.leftBytes)
        pending = pending.subarray(piece.length)
        data.leftBytes -= piece.length
        yield { control: false, streamId: data.streamId, fin: data.fin && data.leftBytes === 0, data: piece }
        if (data.leftBytes === 0) data = undefined
        continue
      }
      if (pending.length < HEADER_BYTES) break
      const first = pending.readUInt32BE(0)
      const flags = pending[4] ?? 0
      const length = pending.readUIntBE(5, 3)
      if (first <= ID_MASK) {
        pending = pending.subarray(HEADER_BYTES)
        const fin = (flags & FLAG_FIN) !== 0
        if (length > 0) data = { streamId: first, fin, leftBytes: length }
        else yield { control: false, streamId: first, fin, data: Buffer.alloc(0) }
        continue
      }
      if (((first >>> 16) & 0x7fff) !== VERSION) throw new RangeError('not a SPDY/3 frame')
      if (length > CONTROL_LIMIT_BYTES) throw new RangeError(`SPDY control frame of ${length} bytes`)
      if (pending.length < HEADER_BYTES + length) break
      yield { control: true, type: first & 0xffff, flags, body: pending.subarray(HEADER_BYTES, HEADER_BYTES + length) }
      pending = pending.subarray(HEADER_BYTES + length)
    }
  }
}
