/**
 * What webhooks and policies see of a request: its object and the one before in the version that they have asked for, and
 * what they make of the object on its way back. Built-in kinds are admitted in the version they are stored in, so that is
 * where conversions start from and end; the body of a subresource has one version only.
 */
import { apiVersionOf, parseGroupVersion } from '../../../api/resource.ts'
import type { JsonObject, KubeObject } from '../../../api/resource.ts'
import { DecodeError, decodeValue, normalize } from '../../../api/codec/json.ts'
import { kindMismatch, notRegistered } from '../../../api/codec/kindMismatch.ts'
import type { TypeDef } from '../../../api/catalog/schema.ts'
import type { Catalog, CatalogResource, GroupVersionKind } from '../../../api/catalog/catalog.ts'
import { cloneJson, semanticEqual } from '../../../api/jsonValues.ts'
import { defaultObject } from '../../registry/schema.ts'
import { scaleOf, withReplicas } from '../../registry/subresources/scaleObject.ts'
import { convertBetween } from '../../registry/versions.ts'
import type { AdmissionRequest } from '../admission.ts'
import type { Match } from './rules.ts'

export interface VersionedObject {
  object?: KubeObject
  oldObject?: KubeObject
}

export interface ViewOptions {
  catalog: Catalog
  nowMs: number
}

const sameKind = (a: GroupVersionKind, b: GroupVersionKind): boolean => a.group === b.group && a.version === b.version && a.kind === b.kind

/** What was made of the object is of another kind, as which it would do. */
export class OtherKindError extends Error {
  override readonly name = 'OtherKindError'
}

/** The kind that the object says it is of, and its type. Throws DecodeError where nobody knows it. */
function madeKind(json: JsonObject, wanted: GroupVersionKind, catalog: Catalog): { made: GroupVersionKind; type: TypeDef } {
  const kind = typeof json['kind'] === 'string' && json['kind'] !== '' ? json['kind'] : wanted.kind
  const apiVersion = typeof json['apiVersion'] === 'string' && json['apiVersion'] !== '' ? json['apiVersion'] : apiVersionOf(wanted)
  const made = { group: '', version: '', ...parseGroupVersion(apiVersion), kind }
  const type = catalog.typeOfKind(made)
  if (!type) throw new DecodeError(notRegistered(made))
  return { made, type }
}

export class VersionedObjects {
  readonly #request: AdmissionRequest
  readonly #options: ViewOptions
  readonly #old = new Map<string, Promise<KubeObject>>()
  readonly #views = new Map<string, Promise<VersionedObject>>()
  /** What was made of the object so far, and in which version. */
  #changed: { object: KubeObject; match: Match } | undefined

  constructor(request: AdmissionRequest, options: ViewOptions) {
    this.#request = request
    this.#options = options
  }

  /** The object with what `replace` made of it, as the match has it. */
  async view(match: Match): Promise<VersionedObject> {
    const key = apiVersionOf(match.resource)
    let view = this.#views.get(key)
    if (!view) this.#views.set(key, (view = this.#show(match)))
    return view
  }

  async #show(match: Match): Promise<VersionedObject> {
    const { object, oldObject } = this.#request
    const shown: VersionedObject = {}
    if (this.#changed) shown.object = await this.#convert(this.#changed.object, this.#changed.match.resource, match.resource)
    else if (object) shown.object = this.#normalized(await this.#toView(object, match), match)
    if (oldObject) {
      const key = apiVersionOf(match.resource)
      let old = this.#old.get(key)
      if (!old) this.#old.set(key, (old = this.#toView(oldObject, match)))
      shown.oldObject = await old
    }
    return shown
  }

  async #toView(object: KubeObject, match: Match): Promise<KubeObject> {
    const { stored, kind } = this.#request
    if (this.#isScale) return kind.kind === object.kind ? object : (scaleOf(stored, object) as unknown as KubeObject)
    if (this.#hasOwnBody) return object
    return this.#convert(object, this.#request.resource, match.resource)
  }

  /** As Go writes it: expressions may count on `resources: {}` where a container says nothing of them. */
  #normalized(object: KubeObject, { resource, kind }: Match): KubeObject {
    const type = this.#hasOwnBody ? this.#options.catalog.typeOfKind(kind) : resource.type
    return type?.name ? normalize(object, type) : object
  }

  get #isScale(): boolean {
    return this.#request.subresource === 'scale'
  }

  /** The body is no version of the resource. */
  get #hasOwnBody(): boolean {
    const { kind, requested } = this.#request
    return !sameKind(kind, requested)
  }

  async #convert(object: KubeObject, from: CatalogResource, to: CatalogResource): Promise<KubeObject> {
    const { stored } = this.#request
    if (from.group === to.group && from.version === to.version) return object
    return stored.versions ? stored.versions.convert(object, from, to) : convertBetween(object, from, to)
  }

  /** `json` is the caller's own. Answers whether it differs from what was there. Throws DecodeError; `strict`: for unknown fields, too. */
  async replace(json: JsonObject, match: Match, strict = false): Promise<boolean> {
    const before = (await this.view(match)).object
    const object = this.#decode(json, match, strict)
    const changed = !semanticEqual(before, object)
    this.#changed = { object, match }
    this.#views.clear()
    return changed
  }

  #decode(json: JsonObject, { resource, kind }: Match, strict: boolean): KubeObject {
    const type = this.#hasOwnBody ? this.#options.catalog.typeOfKind(kind) : resource.type
    let decoded = json
    if (type?.name) {
      const { catalog } = this.#options
      const { made, type: madeType } = madeKind(json, kind, catalog)
      const { object: known, strictErrors } = decodeValue(json, madeType)
      if (strict && strictErrors.length > 0) throw new DecodeError(`strict decoding error: ${strictErrors.join(', ')}`)
      if (made.kind !== kind.kind || made.group !== kind.group) throw new OtherKindError(kindMismatch(catalog, made, kind))
      decoded = known
    } else resource.custom?.coerce(json)
    const object = { ...decoded, kind: kind.kind, apiVersion: apiVersionOf(kind) } as unknown as KubeObject
    object.metadata ??= {} as KubeObject['metadata']
    if (!this.#hasOwnBody) defaultObject(resource, object, this.#options.nowMs)
    return object
  }

  /** The request gets what was made of its object. */
  async finish(): Promise<void> {
    if (!this.#changed) return
    const { object, match } = this.#changed
    const request = this.#request
    if (this.#isScale && request.object && request.object.kind !== 'Scale') {
      const replicas = (object as unknown as { spec?: { replicas?: number } }).spec?.replicas ?? 0
      request.object = withReplicas(request.stored, cloneJson(request.object), replicas)
    } else if (this.#hasOwnBody) request.object = object
    else request.object = await this.#convert(object, match.resource, request.resource)
    this.#changed = undefined
    this.#views.clear()
  }
}
