/**
 * Kubernetes' protobuf: `k8s\0`, then a runtime.Unknown that names the kind and holds the object (k8s.io/apimachinery
 * runtime/serializer/protobuf). Messages are written and read straight from the catalog's field numbers. Load this lazily:
 * only clients that ask for protobuf need it.
 */
import protobuf from 'protobufjs/minimal.js'
import type { Field, Schema, TypeDef } from '../catalog/schema.ts'
import type { JsonObject, JsonValue } from '../resource.ts'
import { putField, zeroValue } from './goShape.ts'
import { MAX_JSON_DEPTH, setMember } from './jsonTree.ts'
import type { TypeMeta } from './json.ts'
import { isWrappedList, readLeaf, writeLeaf, writeZeroLeaf } from './protobufLeaves.ts'

type Reader = protobuf.Reader
type Writer = protobuf.Writer

export class ProtobufError extends Error {
  override readonly name = 'ProtobufError'
}

const MAGIC = Uint8Array.of(0x6b, 0x38, 0x73, 0x00)
const UNKNOWN = { typeMeta: 1, raw: 2, contentEncoding: 3, contentType: 4 } as const
const TYPE_META = { apiVersion: 1, kind: 2 } as const

const LENGTH_DELIMITED = 2
const tag = (field: number, wireType: number): number => ((field << 3) | wireType) >>> 0

/** A message by field number: its own fields, and embedded structs that are messages of their own on the wire. */
type MessagePlan = Map<number, Field | MessagePlan>

const plans = new WeakMap<TypeDef, MessagePlan>()

function planOf(def: TypeDef): MessagePlan {
  let plan = plans.get(def)
  if (plan) return plan
  plan = new Map()
  for (const field of def.fields) {
    if (field.proto === 0) continue
    let target = plan
    for (const number of field.go?.protoVia ?? []) {
      let next = target.get(number)
      if (!(next instanceof Map)) target.set(number, (next = new Map()))
      target = next
    }
    target.set(field.proto, field)
  }
  plan = inOrder(plan)
  plans.set(def, plan)
  return plan
}

/** Go writes by number, whatever the order of the struct. */
function inOrder(plan: MessagePlan): MessagePlan {
  const entries = [...plan].sort(([a], [b]) => a - b)
  return new Map(entries.map(([number, entry]) => [number, entry instanceof Map ? inOrder(entry) : entry]))
}

function writeMessage(writer: Writer, plan: MessagePlan, object: JsonObject, owner: TypeDef): void {
  for (const [number, entry] of plan) {
    if (entry instanceof Map) {
      writer.uint32(tag(number, LENGTH_DELIMITED)).fork()
      writeMessage(writer, entry, object, owner)
      writer.ldelim()
      continue
    }
    const value = object[entry.name]
    if (value !== undefined && value !== null) writeField(writer, number, entry.schema, value, owner, entry.go?.type ?? '')
    else if (entry.go && !entry.go.pointer) writeZero(writer, number, entry.schema)
  }
}

/** What is no pointer is written even where nobody set it, but for lists, maps and bytes. */
function writeZero(writer: Writer, number: number, schema: Schema): void {
  if (schema.type === 'array' || schema.type === 'map') return
  if (schema.type !== 'object') return writeZeroLeaf(writer, number, schema)
  writer.uint32(tag(number, LENGTH_DELIMITED)).fork()
  writeMessage(writer, planOf(schema.def), {}, schema.def)
  writer.ldelim()
}

function writeField(writer: Writer, number: number, schema: Schema, value: JsonValue, owner: TypeDef, goType: string): void {
  switch (schema.type) {
    case 'object':
      writer.uint32(tag(number, LENGTH_DELIMITED)).fork()
      writeMessage(writer, planOf(schema.def), value as JsonObject, schema.def)
      writer.ldelim()
      return
    case 'array':
      if (isWrappedList(goType)) {
        writer.uint32(tag(number, LENGTH_DELIMITED)).fork()
        for (const item of value as JsonValue[]) writeField(writer, 1, schema.items, item, owner, '')
        writer.ldelim()
        return
      }
      for (const item of value as JsonValue[]) writeField(writer, number, schema.items, item ?? zeroValue(schema.items), owner, '')
      return
    case 'map': {
      const valueType = goType.startsWith('map[string]') ? goType.slice(11) : ''
      for (const key of Object.keys(value as JsonObject).sort()) {
        writer.uint32(tag(number, LENGTH_DELIMITED)).fork()
        writer.uint32(tag(1, LENGTH_DELIMITED)).string(key)
        writeMapValue(writer, schema.values, (value as JsonObject)[key] ?? zeroValue(schema.values), owner, valueType)
        writer.ldelim()
      }
      return
    }
    default:
      writeLeaf(writer, number, schema, value, (at, item) => writeField(writer, at, { type: 'object', def: owner }, item, owner, ''))
  }
}

/** A list as a map's value is always a message of its own. */
function writeMapValue(writer: Writer, schema: Schema, value: JsonValue, owner: TypeDef, goType: string): void {
  if (value === null) return
  writeField(writer, 2, schema, value, owner, schema.type === 'array' ? 'v1.ExtraValue' : goType)
}

function readMessage(reader: Reader, end: number, plan: MessagePlan, into: Map<Field, JsonValue>, owner: TypeDef, depth: number): void {
  if (depth > MAX_JSON_DEPTH) throw new ProtobufError('exceeded max depth')
  while (reader.pos < end) {
    const key = reader.uint32()
    const number = key >>> 3
    const entry = plan.get(number)
    if (entry instanceof Map) readMessage(reader, reader.uint32() + reader.pos, entry, into, owner, depth + 1)
    else if (entry) readField(reader, key & 7, entry, into, owner, depth)
    else reader.skipType(key & 7)
  }
}

function readField(reader: Reader, wireType: number, field: Field, into: Map<Field, JsonValue>, owner: TypeDef, depth: number): void {
  const { schema } = field
  if (schema.type === 'array') {
    let list = into.get(field) as JsonValue[] | undefined
    if (!list) into.set(field, (list = []))
    if (isWrappedList(field.go?.type ?? '')) list.push(...readWrappedList(reader, schema.items, owner, depth))
    else if (wireType === LENGTH_DELIMITED && (schema.items.type === 'int32' || schema.items.type === 'int64')) {
      const end = reader.uint32() + reader.pos
      while (reader.pos < end) list.push(readValue(reader, schema.items, owner, depth))
    } else list.push(readValue(reader, schema.items, owner, depth))
    return
  }
  if (schema.type === 'map') {
    let map = into.get(field) as JsonObject | undefined
    if (!map) into.set(field, (map = {}))
    readMapEntry(reader, schema.values, map, owner, depth)
    return
  }
  into.set(field, readValue(reader, schema, owner, depth))
}

function readWrappedList(reader: Reader, items: Schema, owner: TypeDef, depth: number): JsonValue[] {
  const end = reader.uint32() + reader.pos
  const list: JsonValue[] = []
  while (reader.pos < end) {
    const key = reader.uint32()
    if (key >>> 3 === 1) list.push(readValue(reader, items, owner, depth))
    else reader.skipType(key & 7)
  }
  return list
}

function readMapEntry(reader: Reader, values: Schema, map: JsonObject, owner: TypeDef, depth: number): void {
  const end = reader.uint32() + reader.pos
  let name = ''
  let value: JsonValue = zeroValue(values)
  while (reader.pos < end) {
    const key = reader.uint32()
    if (key >>> 3 === 1) name = reader.string()
    else if (key >>> 3 === 2)
      value = values.type === 'array' ? readWrappedList(reader, values.items, owner, depth) : readValue(reader, values, owner, depth)
    else reader.skipType(key & 7)
  }
  setMember(map, name, value)
}

function readStruct(reader: Reader, end: number, def: TypeDef, depth: number): JsonObject {
  const found = new Map<Field, JsonValue>()
  readMessage(reader, end, planOf(def), found, def, depth)
  const out: JsonObject = {}
  for (const field of def.fields) putField(out, field, found.get(field) ?? undefined)
  return out
}

function readValue(reader: Reader, schema: Schema, owner: TypeDef, depth: number): JsonValue {
  if (schema.type === 'object') return readStruct(reader, reader.uint32() + reader.pos, schema.def, depth + 1)
  if (schema.type === 'array' || schema.type === 'map') throw new ProtobufError(`no protobuf form for a ${schema.type} here`)
  return readLeaf(reader, schema, () => readStruct(reader, reader.uint32() + reader.pos, owner, depth + 1))
}

function attempt<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof ProtobufError) throw error
    throw new ProtobufError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

interface Envelope extends TypeMeta {
  raw: Uint8Array
  contentType: string
}

function readEnvelope(body: Uint8Array): Envelope {
  if (MAGIC.some((byte, i) => body[i] !== byte))
    throw new ProtobufError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]')
  const envelope: Envelope = { apiVersion: '', kind: '', raw: new Uint8Array(), contentType: '' }
  const reader = protobuf.Reader.create(body.subarray(MAGIC.length))
  while (reader.pos < reader.len) {
    const key = reader.uint32()
    if (key >>> 3 === UNKNOWN.typeMeta) {
      const end = reader.uint32() + reader.pos
      while (reader.pos < end) {
        const inner = reader.uint32()
        if (inner >>> 3 === TYPE_META.apiVersion) envelope.apiVersion = reader.string()
        else if (inner >>> 3 === TYPE_META.kind) envelope.kind = reader.string()
        else reader.skipType(inner & 7)
      }
    } else if (key >>> 3 === UNKNOWN.raw) envelope.raw = reader.bytes()
    else if (key >>> 3 === UNKNOWN.contentType) envelope.contentType = reader.string()
    else reader.skipType(key & 7)
  }
  return envelope
}

/** kind and apiVersion of a protobuf body. Throws ProtobufError. */
export function protobufTypeMeta(body: Uint8Array): TypeMeta {
  const { apiVersion, kind } = attempt(() => readEnvelope(body))
  return { apiVersion, kind }
}

/** The object in the shape in which Go writes it, with the kind and apiVersion of the envelope. Throws ProtobufError. */
export function decodeProtobuf(body: Uint8Array, def: TypeDef): JsonObject {
  return attempt(() => {
    const { apiVersion, kind, raw } = readEnvelope(body)
    const object = readStruct(protobuf.Reader.create(raw), raw.length, def, 0)
    return { ...(kind && { kind }), ...(apiVersion && { apiVersion }), ...object }
  })
}

/** The message alone, without the envelope. */
export function encodeMessage(object: object, def: TypeDef): Uint8Array {
  const writer = protobuf.Writer.create()
  writeMessage(writer, planOf(def), object as JsonObject, def)
  return writer.finish()
}

export function decodeMessage(bytes: Uint8Array, def: TypeDef): JsonObject {
  return attempt(() => readStruct(protobuf.Reader.create(bytes), bytes.length, def, 0))
}

/** The object in its envelope, named by its own kind and apiVersion. */
export function encodeProtobuf(object: object, def: TypeDef): Uint8Array {
  const { apiVersion = '', kind = '' } = object as Partial<TypeMeta>
  const writer = protobuf.Writer.create()
  writer.uint32(tag(UNKNOWN.typeMeta, LENGTH_DELIMITED)).fork()
  writer.uint32(tag(TYPE_META.apiVersion, LENGTH_DELIMITED)).string(apiVersion)
  writer.uint32(tag(TYPE_META.kind, LENGTH_DELIMITED)).string(kind).ldelim()
  writer.uint32(tag(UNKNOWN.raw, LENGTH_DELIMITED)).bytes(encodeMessage(object, def))
  writer.uint32(tag(UNKNOWN.contentEncoding, LENGTH_DELIMITED)).string('')
  writer.uint32(tag(UNKNOWN.contentType, LENGTH_DELIMITED)).string('')
  return Buffer.concat([MAGIC, writer.finish()])
}

/** One frame of a protobuf watch: four bytes of length, then a WatchEvent that holds the enveloped object. */
export function encodeWatchFrame(type: string, envelopedObject: Uint8Array): Uint8Array {
  const writer = protobuf.Writer.create()
  writer.uint32(tag(1, LENGTH_DELIMITED)).string(type)
  writer.uint32(tag(2, LENGTH_DELIMITED)).fork()
  writer.uint32(tag(1, LENGTH_DELIMITED)).bytes(envelopedObject).ldelim()
  const event = writer.finish()
  const length = Buffer.alloc(4)
  length.writeUInt32BE(event.length)
  return Buffer.concat([length, event])
}
