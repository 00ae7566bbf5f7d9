/** The strategy of custom resources (apiextensions' registry/customresource): the schema's rules, then those of its expressions. */
import type { TypeDef } from '../../api/catalog/schema.ts'
import { apiVersionOf } from '../../api/resource.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { CustomResourceDefinitionVersion } from '../../api/kinds/apiextensions/v1.ts'
import type { FieldError } from '../../api/status.ts'
import { invalid } from '../../api/validation/fieldErrors.ts'
import { isQualifiedName } from '../../api/validation/names.ts'
import { parseJsonPath } from '../printers/jsonPath.ts'
import { findAll } from '../printers/jsonPathSearch.ts'
import type { Strategy, StrategyContext } from '../registry/strategy.ts'
import { Correlated } from './correlation.ts'
import type { CustomResource } from './customResource.ts'
import { schemaOf } from './definitions.ts'
import { validateEmbedded } from './embeddedValidation.ts'
import { propertyOf } from './jsonSchema.ts'
import { validateListTypes } from './listTypes.ts'
import { validateScaleSpec, validateScaleStatus } from './scalePaths.ts'
import { validateValue } from './valueValidation.ts'

/** The expressions of a schema, compiled: evaluated on one object within one budget. */
export interface CompiledRules {
  /** `warnings` get what is wrong and may stay, for it was so before. */
  validate(value: object, old: object | undefined, correlated: Correlated | undefined, warnings: string[]): FieldError[]
}

export interface CustomResourceRules {
  resource: CustomResource
  version: CustomResourceDefinitionVersion
  metaType: TypeDef
  /** Undefined where the schema has none. */
  rules(): CompiledRules | undefined
}

const STANDARD_FINALIZERS = new Set(['orphan', 'foregroundDeletion', 'kubernetes'])
const BLOCKING = new Set<FieldError['type']>([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
])
const NOT_CHECKED =
  'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation'

export function customResourceStrategy(options: CustomResourceRules): Strategy {
  const { resource, version, metaType } = options
  const schema = schemaOf(version)
  const { scale } = resource.custom

  /** Of another kind nothing else is looked at. */
  function typeMeta({ kind, apiVersion }: KubeObject): FieldError[] {
    const errors: FieldError[] = []
    const wanted = apiVersionOf(resource)
    if (kind !== resource.kind) errors.push(invalid('kind', kind, `must be ${resource.kind}`))
    if (apiVersion !== wanted) errors.push(invalid('apiVersion', apiVersion, `must be ${wanted}`))
    return errors
  }

  function withRules(
    errors: FieldError[],
    next: KubeObject,
    old: KubeObject | undefined,
    correlated: Correlated | undefined,
    { warnings }: StrategyContext,
  ): FieldError[] {
    const rules = options.rules()
    if (!rules) return errors
    if (errors.some(({ type }) => BLOCKING.has(type))) return [...errors, invalid('<nil>', null, NOT_CHECKED)]
    return [...errors, ...rules.validate(next, old, correlated, warnings)]
  }

  return {
    managesGeneration: true,
    checksKindFirst: typeMeta,
    allowUnconditionalUpdate: false,
    updateChecks: ['change'],
    selectableFields: selectableFields(version),
    unknownFieldLabel: (label) => `field label not supported: ${label}`,
    validateCreate(next, context) {
      const errors = [
        ...(schema ? validateValue(next, schema) : []),
        ...validateScaleSpec(next, scale),
        ...validateScaleStatus(next, scale),
        ...validateEmbedded(next, schema, '', metaType),
        ...validateListTypes(next, schema),
      ]
      return withRules(errors, next, undefined, undefined, context)
    },
    validateUpdate(next, old, context) {
      const correlated = new Correlated(next, old, schema)
      const errors = [
        ...(schema ? validateValue(next, schema, '', correlated) : []),
        ...validateScaleSpec(next, scale),
        ...validateScaleStatus(next, scale),
        ...validateEmbedded(next, schema, '', metaType),
        ...(validateListTypes(old, schema).length > 0 ? [] : validateListTypes(next, schema)),
      ]
      return withRules(errors, next, old, correlated, context)
    },
    validateStatusUpdate(next, old, context) {
      const correlated = new Correlated(next, old, schema)
      const statusSchema = schema && propertyOf(schema, 'status')
      const { status } = next as KubeObject & { status?: unknown }
      const checked = statusSchema && status !== undefined ? validateValue(status, statusSchema, 'status', correlated.key('status')) : []
      const lists = validateListTypes(next, schema)
      const errors = [
        ...checked,
        ...validateScaleStatus(next, scale),
        ...(lists.length > 0 && validateListTypes(old, schema).length > 0 ? [] : lists),
      ]
      return withRules(errors, next, old, correlated, context)
    },
    warningsOnCreate: (next) => finalizerWarnings(next, undefined),
    warningsOnUpdate: finalizerWarnings,
  }
}

function finalizerWarnings(next: KubeObject, old: KubeObject | undefined): string[] {
  const before = new Set(old?.metadata.finalizers)
  const added = [...new Set(next.metadata.finalizers)].filter((name) => !before.has(name)).sort()
  return added.flatMap((name) => {
    const shown = `metadata.finalizers: ${JSON.stringify(name)}: `
    const broken = isQualifiedName(name).map((why) => shown + why)
    if (name.includes('/') || STANDARD_FINALIZERS.has(name)) return broken
    const path = name.includes('.') ? ' including a path (/)' : ''
    return [...broken, `${shown}prefer a domain-qualified finalizer name${path} to avoid accidental conflicts with other finalizer writers`]
  })
}

function selectableFields({ selectableFields: fields = [] }: CustomResourceDefinitionVersion): NonNullable<Strategy['selectableFields']> {
  const entries = fields.map(({ jsonPath }) => {
    const path = parseJsonPath(jsonPath)
    const valueOf = (object: KubeObject): string => {
      const value = path ? findAll(path, object)?.[0] : undefined
      return value === undefined || value === null ? '' : String(value)
    }
    return [jsonPath.replace(/^\./, ''), valueOf] as const
  })
  return Object.fromEntries(entries)
}
