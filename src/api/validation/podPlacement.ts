/** Where a pod may run: affinity, tolerations, topology spread. */
import { duplicate, forbidden, invalid, invalidAll, notSupported, required } from './fieldErrors.ts'
import { validateLabelSelector } from './labels.ts'
import { isLabelValue, isQualifiedName, nameIsDnsLabel, nameIsDnsSubdomain } from './names.ts'
import type {
  Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, PodSpec, Toleration, TopologySpreadConstraint, WeightedPodAffinityTerm,
} from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

function validateRequirement(requirement: NodeSelectorRequirement, path: string, isField: boolean): FieldError[] {
  const { key, operator, values = [] } = requirement
  const errors: FieldError[] = []
  if (isField) {
    if (operator !== 'In' && operator !== 'NotIn') errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'))
    else if (values.length !== 1) errors.push(required(`${path}.values`, 'must be only one value when `operator` is \'In\' or \'NotIn\' for node field selector'))
    if (key !== 'metadata.name') errors.push(invalid(`${path}.key`, key, 'not a valid field selector key'))
    else for (const [i, value] of values.entries()) errors.push(...invalidAll(`${path}.values[${i}]`, value, nameIsDnsSubdomain(value, false)))
    return errors
  }
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
      break
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) errors.push(forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
      break
    case 'Gt':
    case 'Lt':
      if (values.length !== 1) errors.push(required(`${path}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"))
      break
    default:
      errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'))
  }
  return [...errors, ...invalidAll(`${path}.key`, key, isQualifiedName(key))]
}

function validateTerm(term: NodeSelectorTerm, path: string): FieldError[] {
  return [
    ...(term.matchExpressions ?? []).flatMap((r, i) => validateRequirement(r, `${path}.matchExpressions[${i}]`, false)),
    ...(term.matchFields ?? []).flatMap((r, i) => validateRequirement(r, `${path}.matchFields[${i}]`, true)),
  ]
}

export function validateNodeSelector(selector: NodeSelector, path: string): FieldError[] {
  const terms = selector.nodeSelectorTerms ?? []
  if (terms.length === 0) return [required(`${path}.nodeSelectorTerms`, 'must have at least one node selector term')]
  return terms.flatMap((term, i) => validateTerm(term, `${path}.nodeSelectorTerms[${i}]`))
}

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution'
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution'

function validateWeight(weight: number, path: string): FieldError[] {
  return weight < 1 || weight > 100 ? [invalid(`${path}.weight`, weight, 'must be in the range 1-100')] : []
}

function validateNodeAffinity(affinity: NodeAffinity, path: string): FieldError[] {
  const required = affinity[REQUIRED] ? validateNodeSelector(affinity[REQUIRED], `${path}.${REQUIRED}`) : []
  const preferred = (affinity[PREFERRED] ?? []).flatMap((term, i) => {
    const at = `${path}.${PREFERRED}[${i}]`
    return [...validateWeight(term.weight, at), ...validateTerm(term.preference, `${at}.preference`)]
  })
  return [...required, ...preferred]
}

function validatePodTerm(term: PodAffinityTerm, path: string): FieldError[] {
  const errors = [...validateLabelSelector(term.labelSelector, `${path}.labelSelector`), ...validateLabelSelector(term.namespaceSelector, `${path}.namespaceSelector`)]
  for (const namespace of term.namespaces ?? []) errors.push(...invalidAll(`${path}.namespace`, namespace, nameIsDnsLabel(namespace, false)))
  if (!term.topologyKey) errors.push(required(`${path}.topologyKey`, 'can not be empty'))
  return [...errors, ...invalidAll(`${path}.topologyKey`, term.topologyKey, isQualifiedName(term.topologyKey))]
}

function validatePodAffinity(affinity: { [REQUIRED]?: PodAffinityTerm[]; [PREFERRED]?: WeightedPodAffinityTerm[] }, path: string): FieldError[] {
  return [
    ...(affinity[REQUIRED] ?? []).flatMap((term, i) => validatePodTerm(term, `${path}.${REQUIRED}[${i}]`)),
    ...(affinity[PREFERRED] ?? []).flatMap(({ weight, podAffinityTerm }, i) => {
      const at = `${path}.${PREFERRED}[${i}]`
      return [...validateWeight(weight, at), ...validatePodTerm(podAffinityTerm, `${at}.podAffinityTerm`)]
    }),
  ]
}

export function validateAffinity(affinity: Affinity | undefined, path: string): FieldError[] {
  if (!affinity) return []
  return [
    ...(affinity.nodeAffinity ? validateNodeAffinity(affinity.nodeAffinity, `${path}.nodeAffinity`) : []),
    ...(affinity.podAffinity ? validatePodAffinity(affinity.podAffinity, `${path}.podAffinity`) : []),
    ...(affinity.podAntiAffinity ? validatePodAffinity(affinity.podAntiAffinity, `${path}.podAntiAffinity`) : []),
  ]
}

export function validateTolerations(tolerations: readonly Toleration[] | undefined, path: string): FieldError[] {
  return (tolerations ?? []).flatMap((toleration, i) => {
    const at = `${path}[${i}]`
    const { key = '', operator = '', value = '', effect, tolerationSeconds } = toleration
    const errors = key ? invalidAll(`${at}.key`, key, isQualifiedName(key)) : []
    if (!key && operator !== 'Exists') {
      errors.push(invalid(`${at}.operator`, operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"'))
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
      errors.push(invalid(`${at}.effect`, effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set"))
    }
    if (operator === 'Equal' || operator === '') errors.push(...invalidAll(`${at}.operator`, value, isLabelValue(value)))
    else if (operator === 'Exists') {
      if (value) errors.push(invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'"))
    } else errors.push(notSupported(`${at}.operator`, operator, ['Equal', 'Exists']))
    if (effect && !['NoSchedule', 'PreferNoSchedule', 'NoExecute'].includes(effect)) {
      errors.push(notSupported(`${at}.effect`, effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute']))
    }
    return errors
  })
}

export function validateTopologySpread(constraints: readonly TopologySpreadConstraint[] | undefined, path: string): FieldError[] {
  const seen = new Set<string>()
  return (constraints ?? []).flatMap((constraint, i) => {
    const at = `${path}[${i}]`
    const { maxSkew, topologyKey, whenUnsatisfiable, minDomains } = constraint
    const errors: FieldError[] = []
    if (maxSkew <= 0) errors.push(invalid(`${at}.maxSkew`, maxSkew, 'must be greater than zero'))
    if (!topologyKey) errors.push(required(`${at}.topologyKey`, 'can not be empty'))
    else errors.push(...invalidAll(`${at}.topologyKey`, topologyKey, isQualifiedName(topologyKey)))
    if (!['DoNotSchedule', 'ScheduleAnyway'].includes(whenUnsatisfiable)) {
      errors.push(notSupported(`${at}.whenUnsatisfiable`, whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway']))
    }
    const pair = `{${topologyKey}, ${whenUnsatisfiable}}`
    if (seen.has(pair)) errors.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair))
    seen.add(pair)
    if (minDomains !== undefined) {
      if (minDomains <= 0) errors.push(invalid(`${at}.minDomains`, minDomains, 'must be greater than zero'))
      else if (whenUnsatisfiable !== 'DoNotSchedule') errors.push(invalid(`${at}.minDomains`, minDomains, 'can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway'))
    }
    for (const field of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const) {
      const policy = constraint[field]
      if (policy !== undefined && !['Honor', 'Ignore'].includes(policy)) errors.push(notSupported(`${at}.${field}`, policy, ['Honor', 'Ignore']))
    }
    errors.push(...validateLabelSelector(constraint.labelSelector, `${at}.labelSelector`))
    return [...errors, ...validateMatchKeys(constraint, at)]
  })
}

function validateMatchKeys(constraint: TopologySpreadConstraint, path: string): FieldError[] {
  const keys = constraint.matchLabelKeys ?? []
  if (keys.length === 0) return []
  if (!constraint.labelSelector) return [forbidden(`${path}.matchLabelKeys`, 'must not be specified when labelSelector is not set')]
  const used = new Set([...Object.keys(constraint.labelSelector.matchLabels ?? {}), ...(constraint.labelSelector.matchExpressions ?? []).map((e) => e.key)])
  return keys.flatMap((key, i) => {
    const errors = invalidAll(`${path}.matchLabelKeys[${i}]`, key, isQualifiedName(key))
    if (used.has(key)) errors.push(invalid(`${path}.matchLabelKeys[${i}]`, key, 'exists in both matchLabelKeys and labelSelector'))
    return errors
  })
}

export function validateNodeSelectorMap(spec: PodSpec, path: string): FieldError[] {
  return Object.entries(spec.nodeSelector ?? {}).flatMap(([key, value]) => [
    ...invalidAll(path, key, isQualifiedName(key)),
    ...invalidAll(path, value, isLabelValue(value)),
  ])
}
