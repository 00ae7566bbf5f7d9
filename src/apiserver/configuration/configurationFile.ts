/**
 * Configuration files of the API server (group apiserver.config.k8s.io): their shapes, and how they are read: strictly, in the
 * words of upstream's decoder. What a rule finds wrong afterwards is told as one text.
 */
import { decodeYaml } from '../../api/codec/yaml.ts'
import type { Field, Schema, TypeDef } from '../../api/catalog/schema.ts'
import { parseGroupVersion } from '../../api/resource.ts'
import type { JsonObject } from '../../api/resource.ts'
import { aggregated } from '../../api/status.ts'
import type { FieldError } from '../../api/status.ts'

const GROUP = 'apiserver.config.k8s.io'

/** What is wrong with a configuration file. */
export class ConfigurationFileError extends Error {
  override readonly name = 'ConfigurationFileError'
}

export const flag: Schema = { type: 'boolean' }
export const text: Schema = { type: 'string' }
export const whole: Schema = { type: 'int32' }
export const duration: Schema = { type: 'duration' }
export const list = (items: Schema): Schema => ({ type: 'array', items, listType: 'atomic', listMapKeys: [] })

/** A struct by its Go name. What is given is kept, empty or not: rules tell the difference. */
export function struct(name: string, fields: Readonly<Record<string, Schema>>): Schema & { type: 'object' } {
  return { type: 'object', def: typeOf(name, fields) }
}

function typeOf(name: string, schemas: Readonly<Record<string, Schema>>): TypeDef {
  const fields = Object.entries(schemas).map(([field, schema]): Field => {
    const go = { type: schema.type, pointer: true, omitEmpty: true, omitZero: false, protoVia: [], embeddedIn: [] }
    return { name: field, schema, proto: 0, required: false, patchStrategy: [], ...(schema.type === 'object' && { go }) }
  })
  const fieldByName = new Map(fields.map((field) => [field.name, field]))
  return { name: '', goName: `v1.${name}`, fields, fieldByName, atomic: false, preserveUnknownFields: false }
}

export interface ConfigurationKind {
  kind: string
  versions: readonly string[]
  shape: Schema & { type: 'object' }
}

export function configurationKind(kind: string, versions: readonly string[], fields: Readonly<Record<string, Schema>>): ConfigurationKind {
  return { kind, versions, shape: struct(kind, { kind: text, apiVersion: text, ...fields }) }
}

/** The document, of the kind and one of its versions. Throws a ConfigurationFileError. */
export function readConfiguration(document: string, { kind, versions, shape }: ConfigurationKind): JsonObject {
  let decoded: ReturnType<typeof decodeYaml>
  try {
    decoded = decodeYaml(document, shape.def)
  } catch (cause) {
    throw new ConfigurationFileError((cause as Error).message, { cause })
  }
  const { object, strictErrors } = decoded
  const apiVersion = typeof object['apiVersion'] === 'string' ? object['apiVersion'] : ''
  const found = parseGroupVersion(apiVersion)
  if (object['kind'] !== kind || found?.group !== GROUP || !versions.includes(found.version)) {
    const wanted = `${kind} of ${versions.map((version) => `${GROUP}/${version}`).join(' or ')}`
    throw new ConfigurationFileError(
      `no kind ${JSON.stringify(object['kind'] ?? '')} is known for version "${apiVersion}", it must be ${wanted}`,
    )
  }
  if (strictErrors.length > 0) throw new ConfigurationFileError(`strict decoding error: ${strictErrors.join(', ')}`)
  return object
}

/** Throws all that rules have found as one ConfigurationFileError. */
export function throwFieldErrors(errors: readonly FieldError[]): void {
  if (errors.length > 0) throw new ConfigurationFileError(aggregated(errors))
}
