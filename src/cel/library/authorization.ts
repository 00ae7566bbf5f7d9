/** `authorizer.group('').resource('pods').namespace('x').check('get').allowed()`. */
import { isDns1123Label, isDns1123Subdomain } from '../../api/validation/names.ts'
import { Fault, OpaqueValue } from '../values.ts'
import { member } from '../overloads.ts'
import type { Authorizer, AuthorizerDecision, AuthorizerQuery } from '../program.ts'
import type { Overload } from '../overloads.ts'

type Question = Omit<AuthorizerQuery, 'verb'>
type Stage = 'Authorizer' | 'PathCheck' | 'GroupCheck' | 'ResourceCheck'

/** A question on its way: each call adds to it. */
class CheckValue extends OpaqueValue {
  readonly typeName: string
  readonly #authorizer: Authorizer
  readonly #question: Question

  constructor(stage: Stage, authorizer: Authorizer, question: Question = {}) {
    super()
    this.typeName = `kubernetes.authorization.${stage}`
    this.#authorizer = authorizer
    this.#question = question
  }

  with(stage: Stage, more: Question): CheckValue {
    return new CheckValue(stage, this.#authorizer, { ...this.#question, ...more })
  }

  check(verb: string): DecisionValue {
    return new DecisionValue(this.#authorizer.check({ ...this.#question, verb }))
  }

  equals(other: OpaqueValue): boolean {
    return other === this
  }
}

class DecisionValue extends OpaqueValue {
  readonly typeName = 'kubernetes.authorization.Decision'
  readonly decision: AuthorizerDecision

  constructor(decision: AuthorizerDecision) {
    super()
    this.decision = decision
  }

  equals(other: OpaqueValue): boolean {
    return other === this
  }
}

/** The variables by which expressions reach an authorizer. */
export function authorizerVariables(authorizer: Authorizer): Record<string, CheckValue> {
  const root = new CheckValue('Authorizer', authorizer)
  const { requestResource } = authorizer
  return requestResource
    ? { authorizer: root, 'authorizer.requestResource': root.with('ResourceCheck', requestResource) }
    : { authorizer: root }
}

function named(value: string, what: string): string {
  if (value.trim() === '') throw new Fault(`${what} must not be empty`)
  return value
}

function serviceAccount(authorizer: CheckValue, namespace: string, name: string): CheckValue {
  if (isDns1123Subdomain(name).length > 0) throw new Fault('Invalid service account name')
  if (isDns1123Label(namespace).length > 0) throw new Fault('Invalid service account namespace')
  return authorizer.with('Authorizer', { serviceAccount: { namespace, name } })
}

const typed = (name: string): string => `kubernetes.authorization.${name}`
const RESOURCE = typed('ResourceCheck')
const DECISION = typed('Decision')

const narrowing = (id: string, name: keyof Question): Overload =>
  member(id, name, `${RESOURCE}, string`, RESOURCE, (check: CheckValue, value: string) => check.with('ResourceCheck', { [name]: value }))

const check = (value: CheckValue, verb: string): DecisionValue => value.check(verb)

export const AUTHORIZATION: readonly Overload[] = [
  member('authorizer_path', 'path', `${typed('Authorizer')}, string`, typed('PathCheck'), (authorizer: CheckValue, path: string) =>
    authorizer.with('PathCheck', { path: named(path, 'path') }),
  ),
  member('authorizer_group', 'group', `${typed('Authorizer')}, string`, typed('GroupCheck'), (authorizer: CheckValue, group: string) =>
    authorizer.with('GroupCheck', { group }),
  ),
  member('authorizer_serviceaccount', 'serviceAccount', `${typed('Authorizer')}, string, string`, typed('Authorizer'), serviceAccount),
  member('groupcheck_resource', 'resource', `${typed('GroupCheck')}, string`, RESOURCE, (group: CheckValue, resource: string) =>
    group.with('ResourceCheck', { resource: named(resource, 'resource') }),
  ),
  narrowing('resourcecheck_subresource', 'subresource'),
  narrowing('resourcecheck_namespace', 'namespace'),
  narrowing('resourcecheck_name', 'name'),
  narrowing('authorizer_fieldselector', 'fieldSelector'),
  narrowing('authorizer_labelselector', 'labelSelector'),
  member('pathcheck_check', 'check', `${typed('PathCheck')}, string`, DECISION, check),
  member('resourcecheck_check', 'check', `${RESOURCE}, string`, DECISION, check),
  member('decision_errored', 'errored', DECISION, 'bool', ({ decision }: DecisionValue) => decision.error !== undefined),
  member('decision_error', 'error', DECISION, 'string', ({ decision }: DecisionValue) => decision.error ?? ''),
  member('decision_allowed', 'allowed', DECISION, 'bool', ({ decision }: DecisionValue) => decision.allowed),
  member('decision_reason', 'reason', DECISION, 'string', ({ decision }: DecisionValue) => decision.reason),
]
