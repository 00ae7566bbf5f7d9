/**
 * The conditions of a definition as they should be: its names granted where nobody else has them, established once they are,
 * and what is to be said of its schemas and its group. Pure (apiextensions-apiserver's naming, establishing,
 * nonstructuralschema and apiapproval controllers in one).
 */
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionStatus,
} from '../../api/kinds/apiextensions/v1.ts'
import { deepEqual, findCondition, withCondition, withoutCondition } from '../../api/meta.ts'
import { approvalOf, isProtectedGroup } from './approval.ts'
import type { ApprovalState } from './approval.ts'
import { schemaOf } from './definitions.ts'
import { validateStructural } from './structural.ts'

type Condition = CustomResourceDefinitionCondition

interface Taken {
  resources: ReadonlySet<string>
  kinds: ReadonlySet<string>
}

function takenBy(others: readonly CustomResourceDefinition[]): Taken {
  const accepted = others.flatMap(({ status }) => status?.acceptedNames ?? [])
  const named = (names: readonly (string | undefined)[]): string[] => names.filter((name) => name !== undefined && name !== '') as string[]
  return {
    resources: new Set(accepted.flatMap(({ plural, singular, shortNames = [] }) => named([plural, singular, ...shortNames]))),
    kinds: new Set(accepted.flatMap(({ kind, listKind }) => named([kind, listKind]))),
  }
}

const inUse = (name: string): string => `${JSON.stringify(name)} is already in use`

/** The names that the definition has now, and whether it has all that it wants; the last conflict is the one that is told. */
function grantNames(definition: CustomResourceDefinition, taken: Taken): { names: CustomResourceDefinitionNames; condition: Condition } {
  const wanted = definition.spec.names
  const accepted: CustomResourceDefinitionNames = definition.status?.acceptedNames ?? { plural: '', kind: '' }
  const names = { ...accepted }
  let conflict: { reason: string; message: string } | undefined
  const grant = (name: 'plural' | 'singular' | 'kind' | 'listKind', reason: string, used: ReadonlySet<string>): void => {
    const asked = wanted[name] ?? ''
    if (asked !== (accepted[name] ?? '') && used.has(asked)) conflict = { reason, message: inUse(asked) }
    else if (wanted[name] !== undefined) names[name] = wanted[name]
  }
  grant('plural', 'PluralConflict', taken.resources)
  grant('singular', 'SingularConflict', taken.resources)
  const fresh = (wanted.shortNames ?? []).filter((name) => !accepted.shortNames?.includes(name))
  const doubles = fresh.filter((name) => taken.resources.has(name)).map(inUse)
  if (doubles.length > 0)
    conflict = { reason: 'ShortNamesConflict', message: doubles.length > 1 ? `[${doubles.join(', ')}]` : (doubles[0] as string) }
  else if (wanted.shortNames) names.shortNames = wanted.shortNames
  else delete names.shortNames
  grant('kind', 'KindConflict', taken.kinds)
  grant('listKind', 'ListKindConflict', taken.kinds)
  if (wanted.categories) names.categories = wanted.categories
  else delete names.categories
  const condition = conflict
    ? { type: 'NamesAccepted', status: 'False', ...conflict }
    : { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' }
  return { names, condition }
}

function establishedCondition({ status }: CustomResourceDefinition, namesAccepted: boolean): Condition {
  const before = findCondition(status?.conditions, 'Established')
  if (before?.status === 'True') return before
  if (namesAccepted)
    return { type: 'Established', status: 'True', reason: 'InitialNamesAccepted', message: 'the initial names have been accepted' }
  return before ?? { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' }
}

const APPROVALS: Readonly<Record<ApprovalState, readonly [status: string, reason: string]>> = {
  Approved: ['True', 'ApprovedAnnotation'],
  Bypassed: ['False', 'UnapprovedAnnotation'],
  Missing: ['False', 'MissingAnnotation'],
  Invalid: ['False', 'InvalidAnnotation'],
}

function approvalCondition({ spec, metadata }: CustomResourceDefinition): Condition | undefined {
  if (!isProtectedGroup(spec.group)) return undefined
  const { state, reason: message } = approvalOf(metadata.annotations)
  const [status, reason] = APPROVALS[state]
  return { type: 'KubernetesAPIApprovalPolicyConformant', status, reason, message }
}

/** Only definitions of former times can have schemas that aren't structural. */
function nonStructuralCondition({ spec }: CustomResourceDefinition): Condition | undefined {
  const errors = spec.preserveUnknownFields ? ['spec.preserveUnknownFields: Invalid value: true: must be false'] : []
  for (const [i, version] of spec.versions.entries()) {
    const schema = schemaOf(version)
    if (!schema) continue
    const broken = validateStructural(schema, `spec.versions[${i}].schema.openAPIV3Schema`)
    errors.push(...broken.map(({ field, message }) => `${field}: ${message}`))
  }
  if (errors.length === 0) return undefined
  const message = errors.length > 1 ? `[${errors.join(', ')}]` : (errors[0] as string)
  return { type: 'NonStructuralSchema', status: 'True', reason: 'Violations', message }
}

/** The status that the definition should have; undefined where it has it. `others` are the definitions of the same group. */
export function planStatus(
  definition: CustomResourceDefinition,
  others: readonly CustomResourceDefinition[],
  now: string,
): CustomResourceDefinitionStatus | undefined {
  const { status = {} } = definition
  const { names, condition } = grantNames(definition, takenBy(others))
  const namesAccepted = condition.status === 'True'
  let conditions: readonly Condition[] = withCondition(status.conditions ?? [], condition, now)
  conditions = withCondition(conditions, establishedCondition(definition, namesAccepted), now)
  for (const [type, wanted] of [
    ['KubernetesAPIApprovalPolicyConformant', approvalCondition(definition)],
    ['NonStructuralSchema', nonStructuralCondition(definition)],
  ] as const) {
    if (wanted) conditions = withCondition(conditions, wanted, now)
    else if (findCondition(conditions, type)) conditions = withoutCondition(conditions, type)
  }
  const next = { ...status, conditions: [...conditions], acceptedNames: names }
  return deepEqual(next, status) ? undefined : next
}
