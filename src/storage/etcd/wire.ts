/**
 * Protocol buffers by tables of field numbers, for the few messages that a store sends to etcd and reads from it.
 * Numbers are JavaScript's: etcd's revisions stay far below 2^53.
 */

export type FieldKind = 'int' | 'bool' | 'bytes' | 'string' | MessageTable
export interface FieldFact {
  readonly name: string
  readonly kind: FieldKind
  readonly repeated?: boolean
}
/** Fields of a message by their number. */
export type MessageTable = ReadonlyMap<number, FieldFact>

export type Message = Record<string, unknown>

const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5
const LOW_BITS = 0x80
const TWO_TO_32 = 2 ** 32

export class WireError extends Error {
  override readonly name = 'WireError'
}

class Writer {
  readonly chunks: Uint8Array[] = []
  length = 0
  #small: number[] = []

  varint(value: number): void {
    let rest = value
    while (rest >= LOW_BITS) {
      this.#small.push((rest % LOW_BITS) + LOW_BITS)
      rest = Math.floor(rest / LOW_BITS)
    }
    this.#small.push(rest)
  }

  raw(bytes: Uint8Array): void {
    this.flush()
    this.chunks.push(bytes)
    this.length += bytes.length
  }

  flush(): void {
    if (this.#small.length === 0) return
    this.chunks.push(Uint8Array.from(this.#small))
    this.length += this.#small.length
    this.#small = []
  }
}

function writeValue(writer: Writer, number: number, kind: FieldKind, value: unknown): void {
  if (kind === 'int' || kind === 'bool') {
    writer.varint(number * 8 + VARINT)
    writer.varint(Number(value))
    return
  }
  writer.varint(number * 8 + LENGTH_DELIMITED)
  if (kind === 'bytes' || kind === 'string') {
    const bytes = kind === 'string' ? Buffer.from(value as string) : (value as Uint8Array)
    writer.varint(bytes.length)
    writer.raw(bytes)
    return
  }
  const inner = encodeInto(kind, value as Message)
  writer.varint(inner.length)
  for (const chunk of inner.chunks) writer.raw(chunk)
}

function encodeInto(table: MessageTable, message: Message): Writer {
  const writer = new Writer()
  for (const [number, { name, kind, repeated }] of table) {
    const value = message[name]
    if (value === undefined) continue
    if (repeated) for (const one of value as readonly unknown[]) writeValue(writer, number, kind, one)
    else writeValue(writer, number, kind, value)
  }
  writer.flush()
  return writer
}

export function encode(table: MessageTable, message: Message): Buffer {
  const { chunks, length } = encodeInto(table, message)
  return Buffer.concat(chunks, length)
}

class Reader {
  readonly bytes: Buffer
  at: number
  readonly end: number

  constructor(bytes: Buffer, at: number, end: number) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  varint(): number {
    let value = 0
    let factor = 1
    for (;;) {
      if (this.at >= this.end) throw new WireError('a message ends within a number')
      const byte = this.bytes[this.at++] as number
      value += (byte & 0x7f) * factor
      if (byte < LOW_BITS) return value
      factor *= LOW_BITS
    }
  }

  /** Where a length-delimited value ends; `at` is where it begins. */
  span(): number {
    const end = this.varint() + this.at
    if (end > this.end) throw new WireError('a message ends within a field')
    return end
  }

  skip(wireType: number): void {
    if (wireType === VARINT) this.varint()
    else if (wireType === LENGTH_DELIMITED) this.at = this.span()
    else if (wireType === FIXED64) this.at += 8
    else if (wireType === FIXED32) this.at += 4
    else throw new WireError(`wire type ${wireType} is not known`)
  }
}

function readValue(reader: Reader, kind: FieldKind): unknown {
  if (kind === 'bool') return reader.varint() !== 0
  if (kind === 'int') {
    const value = reader.varint()
    // Negative numbers take all 64 bits.
    return value >= 2 ** 63 ? value - TWO_TO_32 * TWO_TO_32 : value
  }
  const end = reader.span()
  const start = reader.at
  reader.at = end
  if (kind === 'string') return reader.bytes.toString('utf8', start, end)
  // A copy: what is kept for long must not hold on to the whole answer.
  if (kind === 'bytes') return new Uint8Array(reader.bytes.subarray(start, end))
  return decodeFrom(kind, new Reader(reader.bytes, start, end))
}

function decodeFrom(table: MessageTable, reader: Reader): Message {
  const message: Message = {}
  while (reader.at < reader.end) {
    const tag = reader.varint()
    const field = table.get(Math.floor(tag / 8))
    if (!field) {
      reader.skip(tag % 8)
      continue
    }
    const value = readValue(reader, field.kind)
    if (!field.repeated) message[field.name] = value
    else if (message[field.name]) (message[field.name] as unknown[]).push(value)
    else message[field.name] = [value]
  }
  return message
}

export function decode(table: MessageTable, bytes: Buffer): Message {
  return decodeFrom(table, new Reader(bytes, 0, bytes.length))
}
