/** One object at one revision, as the store gave it: parsed once, its JSON bytes spliced together on first use. */
import { jsonText } from '../../api/codec/jsonText.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { CachedEvent, CachedObject } from '../request.ts'

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

/** What is known of an object's value in the store. */
interface StoredForm {
  /** Its JSON, without the revision. */
  bytes?: Uint8Array
  /** It would be written otherwise now. */
  stale?: boolean
}

export class StoredObject implements CachedObject {
  readonly key: string
  readonly revision: number
  readonly object: KubeObject
  /** Of its bytes in the store; 0 for one that was not read from there. */
  readonly sizeBytes: number
  /** Its value would be written otherwise now: a write that changes nothing is not spared. */
  readonly stale: boolean
  #stored: Uint8Array | undefined
  #json: Uint8Array | undefined

  /** `object` is without the revision, as the store has it. */
  static at(key: string, revision: number, object: KubeObject, form: StoredForm): StoredObject {
    const metadata = { ...object.metadata, resourceVersion: String(revision) }
    return new StoredObject(key, revision, { ...object, metadata }, form)
  }

  constructor(key: string, revision: number, object: KubeObject, { bytes, stale = false }: StoredForm = {}) {
    this.key = key
    this.revision = revision
    this.object = object
    this.sizeBytes = bytes?.byteLength ?? 0
    this.stale = stale
    this.#stored = bytes
  }

  get json(): Uint8Array {
    if (!this.#json) {
      this.#json = (this.#stored && spliceRevision(this.#stored, this.revision)) ?? encoder.encode(JSON.stringify(this.object))
      this.#stored = undefined
    }
    return this.#json
  }
}

/** The same object at a later revision, as watchers see it when it leaves. */
export function atRevision(stored: StoredObject, revision: number): StoredObject {
  return StoredObject.at(stored.key, revision, stored.object, {})
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
