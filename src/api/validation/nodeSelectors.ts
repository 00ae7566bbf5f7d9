/** Node selectors, as pods, persistent volumes and resource slices have them. */
import { check, forbidden, invalid, invalidTyped, required } from './fieldErrors.ts'
import { isLabelValue, isQualifiedName, nameIsDnsSubdomain } from './names.ts'
import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

function checkRequirement(
  errors: FieldError[],
  { key, operator, values = [] }: NodeSelectorRequirement,
  anyValue: boolean,
  path: string,
): void {
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
      errors.push(invalidTyped(`${path}.operator`, operator, 'not a valid selector operator'))
  }
  check(errors, `${path}.key`, key, isQualifiedName(key))
  if (!anyValue) values.forEach((value, i) => check(errors, `${path}.values[${i}]`, value, isLabelValue(value)))
}

/** Of a node's fields only its name can be selected. */
function checkFieldRequirement(errors: FieldError[], { key, operator, values = [] }: NodeSelectorRequirement, path: string): void {
  if (operator !== 'In' && operator !== 'NotIn') errors.push(invalidTyped(`${path}.operator`, operator, 'not a valid selector operator'))
  else if (values.length !== 1)
    errors.push(required(`${path}.values`, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"))
  if (key !== 'metadata.name') errors.push(invalid(`${path}.key`, key, 'not a valid field selector key'))
  else values.forEach((value, i) => check(errors, `${path}.values[${i}]`, value, nameIsDnsSubdomain(value, false)))
}

export function checkNodeSelectorTerm(errors: FieldError[], term: NodeSelectorTerm, anyValue: boolean, path: string): void {
  term.matchExpressions?.forEach((requirement, i) => checkRequirement(errors, requirement, anyValue, `${path}.matchExpressions[${i}]`))
  term.matchFields?.forEach((requirement, i) => checkFieldRequirement(errors, requirement, `${path}.matchFields[${i}]`))
}

export function checkNodeSelector(errors: FieldError[], selector: NodeSelector, path: string): void {
  const terms = selector.nodeSelectorTerms ?? []
  if (terms.length === 0) errors.push(required(`${path}.nodeSelectorTerms`, 'must have at least one node selector term'))
  terms.forEach((term, i) => checkNodeSelectorTerm(errors, term, false, `${path}.nodeSelectorTerms[${i}]`))
}
