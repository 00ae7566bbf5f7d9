/**
 * How one version of a custom resource shows what is stored: cut and defaulted by the schema of the version that it is stored
 * in, converted, and cut by the schema of the version asked for. What was made once serves everybody who asks.
 */
import { apiVersionOf } from '../../api/resource.ts'
import type { JsonObject, KubeObject } from '../../api/resource.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import { deepEqual } from '../../api/meta.ts'
import { StoredObject } from '../cache/storedObject.ts'
import type { ObjectVersions } from '../registry/kind.ts'
import { cloneJson } from '../../api/jsonValues.ts'
import type { Converter } from './conversion.ts'
import type { CustomResource } from './customResource.ts'

/** Conversions of objects that are not stored, for managers of fields in other versions. */
const CONVERTED_LIMIT = 200

export class CustomVersions implements ObjectVersions {
  readonly #resource: CustomResource
  readonly #apiVersion: string
  readonly #storageApiVersion: string
  readonly #byApiVersion: ReadonlyMap<string, CustomResource>
  readonly #converter: Converter
  readonly #stopping: AbortSignal
  readonly #views = new WeakMap<StoredObject, StoredObject>()
  readonly #converted = new Map<string, KubeObject>()

  /** `all` are the versions of the definition, `storage` is the name of the one that objects are stored in. */
  constructor(options: {
    resource: CustomResource
    all: readonly CustomResource[]
    storage: string
    converter: Converter
    stopping: AbortSignal
  }) {
    const { resource, all, storage } = options
    this.#resource = resource
    this.#apiVersion = apiVersionOf(resource)
    this.#storageApiVersion = apiVersionOf({ group: resource.group, version: storage })
    this.#byApiVersion = new Map(all.map((version) => [apiVersionOf(version), version]))
    this.#converter = options.converter
    this.#stopping = options.stopping
  }

  view(stored: StoredObject): StoredObject {
    let view = this.#views.get(stored)
    if (!view) {
      const read = this.#read(stored.object)
      // A conversion by webhook that nobody has waited for: the watch of a field selector looks at what it knows.
      const converted = read.apiVersion === this.#apiVersion ? read : (this.#converter.now?.(read, this.#apiVersion) ?? read)
      if (converted !== read && !this.#converter.now) return stored
      this.#views.set(stored, (view = this.#shown(stored, converted)))
    }
    return view
  }

  prepare(objects: readonly StoredObject[], signal: AbortSignal = this.#stopping): Promise<void> | undefined {
    if (this.#converter.now) return undefined
    const foreign = objects.filter(({ object }) => object.apiVersion !== this.#apiVersion)
    const missing = foreign.filter((stored) => !this.#views.has(stored))
    return missing.length === 0 ? undefined : this.#prepare(missing, signal)
  }

  async #prepare(objects: readonly StoredObject[], signal: AbortSignal): Promise<void> {
    // The webhook is sent what is stored, which does not know its own revision.
    const read = objects.map(({ object }) => {
      const { metadata, ...rest } = this.#read(object)
      const { resourceVersion: _, ...stored } = metadata
      return { ...rest, metadata: stored } as KubeObject
    })
    const converted = await this.#converter.convert(read, this.#apiVersion, signal)
    for (const [i, stored] of objects.entries()) this.#views.set(stored, this.#shown(stored, cloneJson(converted[i] as KubeObject)))
  }

  toStorage(object: KubeObject): KubeObject | Promise<KubeObject> {
    return this.#convert(object, this.#storageApiVersion)
  }

  convert(object: KubeObject, from: CatalogResource, to: CatalogResource): KubeObject | Promise<KubeObject> {
    if (from.version === to.version) return object
    const apiVersion = apiVersionOf(to)
    if (this.#converter.now) return this.#converter.now(object, apiVersion)
    const key = `${apiVersion} ${JSON.stringify(object)}`
    const known = this.#converted.get(key)
    if (known) return known
    return Promise.resolve(this.#convert(object, apiVersion)).then((converted) => {
      if (this.#converted.size >= CONVERTED_LIMIT) this.#converted.clear()
      this.#converted.set(key, converted)
      return converted
    })
  }

  #convert(object: KubeObject, apiVersion: string): KubeObject | Promise<KubeObject> {
    if (object.apiVersion === apiVersion) return object
    const { now } = this.#converter
    if (now) return this.#cut(now(cloneJson(object), apiVersion))
    return this.#converter
      .convert([object], apiVersion, this.#stopping)
      .then(([converted]) => this.#cut(cloneJson(converted as KubeObject)))
  }

  /** The object as its own version's schema has it: the same one where that changes nothing. */
  #read(object: KubeObject): KubeObject {
    const version = this.#byApiVersion.get(object.apiVersion ?? '')
    const read = cloneJson(object) as unknown as JsonObject
    version?.custom.coerceStored(read)
    version?.custom.applyDefaults(read)
    const { metadata } = read as unknown as KubeObject
    metadata.generation ||= 1
    return deepEqual(read, object) ? object : (read as unknown as KubeObject)
  }

  #cut(object: KubeObject): KubeObject {
    this.#byApiVersion.get(object.apiVersion ?? '')?.custom.coerceStored(object as unknown as JsonObject)
    return object
  }

  #shown(stored: StoredObject, object: KubeObject): StoredObject {
    if (object === stored.object) return stored
    const shown = object.apiVersion === stored.object.apiVersion ? object : this.#cut(cloneJson(object))
    const metadata = { ...shown.metadata, resourceVersion: String(stored.revision) }
    return new StoredObject(stored.key, stored.revision, { ...shown, kind: this.#resource.kind, apiVersion: this.#apiVersion, metadata })
  }
}
