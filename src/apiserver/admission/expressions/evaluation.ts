/** One evaluation of an expression of admission: its variables, what it may cost, and how its failures read. */
import type { Namespace } from '../../../api/kinds/core/v1.ts'
import type { KubeObject } from '../../../api/resource.ts'
import { CostExceededError, EvaluationError } from '../../../cel/program.ts'
import type { AuthorizerQuery, Authorizer as CelAuthorizer, CostBudget, Program } from '../../../cel/program.ts'
import { decisionsNow } from '../../authorization/pending.ts'
import type { Authorizer, RequestAttributes } from '../../request.ts'
import type { AdmissionRequest } from '../admission.ts'
import { namespaceOf } from '../matching/rules.ts'
import type { Match } from '../matching/rules.ts'
import { requestView } from '../matching/requestView.ts'
import type { VersionedObject } from '../matching/versionedObjects.ts'

/** What the expressions of one policy and binding may cost together for a request, in upstream's units. */
export const POLICY_COST_BUDGET = 10_000_000
export const MATCH_CONDITIONS_COST_BUDGET = POLICY_COST_BUDGET / 4

export interface ExpressionInput {
  variables: Readonly<Record<string, unknown>>
  authorizer: CelAuthorizer
  signal: AbortSignal
}

export interface InputSource {
  request: AdmissionRequest
  match: Match
  view: VersionedObject
  /** null: the policy has parameters, but its binding names none. */
  params?: KubeObject | null
  namespaceObject?: Namespace
  authorizer: Authorizer
}

export function expressionInput({ request, match, view, params, namespaceObject, authorizer }: InputSource): ExpressionInput {
  return {
    variables: {
      object: view.object ?? null,
      oldObject: view.oldObject ?? null,
      request: requestView(request, match),
      namespaceObject: namespaceObject ? namespaceView(namespaceObject) : null,
      params: params ?? null,
    },
    authorizer: authorizerOf(request, match, authorizer),
    signal: request.signal,
  }
}

const NAMESPACE_METADATA = [
  'name',
  'generateName',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'finalizers',
] as const

function namespaceView({ metadata, spec, status }: Namespace): object {
  const shown = NAMESPACE_METADATA.flatMap((field) => (metadata[field] === undefined ? [] : [[field, metadata[field]] as const]))
  return { metadata: Object.fromEntries(shown), ...(spec && { spec }), ...(status && { status }) }
}

function authorizerOf(request: AdmissionRequest, match: Match, authorizer: Authorizer): CelAuthorizer {
  const { user, subresource, name } = request
  const decide = decisionsNow(authorizer)
  const { group, resource } = match.resource
  return {
    requestResource: { group, resource, subresource, namespace: namespaceOf(request), name },
    check: (query) => decide(attributesOf(query, user)),
  }
}

function attributesOf(query: AuthorizerQuery, user: AdmissionRequest['user']): RequestAttributes {
  const { serviceAccount, verb, path = '', group = '', resource = '', subresource = '', namespace = '', name = '', fieldSelector } = query
  const asked = serviceAccount
    ? {
        name: `system:serviceaccount:${serviceAccount.namespace}:${serviceAccount.name}`,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${serviceAccount.namespace}`, 'system:authenticated'],
        extra: {},
      }
    : user
  // Expressions name no version; rules have none either.
  return { user: asked, verb, group, version: '*', resource, subresource, namespace, name, path, ...(fieldSelector && { fieldSelector }) }
}

/** The expression failed; the message is upstream's. */
export class ExpressionFailure extends Error {
  override readonly name = 'ExpressionFailure'
}

/** Nothing more may be evaluated for this policy. */
export class OutOfBudget extends Error {
  override readonly name = 'OutOfBudget'
}

const NO_BUDGET = 'validation failed due to running out of cost budget, no further validation rules will be run'

/** Throws ExpressionFailure and OutOfBudget. */
export function evaluate(program: Program, { variables, authorizer, signal }: ExpressionInput, budget: CostBudget): unknown {
  let result: unknown
  try {
    result = program.evaluate(variables, { budget, authorizer, signal })
  } catch (error) {
    if (budget.remaining < 0) throw new OutOfBudget(NO_BUDGET, { cause: error })
    if (!(error instanceof EvaluationError) && !(error instanceof CostExceededError)) throw error
    throw new ExpressionFailure(`expression '${program.expression}' resulted in error: ${error.message}`, { cause: error })
  }
  if (budget.remaining < 0) throw new OutOfBudget(NO_BUDGET)
  return result
}
