/** Objects against their type: parsing, defaults, the shape in which they are written, zero objects. */
import { DecodeError, JsonSyntaxError, decodeValue, normalize, withoutEmptyOnes, parseJson as parseBytes } from '../../api/codec/json.ts'
import type { ParsedJson } from '../../api/codec/json.ts'
import { hidesEmptyOnes } from '../../api/codec/goShape.ts'
import { applyDefaults } from '../../api/defaulting/apply.ts'
import { YamlSyntaxError, parseYaml as parseYamlBytes } from '../../api/codec/yaml.ts'
import { apiVersionOf } from '../../api/resource.ts'
import { newBadRequest } from '../../api/status.ts'
import { cloneJson } from '../../api/jsonValues.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { JsonObject, JsonValue, KubeObject } from '../../api/resource.ts'

/** A patch; `read` is jsonValue, or where the patch is merged as text patchValue. */
export function parsePatch<T>(bytes: Uint8Array, prefix: string, read: (parsed: ParsedJson) => T): T {
  try {
    return read(parseBytes(bytes))
  } catch (error) {
    if (error instanceof JsonSyntaxError || error instanceof DecodeError) throw newBadRequest(`${prefix}${error.message}`)
    throw error
  }
}

/** `strictErrors` tell of keys that stand twice. */
export function parseYaml(bytes: Uint8Array): { value: JsonValue; strictErrors: readonly string[] } {
  try {
    return parseYamlBytes(bytes)
  } catch (error) {
    if (error instanceof YamlSyntaxError) throw newBadRequest(`error decoding YAML: error converting YAML to JSON: ${error.message}`)
    throw error
  }
}

/** Fills in what the client left out; the object is the caller's own. */
export function defaultObject(resource: CatalogResource, object: KubeObject, nowMs: number): void {
  if (resource.custom) resource.custom.applyDefaults(object as unknown as JsonObject)
  else applyDefaults(resource.type, object, { nowMs })
}

/** Without optional lists and maps that are empty: they are there until the object is stored, and nobody comes to own them. */
export function asWritten(resource: CatalogResource, object: KubeObject): KubeObject {
  return resource.type.name !== '' ? withoutEmptyOnes(object, resource.type) : object
}

/** What is stored without its empty lists and maps is given defaults once more as it is read. */
export function asRead(resource: CatalogResource, object: KubeObject, nowMs: number): KubeObject {
  if (!hidesEmptyOnes(object)) return object
  const read = cloneJson(object)
  defaultObject(resource, read, nowMs)
  return read
}

/** In the shape in which Go writes it: empty fields gone, zero values of required ones there. */
export function normalizeObject(resource: CatalogResource, object: KubeObject): KubeObject {
  return normalize(object, resource.type)
}

const zeroObjects = new WeakMap<CatalogResource, KubeObject>()

function zeroObject(resource: CatalogResource): KubeObject {
  const { kind, type } = resource
  const head = { kind, apiVersion: apiVersionOf(resource), metadata: {} }
  return (type.name === '' ? head : { ...decodeValue({ metadata: {} }, type).object, ...head }) as unknown as KubeObject
}

/** A zero object of the kind. They share all but their metadata, so nobody may change the rest. */
export function emptyObject(resource: CatalogResource): KubeObject {
  const known = zeroObjects.get(resource) ?? zeroObject(resource)
  zeroObjects.set(resource, known)
  return { ...known, metadata: {} as KubeObject['metadata'] }
}
