/** Nodes (pkg/apis/core/validation). */
import { quote } from '../quote.ts'
import { check, duplicate, forbidden, internalError, invalid, required } from './fieldErrors.ts'
import { goJsonError } from './goJsonError.ts'
import { goInternal } from './goInternal.ts'
import { isLabelValue, isQualifiedName, isValidCidr, parseCidr } from './names.ts'
import { checkQuantity } from './pod/resources.ts'
import { checkTaintEffect } from './pod/scheduling.ts'
import type { Node, Taint } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

export function checkTaints(errors: FieldError[], taints: readonly Taint[], path: string): void {
  const seen = new Set<string>()
  for (const [i, taint] of taints.entries()) {
    const at = `${path}[${i}]`
    const { key, value = '', effect } = taint
    check(errors, `${at}.key`, key, isQualifiedName(key))
    const broken = isLabelValue(value)
    if (broken.length > 0) errors.push(invalid(`${at}.value`, value, broken.join(';')))
    if (!effect) errors.push(required(`${at}.effect`))
    else checkTaintEffect(errors, effect, `${at}.effect`)
    if (seen.has(`${effect}/${key}`)) {
      const error = duplicate(at, goInternal('core.v1.Taint', taint))
      errors.push({ ...error, message: `${error.message}: taints must be unique by key and effect pair` })
    }
    seen.add(`${effect}/${key}`)
  }
}

const TAINTS = 'scheduler.alpha.kubernetes.io/taints'
const AVOIDED_PODS = 'scheduler.alpha.kubernetes.io/preferAvoidPods'

interface AvoidedPods {
  preferAvoidPods?: readonly { podSignature?: { podController?: { controller?: boolean } } }[]
}

function checkAvoidedPods(errors: FieldError[], { preferAvoidPods = [] }: AvoidedPods, path: string): void {
  for (const [i, { podSignature }] of preferAvoidPods.entries()) {
    const at = `${path}[${i}].PodSignature`
    const controller = podSignature?.podController
    if (!controller) errors.push(required(at))
    else if (controller.controller === false) errors.push(invalid(`${at}.PodController.Controller`, false, 'must point to a controller'))
  }
}

/** What used to be said in annotations. */
function checkAnnotations(errors: FieldError[], { metadata: { annotations = {} } }: Node): void {
  const path = 'metadata.annotations'
  const parsed = (key: string, field: string): unknown => {
    const text = annotations[key]
    if (!text) return undefined
    const why = goJsonError(Buffer.from(text))
    if (why) errors.push(invalid(field, key, why))
    return why ? undefined : JSON.parse(text)
  }
  const taints = parsed(TAINTS, path)
  if (Array.isArray(taints)) checkTaints(errors, taints as Taint[], `${path}.${TAINTS}`)
  const avoided = parsed(AVOIDED_PODS, `${path}.AvoidPods`)
  if (avoided) checkAvoidedPods(errors, avoided as AvoidedPods, `${path}.${AVOIDED_PODS}`)
}

const FEATURE_RE = /^[A-Z][a-zA-Z0-9]*(\/[a-zA-Z][a-zA-Z0-9]*)*$/
const FEATURE_LIMIT_BYTES = 253
const FEATURE_SHAPE =
  "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"

function checkFeatures(errors: FieldError[], features: readonly string[]): void {
  for (const [i, feature] of features.entries()) {
    const field = `status.declaredFeatures[${i}]`
    const refuse = (why: string): void => void errors.push(invalid(field, feature, `invalid feature name ${quote(feature)}: ${why}`))
    const before = features[i - 1]
    if (before === feature) errors.push(duplicate(field, feature))
    else if (before !== undefined && before > feature) errors.push(invalid(field, feature, 'list must be sorted alphabetically'))
    if (Buffer.byteLength(feature) > FEATURE_LIMIT_BYTES) refuse(`must be no more than ${FEATURE_LIMIT_BYTES} characters`)
    else if (!FEATURE_RE.test(feature)) refuse(FEATURE_SHAPE)
  }
}

function checkStatus(errors: FieldError[], { status = {} }: Node): void {
  for (const field of ['capacity', 'allocatable'] as const) {
    for (const [name, quantity] of Object.entries(status[field] ?? {})) checkQuantity(errors, name, quantity, `status.${field}.${name}`)
  }
  checkFeatures(errors, status.declaredFeatures ?? [])
}

export function validateNode(node: Node): FieldError[] {
  const errors: FieldError[] = []
  const { taints = [], podCIDRs = [] } = node.spec ?? {}
  checkAnnotations(errors, node)
  checkTaints(errors, taints, 'metadata.taints')
  checkStatus(errors, node)
  podCIDRs.forEach((cidr, i) => check(errors, `spec.podCIDRs[${i}]`, cidr, isValidCidr(cidr)))
  const families = new Set(podCIDRs.map((cidr) => parseCidr(cidr)?.version))
  const unparsed = podCIDRs.findIndex((cidr) => !parseCidr(cidr))
  if (podCIDRs.length > 1 && unparsed >= 0) {
    const why = `invalid CIDR[${unparsed}]: <nil> (invalid CIDR address: ${podCIDRs[unparsed]})`
    errors.push(internalError('spec.podCIDRs', `invalid PodCIDRs. failed to check with dual stack with error:${why}`))
  }
  if (podCIDRs.length > 2 || (podCIDRs.length === 2 && (unparsed >= 0 || families.size < 2)))
    errors.push(invalid('spec.podCIDRs', podCIDRs, 'may specify no more than one CIDR for each IP family'))
  return errors
}

export function validateNodeUpdate(next: Node, old: Node): FieldError[] {
  const errors: FieldError[] = []
  const [spec, before] = [next.spec ?? {}, old.spec ?? {}]
  checkAnnotations(errors, next)
  checkStatus(errors, next)
  const addresses = next.status?.addresses ?? []
  for (const [i, { type, address }] of addresses.entries()) {
    if (addresses.findIndex((other) => other.type === type && other.address === address) < i) {
      errors.push(duplicate(`status.addresses[${i}]`, { Type: type, Address: address }))
    }
  }
  const text = (field: string): string => `node updates may not change ${field} except from "" to valid`
  const [now, then] = [spec.podCIDRs ?? [], before.podCIDRs ?? []]
  if (then.length > 0) {
    const isOther = then.length !== now.length || then.some((cidr, i) => cidr !== now[i])
    if (isOther) errors.push(forbidden('spec.podCIDRs', text('podCIDR')))
  }
  if (before.providerID && spec.providerID !== before.providerID) errors.push(forbidden('spec.providerID', text('providerID')))
  checkTaints(errors, spec.taints ?? [], 'metadata.taints')
  if ((spec.externalID ?? '') !== (before.externalID ?? '')) errors.push(forbidden('spec.externalID', 'may not be updated'))
  return errors
}
