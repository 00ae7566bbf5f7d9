/** Nodes. */
import { duplicate, forbidden, invalid, invalidAll, notSupported, required } from './fieldErrors.ts'
import { isLabelValue, isQualifiedName, isValidCidr } from './names.ts'
import { nanosOf } from './quantities.ts'
import { NOT_NEGATIVE } from './values.ts'
import type { Node } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

function validateTaints(node: Node): FieldError[] {
  const seen = new Set<string>()
  return (node.spec?.taints ?? []).flatMap((taint, i) => {
    const at = `spec.taints[${i}]`
    const errors = invalidAll(`${at}.key`, taint.key, isQualifiedName(taint.key))
    if (taint.value) errors.push(...invalidAll(`${at}.value`, taint.value, isLabelValue(taint.value)))
    if (!taint.effect) errors.push(required(`${at}.effect`))
    else if (!EFFECTS.includes(taint.effect)) errors.push(notSupported(`${at}.effect`, taint.effect, EFFECTS))
    const pair = `${taint.effect}/${taint.key}`
    if (seen.has(pair)) errors.push({ ...duplicate(at, inGo(taint)), message: `${duplicate(at, inGo(taint)).message}: taints must be unique by key and effect pair` })
    seen.add(pair)
    return errors
  })
}

function inGo(taint: { key: string; value?: string; effect: string; timeAdded?: string }): object {
  return { Key: taint.key, Value: taint.value ?? '', Effect: taint.effect, TimeAdded: taint.timeAdded ?? null }
}

function validateCidrs(node: Node): FieldError[] {
  const cidrs = node.spec?.podCIDRs ?? []
  const errors = cidrs.flatMap((cidr, i) => invalidAll(`spec.podCIDRs[${i}]`, cidr, isValidCidr(cidr)))
  if (errors.length > 0) return errors
  const families = new Set(cidrs.map((cidr) => cidr.includes(':')))
  if (families.size < cidrs.length) errors.push(invalid('spec.podCIDRs', cidrs, 'may specify no more than one CIDR for each IP family'))
  return errors
}

function validateStatus(node: Node): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [i, { type, address }] of (node.status?.addresses ?? []).entries()) {
    if (seen.has(`${type}/${address}`)) errors.push(duplicate(`status.addresses[${i}]`, { Type: type, Address: address }))
    seen.add(`${type}/${address}`)
  }
  for (const field of ['capacity', 'allocatable'] as const) {
    for (const [name, value] of Object.entries(node.status?.[field] ?? {})) {
      if (nanosOf(value) < 0n) errors.push(invalid(`status.${field}.${name}`, value, NOT_NEGATIVE))
    }
  }
  return errors
}

export function validateNode(node: Node): FieldError[] {
  return [...validateTaints(node), ...validateCidrs(node), ...validateStatus(node)]
}

export function validateNodeUpdate(next: Node, old: Node): FieldError[] {
  const errors = [...validateTaints(next), ...validateCidrs(next), ...validateStatus(next)]
  const before = old.spec?.podCIDRs ?? []
  if (before.length > 0 && JSON.stringify(next.spec?.podCIDRs ?? []) !== JSON.stringify(before)) {
    errors.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'))
  }
  if (old.spec?.providerID && next.spec?.providerID !== old.spec.providerID) {
    errors.push(forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'))
  }
  return errors
}
