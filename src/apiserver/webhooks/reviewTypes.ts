/** The types of AdmissionReview and ConversionReview, which no catalog has: no server serves them, webhooks answer with them. */
import { goTypeOf } from '../../api/catalog/load.ts'
import type { Field, Schema, TypeDef } from '../../api/catalog/schema.ts'

/** A schema, with Go's name of the type where it has one of its own. */
type Member = Schema | readonly [schema: Schema, goType: string]

const text: Schema = { type: 'string' }
const flag: Schema = { type: 'boolean' }
const raw: Member = [{ type: 'any' }, 'runtime.RawExtension']
const uid: Member = [text, 'types.UID']
const list = (items: Schema): Schema => ({ type: 'array', items, listType: 'atomic', listMapKeys: [] })
const mapOf = (values: Schema): Schema => ({ type: 'map', values, atomic: false })

function fieldOf(name: string, member: Member, embeddedIn: readonly string[]): Field {
  const [schema, type] = 'type' in member ? [member, goTypeOf(member)] : member
  const go = { type, pointer: true, omitEmpty: true, omitZero: false, protoVia: [], embeddedIn }
  return { name, schema, proto: 0, required: false, patchStrategy: [], go }
}

/** A struct; `isKind`: with kind and apiVersion. */
function struct(goName: string, members: Readonly<Record<string, Member>>, isKind = false): TypeDef {
  const own = Object.entries(members).map(([name, member]) => fieldOf(name, member, []))
  const fields = isKind ? [...['kind', 'apiVersion'].map((name) => fieldOf(name, text, ['TypeMeta'])), ...own] : own
  const fieldByName = new Map(fields.map((field) => [field.name, field]))
  return { name: goName, goName, fields, fieldByName, atomic: false, preserveUnknownFields: false }
}

const objectOf = (goName: string, members: Readonly<Record<string, Member>>): Schema => ({ type: 'object', def: struct(goName, members) })

const STATUS_CAUSE = objectOf('v1.StatusCause', { reason: [text, 'v1.CauseType'], message: text, field: text })
const STATUS = struct(
  'v1.Status',
  {
    metadata: objectOf('v1.ListMeta', {
      selfLink: text,
      resourceVersion: text,
      continue: text,
      remainingItemCount: { type: 'int64' },
    }),
    status: text,
    message: text,
    reason: [text, 'v1.StatusReason'],
    details: objectOf('v1.StatusDetails', {
      name: text,
      group: text,
      kind: text,
      uid,
      causes: list(STATUS_CAUSE),
      retryAfterSeconds: { type: 'int32' },
    }),
    code: { type: 'int32' },
  },
  true,
)
const status: Schema = { type: 'object', def: STATUS }

const KIND = objectOf('v1.GroupVersionKind', { group: text, version: text, kind: text })
const RESOURCE = objectOf('v1.GroupVersionResource', { group: text, version: text, resource: text })
const EXTRA = [mapOf(list(text)), 'map[string]v1.ExtraValue'] as const
const USER_INFO = objectOf('v1.UserInfo', { username: text, uid: text, groups: list(text), extra: EXTRA })

function admissionReview(version: string): TypeDef {
  const request = {
    uid,
    kind: KIND,
    resource: RESOURCE,
    subResource: text,
    requestKind: KIND,
    requestResource: RESOURCE,
    requestSubResource: text,
    name: text,
    namespace: text,
    operation: [text, `${version}.Operation`],
    userInfo: USER_INFO,
    object: raw,
    oldObject: raw,
    dryRun: flag,
    options: raw,
  } as const
  const response = {
    uid,
    allowed: flag,
    status,
    patch: { type: 'bytes' },
    patchType: [text, `${version}.PatchType`],
    auditAnnotations: mapOf(text),
    warnings: list(text),
  } as const
  return struct(
    `${version}.AdmissionReview`,
    { request: objectOf(`${version}.AdmissionRequest`, request), response: objectOf(`${version}.AdmissionResponse`, response) },
    true,
  )
}

function conversionReview(version: string): TypeDef {
  const objects: Member = [list({ type: 'any' }), '[]runtime.RawExtension']
  return struct(
    `${version}.ConversionReview`,
    {
      request: objectOf(`${version}.ConversionRequest`, { uid, desiredAPIVersion: text, objects }),
      response: objectOf(`${version}.ConversionResponse`, { uid, convertedObjects: objects, result: status }),
    },
    true,
  )
}

/** By `apiVersion/kind`, for each group of reviews: what its client knows. */
export const REVIEW_TYPES: Readonly<Record<string, ReadonlyMap<string, TypeDef>>> = {
  'admission.k8s.io': knownTypes('admission.k8s.io', 'AdmissionReview', admissionReview),
  'apiextensions.k8s.io': knownTypes('apiextensions.k8s.io', 'ConversionReview', conversionReview),
  '': new Map([['v1/Status', STATUS]]),
}

function knownTypes(group: string, kind: string, typeIn: (version: string) => TypeDef): ReadonlyMap<string, TypeDef> {
  const reviews = ['v1', 'v1beta1'].map((version) => [`${group}/${version}/${kind}`, typeIn(version)] as const)
  return new Map([...reviews, ['v1/Status', STATUS]])
}
