/** The protobuf form of everything that is not a struct, list or map: scalars, and the types that look like a scalar in JSON. */
import { asJsonValue, halvesOf, int64Of } from './longIntegers.ts'
import type protobuf from 'protobufjs/minimal.js'
import type { ScalarSchema } from '../catalog/schema.ts'
import type { JsonObject, JsonValue } from '../resource.ts'
import { canonicalQuantity } from '../quantity.ts'
import { formatDuration, parseDuration } from './goTime.ts'

type Reader = protobuf.Reader
type Writer = protobuf.Writer

const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2

/** Lists that Go gives a type of its own, and protobuf a message `{ items }`. */
export function isWrappedList(goType: string): boolean {
  return goType === 'v1.Verbs' || goType.endsWith('.ExtraValue')
}

function message(writer: Writer, number: number, body: () => void): void {
  writer.uint32(((number << 3) | LENGTH_DELIMITED) >>> 0).fork()
  body()
  writer.ldelim()
}

const INT_OR_STRING_IS_STRING = 1

function writeTime(writer: Writer, text: string, micro: boolean): void {
  const epochMs = Date.parse(text)
  const seconds = Math.floor(epochMs / 1000)
  const micros = micro ? Number((/\.(\d{1,6})/.exec(text)?.[1] ?? '').padEnd(6, '0')) : 0
  writer
    .uint32(8)
    .int64(seconds)
    .uint32(16)
    .int32(micros * 1000)
}

/** `writeSchema` writes a JSONSchemaProps under a number: the unions around it contain it. */
export function writeLeaf(
  writer: Writer,
  number: number,
  schema: ScalarSchema,
  value: JsonValue,
  writeSchema: (number: number, value: JsonValue) => void,
): void {
  const at = (wireType: number): Writer => writer.uint32(((number << 3) | wireType) >>> 0)
  switch (schema.type) {
    case 'string':
      at(LENGTH_DELIMITED).string(value as string)
      return
    case 'boolean':
      at(VARINT).bool(value as boolean)
      return
    case 'int32':
      at(VARINT).int32(value as number)
      return
    case 'int64':
      at(VARINT).int64(typeof value === 'bigint' ? halvesOf(value) : (value as number))
      return
    case 'double':
      at(FIXED64).double(value as number)
      return
    case 'bytes':
      at(LENGTH_DELIMITED).bytes(Buffer.from(value as string, 'base64'))
      return
    case 'time':
    case 'microTime':
      return message(writer, number, () => writeTime(writer, value as string, schema.type === 'microTime'))
    case 'duration':
      return message(writer, number, () => void writer.uint32(8).int64(Number(parseDuration(value as string))))
    case 'quantity':
      return message(writer, number, () => void writer.uint32(10).string(String(value)))
    case 'intOrString': {
      const isString = typeof value === 'string'
      return message(writer, number, () => {
        writer.uint32(8).int64(isString ? INT_OR_STRING_IS_STRING : 0)
        writer.uint32(16).int32(isString ? 0 : (value as number))
        writer.uint32(26).string(isString ? value : '')
      })
    }
    default:
      return message(writer, number, () => writeAny(writer, schema.definition, value, writeSchema))
  }
}

/** As Go's zero of the type: a time and what holds any JSON are empty messages, bytes are not there. */
export function writeZeroLeaf(writer: Writer, number: number, schema: ScalarSchema): void {
  const noSchema = (): void => {}
  switch (schema.type) {
    case 'bytes':
      return
    case 'string':
      return writeLeaf(writer, number, schema, '', noSchema)
    case 'boolean':
      return writeLeaf(writer, number, schema, false, noSchema)
    case 'duration':
      return writeLeaf(writer, number, schema, '0s', noSchema)
    case 'int32':
    case 'int64':
    case 'double':
    case 'quantity':
    case 'intOrString':
      return writeLeaf(writer, number, schema, 0, noSchema)
    default:
      return message(writer, number, () => {})
  }
}

function writeAny(
  writer: Writer,
  definition: string | undefined,
  value: JsonValue,
  writeSchema: (number: number, value: JsonValue) => void,
): void {
  const isSchema = typeof value === 'object' && value !== null && !Array.isArray(value)
  switch (definition) {
    case 'JSONSchemaPropsOrBool':
      writer.uint32(8).bool(isSchema || value === true)
      if (isSchema) writeSchema(2, value)
      return
    case 'JSONSchemaPropsOrArray':
      if (isSchema) writeSchema(1, value)
      else for (const item of value as JsonValue[]) writeSchema(2, item)
      return
    case 'JSONSchemaPropsOrStringArray':
      if (isSchema) writeSchema(1, value)
      else for (const item of value as string[]) writer.uint32(18).string(item)
      return
    default:
      writer.uint32(10).string(JSON.stringify(value))
  }
}

/** The fields of a small message, by number. */
function readFields(reader: Reader, read: (number: number) => boolean): void {
  const end = reader.uint32() + reader.pos
  while (reader.pos < end) {
    const key = reader.uint32()
    if (!read(key >>> 3)) reader.skipType(key & 7)
  }
}

function readTime(reader: Reader, micro: boolean): JsonValue {
  let seconds = 0
  let nanos = 0
  readFields(reader, (number) => {
    if (number === 1) seconds = Number(reader.int64())
    else if (number === 2) nanos = reader.int32()
    else return false
    return true
  })
  if (seconds === 0 && nanos === 0) return null
  const text = new Date(seconds * 1000).toISOString().slice(0, 19)
  return micro
    ? `${text}.${Math.floor(nanos / 1000)
        .toString()
        .padStart(6, '0')}Z`
    : `${text}Z`
}

/** protobufjs reads it as a double, in which digits may be missing. */
function readInt64(reader: Reader): JsonValue {
  const start = reader.pos
  const double = Number(reader.int64())
  if (Number.isSafeInteger(double)) return double
  let value = 0n
  reader.buf.subarray(start, reader.pos).forEach((byte, i) => (value |= BigInt(byte & 0x7f) << BigInt(7 * i)))
  return asJsonValue(int64Of(value))
}

/** `readSchema` reads a JSONSchemaProps. */
export function readLeaf(reader: Reader, schema: ScalarSchema, readSchema: () => JsonObject): JsonValue {
  switch (schema.type) {
    case 'string':
      return reader.string()
    case 'boolean':
      return reader.bool()
    case 'int32':
      return reader.int32()
    case 'int64':
      return readInt64(reader)
    case 'double':
      return reader.double()
    case 'bytes':
      return Buffer.from(reader.bytes()).toString('base64')
    case 'time':
    case 'microTime':
      return readTime(reader, schema.type === 'microTime')
    case 'duration': {
      let nanos = 0n
      readFields(reader, (number) => number === 1 && ((nanos = BigInt(reader.int64().toString())), true))
      return formatDuration(nanos)
    }
    case 'quantity': {
      let text = '0'
      readFields(reader, (number) => number === 1 && ((text = canonicalQuantity(reader.string())), true))
      return text
    }
    case 'intOrString': {
      let [isString, int, text] = [false, 0, '']
      readFields(reader, (number) => {
        if (number === 1) isString = Number(reader.int64()) === INT_OR_STRING_IS_STRING
        else if (number === 2) int = reader.int32()
        else if (number === 3) text = reader.string()
        else return false
        return true
      })
      return isString ? text : int
    }
    default:
      return readAny(reader, schema.definition, readSchema)
  }
}

function readAny(reader: Reader, definition: string | undefined, readSchema: () => JsonObject): JsonValue {
  let flag = false
  let single: JsonObject | undefined
  const list: JsonValue[] = []
  let raw: Uint8Array | undefined
  const isBool = definition === 'JSONSchemaPropsOrBool'
  readFields(reader, (number) => {
    if (definition === undefined || definition === 'JSON') {
      if (number === 1) raw = reader.bytes()
      return number === 1
    }
    if (number === 1) {
      if (isBool) flag = reader.bool()
      else single = readSchema()
    } else if (number === 2) {
      if (isBool) single = readSchema()
      else list.push(definition === 'JSONSchemaPropsOrArray' ? readSchema() : reader.string())
    } else return false
    return true
  })
  if (definition === undefined || definition === 'JSON') return raw?.length ? (JSON.parse(Buffer.from(raw).toString()) as JsonValue) : null
  return single ?? (isBool ? flag : list)
}
