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
const ROOT = Buffer.from([0])
/** Of a record, between its name and its data: type, class, time to live and the data's length. */
const FIXED_BYTES = 10

/** A message as it grows; a record is taken whole or not at all. */
class MessageWriter {
  readonly #head: Buffer
  readonly #parts: Buffer[]
  #lengthBytes: number
  readonly #limitBytes: number
  /** Where names, and their ends, were written, in whichever case. */
  readonly #offsets = new Map<string, number>()

  constructor(head: Buffer, questionNames: readonly string[], limitBytes: number) {
    this.#head = head
    this.#parts = [head]
    this.#lengthBytes = head.length
    this.#limitBytes = limitBytes
    // There is one question, or none; further ones are passed over.
    const [name] = questionNames
    if (name !== undefined) this.#remember(withoutDot(name), HEADER_BYTES)
  }

  /** Answers how many of the records fit. */
  add(section: keyof typeof COUNTS_AT, records: readonly EncodedRecord[], reservedBytes = 0): number {
    let count = 0
    for (const { name, body } of records) {
      const written = this.#name(name)
      if (this.#lengthBytes + written.length + body.length + reservedBytes > this.#limitBytes) break
      this.#remember(name, this.#lengthBytes)
      this.#parts.push(written, body)
      this.#lengthBytes += written.length + body.length
      count++
    }
    const at = COUNTS_AT[section]
    this.#head.writeUInt16BE(this.#head.readUInt16BE(at) + count, at)
    return count
  }

  truncated(): void {
    this.#head.writeUInt16BE(this.#head.readUInt16BE(FLAGS_AT) | TRUNCATED_RESPONSE, FLAGS_AT)
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts, this.#lengthBytes)
  }

  /** The labels up to an end that is known, and where that is. */
  #name(name: string): Buffer {
    const parts: Buffer[] = []
    for (let end = name; end !== ''; end = behindLabel(end)) {
      const known = this.#offsets.get(end.toLowerCase())
      if (known !== undefined) {
        const pointer = Buffer.alloc(2)
        pointer.writeUInt16BE(POINTER | known)
        return parts.length === 0 ? pointer : Buffer.concat([...parts, pointer])
      }
      const label = Buffer.from(labelOf(end))
      parts.push(Buffer.from([label.length]), label)
    }
    return Buffer.concat([...parts, ROOT])
  }

  #remember(name: string, at: number): void {
    let offset = at
    for (let end = name; end !== '' && offset <= LARGEST_POINTER; end = behindLabel(end)) {
      const key = end.toLowerCase()
      // What follows is a pointer to it.
      if (this.#offsets.has(key)) return
      this.#offsets.set(key, offset)
      offset += 1 + Buffer.byteLength(labelOf(end))
    }
  }
}

const withoutDot = (name: string): string => name.replace(/\.$/, '')

function labelOf(name: string): string {
  const dot = name.indexOf('.')
  return dot < 0 ? name : name.slice(0, dot)
}

function behindLabel(name: string): string {
  const dot = name.indexOf('.')
  return dot < 0 ? '' : name.slice(dot + 1)
}

interface EncodedRecord {
  name: string
  /** All that follows the name. */
  body: Buffer
}

/** As dns-packet writes them, all at once and each of the root, whose name is a single byte. */
function encoded(records: DnsRecords): EncodedRecord[] {
  if (records.length === 0) return []
  const bytes = encode({ type: 'response', answers: records.map((one) => ({ ...one, name: '.' })) })
  let at = HEADER_BYTES
  return records.map(({ name }) => {
    const begin = at + ROOT.length
    at = begin + FIXED_BYTES + bytes.readUInt16BE(begin + FIXED_BYTES - 2)
    return { name: withoutDot(name), body: bytes.subarray(begin, at) }
  })
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
  const last = encoded(opt)
  const reservedBytes = last.reduce((sum, { body }) => sum + ROOT.length + body.length, 0)
  if (writer.add('answers', encoded(answers), reservedBytes) < answers.length) writer.truncated()
  else {
    writer.add('authorities', encoded(authorities), reservedBytes)
    writer.add('additionals', encoded(additionals), reservedBytes)
  }
  writer.add('additionals', last)
  return writer.bytes
}
