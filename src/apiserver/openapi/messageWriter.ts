/** Writes gnostic's protobuf messages of OpenAPI documents, field by field. */
import protobuf from 'protobufjs/minimal.js'
import type { JsonObject, JsonValue } from '../../api/resource.ts'

type Writer = protobuf.Writer

const VARINT = 0
const FIXED_64 = 1
const LENGTH_DELIMITED = 2

export class MessageWriter {
  readonly #writer: Writer

  constructor(writer: Writer) {
    this.#writer = writer
  }

  string(number: number, value: JsonValue | undefined): void {
    if (typeof value === 'string' && value !== '') this.#writer.uint32((number << 3) | LENGTH_DELIMITED).string(value)
  }

  strings(number: number, values: JsonValue | undefined): void {
    for (const value of (values as string[] | undefined) ?? []) this.#writer.uint32((number << 3) | LENGTH_DELIMITED).string(value)
  }

  /** Of a whole message. */
  static encode(write: (message: MessageWriter) => void): Uint8Array {
    const writer = protobuf.Writer.create()
    write(new MessageWriter(writer))
    return writer.finish()
  }

  double(number: number, value: JsonValue | undefined): void {
    if (typeof value === 'number') this.#writer.uint32((number << 3) | FIXED_64).double(value)
  }

  int64(number: number, value: JsonValue | undefined): void {
    if (typeof value === 'number') this.#writer.uint32((number << 3) | VARINT).int64(value)
  }

  bool(number: number, value: JsonValue | undefined): void {
    if (value === true) this.#writer.uint32((number << 3) | VARINT).bool(true)
  }

  message(number: number, body: (message: MessageWriter) => void): void {
    this.#writer.uint32((number << 3) | LENGTH_DELIMITED).fork()
    body(this)
    this.#writer.ldelim()
  }

  /** Any JSON, as YAML text (which JSON is). */
  any(number: number, value: JsonValue | undefined): void {
    if (value !== undefined) this.message(number, (m) => m.string(2, JSON.stringify(value)))
  }

  /** A map: a repeated message of name and value. */
  named(number: number, members: JsonValue | undefined, write: (m: MessageWriter, value: JsonObject) => void): void {
    for (const [name, value] of Object.entries((members as JsonObject | undefined) ?? {})) {
      this.message(number, (m) => {
        m.string(1, name)
        m.message(2, (inner) => write(inner, value as JsonObject))
      })
    }
  }

  extensions(number: number, object: JsonObject): void {
    for (const [name, value] of Object.entries(object)) {
      if (!name.startsWith('x-')) continue
      this.message(number, (m) => {
        m.string(1, name)
        m.any(2, value)
      })
    }
  }
}
