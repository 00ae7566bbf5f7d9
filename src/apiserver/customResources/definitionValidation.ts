/** The rules of CustomResourceDefinitions (apiextensions' pkg/apis/apiextensions/validation), on create and on update. */
import { asGiven } from '../../api/codec/goShape.ts'
import type { TypeDef } from '../../api/catalog/schema.ts'
import type {
  CustomResourceColumnDefinition,
  CustomResourceConversion,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  SelectableField,
} from '../../api/kinds/apiextensions/v1.ts'
import { deepEqual } from '../../api/meta.ts'
import type { FieldError } from '../../api/status.ts'
import {
  duplicate,
  forbidden,
  IMMUTABLE,
  invalid,
  invalidTyped,
  notSupported,
  required,
  tooMany,
} from '../../api/validation/fieldErrors.ts'
import { isDns1035Label, isDns1123Subdomain } from '../../api/validation/names.ts'
import { checkWebhookService, checkWebhookUrl } from '../../api/validation/webhooks.ts'
import { validateApproval } from './approval.ts'
import { validateDefaults } from './defaultValidation.ts'
import { isEstablished, schemaOf, sharedParts } from './definitions.ts'
import { shownSchema, shownVersions } from './internalForm.ts'
import { someSchema } from './jsonSchema.ts'
import type { JsonSchema } from './jsonSchema.ts'
import { hasInvalidType, hasNonAtomicSet, mapKeys, validateSchemaRules } from './schemaRules.ts'
import { schemaPath, shownPath } from './schemaPaths.ts'
import { validateStructural } from './structural.ts'
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

const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string']
const COLUMN_FORMATS = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password']
const SELECTABLE_FIELDS_LIMIT = 8
const REVIEW_VERSIONS = ['v1', 'v1beta1']

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
  const names = new Set((spec.versions ?? []).map((version) => version.name))
  for (const version of spec.versions ?? []) {
    if (version.storage && !stored.includes(version.name))
      errors.push(invalid(path, stored, `must have the storage version ${version.name}`))
  }
  for (const [i, name] of stored.entries()) {
    if (names.has(name)) continue
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

function oneOf(path: string, value: string | undefined, accepted: readonly string[]): FieldError[] {
  if (!value) return [required(path)]
  return accepted.includes(value) ? [] : [notSupported(path, value, accepted)]
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
    if (!shared.selectableFields) errors.push(...validateSelectable(version, !shared.schema, `${path}.selectableFields`, options))
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
    ...(shared.selectableFields ? validateSelectable(first, shared.schema, 'spec.selectableFields', options) : []),
  ]
}

function validateDeprecation({ deprecated, deprecationWarning: warning }: CustomResourceDefinitionVersion, path: string): FieldError[] {
  if (warning === undefined) return []
  const broken: string[] = []
  if (!deprecated) broken.push('can only be set for deprecated versions')
  else {
    if (Buffer.byteLength(warning) > 256) broken.push('must be <= 256 characters long')
    if (warning === '') broken.push('must not be an empty string')
    const odd = warning.search(/[^\P{C}]|[\u2028\u2029\u00a0]/u)
    if (odd >= 0) {
      const at = Buffer.byteLength(warning.slice(0, odd))
      broken.push(`must only contain printable UTF-8 characters; non-printable character found at index ${at}`)
    }
  }
  return broken.map((why) => invalidTyped(`${path}.deprecationWarning`, warning, why))
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
  const others = Object.keys(schema).some((name) => !AT_ROOT.has(name))
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

function simplePath(value: string, path: string): FieldError[] {
  return value.startsWith('.') ? [] : [invalid(path, value, 'must be a simple json path starting with .')]
}

function validateSubresources(subresources: CustomResourceSubresources | undefined, path: string): FieldError[] {
  const scale = subresources?.scale
  if (!scale) return []
  const errors: FieldError[] = []
  const under = (value: string, name: string, prefixes: readonly string[], why: string): void => {
    const broken = simplePath(value, `${path}.scale.${name}`)
    if (broken.length > 0) errors.push(...broken)
    else if (!prefixes.some((prefix) => value.startsWith(prefix))) errors.push(invalid(`${path}.scale.${name}`, value, why))
  }
  if (!scale.specReplicasPath) errors.push(required(`${path}.scale.specReplicasPath`))
  else under(scale.specReplicasPath, 'specReplicasPath', ['.spec.'], 'should be a json path under .spec')
  if (!scale.statusReplicasPath) errors.push(required(`${path}.scale.statusReplicasPath`))
  else under(scale.statusReplicasPath, 'statusReplicasPath', ['.status.'], 'should be a json path under .status')
  if (scale.labelSelectorPath)
    under(scale.labelSelectorPath, 'labelSelectorPath', ['.spec.', '.status.'], 'should be a json path under either .spec or .status')
  return errors
}

function validateColumns({ additionalPrinterColumns = [] }: CustomResourceDefinitionVersion, path: string): FieldError[] {
  return additionalPrinterColumns.flatMap((column, i) => validateColumn(column, `${path}[${i}]`))
}

function validateColumn({ name, type, format, jsonPath }: CustomResourceColumnDefinition, path: string): FieldError[] {
  const errors: FieldError[] = []
  const types = `must be one of ${COLUMN_TYPES.join(',')}`
  if (!name) errors.push(required(`${path}.name`))
  if (!type) errors.push(required(`${path}.type`, types))
  else if (!COLUMN_TYPES.includes(type)) errors.push(invalid(`${path}.type`, type, types))
  if (format && !COLUMN_FORMATS.includes(format))
    errors.push(invalid(`${path}.format`, format, `must be one of ${COLUMN_FORMATS.join(',')}`))
  if (!jsonPath) errors.push(required(`${path}.JSONPath`))
  else errors.push(...simplePath(jsonPath, `${path}.JSONPath`))
  return errors
}

/** `hasSchema`: upstream looks for the schema where it finds the fields, with the version or with what all of them share. */
function validateSelectable(version: CustomResourceDefinitionVersion, hasSchema: boolean, path: string, { old }: Options): FieldError[] {
  const { selectableFields = [] } = version
  const schema = schemaOf(version)
  if (selectableFields.length === 0) return []
  if (!schema || !hasSchema) {
    const where = path.startsWith('spec.versions') ? '`version.schema.openAPIV3Schema` is not' : 'validations.schema is'
    return [invalid(path, '', `may only be set when ${where} included`)]
  }
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [i, { jsonPath }] of selectableFields.entries()) {
    const at = `${path}[${i}].jsonPath`
    if (!jsonPath) {
      errors.push(required(at))
      continue
    }
    const found = schemaPath(jsonPath, schema, false)
    if (typeof found === 'string') {
      errors.push(invalid(at, jsonPath, `is an invalid path: ${found}`))
      continue
    }
    if (found.steps[0]?.name === 'metadata') errors.push(invalid(at, jsonPath, 'must not point to fields in metadata'))
    if (!['string', 'boolean', 'integer'].includes(found.schema.type ?? '')) {
      const why = 'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.'
      errors.push(invalid(at, jsonPath, why))
    }
    const shown = shownPath(found)
    if (seen.has(shown)) errors.push(duplicate(at, jsonPath))
    seen.add(shown)
  }
  const before: readonly SelectableField[] | undefined = old?.spec.versions.find((known) => known.name === version.name)?.selectableFields
  if (seen.size > SELECTABLE_FIELDS_LIMIT && !deepEqual(before, selectableFields))
    errors.push(tooMany(path, seen.size, SELECTABLE_FIELDS_LIMIT))
  return errors
}

function validateConversion(conversion: CustomResourceConversion, old: CustomResourceDefinition | undefined): FieldError[] {
  const { strategy, webhook } = conversion
  const errors = oneOf('spec.conversion.strategy', strategy, ['None', 'Webhook'])
  const path = 'spec.conversion.webhookClientConfig'
  const versionsPath = 'spec.conversion.conversionReviewVersions'
  const versions = webhook?.conversionReviewVersions ?? []
  if (strategy !== 'Webhook') {
    if (webhook?.clientConfig) errors.push(forbidden(path, 'should not be set when strategy is not set to Webhook'))
    if (versions.length > 0) errors.push(forbidden(versionsPath, 'should not be set when strategy is not set to Webhook'))
    return errors
  }
  const config = webhook?.clientConfig
  if (!config) errors.push(required(path, 'required when strategy is set to Webhook'))
  else if ((config.url === undefined) === (config.service === undefined))
    errors.push(required(path, 'exactly one of url or service is required'))
  else if (config.url !== undefined) checkWebhookUrl(errors, config.url, `${path}.url`)
  else if (config.service) checkWebhookService(errors, config.service, `${path}.service`)
  const before = old?.spec.conversion?.webhook?.conversionReviewVersions
  const recognized = !before?.length || before.some((version) => REVIEW_VERSIONS.includes(version))
  return [...errors, ...validateReviewVersions(versions, recognized, versionsPath)]
}

function validateReviewVersions(versions: readonly string[], requireRecognized: boolean, path: string): FieldError[] {
  if (versions.length === 0) return [required(path)]
  const errors: FieldError[] = []
  for (const [i, version] of versions.entries()) {
    if (versions.indexOf(version) < i) errors.push(invalid(`${path}[${i}]`, version, 'duplicate version'))
    else errors.push(...isDns1035Label(version).map((why) => invalid(`${path}[${i}]`, version, why)))
  }
  if (requireRecognized && !versions.some((version) => REVIEW_VERSIONS.includes(version)))
    errors.push(invalid(path, versions, `must include at least one of ${REVIEW_VERSIONS.join(', ')}`))
  return errors
}
