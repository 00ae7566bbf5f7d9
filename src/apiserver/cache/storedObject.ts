/** One object at one revision, as the store gave it: parsed once, its JSON bytes spliced together on first use. */
import { mayHoldLong, parseExactly } from '../../api/codec/longIntegers.ts'
import { jsonText } from '../../api/codec/jsonText.ts'
import { isJsonObject } from './json.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { CachedEvent, CachedObject } from '../request.ts'
import type { Entry } from '../../storage/store.ts'

const encoder = new TextEncoder()
const METADATA_OPENING = Buffer.from('"metadata":{')
const OPENING_BRACE = 0x7b
const CLOSING_BRACE = 0x7d
const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
/** kind and apiVersion stand before the metadata; a stored object whose metadata begins later is encoded anew. */
const LONGEST_HEAD_BYTES = 400

/**
 * The bytes that go into the store: kind and apiVersion first, then metadata without its resourceVersion (the store's
 * revision is that), so that the bytes of an answer are the stored ones with the revision put in between.
 */
export function encodeForStore(object: KubeObject): Uint8Array {
  const { kind, apiVersion, metadata, ...rest } = object
  const { resourceVersion: _, ...meta } = metadata
  return encoder.encode(jsonText({ kind, apiVersion, metadata: meta, ...rest }))
}

/** Where the members of metadata begin; undefined where another object stands before it. */
function metadataStart(stored: Uint8Array): number | undefined {
  const end = Math.min(stored.byteLength, LONGEST_HEAD_BYTES)
  let at = 1
  while (at < end && stored[at] !== OPENING_BRACE) at++
  const from = at + 1 - METADATA_OPENING.length
  if (at >= end || from < 0) return undefined
  for (let i = 0; i < METADATA_OPENING.length; i++) if (stored[from + i] !== METADATA_OPENING[i]) return undefined
  return at + 1
}

/** What stands before the resourceVersion in the type's order; each is a string. */
const BEFORE_REVISION = ['"name":"', '"generateName":"', '"namespace":"', '"selfLink":"', '"uid":"'].map((text) => Buffer.from(text))

function startsWith(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false
  return true
}

/** Behind those of the members from `start` on that come before the resourceVersion, and their commas. */
function revisionPlace(stored: Uint8Array, start: number): number {
  let at = start
  for (const key of BEFORE_REVISION) {
    if (!startsWith(stored, at, key)) continue
    const end = stored.indexOf(QUOTE, at + key.length)
    // Text with an escape in it, or with nothing behind it, is left alone.
    if (end < 0 || stored[end - 1] === BACKSLASH || stored[end + 1] !== COMMA) return at
    at = end + 2
  }
  return at
}

function spliceRevision(stored: Uint8Array, revision: number): Uint8Array | undefined {
  const start = metadataStart(stored)
  if (start === undefined) return undefined
  const cut = revisionPlace(stored, start)
  const field = stored[cut] === CLOSING_BRACE ? `"resourceVersion":"${revision}"` : `"resourceVersion":"${revision}",`
  // Not from the pool, whose slabs a small object would keep.
  const json = Buffer.allocUnsafeSlow(stored.byteLength + field.length)
  json.set(stored)
  json.write(field, cut, 'latin1')
  json.set(stored.subarray(cut), cut + field.length)
  return json
}

export class StoredObject implements CachedObject {
  readonly key: string
  readonly revision: number
  readonly object: KubeObject
  /** Of its bytes in the store; 0 for one that was not read from there. */
  readonly sizeBytes: number
  #stored: Uint8Array | undefined
  #json: Uint8Array | undefined

  constructor(key: string, revision: number, object: KubeObject, stored?: Uint8Array) {
    this.key = key
    this.revision = revision
    this.object = object
    this.sizeBytes = stored?.byteLength ?? 0
    this.#stored = stored
  }

  get json(): Uint8Array {
    if (!this.#json) {
      this.#json = (this.#stored && spliceRevision(this.#stored, this.revision)) ?? encoder.encode(JSON.stringify(this.object))
      this.#stored = undefined
    }
    return this.#json
  }
}

/**
 * Objects that this process has just encoded, by the bytes that it gave to the store: when the store's watch hands the same
 * bytes back they need not be parsed again.
 */
export type ParsedBytes = WeakMap<Uint8Array, KubeObject>

export function decodeEntry(entry: Entry, parsed: ParsedBytes): StoredObject {
  const known = parsed.get(entry.value)
  if (known) parsed.delete(entry.value)
  const object = known ?? parseObject(entry)
  const metadata = { ...object.metadata, resourceVersion: String(entry.modRevision) }
  return new StoredObject(entry.key, entry.modRevision, { ...object, metadata }, entry.value)
}

function parseObject(entry: Entry): KubeObject {
  const text = Buffer.from(entry.value.buffer, entry.value.byteOffset, entry.value.byteLength).toString('utf8')
  const value: unknown = mayHoldLong(text) ? parseExactly(text) : JSON.parse(text)
  if (!isJsonObject(value) || !isJsonObject(value['metadata']))
    throw new Error(`the stored value of ${entry.key} is not an object with metadata`)
  return value as unknown as KubeObject
}

/** The same object at a later revision, as watchers see it when it leaves. */
export function atRevision(stored: StoredObject, revision: number): StoredObject {
  const metadata = { ...stored.object.metadata, resourceVersion: String(revision) }
  return new StoredObject(stored.key, revision, { ...stored.object, metadata })
}

const LINE_END = encoder.encode('}\n')

export class SharedEvent implements CachedEvent {
  readonly type: CachedEvent['type']
  readonly source: CachedObject
  /** What a modified object was before. */
  readonly before: StoredObject | undefined
  #line: Uint8Array | undefined

  constructor(type: CachedEvent['type'], source: CachedObject, before?: StoredObject) {
    this.type = type
    this.source = source
    this.before = before
  }

  get object(): KubeObject {
    return this.source.object
  }

  get json(): Uint8Array {
    return this.source.json
  }

  line(): Uint8Array {
    return (this.#line ??= Buffer.concat([encoder.encode(`{"type":"${this.type}","object":`), this.json, LINE_END]))
  }
}
