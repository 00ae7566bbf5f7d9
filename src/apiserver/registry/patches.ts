/** PATCH in its four formats, on the whole object or on a part of it. */
import { applyJsonPatch } from '../../merge/jsonPatch.ts'
import { applyMergePatch } from '../../merge/mergePatch.ts'
import { goJsonKind } from '../../merge/jsonValue.ts'
import { DecodeError, jsonValue, patchValue } from '../../api/codec/json.ts'
import { restore } from '../../api/codec/restore.ts'
import { warningsOf } from '../../api/codec/yaml.ts'
import { applyStrategicMergePatch } from '../../merge/strategicMergePatch.ts'
import { newBadRequest, newStatusError } from '../../api/status.ts'
import { isJsonObject } from '../cache/json.ts'
import { cloneJson } from '../../api/jsonValues.ts'
import { parsePatchOptions } from './options.ts'
import { decodePatched } from './patched.ts'
import { defaultObject, parsePatch, parseYaml } from './schema.ts'
import { applyConfiguration } from './fieldManagement.ts'
import { changeObject, matchIdentity, tracking } from './writes.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import type { JsonObject, JsonValue, KubeObject } from '../../api/resource.ts'
import type { ApiRequest, ApiResult } from '../request.ts'
import type { StoredKind } from './kind.ts'
import type { Patcher } from './patched.ts'
import type { PatchOptions } from './options.ts'
import type { RegistryCore } from './registryCore.ts'
import type { PartRules } from './writes.ts'

const JSON_PATCH = 'application/json-patch+json'
const MERGE_PATCH = 'application/merge-patch+json'
const STRATEGIC_MERGE_PATCH = 'application/strategic-merge-patch+json'
const APPLY_PATCH = 'application/apply-patch+yaml'

export function patchTypeOf(request: ApiRequest): string {
  return (request.patch?.type ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
}

export function isApply(request: ApiRequest): boolean {
  return patchTypeOf(request) === APPLY_PATCH
}

/** Answers how to decode the patch, which is looked at once it is known that there is something to patch. */
export function patcherFor(request: ApiRequest, type: TypeDef): () => Patcher {
  const bytes = request.patch?.bytes ?? new Uint8Array()
  switch (patchTypeOf(request)) {
    case JSON_PATCH:
      return () => {
        const { value, strictErrors, odd } = parsePatch(bytes, 'error decoding patch: ', patchValue)
        const strict = [...strictErrors, ...unknownFields(value)].map((error) => `json patch ${error}`)
        return { apply: (base) => applyJsonPatch(base, value) as JsonObject, strictErrors: strict, odd }
      }
    case MERGE_PATCH:
      return () => {
        const { value, strictErrors, odd } = parsePatch(bytes, 'error decoding patch: ', patchValue)
        return { apply: (base) => applyMergePatch(base, value) as JsonObject, strictErrors, odd }
      }
    case STRATEGIC_MERGE_PATCH:
      return () => strategicPatcher(bytes, type)
    default:
      throw newStatusError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {})
  }
}

const OPERATION_FIELDS = new Set(['op', 'path', 'from', 'value'])

/** What an operation of a JSON patch says that nobody asks. */
function unknownFields(operations: JsonValue): string[] {
  if (!Array.isArray(operations)) return []
  return operations.flatMap((operation, i) => {
    const fields = isJsonObject(operation) ? Object.keys(operation).filter((name) => !OPERATION_FIELDS.has(name)) : []
    return fields.map((name) => `unknown field ${JSON.stringify(`[${i}].${name}`)}`)
  })
}

function strategicPatcher(bytes: Uint8Array, type: TypeDef): Patcher {
  const { value, strictErrors } = parsePatch(bytes, '', jsonValue)
  const patcher: Patcher = {
    apply(base) {
      patcher.strategic = cloneJson(value)
      return applyStrategicMergePatch(base, patcher.strategic, type) as JsonObject
    },
    strategic: value,
    strictErrors,
  }
  return patcher
}

export async function patchObject(core: RegistryCore, kind: StoredKind, request: ApiRequest, rules: PartRules): Promise<ApiResult> {
  const options = parsePatchOptions(request)
  if (isApply(request)) return applyObject(core, kind, request, rules, options)
  const { resource } = request
  const decode = patcherFor(request, resource.type)
  const target = { catalog: core.catalog, request, kind: resource, type: resource.type, validation: options.fieldValidation }
  let patch: Patcher | undefined
  return changeObject(core, kind, request, {
    rules,
    options,
    make(old) {
      patch ??= decode()
      const object = decodePatched(cloneJson(old) as unknown as JsonObject, { ...target, patch }) as unknown as KubeObject
      object.metadata ??= {} as KubeObject['metadata']
      matchIdentity(object, request)
      defaultObject(request.resource, object, core.clock.now())
      return object
    },
    retryConflicts: true,
    allowCreate: false,
    tracked: false,
  })
}

/** The body of an apply. */
export function parseConfiguration(request: ApiRequest): JsonObject {
  return parseApplied(request).configuration
}

/** `strictErrors` tell of keys that stand twice. */
function parseApplied(request: ApiRequest): { configuration: JsonObject; strictErrors: readonly string[] } {
  const { value, strictErrors } = parseYaml(request.patch?.bytes ?? new Uint8Array())
  const configuration = value ?? {}
  if (!isJsonObject(configuration)) {
    const why = `json: cannot unmarshal ${goJsonKind(configuration)} into Go value of type map[string]interface {}`
    throw newBadRequest(`error decoding YAML: error unmarshaling JSON: while decoding JSON: ${why}`)
  }
  return { configuration, strictErrors }
}

/** Values that the merge let pass by their rough type and that the kind has no room for, such as a time that is none. */
function typedObject({ resource, name }: ApiRequest, namespace: unknown, applied: KubeObject): KubeObject {
  try {
    return restore(applied, resource.type).object as unknown as KubeObject
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    const type = `${resource.group}/${resource.version}, Kind=${resource.kind}`
    const subject = `${typeof namespace === 'string' ? namespace : ''}/${name}; ${type}`
    const why = `unable to convert unstructured object to ${type}: ${error.message}`
    throw newStatusError(500, '', `failed to convert new object (${subject}) to proper version: ${why}`)
  }
}

function applyObject(
  core: RegistryCore,
  kind: StoredKind,
  request: ApiRequest,
  rules: PartRules,
  options: PatchOptions,
): Promise<ApiResult> {
  const { configuration, strictErrors } = parseApplied(request)
  const { allowCreateOnUpdate, appliedStatusCreates } = kind.strategy
  const doubles = strictErrors.map((error) => `error converting YAML to JSON: ${error}`)
  return changeObject(core, kind, request, {
    rules,
    options,
    make(old) {
      const applied = applyConfiguration(old, cloneJson(configuration), {
        ...tracking(core, kind, request, options),
        namespace: request.namespace,
        name: request.name,
        force: options.force,
      })
      if (options.fieldValidation !== 'Ignore' && options.fieldValidation !== 'Strict') {
        request.warnings.push(...warningsOf(strictErrors))
      }
      if (options.fieldValidation === 'Strict' && doubles[0] !== undefined) throw newBadRequest(`error strict decoding YAML: ${doubles[0]}`)
      // Defaults are for whole structs, of which a configuration may have named nothing.
      const { metadata } = configuration
      const object = kind.custom ? applied : typedObject(request, isJsonObject(metadata) && metadata['namespace'], applied)
      matchIdentity(object, request)
      defaultObject(request.resource, object, core.clock.now())
      return object
    },
    retryConflicts: true,
    allowCreate: rules.part === 'main' || (rules.part === 'status' && Boolean(allowCreateOnUpdate || appliedStatusCreates)),
    tracked: true,
  })
}
