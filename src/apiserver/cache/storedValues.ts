/**
 * Between what lies in the store and the objects that the cache shows: values may be encrypted, and another server on the same
 * store writes protobuf, or another version of a kind. What this server writes is JSON, as upstream reads it as well.
 */
import { storageOf } from '../../api/catalog/catalog.ts'
import type { Catalog, CatalogResource } from '../../api/catalog/catalog.ts'
import { mayHoldLong, parseExactly } from '../../api/codec/longIntegers.ts'
import { convert } from '../../api/conversion/convert.ts'
import { apiVersionOf, parseGroupVersion } from '../../api/resource.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { GroupResource } from '../../api/status.ts'
import type { Entry } from '../../storage/store.ts'
import { isJsonObject } from './json.ts'
import { prefixOf, prefixOfKey, resourceOfPrefix } from './keys.ts'
import { encodeForStore, StoredObject } from './storedObject.ts'

/** What values go through on their way into the store and back. */
export interface Transformation {
  toStore(resource: GroupResource, key: string, plain: Uint8Array): Uint8Array
  /** `stale`: it would be written otherwise now. Throws where the value cannot be read. */
  fromStore(resource: GroupResource, key: string, stored: Uint8Array): { plain: Uint8Array; stale: boolean }
  /** Called when values are read and written in another way from now on. */
  onChange(listener: () => void): void
}

/** The protobuf codec, which only they load whose store others write to. */
type ProtobufCodec = Pick<typeof import('../../api/codec/protobuf.ts'), 'decodeProtobuf' | 'protobufTypeMeta'>

export interface StoredValuesOptions {
  catalog: Catalog
  transformation?: Transformation
  protobuf?: ProtobufCodec
}

/** A value in the store that cannot be shown. */
export class UnreadableValueError extends Error {
  override readonly name = 'UnreadableValueError'
  constructor(key: string, cause: unknown) {
    super(`unable to transform key ${JSON.stringify(key)}: ${(cause as Error).message}`, { cause })
  }
}

const PROTOBUF_MAGIC = Buffer.from('k8s\0')
const isProtobuf = (bytes: Uint8Array): boolean => PROTOBUF_MAGIC.every((byte, i) => bytes[i] === byte)

export class StoredValues {
  readonly #catalog: Catalog
  readonly #transformation: Transformation | undefined
  readonly #protobuf: ProtobufCodec | undefined
  /** Built-in kinds, by prefix. */
  readonly #resources: ReadonlyMap<string, CatalogResource>
  /** Objects that this process has just encoded, by the bytes that it gave to the store and will be handed back by its watch. */
  readonly #known = new WeakMap<Uint8Array, { object: KubeObject; plain: Uint8Array }>()

  constructor({ catalog, transformation, protobuf }: StoredValuesOptions) {
    this.#catalog = catalog
    this.#transformation = transformation
    this.#protobuf = protobuf
    this.#resources = builtInResources(catalog)
  }

  onChange(listener: () => void): void {
    this.#transformation?.onChange(listener)
  }

  /** The bytes that go into the store; `plain` are those of an answer without its revision. */
  encode(key: string, object: KubeObject): { bytes: Uint8Array; plain: Uint8Array } {
    const plain = encodeForStore(object)
    const bytes = this.#transformation?.toStore(this.#resourceOf(key), key, plain) ?? plain
    this.#known.set(bytes, { object, plain })
    return { bytes, plain }
  }

  /** Throws an UnreadableValueError. */
  decode({ key, value, modRevision }: Entry): StoredObject {
    const known = this.#known.get(value)
    if (known) {
      this.#known.delete(value)
      return StoredObject.at(key, modRevision, known.object, { bytes: known.plain })
    }
    try {
      const { plain, stale } = this.#transformation?.fromStore(this.#resourceOf(key), key, value) ?? { plain: value, stale: false }
      const object = isProtobuf(plain) ? this.#fromProtobuf(plain) : fromJson(key, plain)
      const stored = this.#inStoredVersion(key, object)
      const bytes = stored === object && !isProtobuf(plain) ? plain : encodeForStore(stored)
      return StoredObject.at(key, modRevision, stored, { bytes, stale })
    } catch (error) {
      throw new UnreadableValueError(key, error)
    }
  }

  #resourceOf(key: string): GroupResource {
    const prefix = prefixOfKey(key) ?? ''
    return this.#resources.get(prefix) ?? resourceOfPrefix(prefix)
  }

  #fromProtobuf(bytes: Uint8Array): KubeObject {
    if (!this.#protobuf) throw new Error('it is protobuf, which only a store has that several servers share')
    const { apiVersion, kind } = this.#protobuf.protobufTypeMeta(bytes)
    const groupVersion = parseGroupVersion(apiVersion)
    const type = groupVersion && this.#catalog.typeOfKind({ ...groupVersion, kind })
    if (!type) throw new Error(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`)
    return this.#protobuf.decodeProtobuf(bytes, type) as unknown as KubeObject
  }

  /** Another release, or another server, may have stored another version of a built-in kind. */
  #inStoredVersion(key: string, object: KubeObject): KubeObject {
    const storage = this.#resources.get(prefixOfKey(key) ?? '')
    if (!storage || object.apiVersion === apiVersionOf(storage)) return object
    const from = parseGroupVersion(object.apiVersion ?? '')
    return from ? convert<KubeObject>(object, from, storage) : object
  }
}

function builtInResources(catalog: Catalog): Map<string, CatalogResource> {
  const found = new Map<string, CatalogResource>()
  for (const { name: group, versions } of catalog.groups) {
    for (const { custom, resource } of versions.flatMap((version) => catalog.resources(group, version))) {
      const storage = custom ? undefined : storageOf(catalog, { group, resource })
      if (storage) found.set(prefixOf(storage, false), storage)
    }
  }
  return found
}

function fromJson(key: string, bytes: Uint8Array): KubeObject {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  const value: unknown = mayHoldLong(text) ? parseExactly(text) : JSON.parse(text)
  if (!isJsonObject(value) || !isJsonObject(value['metadata'])) throw new Error(`the stored value of ${key} is not an object with metadata`)
  return value as unknown as KubeObject
}
