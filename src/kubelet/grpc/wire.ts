/** Protocol Buffers' wire format, as far as the few messages between kubelet and storage drivers need it. Pure. */

/** What a field of a message holds; a message is its fields by their numbers. */
export type FieldValue = string | boolean | number | Message | readonly (string | Message)[] | ReadonlyMap<string, string>
export type Message = { readonly [field: number]: FieldValue | undefined }

const VARINT = 0
const BYTES = 2
const FIXED = { 1: 8, 5: 4 } as const

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = BigInt(value)
  do {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    bytes.push(rest > 0n ? low | 0x80 : low)
  } while (rest > 0n)
  return Buffer.from(bytes)
}

const key = (field: number, type: number): Buffer => varint(field * 8 + type)

function delimited(field: number, content: Buffer): Buffer {
  return Buffer.concat([key(field, BYTES), varint(content.length), content])
}

function encodeField(field: number, value: FieldValue): Buffer {
  if (typeof value === 'string') return value === '' ? Buffer.alloc(0) : delimited(field, Buffer.from(value))
  if (typeof value === 'boolean' || typeof value === 'number')
    return Number(value) === 0 ? Buffer.alloc(0) : Buffer.concat([key(field, VARINT), varint(Number(value))])
  if (Array.isArray(value))
    return Buffer.concat(
      value.map((each: string | Message) => delimited(field, typeof each === 'string' ? Buffer.from(each) : encodeMessage(each))),
    )
  if (value instanceof Map)
    return Buffer.concat([...(value as Map<string, string>)].map(([name, text]) => delimited(field, encodeMessage({ 1: name, 2: text }))))
  return delimited(field, encodeMessage(value as Message))
}

export function encodeMessage(message: Message): Buffer {
  return Buffer.concat(
    Object.entries(message).map(([field, value]) => (value === undefined ? Buffer.alloc(0) : encodeField(Number(field), value))),
  )
}

/** A message that was read: each field's values in their order, numbers as they are and everything else as bytes. */
export class Decoded {
  readonly #fields = new Map<number, (number | Buffer)[]>()

  constructor(bytes: Buffer) {
    let at = 0
    const readVarint = (): number => {
      let value = 0n
      for (let shift = 0n; ; shift += 7n) {
        const byte = bytes[at++]
        if (byte === undefined || shift > 63n) throw new RangeError('a message ends within a number')
        value |= BigInt(byte & 0x7f) << shift
        if (byte < 0x80) return Number(value)
      }
    }
    while (at < bytes.length) {
      const tag = readVarint()
      const type = tag & 7
      const size = type === BYTES ? readVarint() : type === 1 || type === 5 ? FIXED[type] : 0
      if (type !== VARINT && type !== BYTES && size === 0) throw new RangeError(`a message has a field of the unknown type ${type}`)
      if (type !== VARINT && at + size > bytes.length) throw new RangeError('a message ends within a field')
      const value = type === VARINT ? readVarint() : bytes.subarray(at, at + size)
      if (type !== VARINT) at += size
      this.#fields.set(Math.floor(tag / 8), [...(this.#fields.get(Math.floor(tag / 8)) ?? []), value])
    }
  }

  texts(field: number): string[] {
    return this.#bytes(field).map(String)
  }

  text(field: number): string {
    return this.texts(field).at(-1) ?? ''
  }

  number(field: number): number {
    const value = this.#fields.get(field)?.at(-1)
    return typeof value === 'number' ? value : 0
  }

  messages(field: number): Decoded[] {
    return this.#bytes(field).map((bytes) => new Decoded(bytes))
  }

  map(field: number): Map<string, string> {
    return new Map(this.messages(field).map((entry) => [entry.text(1), entry.text(2)]))
  }

  #bytes(field: number): Buffer[] {
    return (this.#fields.get(field) ?? []).filter((value) => typeof value !== 'number')
  }
}
