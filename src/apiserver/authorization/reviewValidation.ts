/** What may be asked in an access review (pkg/apis/authorization/validation). */
import type { NonResourceAttributes, ResourceAttributes } from '../../api/kinds/authorization/v1.ts'
import type { JsonObject } from '../../api/resource.ts'
import type { FieldError } from '../../api/status.ts'
import { forbidden, invalid, required } from '../../api/validation/fieldErrors.ts'
import { isLabelValue, isQualifiedName } from '../../api/validation/names.ts'

interface Requirement {
  key?: string
  operator?: string
  values?: readonly string[]
}

interface Selector {
  rawSelector?: string
  requirements?: readonly Requirement[]
}

function valuesErrors({ operator, values = [] }: Requirement, path: string): FieldError[] {
  if ((operator === 'In' || operator === 'NotIn') && values.length === 0)
    return [required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'")]
  if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0)
    return [forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")]
  return []
}

function fieldErrors(requirement: Requirement, path: string): FieldError[] {
  const missing = requirement.key ? [] : [required(`${path}.key`, 'must be specified')]
  return [...missing, ...valuesErrors(requirement, path)]
}

function labelErrors(requirement: Requirement, path: string): FieldError[] {
  const { key = '', values = [] } = requirement
  return [
    ...valuesErrors(requirement, path),
    ...isQualifiedName(key).map((why) => invalid(`${path}.key`, key, why)),
    ...values.flatMap((value, i) => isLabelValue(value).map((why) => invalid(`${path}.values[${i}]`, value, why))),
  ]
}

function selectorErrors(
  selector: Selector | undefined,
  path: string,
  of: (requirement: Requirement, path: string) => FieldError[],
): FieldError[] {
  if (!selector) return []
  const { rawSelector, requirements = [] } = selector
  const errors: FieldError[] = []
  if (rawSelector && requirements.length > 0)
    errors.push(invalid(`${path}.rawSelector`, rawSelector, 'may not specified at the same time as requirements'))
  if (!rawSelector && requirements.length === 0)
    errors.push(required(`${path}.requirements`, `when ${path} is specified, requirements or rawSelector is required`))
  return [...errors, ...requirements.flatMap((requirement, i) => of(requirement, `${path}.requirements[${i}]`))]
}

interface AccessSpec {
  resourceAttributes?: ResourceAttributes
  nonResourceAttributes?: NonResourceAttributes
}

/** By Go's names, which upstream's messages show. */
const shownPath = (path: NonResourceAttributes): JsonObject => ({ Path: path.path ?? '', Verb: path.verb ?? '' })

export function specErrors(spec: AccessSpec): FieldError[] {
  const { resourceAttributes: asked, nonResourceAttributes: path } = spec
  const errors: FieldError[] = []
  if (asked && path)
    errors.push(invalid('spec.nonResourceAttributes', shownPath(path), 'cannot be specified in combination with resourceAttributes'))
  if (!asked && !path)
    errors.push(invalid('spec.resourceAttributes', null, 'exactly one of nonResourceAttributes or resourceAttributes must be specified'))
  return [
    ...errors,
    ...selectorErrors(asked?.fieldSelector as Selector | undefined, 'spec.resourceAttributes.fieldSelector', fieldErrors),
    ...selectorErrors(asked?.labelSelector as Selector | undefined, 'spec.resourceAttributes.labelSelector', labelErrors),
  ]
}

export function subjectErrors(spec: { user?: string; groups?: string[] }): FieldError[] {
  return spec.user || spec.groups?.length ? [] : [invalid('spec.user', '', 'at least one of user or group must be specified')]
}

/** `metadata` as it would be answered: who posted it may be told, nothing else but the namespace of a local review. */
export function metadataErrors(metadata: JsonObject, isLocal: boolean): FieldError[] {
  const { managedFields: _managers, namespace: _namespace, ...rest } = metadata
  const isEmpty = Object.values(rest).every((value) => value === null || (typeof value === 'object' && Object.keys(value).length === 0))
  return isEmpty ? [] : [invalid('metadata', metadata, isLocal ? 'must be empty except for namespace' : 'must be empty')]
}

/** What only a review of one namespace has to keep to. */
export function localErrors(spec: AccessSpec, namespace: string): FieldError[] {
  const { resourceAttributes: asked, nonResourceAttributes: path } = spec
  const errors: FieldError[] = []
  if (asked && (asked.namespace ?? '') !== namespace)
    errors.push(invalid('spec.resourceAttributes.namespace', asked.namespace ?? '', 'must match metadata.namespace'))
  if (path) errors.push(invalid('spec.nonResourceAttributes', shownPath(path), 'disallowed on this kind of request'))
  return errors
}
