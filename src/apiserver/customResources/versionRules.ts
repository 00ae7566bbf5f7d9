/** The rules of what one version of a definition says beside its schema: deprecation, subresources, columns, fields to select by. Pure. */
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  SelectableField,
} from '../../api/kinds/apiextensions/v1.ts'
import { deepEqual } from '../../api/meta.ts'
import type { FieldError } from '../../api/status.ts'
import { duplicate, invalid, invalidTyped, required, tooMany } from '../../api/validation/fieldErrors.ts'
import { schemaOf } from './definitions.ts'
import { schemaPath, shownPath } from './schemaPaths.ts'

const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string']
const COLUMN_FORMATS = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password']
const SELECTABLE_FIELDS_LIMIT = 8

export function validateDeprecation(
  { deprecated, deprecationWarning: warning }: CustomResourceDefinitionVersion,
  path: string,
): FieldError[] {
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

function simplePath(value: string, path: string): FieldError[] {
  return value.startsWith('.') ? [] : [invalid(path, value, 'must be a simple json path starting with .')]
}

export function validateSubresources(subresources: CustomResourceSubresources | undefined, path: string): FieldError[] {
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

export function validateColumns({ additionalPrinterColumns = [] }: CustomResourceDefinitionVersion, path: string): FieldError[] {
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
export function validateSelectable(
  version: CustomResourceDefinitionVersion,
  hasSchema: boolean,
  path: string,
  old: CustomResourceDefinition | undefined,
): FieldError[] {
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
