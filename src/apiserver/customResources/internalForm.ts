/** Parts of definitions as upstream's internal types print themselves in messages: Go's names and order, nothing left out. Pure. */
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  ValidationRule,
} from '../../api/kinds/apiextensions/v1.ts'
import { asGiven } from '../../api/codec/goShape.ts'
import { sortedKeys } from '../../api/jsonValues.ts'
import { sharedParts } from './definitions.ts'
import type { JsonSchema } from './jsonSchema.ts'

const TEXTS = new Set(['id', '$schema', 'description', 'type', 'format', 'title', 'pattern'])
const SWITCHES = new Set([
  'nullable',
  'exclusiveMaximum',
  'exclusiveMinimum',
  'uniqueItems',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
])

/** In Go's order. */
const NAMES: readonly (readonly [keyof JsonSchema, string])[] = [
  ['id', 'ID'],
  ['$schema', 'Schema'],
  ['$ref', 'Ref'],
  ...capitals('description type nullable format title default maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength'),
  ...capitals('pattern maxItems minItems uniqueItems multipleOf enum maxProperties minProperties required items allOf oneOf anyOf not'),
  ...capitals('properties additionalProperties patternProperties dependencies additionalItems definitions externalDocs example'),
  ['x-kubernetes-preserve-unknown-fields', 'XPreserveUnknownFields'],
  ['x-kubernetes-embedded-resource', 'XEmbeddedResource'],
  ['x-kubernetes-int-or-string', 'XIntOrString'],
  ['x-kubernetes-list-map-keys', 'XListMapKeys'],
  ['x-kubernetes-list-type', 'XListType'],
  ['x-kubernetes-map-type', 'XMapType'],
  ['x-kubernetes-validations', 'XValidations'],
]

export const SCHEMA_MEMBERS: readonly (keyof JsonSchema)[] = NAMES.map(([name]) => name)

function capitals(names: string): (readonly [keyof JsonSchema, string])[] {
  return names.split(' ').map((name) => [name as keyof JsonSchema, name.charAt(0).toUpperCase() + name.slice(1)] as const)
}

export function shownSchema(schema: JsonSchema): object {
  const nothing = (name: string): unknown => (TEXTS.has(name) ? '' : SWITCHES.has(name) ? false : null)
  return Object.fromEntries(
    NAMES.map(([name, shown]) => [shown, asGiven(schema, name) === undefined ? nothing(name) : shownPart(schema, name)]),
  )
}

function shownPart(schema: JsonSchema, name: keyof JsonSchema): unknown {
  const { items, not, externalDocs } = schema
  switch (name) {
    case 'items':
      return items && { Schema: shownSchema(items), JSONSchemas: null }
    case 'additionalProperties':
    case 'additionalItems':
      return shownOrBool(schema[name] as JsonSchema | boolean)
    case 'properties':
    case 'patternProperties':
    case 'definitions':
      return byName(asGiven(schema, name) as Schemas, shownSchema)
    case 'dependencies':
      return byName(asGiven(schema, name) as Readonly<Record<string, JsonSchema | string[]>>, shownDependency)
    case 'allOf':
    case 'oneOf':
    case 'anyOf':
      return asGiven(schema, name)?.map(shownSchema)
    case 'not':
      return not && shownSchema(not)
    case 'externalDocs':
      return { Description: externalDocs?.description ?? '', URL: externalDocs?.url ?? '' }
    case 'x-kubernetes-validations':
      return asGiven(schema, name)?.map(shownRule)
    default:
      return sortedKeys(asGiven(schema, name))
  }
}

type Schemas = Readonly<Record<string, JsonSchema>>

const byName = <T>(members: Readonly<Record<string, T>> = {}, show: (member: T) => unknown): object =>
  Object.fromEntries(sortedNames(members).map((name) => [name, show(members[name] as T)]))

const sortedNames = (members: object): string[] => Object.keys(members).sort()

const shownOrBool = (value: JsonSchema | boolean): object => ({
  Allows: value !== false,
  Schema: typeof value === 'object' ? shownSchema(value) : null,
})

const shownDependency = (value: JsonSchema | string[] | null): object => ({
  Schema: value && !Array.isArray(value) ? shownSchema(value) : null,
  Property: Array.isArray(value) && value.length > 0 ? value : null,
})

export function shownRule({ rule, message = '', messageExpression = '', reason, fieldPath = '', optionalOldSelf }: ValidationRule): object {
  return {
    Rule: rule,
    Message: message,
    MessageExpression: messageExpression,
    Reason: reason ?? null,
    FieldPath: fieldPath,
    OptionalOldSelf: optionalOldSelf ?? null,
  }
}

export function shownVersions(versions: readonly CustomResourceDefinitionVersion[]): object[] {
  const shared = sharedParts(versions)
  return versions.map((version) => {
    const schema = version.schema?.openAPIV3Schema as JsonSchema | undefined
    return {
      Name: version.name,
      Served: version.served ?? false,
      Storage: version.storage ?? false,
      Deprecated: version.deprecated ?? false,
      DeprecationWarning: version.deprecationWarning ?? null,
      Schema: version.schema && !shared.schema ? { OpenAPIV3Schema: schema ? shownSchema(schema) : null } : null,
      Subresources: version.subresources && !shared.subresources ? shownSubresources(version.subresources) : null,
      AdditionalPrinterColumns: shared.additionalPrinterColumns ? null : (version.additionalPrinterColumns?.map(shownColumn) ?? null),
      SelectableFields: shared.selectableFields
        ? null
        : (version.selectableFields?.map(({ jsonPath }) => ({ JSONPath: jsonPath ?? '' })) ?? null),
    }
  })
}

function shownSubresources({ status, scale }: CustomResourceSubresources): object {
  return {
    Status: status ?? null,
    Scale: scale
      ? {
          SpecReplicasPath: scale.specReplicasPath ?? '',
          StatusReplicasPath: scale.statusReplicasPath ?? '',
          LabelSelectorPath: scale.labelSelectorPath ?? null,
        }
      : null,
  }
}

function shownColumn({ name, type, format = '', description = '', priority = 0, jsonPath }: CustomResourceColumnDefinition): object {
  return { Name: name ?? '', Type: type ?? '', Format: format, Description: description, Priority: priority, JSONPath: jsonPath ?? '' }
}
