/** Where a pod may run: affinity, tolerations, topology spread, scheduling gates. */
import { check, duplicate, forbidden, invalid, notSupported, required } from '../fieldErrors.ts'
import { validateLabelSelector } from '../labels.ts'
import { isLabelValue, isQualifiedName, nameIsDnsLabel } from '../names.ts'
import { checkNodeSelector, checkNodeSelectorTerm } from '../nodeSelectors.ts'
import { checkPositive } from '../values.ts'
import type {
  Affinity,
  NodeAffinity,
  PodAffinity,
  PodAffinityTerm,
  PodSchedulingGate,
  Toleration,
  TopologySpreadConstraint,
} from '../../kinds/core/v1.ts'
import type { LabelSelector } from '../../kinds/meta/v1.ts'
import type { FieldError } from '../../status.ts'

const TAINT_EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']
const WEIGHT = 'must be in the range 1-100'
const isWeight = (weight: number): boolean => weight >= 1 && weight <= 100

export function checkTaintEffect(errors: FieldError[], effect: string, path: string): void {
  if (!TAINT_EFFECTS.includes(effect)) errors.push(notSupported(path, effect, TAINT_EFFECTS))
}

export function checkTolerations(errors: FieldError[], tolerations: readonly Toleration[], path: string): void {
  for (const [i, { key = '', operator = '', value = '', effect = '', tolerationSeconds }] of tolerations.entries()) {
    const at = `${path}[${i}]`
    if (key) check(errors, `${at}.key`, key, isQualifiedName(key))
    else if (operator !== 'Exists') {
      errors.push(
        invalid(`${at}.operator`, operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"'),
      )
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
      errors.push(invalid(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
    }
    if (operator === '' || operator === 'Equal') {
      const broken = isLabelValue(value)
      if (broken.length > 0) errors.push(invalid(`${at}.operator`, value, broken.join(';')))
    } else if (operator === 'Exists') {
      if (value) errors.push(invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'"))
    } else {
      const compares = operator === 'Lt' || operator === 'Gt'
      errors.push(notSupported(`${at}.operator`, operator, compares ? ['Equal', 'Exists', 'Lt', 'Gt'] : ['Equal', 'Exists']))
    }
    if (effect) checkTaintEffect(errors, effect, `${at}.effect`)
  }
}

/** Label keys whose values are taken from the pod itself. */
function checkLabelKeys(
  errors: FieldError[],
  matching: readonly string[],
  mismatching: readonly string[],
  selector: LabelSelector | undefined,
  path: string,
): void {
  for (const [field, keys] of Object.entries({ matchLabelKeys: matching, mismatchLabelKeys: mismatching })) {
    if (keys.length === 0) continue
    if (!selector) errors.push(forbidden(`${path}.${field}`, 'must not be specified when labelSelector is not set'))
    else keys.forEach((key, i) => check(errors, `${path}.${field}[${i}]`, key, isQualifiedName(key)))
  }
  const seen = new Set(Object.keys(selector?.matchLabels ?? {}))
  for (const { key } of selector?.matchExpressions ?? []) {
    const i = matching.lastIndexOf(key)
    if (i >= 0 && seen.has(key)) errors.push(invalid(`${path}[${i}]`, key, 'exists in both matchLabelKeys and labelSelector'))
    seen.add(key)
  }
  matching.forEach((key, i) => {
    if (mismatching.includes(key))
      errors.push(invalid(`${path}.matchLabelKeys[${i}]`, key, 'exists in both matchLabelKeys and mismatchLabelKeys'))
  })
}

function checkAffinityTerm(errors: FieldError[], term: PodAffinityTerm, path: string): void {
  const { labelSelector, namespaceSelector, namespaces = [], matchLabelKeys = [], mismatchLabelKeys = [], topologyKey } = term
  errors.push(...validateLabelSelector(labelSelector, `${path}.labelSelector`))
  errors.push(...validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`))
  for (const name of namespaces) check(errors, `${path}.namespace`, name, nameIsDnsLabel(name, false))
  checkLabelKeys(errors, matchLabelKeys, mismatchLabelKeys, labelSelector, path)
  if (!topologyKey) errors.push(required(`${path}.topologyKey`, 'can not be empty'))
  check(errors, `${path}.topologyKey`, topologyKey, isQualifiedName(topologyKey))
}

function checkPodAffinity(errors: FieldError[], affinity: PodAffinity, path: string): void {
  affinity.requiredDuringSchedulingIgnoredDuringExecution?.forEach((term, i) => {
    checkAffinityTerm(errors, term, `${path}.requiredDuringSchedulingIgnoredDuringExecution[${i}]`)
  })
  affinity.preferredDuringSchedulingIgnoredDuringExecution?.forEach(({ weight, podAffinityTerm }, i) => {
    const at = `${path}.preferredDuringSchedulingIgnoredDuringExecution[${i}]`
    if (!isWeight(weight)) errors.push(invalid(`${at}.weight`, weight, WEIGHT))
    checkAffinityTerm(errors, podAffinityTerm, `${at}.podAffinityTerm`)
  })
}

function checkNodeAffinity(errors: FieldError[], affinity: NodeAffinity, path: string): void {
  const { requiredDuringSchedulingIgnoredDuringExecution: needed, preferredDuringSchedulingIgnoredDuringExecution: preferred = [] } =
    affinity
  if (needed) checkNodeSelector(errors, needed, `${path}.requiredDuringSchedulingIgnoredDuringExecution`)
  for (const [i, { weight, preference }] of preferred.entries()) {
    const at = `${path}.preferredDuringSchedulingIgnoredDuringExecution[${i}]`
    if (!isWeight(weight)) errors.push(invalid(`${at}.weight`, weight, WEIGHT))
    checkNodeSelectorTerm(errors, preference, true, `${at}.preference`)
  }
}

export function checkAffinity(errors: FieldError[], { nodeAffinity, podAffinity, podAntiAffinity }: Affinity, path: string): void {
  if (nodeAffinity) checkNodeAffinity(errors, nodeAffinity, `${path}.nodeAffinity`)
  if (podAffinity) checkPodAffinity(errors, podAffinity, `${path}.podAffinity`)
  if (podAntiAffinity) checkPodAffinity(errors, podAntiAffinity, `${path}.podAntiAffinity`)
}

const SPREAD_ACTIONS = ['DoNotSchedule', 'ScheduleAnyway']
const NODE_POLICIES = ['Honor', 'Ignore']

export function checkTopologySpread(errors: FieldError[], constraints: readonly TopologySpreadConstraint[], path: string): void {
  for (const [i, constraint] of constraints.entries()) {
    const at = `${path}[${i}]`
    const { topologyKey, whenUnsatisfiable: action, minDomains, labelSelector, matchLabelKeys = [] } = constraint
    checkPositive(errors, `${at}.maxSkew`, constraint.maxSkew)
    if (!topologyKey) errors.push(required(`${at}.topologyKey`, 'can not be empty'))
    if (!SPREAD_ACTIONS.includes(action)) errors.push(notSupported(`${at}.whenUnsatisfiable`, action, SPREAD_ACTIONS))
    if (constraints.slice(i + 1).some((other) => other.topologyKey === topologyKey && other.whenUnsatisfiable === action)) {
      errors.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, `{${topologyKey}, ${action}}`))
    }
    checkPositive(errors, `${at}.minDomains`, minDomains)
    if (minDomains !== undefined && action !== 'DoNotSchedule') {
      errors.push(invalid(`${at}.minDomains`, minDomains, `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${action}`))
    }
    for (const field of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const) {
      const policy = constraint[field]
      if (policy !== undefined && !NODE_POLICIES.includes(policy)) errors.push(notSupported(`${at}.${field}`, policy, NODE_POLICIES))
    }
    checkLabelKeys(errors, matchLabelKeys, [], labelSelector, at)
    errors.push(...validateLabelSelector(labelSelector, `${at}.labelSelector`))
  }
}

export function checkSchedulingGates(errors: FieldError[], gates: readonly PodSchedulingGate[], path: string): void {
  const seen = new Set<string>()
  for (const [i, { name }] of gates.entries()) {
    check(errors, `${path}[${i}]`, name, isQualifiedName(name))
    if (seen.has(name)) errors.push(duplicate(`${path}[${i}]`, name))
    seen.add(name)
  }
}
