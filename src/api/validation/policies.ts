/** Disruption budgets (pkg/apis/policy/validation). */
import { invalid } from './fieldErrors.ts'
import { validateLabelSelector } from './labels.ts'
import { validateEnum } from './values.ts'
import type { PodDisruptionBudget } from '../kinds/policy/v1.ts'
import type { FieldError } from '../status.ts'

const PERCENT =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"

function validateAmount(value: number | string, path: string): FieldError[] {
  if (typeof value === 'number') return value < 0 ? [invalid(path, value, 'must be greater than or equal to 0')] : []
  if (!/^[0-9]+%$/.test(value)) return [invalid(path, value, PERCENT)]
  return Number.parseInt(value, 10) > 100 ? [invalid(path, value, 'must not be greater than 100%')] : []
}

export function validateDisruptionBudget({ spec }: PodDisruptionBudget): FieldError[] {
  const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy } = spec ?? {}
  const errors: FieldError[] = []
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    errors.push(
      invalid(
        'spec',
        {
          MinAvailable: minAvailable,
          Selector: selector ?? null,
          MaxUnavailable: maxUnavailable,
          UnhealthyPodEvictionPolicy: unhealthyPodEvictionPolicy ?? null,
        },
        'minAvailable and maxUnavailable cannot be both set',
      ),
    )
  }
  if (minAvailable !== undefined) errors.push(...validateAmount(minAvailable, 'spec.minAvailable'))
  if (maxUnavailable !== undefined) errors.push(...validateAmount(maxUnavailable, 'spec.maxUnavailable'))
  errors.push(...validateLabelSelector(selector, 'spec.selector'))
  return [...errors, ...validateEnum(unhealthyPodEvictionPolicy, 'spec.unhealthyPodEvictionPolicy', ['AlwaysAllow', 'IfHealthyBudget'])]
}
