/** A scale's values in a custom resource: paths of plain field names. */
import { isWhole } from '../../api/codec/longIntegers.ts'
import type { CustomSchema } from '../../api/catalog/catalog.ts'
import type { FieldError } from '../../api/status.ts'
import { invalid, show } from '../../api/validation/fieldErrors.ts'
import { isMap } from './jsonSchema.ts'

const INT32_MAX = 2_147_483_647

/** The value under `.spec.replicas`; the text of what is wrong where something on the way is no object. */
function valueAt(object: unknown, path: string): { value?: unknown; error?: string } {
  const names = path.replace(/^\./, '').split('.')
  let value: unknown = object
  for (const [i, name] of names.entries()) {
    if (value === null) return {}
    if (!isMap(value)) {
      const shown = names
        .slice(0, i + 1)
        .map((part) => `.${part}`)
        .join('')
      return { error: `${shown} accessor error: ${goText(value)} is of the type ${goType(value)}, expected map[string]interface{}` }
    }
    if (!Object.hasOwn(value, name)) return {}
    value = value[name]
  }
  return { value }
}

/** As Go's %v prints it; of lists and maps Go's own notation. */
function goText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`
  if (isMap(value))
    return `map[${Object.keys(value)
      .sort()
      .map((key) => `${key}:${goText(value[key])}`)
      .join(' ')}]`
  return value === null ? '<nil>' : typeof value === 'string' ? value : show(value)
}

function goType(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}'
  if (isWhole(value)) return 'int64'
  if (typeof value === 'number') return 'float64'
  if (isMap(value)) return 'map[string]interface {}'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

function checkReplicas(object: unknown, path: string): FieldError[] {
  const { value, error } = valueAt(object, path)
  if (error !== undefined) return [invalid(path, 0, error)]
  if (value === undefined) return []
  if (!isWhole(value)) return [invalid(path, 0, `${path} accessor error: ${goText(value)} is of the type ${goType(value)}, expected int64`)]
  if (value < 0) return [invalid(path, value, 'should be a non-negative integer')]
  return value > INT32_MAX ? [invalid(path, value, `should be less than or equal to ${INT32_MAX}`)] : []
}

export function validateScaleSpec(object: unknown, scale: CustomSchema['scale']): FieldError[] {
  return scale ? checkReplicas(object, scale.specReplicasPath) : []
}

export function validateScaleStatus(object: unknown, scale: CustomSchema['scale']): FieldError[] {
  if (!scale) return []
  const errors = checkReplicas(object, scale.statusReplicasPath)
  if (!scale.labelSelectorPath) return errors
  const { value, error } = valueAt(object, scale.labelSelectorPath)
  const shown = `${scale.labelSelectorPath} accessor error: ${goText(value)} is of the type ${goType(value)}, expected string`
  const why = error ?? (value === undefined || typeof value === 'string' ? undefined : shown)
  return why === undefined ? errors : [...errors, invalid(scale.labelSelectorPath, '', why)]
}
