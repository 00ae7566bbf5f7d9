/**
 * The shape of API data as the machinery sees it: what decoding, defaulting, patching, server-side apply, protobuf and
 * OpenAPI are driven by. Built-in kinds get theirs from the catalog; custom resources from their structural schemas.
 */

export type Schema = ScalarSchema | ObjectSchema | ArraySchema | MapSchema

/** A scalar or an opaque value, by its Kubernetes meaning rather than its JSON form. */
export interface ScalarSchema {
  readonly type:
    | 'string'
    | 'boolean'
    | 'int32'
    | 'int64'
    | 'double'
    /** base64 in JSON. */
    | 'bytes'
    | 'time'
    | 'microTime'
    /** `30s`, metav1.Duration. */
    | 'duration'
    | 'quantity'
    | 'intOrString'
    /** Any JSON: RawExtension, apiextensions JSON. */
    | 'any'
    | 'fieldsV1'
  /** For `any`: the definition behind it where there is one, e.g. `JSONSchemaPropsOrBool`. */
  readonly definition?: string
}

export interface ObjectSchema {
  readonly type: 'object'
  readonly def: TypeDef
}

export interface ArraySchema {
  readonly type: 'array'
  readonly items: Schema
  /** Server-side apply's list type; a list without one is atomic. */
  readonly listType: 'atomic' | 'set' | 'map'
  /** Keys of a `map` list, e.g. `['containerPort', 'protocol']`. */
  readonly listMapKeys: readonly string[]
  /** False where no document says the list type (it is atomic then). */
  readonly declared?: boolean
}

export interface MapSchema {
  readonly type: 'map'
  readonly values: Schema
  readonly atomic: boolean
}

export interface Field {
  /** JSON name. */
  readonly name: string
  readonly schema: Schema
  /** Protobuf field number; 0 where there is none (custom resources). */
  readonly proto: number
  /** Listed as required in OpenAPI. */
  readonly required: boolean
  /** OpenAPI default; `undefined` if none. */
  readonly default?: unknown
  /** Strategic merge patch. */
  readonly patchStrategy: readonly ('merge' | 'replace' | 'retainKeys')[]
  readonly patchMergeKey?: string
  /** The values of an enumeration, sorted: of the field, or of its items. Validation has its own, sometimes narrower, rules. */
  readonly enum?: readonly string[]
  /** Where the field says so itself: it goes before what its type says (`granular` claimRef of an atomic ObjectReference). */
  readonly mapType?: 'atomic' | 'granular'
  /** How Go holds the field; built-in kinds only. */
  readonly go?: GoFieldFacts
}

/** What decides which values Go's encoder leaves out, and what decoding errors call the field's type. */
export interface GoFieldFacts {
  /** As printed, without the pointer: `int32`, `[]v1.Container`, `v1.PullPolicy`. */
  readonly type: string
  readonly pointer: boolean
  readonly omitEmpty: boolean
  readonly omitZero: boolean
  /** Protobuf numbers of the embedded structs that hold the field, outermost first; mostly empty. */
  readonly protoVia: readonly number[]
  /** Names of those structs: they show up in the paths of decoding errors. */
  readonly embeddedIn: readonly string[]
}

/** A named struct. */
export interface TypeDef {
  /** OpenAPI definition name, e.g. `io.k8s.api.core.v1.Container`; '' for an anonymous part of a custom resource. */
  readonly name: string
  /** How Go prints it in messages, e.g. `v1.Container`. */
  readonly goName: string
  readonly fields: readonly Field[]
  readonly fieldByName: ReadonlyMap<string, Field>
  /** Server-side apply owns it as a whole. */
  readonly atomic: boolean
  /** Unknown fields are kept (custom resources only). */
  readonly preserveUnknownFields: boolean
  /** x-kubernetes-unions as published. */
  readonly unions?: unknown
  /** False for the few kinds that no OpenAPI document defines (Table, ListOptions, PodExecOptions). */
  readonly published?: boolean
}
