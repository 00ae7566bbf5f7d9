/** ResourceQuota (pkg/apis/core/validation). */
import { goInternal } from './goInternal.ts'
import { asGiven } from '../codec/goShape.ts'
import { IMMUTABLE, invalid, required } from './fieldErrors.ts'
import { isWhole, nanosOf } from './quantities.ts'
import { isIntegerResource, isStandardQuotaResource, validateQuotaResourceName } from './resourceNames.ts'
import { NOT_NEGATIVE } from './values.ts'
import type { ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const COMPUTE = ['cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory']
const OF_PODS: ReadonlySet<string> = new Set(['pods', ...COMPUTE])

/** The standard resources that each scope applies to. */
const RESOURCES_OF_SCOPES: Readonly<Record<string, ReadonlySet<string>>> = {
  Terminating: OF_PODS,
  NotTerminating: OF_PODS,
  BestEffort: new Set(['pods']),
  NotBestEffort: OF_PODS,
  PriorityClass: OF_PODS,
  CrossNamespacePodAffinity: OF_PODS,
  VolumeAttributesClass: new Set(['persistentvolumeclaims', 'requests.storage']),
}
const EXCLUDING_SCOPES = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const
const EXISTS_SCOPES = new Set(['Terminating', 'NotTerminating', 'BestEffort', 'NotBestEffort', 'CrossNamespacePodAffinity'])
const EXISTS_TEXT =
  "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"

function quantityErrors(quantities: Readonly<Record<string, string>> = {}, path: string): FieldError[] {
  return Object.entries(quantities).flatMap(([name, value]) => {
    const at = `${path}[${name}]`
    const errors = validateQuotaResourceName(name, at)
    if (nanosOf(value) < 0n) errors.push(invalid(at, value, NOT_NEGATIVE))
    if (isIntegerResource(name) && !isWhole(value)) errors.push(invalid(at, value, 'must be an integer'))
    return errors
  })
}

/** One error for each standard resource with a limit that the scope does not apply to. */
function resourceErrors({ hard }: ResourceQuotaSpec, scope: string, path: string, shown: unknown): FieldError[] {
  const resources = RESOURCES_OF_SCOPES[scope]
  if (!resources) return []
  return Object.keys(hard ?? {}).flatMap((name) =>
    isStandardQuotaResource(name) && !resources.has(name) ? [invalid(path, shown, 'unsupported scope applied to resource')] : [],
  )
}

function conflictErrors(spec: ResourceQuotaSpec, names: readonly string[], path: string): FieldError[] {
  return EXCLUDING_SCOPES.flatMap(([a, b]) =>
    names.includes(a) && names.includes(b) ? [invalid(path, spec.scopes, 'conflicting scopes')] : [],
  )
}

function scopeErrors(spec: ResourceQuotaSpec): FieldError[] {
  const { scopes = [] } = spec
  const path = 'spec.scopes'
  const errors = scopes.flatMap((scope) => [
    ...(scope in RESOURCES_OF_SCOPES ? [] : [invalid(path, scopes, 'unsupported scope')]),
    ...resourceErrors(spec, scope, path, scopes),
  ])
  return [...errors, ...conflictErrors(spec, scopes, path)]
}

function operatorErrors({ scopeName, operator, values = [] }: ScopedResourceSelectorRequirement, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (EXISTS_SCOPES.has(scopeName) && operator !== 'Exists') errors.push(invalid(`${path}.operator`, operator, EXISTS_TEXT))
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0)
      errors.push(required(`${path}.values`, "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"))
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0)
      errors.push(invalid(`${path}.values`, values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"))
  } else errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'))
  return errors
}

function selectorErrors(spec: ResourceQuotaSpec): FieldError[] {
  const { scopeSelector } = spec
  const expressions = scopeSelector?.matchExpressions ?? []
  const path = 'spec.scopeSelector.matchExpressions'
  const shown = goInternal('core.v1.ScopeSelector', scopeSelector)
  const errors = expressions.flatMap((expression) => [
    ...(expression.scopeName in RESOURCES_OF_SCOPES ? [] : [invalid(`${path}.scopeName`, expression.scopeName, 'unsupported scope')]),
    ...resourceErrors(spec, expression.scopeName, path, shown),
    ...operatorErrors(expression, path),
  ])
  const names = expressions.map(({ scopeName }) => scopeName)
  return [...errors, ...conflictErrors(spec, names, path)]
}

export function validateResourceQuota({ spec = {} }: ResourceQuota): FieldError[] {
  return [...quantityErrors(spec.hard, 'spec.hard'), ...scopeErrors(spec), ...selectorErrors(spec)]
}

export function validateResourceQuotaUpdate(next: ResourceQuota, old: ResourceQuota): FieldError[] {
  const scopesOf = ({ spec }: ResourceQuota): Set<string> => new Set(spec?.scopes)
  const stays = scopesOf(next).symmetricDifference(scopesOf(old)).size === 0
  return [...validateResourceQuota(next), ...(stays ? [] : [invalid('spec.scopes', asGiven(next.spec ?? {}, 'scopes'), IMMUTABLE)])]
}

export function validateResourceQuotaStatus({ status }: ResourceQuota): FieldError[] {
  return [...quantityErrors(status?.hard, 'status.hard'), ...quantityErrors(status?.used, 'status.used')]
}
