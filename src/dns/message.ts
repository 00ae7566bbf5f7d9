/**
 * How answers are written: names that came before are pointed to (RFC 1035, 4.1.4), the addresses of a name come in another order
 * each time, so that clients spread over them, and what does not fit is left out from the end, for clients that never ask over TCP.
 */
import { randomInt } from 'node:crypto'
import { encode, TRUNCATED_RESPONSE, type Packet } from 'dns-packet'

type DnsRecords = NonNullable<Packet['answers']>
type AnyRecord = DnsRecords[number]

const HEADER_BYTES = 12
const COUNTS_AT = { answers: 6, authorities: 8, additionals: 10 } as const
const FLAGS_AT = 2
const LARGEST_POINTER = 0x3fff
const POINTER = 0xc000

/** A message as it grows; a record is taken whole or not at all. */
class MessageWriter {
  #bytes: Buffer
  readonly #limitBytes: number
  /** Where names, and their ends, were written, in whichever case. */
  readonly #offsets = new Map<string, number>()

  constructor(head: Buffer, questionNames: readonly string[], limitBytes: number) {
    this.#bytes = head
    this.#limitBytes = limitBytes
    // There is one question, or none; further ones are passed over.
    const [name] = questionNames
    if (name !== undefined) this.#remember(name, HEADER_BYTES)
  }

  /** Answers how many of the records fit. */
  add(section: keyof typeof COUNTS_AT, records: DnsRecords, reservedBytes = 0): number {
    let count = 0
    for (const one of records) {
      const { bytes, name } = this.#encoded(one)
      if (this.#bytes.length + bytes.length + reservedBytes > this.#limitBytes) break
      this.#remember(name, this.#bytes.length)
      this.#bytes = Buffer.concat([this.#bytes, bytes])
      count++
    }
    const at = COUNTS_AT[section]
    this.#bytes.writeUInt16BE(this.#bytes.readUInt16BE(at) + count, at)
    return count
  }

  truncated(): void {
    this.#bytes.writeUInt16BE(this.#bytes.readUInt16BE(FLAGS_AT) | TRUNCATED_RESPONSE, FLAGS_AT)
  }

  get bytes(): Buffer {
    return this.#bytes
  }

  #encoded(one: AnyRecord): { bytes: Buffer; name: string } {
    const name = one.name.replace(/\.$/, '')
    const rest = alone(one).subarray(nameBytes(name))
    return { bytes: Buffer.concat([this.#name(name), rest]), name }
  }

  /** The labels up to an end that is known, and where that is. */
  #name(name: string): Buffer {
    const parts: Buffer[] = []
    const labels = name === '' ? [] : name.split('.')
    for (let i = 0; i < labels.length; i++) {
      const known = this.#offsets.get(labels.slice(i).join('.').toLowerCase())
      if (known !== undefined) {
        const pointer = Buffer.alloc(2)
        pointer.writeUInt16BE(POINTER | known)
        return Buffer.concat([...parts, pointer])
      }
      const label = Buffer.from(labels[i] as string)
      parts.push(Buffer.from([label.length]), label)
    }
    return Buffer.concat([...parts, Buffer.from([0])])
  }

  #remember(name: string, at: number): void {
    let offset = at
    const labels = name.replace(/\.$/, '').split('.').filter(Boolean)
    for (let i = 0; i < labels.length && offset <= LARGEST_POINTER; i++) {
      const end = labels.slice(i).join('.').toLowerCase()
      // What follows is a pointer to it.
      if (this.#offsets.has(end)) return
      this.#offsets.set(end, offset)
      offset += 1 + Buffer.byteLength(labels[i] as string)
    }
  }
}

/** A record by itself, as dns-packet writes it. */
function alone(one: AnyRecord): Buffer {
  return encode({ type: 'response', answers: [one] }).subarray(HEADER_BYTES)
}

/** Of a name that is written out. */
function nameBytes(name: string): number {
  return name === '' ? 1 : Buffer.byteLength(name) + 2
}

const isAddress = ({ type }: AnyRecord): boolean => type === 'A' || type === 'AAAA'

/** Aliases first, in their order; addresses last, in any. */
export function shuffled(answers: DnsRecords, random: (below: number) => number = randomInt): DnsRecords {
  const addresses = answers.filter(isAddress)
  if (addresses.length < 2) return answers
  for (let i = addresses.length - 1; i > 0; i--) {
    const other = random(i + 1)
    ;[addresses[i], addresses[other]] = [addresses[other] as AnyRecord, addresses[i] as AnyRecord]
  }
  return [...answers.filter((one) => !isAddress(one)), ...addresses]
}

export interface Response extends Packet {
  answers: DnsRecords
  authorities: DnsRecords
  /** What may be left out. */
  additionals: DnsRecords
  /** What is said of the message itself. */
  opt: DnsRecords
}

/** The bytes of a response, no more than `limitBytes`; it says so where answers are missing. */
export function encodeResponse({ answers, authorities, additionals, opt, ...head }: Response, limitBytes: number): Buffer {
  const [question] = head.questions ?? []
  const questions = question ? [question] : []
  const writer = new MessageWriter(
    encode({ ...head, questions }),
    questions.map(({ name }) => name),
    limitBytes,
  )
  const reservedBytes = opt.reduce((sum, one) => sum + alone(one).length, 0)
  if (writer.add('answers', answers, reservedBytes) < answers.length) writer.truncated()
  else {
    writer.add('authorities', authorities, reservedBytes)
    writer.add('additionals', additionals, reservedBytes)
  }
  writer.add('additionals', opt)
  return writer.bytes
}
