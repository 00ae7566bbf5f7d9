/** The rules of CustomResourceDefinitions (apiextensions' pkg/apis/apiextensions/validation), on create and on update. */
import { asGiven } from '../../api/codec/goShape.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
} from '../../api/kinds/apiextensions/v1.ts'
import { deepEqual } from '../../api/meta.ts'
import type { FieldError } from '../../api/status.ts'
import { forbidden, IMMUTABLE, invalid, required } from '../../api/validation/fieldErrors.ts'
import { isDns1035Label, isDns1123Subdomain } from '../../api/validation/names.ts'
import { validateApproval } from './approval.ts'
import { validateDefaults } from './defaultValidation.ts'
import { isEstablished, schemaOf, sharedParts } from './definitions.ts'
import { SCHEMA_MEMBERS, shownSchema, shownVersions } from './internalForm.ts'
import { someSchema } from './jsonSchema.ts'
import type { JsonSchema } from './jsonSchema.ts'
import { hasInvalidType, hasNonAtomicSet, mapKeys, validateSchemaRules } from './schemaRules.ts'
import { validateStructural } from './structural.ts'
import { oneOf, validateConversion } from './conversionRules.ts'
import { validateColumns, validateDeprecation, validateSelectable, validateSubresources } from './versionRules.ts'
import type { RuleContext } from './schemaRules.ts'
import type { JsonValue } from '../../api/resource.ts'

/** Compiles and evaluates the expressions of a schema. */
export interface ExpressionRules {
  context(schema: JsonSchema, unchanged: boolean, stored: ReadonlySet<string>): RuleContext & { total(path: string): FieldError[] }
  validateDefault(value: JsonValue, schema: JsonSchema, path: string): FieldError[]
}

export interface DefinitionRules {
  /** ObjectMeta. */
  metaType: TypeDef
  expressions: ExpressionRules
}

interface Options extends DefinitionRules {
  old: CustomResourceDefinition | undefined
  /** What schemas have to keep to that older definitions need not. */
  requireValidTypes: boolean
  requireAtomicSets: boolean
  requireMapKeys: boolean
}

export function validateDefinition(definition: CustomResourceDefinition, rules: DefinitionRules): FieldError[] {
  const options = { ...rules, old: undefined, requireValidTypes: true, requireAtomicSets: true, requireMapKeys: true }
  return [
    ...validateSpec(definition.spec, options),
    ...validateStatus(definition),
    ...validateApproval(definition, undefined),
    ...preserves(definition),
  ]
}

export function validateDefinitionUpdate(
  definition: CustomResourceDefinition,
  old: CustomResourceDefinition,
  rules: DefinitionRules,
): FieldError[] {
  const everywhere = (has: (schema: JsonSchema) => boolean): boolean =>
    old.spec.versions.some((version) => someSchema(schemaOf(version), has))
  const options: Options = {
    ...rules,
    old,
    requireValidTypes: !everywhere(hasInvalidType),
    requireAtomicSets: !everywhere(hasNonAtomicSet),
    requireMapKeys: !everywhere((schema) => mapKeys(schema, '').length > 0),
  }
  const errors = validateSpec(definition.spec, options)
  const immutable = (value: unknown, before: unknown, path: string): void => {
    if (value !== before) errors.push(invalid(path, value, IMMUTABLE))
  }
  if (isEstablished(old)) {
    immutable(definition.spec.scope, old.spec.scope, 'spec.scope')
    immutable(definition.spec.names.kind, old.spec.names.kind, 'spec.names.kind')
  }
  immutable(definition.spec.group, old.spec.group, 'spec.group')
  immutable(definition.spec.names.plural, old.spec.names.plural, 'spec.names.plural')
  const kept = old.spec.preserveUnknownFields === true ? [] : preserves(definition)
  return [...errors, ...validateStatus(definition), ...validateApproval(definition, old), ...kept]
}

export function validateStatus({ spec, status }: CustomResourceDefinition): FieldError[] {
  const stored = status?.storedVersions ?? []
  const errors = status?.acceptedNames ? validateNames(status.acceptedNames, 'status.acceptedNames') : []
  const path = 'status.storedVersions'
  if (stored.length === 0) return [...errors, invalid(path, null, 'must have at least one stored version')]
  const missing = new Map(stored.map((name, i) => [name, i]))
  for (const version of spec.versions ?? []) {
    if (version.storage && !missing.has(version.name)) errors.push(invalid(path, stored, `must have the storage version ${version.name}`))
    missing.delete(version.name)
  }
  for (const [name, i] of missing) {
    const why = `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`
    errors.push(invalid(`${path}[${i}]`, name, why))
  }
  return errors
}

function preserves({ spec }: CustomResourceDefinition): FieldError[] {
  if (spec.preserveUnknownFields !== true) return []
  const why = 'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead'
  return [invalid('spec.preserveUnknownFields', true, why)]
}

function validateSpec(spec: CustomResourceDefinitionSpec, options: Options): FieldError[] {
  const errors: FieldError[] = []
  const { group, names } = spec
  const versions = spec.versions ?? []
  if (!group) errors.push(required('spec.group'))
  else {
    const broken = isDns1123Subdomain(group)
    if (broken.length > 0) errors.push(invalid('spec.group', group, broken.join(',')))
    else if (!group.includes('.')) errors.push(invalid('spec.group', group, 'should be a domain with at least one dot'))
  }
  errors.push(...oneOf('spec.scope', spec.scope, ['Cluster', 'Namespaced']))
  errors.push(...validateSchemasThere(versions, options), ...validateVersions(asGiven(spec, 'versions'), options))
  for (const name of ['plural', 'singular', 'kind', 'listKind'] as const) if (!names[name]) errors.push(required(`spec.names.${name}`))
  errors.push(...validateNames(names, 'spec.names'), ...validateShared(versions, options))
  if (spec.conversion?.strategy !== undefined && spec.conversion.strategy !== 'None' && spec.preserveUnknownFields === true)
    errors.push(invalid('spec.conversion.strategy', spec.conversion.strategy, 'must be None if spec.preserveUnknownFields is true'))
  if (spec.conversion) errors.push(...validateConversion(spec.conversion, options.old))
  return errors
}

function validateSchemasThere(versions: readonly CustomResourceDefinitionVersion[], { old }: Options): FieldError[] {
  if (old && old.spec.versions.some((version) => !schemaOf(version))) return []
  return versions.flatMap((version, i) => (schemaOf(version) ? [] : [required(`spec.versions[${i}].schema.openAPIV3Schema`)]))
}

function validateVersions(given: readonly CustomResourceDefinitionVersion[] | undefined, options: Options): FieldError[] {
  const versions = given ?? []
  const errors: FieldError[] = []
  const shared = sharedParts(versions)
  for (const [i, version] of versions.entries()) {
    const path = `spec.versions[${i}]`
    const broken = isDns1035Label(version.name)
    if (broken.length > 0) errors.push(invalid(`${path}.name`, version.name, broken.join(',')))
    errors.push(...validateDeprecation(version, path))
    if (!shared.schema) errors.push(...validateSchema(version, [version.name], `${path}.schema`, options))
    if (!shared.subresources) errors.push(...validateSubresources(version.subresources, `${path}.subresources`))
    if (!shared.additionalPrinterColumns) errors.push(...validateColumns(version, `${path}.additionalPrinterColumns`))
    if (!shared.selectableFields) errors.push(...validateSelectable(version, !shared.schema, `${path}.selectableFields`, options.old))
  }
  if (new Set(versions.map((version) => version.name)).size < versions.length)
    errors.push(invalid('spec.versions', shownVersions(versions), 'must contain unique version names'))
  if (versions.filter((version) => version.storage).length !== 1)
    errors.push(
      invalid(
        'spec.versions',
        versions.length === 0 ? (given ?? null) : shownVersions(versions),
        'must have exactly one version marked as storage version',
      ),
    )
  const wrongName = versions[0]?.name ? isDns1035Label(versions[0].name) : []
  if (wrongName.length > 0) errors.push(invalid('spec.version', versions[0]!.name, wrongName.join(',')))
  return errors
}

/** What all versions say alike is checked once. */
function validateShared(versions: readonly CustomResourceDefinitionVersion[], options: Options): FieldError[] {
  const [first] = versions
  if (!first) return []
  const shared = sharedParts(versions)
  const names = versions.map((version) => version.name)
  return [
    ...(shared.schema ? validateSchema(first, names, 'spec.validation', options) : []),
    ...(shared.subresources ? validateSubresources(first.subresources, 'spec.subresources') : []),
    ...(shared.additionalPrinterColumns ? validateColumns(first, 'spec.additionalPrinterColumns') : []),
    ...(shared.selectableFields ? validateSelectable(first, shared.schema, 'spec.selectableFields', options.old) : []),
  ]
}

const AT_ROOT = new Set(
  (
    'description type format title maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern maxItems minItems uniqueItems ' +
    'multipleOf required items properties externalDocs example x-kubernetes-preserve-unknown-fields x-kubernetes-validations'
  ).split(' '),
)
const AT_ROOT_SHOWN =
  '[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations]'

function validateSchema(version: CustomResourceDefinitionVersion, names: readonly string[], path: string, options: Options): FieldError[] {
  const schema = schemaOf(version)
  if (!schema) return []
  const { old, metaType, expressions } = options
  const at = `${path}.openAPIV3Schema`
  const errors: FieldError[] = []
  if (version.subresources?.status !== undefined && version.subresources.status !== null) errors.push(...statusRoot(schema, at))
  if (schema.nullable) errors.push(forbidden(`${at}.nullable`, 'nullable cannot be true at the root'))
  const unsupported = unsupportedFields(schema)
  const structural = unsupported === undefined ? validateStructural(schema, at) : []
  errors.push(...structural)
  const validateRules = expressions.validateDefault.bind(expressions)
  const defaults =
    structural.length === 0 && unsupported === undefined
      ? validateDefaults(schema, at, { metaType, requirePruned: true, validateRules })
      : []
  errors.push(...defaults)
  const before = old?.spec.versions.filter((known) => names.includes(known.name)) ?? []
  const unchanged = before.length > 0 && before.every((known) => deepEqual(schemaOf(known), schema))
  const sound = structural.length + defaults.length === 0 && unsupported === undefined
  const context = sound ? expressions.context(schema, unchanged, storedRules(old)) : undefined
  errors.push(...validateSchemaRules(schema, at, options, context))
  if (context) errors.push(...context.total(at))
  if (errors.length === 0 && unsupported !== undefined) errors.push(invalid(at, '', unsupported))
  return errors
}

const UNSUPPORTED = ['id', '$schema', '$ref', 'patternProperties', 'dependencies', 'additionalItems', 'definitions'] as const

/** What upstream says of a schema that it can't even look at as a structural one. */
function unsupportedFields(schema: JsonSchema): string | undefined {
  let found: string | undefined
  someSchema(schema, (part) => {
    const name = UNSUPPORTED.find((field) => part[field] !== undefined)
    if (name !== undefined) found = `OpenAPIV3Schema '${name.replace('$schema', 'schema')}' is not supported`
    else if (part['x-kubernetes-preserve-unknown-fields'] === false)
      found = "OpenAPIV3Schema 'x-kubernetes-preserve-unknown-fields' must be true or undefined"
    else if (Array.isArray(part.items)) found = "OpenAPIV3Schema 'items' must be a schema, but is an array"
    return found !== undefined
  })
  return found
}

function storedRules(old: CustomResourceDefinition | undefined): ReadonlySet<string> {
  const stored = new Set<string>()
  for (const version of old?.spec.versions ?? []) {
    someSchema(schemaOf(version), (schema) => {
      for (const { rule, messageExpression } of schema['x-kubernetes-validations'] ?? []) {
        stored.add(rule)
        if (messageExpression) stored.add(messageExpression)
      }
      return false
    })
  }
  return stored
}

function statusRoot(schema: JsonSchema, path: string): FieldError[] {
  const why = 'of the schema if the status subresource is enabled'
  if (schema.type !== undefined && schema.type !== 'object')
    return [invalid(`${path}.type`, schema.type, `only "object" is allowed as the type at the root ${why}`)]
  const others = SCHEMA_MEMBERS.some((name) => !AT_ROOT.has(name) && asGiven(schema, name) !== undefined)
  return others ? [invalid(path, shownSchema(schema), `only ${AT_ROOT_SHOWN} fields are allowed at the root ${why}`)] : []
}

export function validateNames(names: CustomResourceDefinitionNames, path: string): FieldError[] {
  const errors: FieldError[] = []
  const label = (value: string | undefined, at: string, mixedCase: boolean): void => {
    const broken = value ? isDns1035Label(mixedCase ? value.toLowerCase() : value) : []
    const prefix = mixedCase ? 'may have mixed case, but should otherwise match: ' : ''
    if (broken.length > 0) errors.push(invalid(`${path}.${at}`, value, prefix + broken.join(',')))
  }
  label(names.plural, 'plural', false)
  label(names.singular, 'singular', false)
  label(names.kind, 'kind', true)
  label(names.listKind, 'listKind', true)
  for (const [i, name] of (names.shortNames ?? []).entries()) {
    const broken = isDns1035Label(name)
    if (broken.length > 0) errors.push(invalid(`${path}.shortNames[${i}]`, name, broken.join(',')))
  }
  if (names.kind && names.kind === names.listKind)
    errors.push(invalid(`${path}.listKind`, names.listKind, 'kind and listKind may not be the same'))
  for (const [i, name] of (names.categories ?? []).entries()) {
    const broken = isDns1035Label(name)
    if (broken.length > 0) errors.push(invalid(`${path}.categories[${i}]`, name, broken.join(',')))
  }
  return errors
}
