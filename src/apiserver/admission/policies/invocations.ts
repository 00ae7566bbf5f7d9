/** What both kinds of policies begin with: which bindings concern a request, what each hands to its policy, what expressions see of it. */
import type { KubeObject } from '../../../api/resource.ts'
import type { AdmissionRequest } from '../admission.ts'
import { expressionInput } from '../expressions/evaluation.ts'
import type { ExpressionInput } from '../expressions/evaluation.ts'
import { namespaceOf } from '../matching/rules.ts'
import type { Match } from '../matching/rules.ts'
import type { VersionedObjects } from '../matching/versionedObjects.ts'
import { collectParams, paramResource } from './params.ts'
import { matchPolicy, matchesBinding, namespaceObjectOf } from './policies.ts'
import type { AnyBinding, AnyPolicy, PolicyOptions } from './policies.ts'

export interface Invocation<P extends AnyPolicy, B extends AnyBinding> {
  policy: P
  binding: B
  match: Match
  /** null where the policy takes none. */
  param: KubeObject | null
}

/** The policy, or one of its bindings, cannot be used; policies that ignore failures are not told of. */
export type TellMisconfigured<P, B> = (policy: P, binding: B | undefined, message: string) => void

export function misconfigured(binding: AnyBinding | undefined, { message }: Error): string {
  return `failed to configure ${binding ? 'binding' : 'policy'}: ${message}`
}

/** One policy's, in the order of its bindings; those of one binding are known before the first of them is done. */
export async function* invocationsOf<P extends AnyPolicy, B extends AnyBinding>(
  { policy, bindings }: { policy: P; bindings: readonly B[] },
  { request, options, tell }: { request: AdmissionRequest; options: PolicyOptions; tell: TellMisconfigured<P, B> },
): AsyncGenerator<Invocation<P, B>, void> {
  const { paramKind, failurePolicy } = policy.spec
  const failed = (binding: B | undefined, error: unknown): undefined => {
    if (failurePolicy !== 'Ignore') tell(policy, binding, misconfigured(binding, error as Error))
  }
  const orFailed = <T>(binding: B | undefined, work: () => T): T | undefined => {
    try {
      return work()
    } catch (error) {
      return failed(binding, error)
    }
  }
  const found = orFailed(undefined, () => {
    const match = matchPolicy(policy, request, options)
    return match && { match, resource: paramKind && paramResource(options.catalog, paramKind) }
  })
  if (!found) return
  for (const binding of bindings) {
    if (!orFailed(binding, () => matchesBinding(binding, request, options))) continue
    const asked = { paramKind, resource: found.resource, paramRef: binding.spec.paramRef, namespace: namespaceOf(request) }
    const params = await collectParams(options.params, asked).catch((error: unknown) => failed(binding, error))
    for (const param of params ?? []) yield { policy, binding, match: found.match, param }
  }
}

export function inputOf(
  { match, param }: Pick<Invocation<AnyPolicy, AnyBinding>, 'match' | 'param'>,
  view: Awaited<ReturnType<VersionedObjects['view']>>,
  request: AdmissionRequest,
  { authorizer, reader }: PolicyOptions,
): ExpressionInput {
  const namespaceObject = namespaceObjectOf(request, reader)
  return expressionInput({ request, match, view, params: param, authorizer, ...(namespaceObject && { namespaceObject }) })
}

/** Objects of the cache never change, so what was compiled of one holds as long as it. */
export function oncePerPolicy<P extends AnyPolicy, T>(compile: (policy: P) => T): (policy: P) => T {
  const compiled = new WeakMap<P, T>()
  return (policy) => {
    let known = compiled.get(policy)
    if (known === undefined) compiled.set(policy, (known = compile(policy)))
    return known
  }
}
