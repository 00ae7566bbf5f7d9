/**
 * What a definition's schema may say beside being structural (apiextensions' ValidateCustomResourceDefinitionOpenAPISchema), with
 * upstream's messages. Expressions are compiled where nothing else is wrong.
 */
import { forbidden, invalid, notSupported, required } from '../../api/validation/fieldErrors.ts'
import type { FieldError } from '../../api/status.ts'
import type { ValidationRule } from '../../api/kinds/apiextensions/v1.ts'
import { META_FIELDS, keyPath, propertyOf } from './jsonSchema.ts'
import type { JsonSchema } from './jsonSchema.ts'
import { isFieldPathOf } from './schemaPaths.ts'

/** Compiles the rules of one part of the schema; knows how often a value of that part can occur. */
export interface RuleContext {
  property(name: string, schema: JsonSchema): RuleContext
  items(schema: JsonSchema): RuleContext
  additionalProperties(schema: JsonSchema): RuleContext
  /** `uncorrelatable`: the part above from which on old values cannot be told apart. */
  check(schema: JsonSchema, path: string, uncorrelatable: string | undefined): FieldError[]
}

export interface SchemaRulesOptions {
  /** What older definitions got away with, they keep. */
  requireValidTypes: boolean
  requireAtomicSets: boolean
  requireMapKeys: boolean
}

interface Place {
  isRoot: boolean
  /** Why no default may stand here. */
  noDefaults?: string
  insideMetadata: boolean
  uncorrelatable?: string | undefined
}

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string']
const REASONS = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired']

export function validateSchemaRules(schema: JsonSchema, path: string, options: SchemaRulesOptions, rules?: RuleContext): FieldError[] {
  const walk = new SchemaRules(options)
  walk.check(schema, path, { isRoot: true, insideMetadata: false }, rules)
  return [...walk.errors, ...walk.ruleErrors]
}

class SchemaRules {
  readonly #options: SchemaRulesOptions
  readonly errors: FieldError[] = []
  readonly ruleErrors: FieldError[] = []

  constructor(options: SchemaRulesOptions) {
    this.#options = options
  }

  check(schema: JsonSchema, path: string, place: Place, rules: RuleContext | undefined): void {
    const before = this.errors.length
    this.errors.push(...unsupported(schema, path, place, this.#options))
    if (schema.uniqueItems)
      this.errors.push(forbidden(`${path}.uniqueItems`, 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic'))
    this.#additional(schema, path, place, rules)
    this.#properties(schema, path, place, rules)
    this.#alternatives(schema, path, place)
    this.#items(schema, path, place, rules)
    this.errors.push(...mapType(schema, path), ...listType(schema, path, this.#options.requireAtomicSets))
    if (this.#options.requireMapKeys) this.errors.push(...mapKeys(schema, path))
    for (const [i, rule] of (schema['x-kubernetes-validations'] ?? []).entries())
      this.errors.push(...ruleTexts(rule, schema, `${path}.x-kubernetes-validations[${i}]`))
    const clean = this.errors.length === before
    if (clean && rules && schema['x-kubernetes-validations']?.length)
      this.ruleErrors.push(...rules.check(schema, path, place.uncorrelatable))
  }

  #additional(schema: JsonSchema, path: string, place: Place, rules: RuleContext | undefined): void {
    const { additionalProperties, properties } = schema
    if (additionalProperties === undefined) return
    const at = `${path}.additionalProperties`
    if (Object.keys(properties ?? {}).length > 0 && additionalProperties !== true)
      this.errors.push(forbidden(at, 'additionalProperties and properties are mutual exclusive'))
    if (typeof additionalProperties !== 'object') return
    const below = place.insideMetadata ? { ...place, noDefaults: 'inside additionalProperties applying to object metadata' } : place
    this.check(additionalProperties, at, { ...below, isRoot: false }, rules?.additionalProperties(additionalProperties))
  }

  #properties(schema: JsonSchema, path: string, place: Place, rules: RuleContext | undefined): void {
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      const isMeta = (place.isRoot || schema['x-kubernetes-embedded-resource'] === true) && META_FIELDS.has(name)
      const below: Place = {
        ...place,
        isRoot: false,
        ...(isMeta && { insideMetadata: true }),
        ...(isMeta && place.isRoot && { noDefaults: `in top-level ${name}` }),
      }
      this.check(property, keyPath(`${path}.properties`, name), below, rules?.property(name, property))
    }
  }

  #alternatives(schema: JsonSchema, path: string, place: Place): void {
    const below = { ...place, isRoot: false }
    if (schema.not) this.check(schema.not, `${path}.not`, below, undefined)
    for (const name of ['allOf', 'oneOf', 'anyOf'] as const)
      for (const [i, part] of (schema[name] ?? []).entries()) this.check(part, `${path}.${name}[${i}]`, below, undefined)
  }

  #items(schema: JsonSchema, path: string, place: Place, rules: RuleContext | undefined): void {
    const { items } = schema
    if (!items || Array.isArray(items)) return
    const correlatable = schema['x-kubernetes-list-type'] === 'map'
    const below = { ...place, isRoot: false, ...(!correlatable && { uncorrelatable: place.uncorrelatable ?? path }) }
    this.check(items, `${path}.items`, below, rules?.items(items))
  }
}

const UNSUPPORTED: readonly (readonly [keyof JsonSchema, string])[] = [
  ['id', 'id is not supported'],
  ['additionalItems', 'additionalItems is not supported'],
  ['patternProperties', 'patternProperties is not supported'],
  ['definitions', 'definitions is not supported'],
  ['dependencies', 'dependencies is not supported'],
  ['$ref', '$ref is not supported'],
]

function unsupported(schema: JsonSchema, path: string, place: Place, options: SchemaRulesOptions): FieldError[] {
  const errors: FieldError[] = []
  const { type } = schema
  if (options.requireValidTypes && type && !TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, TYPES))
  if (schema.default !== undefined && place.noDefaults !== undefined)
    errors.push(forbidden(`${path}.default`, `must not be set ${place.noDefaults}`))
  for (const [name, why] of UNSUPPORTED) if (schema[name] !== undefined) errors.push(forbidden(`${path}.${name}`, why))
  if (type === 'null') errors.push(forbidden(`${path}.type`, 'type cannot be set to null, use nullable as an alternative'))
  if (Array.isArray(schema.items)) errors.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'))
  if (place.insideMetadata && schema['x-kubernetes-embedded-resource'])
    errors.push(forbidden(`${path}.x-kubernetes-embedded-resource`, 'must not be used inside of resource meta'))
  if (schema['x-kubernetes-preserve-unknown-fields'] === false)
    errors.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'))
  return errors
}

function mustBe(wanted: string, path: string, type: string | undefined, why: string): FieldError[] {
  if (type === wanted) return []
  return [type ? invalid(`${path}.type`, type, why) : required(`${path}.type`, why)]
}

function mapType(schema: JsonSchema, path: string): FieldError[] {
  const mapped = schema['x-kubernetes-map-type']
  if (mapped === undefined) return []
  const errors = mustBe('object', path, schema.type, 'must be object if x-kubernetes-map-type is specified')
  if (mapped !== 'atomic' && mapped !== 'granular')
    errors.push(notSupported(`${path}.x-kubernetes-map-type`, mapped, ['atomic', 'granular']))
  return errors
}

function listType(schema: JsonSchema, path: string, requireAtomicSets: boolean): FieldError[] {
  const listed = schema['x-kubernetes-list-type']
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  const at = `${path}.x-kubernetes-list-type`
  const errors: FieldError[] = []
  if (listed !== undefined) {
    const wrong = mustBe('array', path, schema.type, 'must be array if x-kubernetes-list-type is specified')
    errors.push(...wrong)
    if (wrong.length === 0 && requireAtomicSets && listed === 'set') errors.push(...atomicItems(schema, path))
    if (!['atomic', 'set', 'map'].includes(listed)) errors.push(notSupported(at, listed, ['atomic', 'set', 'map']))
  }
  if (keys.length > 0 && listed !== 'map') {
    const why = 'must be map if x-kubernetes-list-map-keys is non-empty'
    errors.push(listed === undefined ? required(at, why) : invalid(at, listed, why))
  }
  if (listed === 'map') errors.push(...mapList(schema, keys, path))
  return errors
}

function atomicItems({ items }: JsonSchema, path: string): FieldError[] {
  const why = 'must be atomic as item of a list with x-kubernetes-list-type=set'
  const listed = items?.['x-kubernetes-list-type']
  if (items?.type === 'array' && listed !== undefined && listed !== 'atomic')
    return [invalid(`${path}.items.x-kubernetes-list-type`, listed, why)]
  if (items?.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic')
    return [invalid(`${path}.items.x-kubernetes-map-type`, listed ?? null, why)]
  return []
}

function mapList({ items }: JsonSchema, keys: readonly string[], path: string): FieldError[] {
  const errors: FieldError[] = []
  const at = `${path}.x-kubernetes-list-map-keys`
  if (keys.length === 0) errors.push(required(at, 'must not be empty if x-kubernetes-list-type is map'))
  if (!items) errors.push(required(`${path}.items`, 'must have a schema if x-kubernetes-list-type is map'))
  else if (items.type !== 'object')
    errors.push(invalid(`${path}.items.type`, items.type ?? '', "must be object if parent array's x-kubernetes-list-type is map"))
  else {
    for (const [i, key] of keys.entries()) {
      const property = propertyOf(items, key)
      if (!property) errors.push(invalid(at, keys, 'entries must all be names of item properties'))
      else if (property.type === 'array' || property.type === 'object') {
        const why = "must be a scalar type if parent array's x-kubernetes-list-type is map"
        errors.push(invalid(`${keyPath(`${path}.items.properties`, key)}.type`, items.type, why))
      }
      if (keys.indexOf(key) < i) errors.push(invalid(at, keys, 'must not contain duplicate entries'))
    }
  }
  return errors
}

/** Keys of map lists must be there in every item, and so must the items themselves. */
export function mapKeys(schema: JsonSchema, path: string): FieldError[] {
  const { items } = schema
  const listed = schema['x-kubernetes-list-type']
  if (!items || (listed !== 'set' && listed !== 'map')) return []
  const errors: FieldError[] = []
  if (items.nullable) errors.push(forbidden(`${path}.items.nullable`, `cannot be nullable when x-kubernetes-list-type is ${listed}`))
  if (listed !== 'map') return errors
  for (const key of schema['x-kubernetes-list-map-keys'] ?? []) {
    const property = propertyOf(items, key)
    if (!property) continue
    const at = keyPath(`${path}.items.properties`, key)
    if (!items.required?.includes(key) && property.default === undefined) {
      const why = 'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property'
      errors.push(required(`${at}.default`, why))
    }
    if (property.nullable)
      errors.push(forbidden(`${at}.nullable`, 'this property is in x-kubernetes-list-map-keys, so it cannot be nullable'))
  }
  return errors
}

const hasLineBreaks = (text: string): boolean => /[\n\r]/.test(text)

function ruleTexts(given: ValidationRule, schema: JsonSchema, path: string): FieldError[] {
  const { rule = '', message = '', messageExpression = '', reason, fieldPath = '' } = given
  const errors: FieldError[] = []
  if (rule.trim() === '') errors.push(required(`${path}.rule`, 'rule is not specified'))
  else if (message !== '' && message.trim() === '') errors.push(invalid(`${path}.message`, message, 'must be non-empty if specified'))
  else if (hasLineBreaks(message.trim())) errors.push(invalid(`${path}.message`, message, 'must not contain line breaks'))
  else if (hasLineBreaks(rule.trim()) && message.trim() === '')
    errors.push(required(`${path}.message`, 'message must be specified if rule contains line breaks'))
  if (messageExpression !== '' && messageExpression.trim() === '')
    errors.push(required(`${path}.messageExpression`, 'messageExpression must be non-empty if specified'))
  if (reason !== undefined && !REASONS.includes(reason)) errors.push(notSupported(`${path}.reason`, reason, REASONS))
  if (fieldPath === '') return errors
  const at = `${path}.fieldPath`
  if (fieldPath.trim() === '') errors.push(invalid(at, fieldPath, 'must be non-empty if specified'))
  if (hasLineBreaks(fieldPath)) errors.push(invalid(at, fieldPath, 'must not contain line breaks'))
  if (!isFieldPathOf(fieldPath, schema)) errors.push(invalid(at, fieldPath, 'must be a valid path'))
  return errors
}

/** Definitions that already hold what is refused now are not refused for it. */
export function hasNonAtomicSet(schema: JsonSchema): boolean {
  return schema['x-kubernetes-list-type'] === 'set' && atomicItems(schema, '').length > 0
}

export function hasInvalidType({ type }: JsonSchema): boolean {
  return Boolean(type) && !TYPES.includes(type as string)
}
