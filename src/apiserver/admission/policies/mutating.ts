/**
 * MutatingAdmissionPolicy: the mutations of all bound policies, one after the other. Which policies are concerned is decided
 * on the request as it came; each then sees what those before it made. With reinvocationPolicy IfNeeded a policy works once
 * more on what others have changed after it.
 */
import { mutatingadmissionpolicies, mutatingadmissionpolicybindings } from '../../../api/kinds/admissionregistration/v1.ts'
import type { MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding } from '../../../api/kinds/admissionregistration/v1.ts'
import { DecodeError } from '../../../api/codec/json.ts'
import type { KubeObject } from '../../../api/resource.ts'
import { StatusError, newInternalError } from '../../../api/status.ts'
import { forbid } from '../admission.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts'
import { ExpressionFailure, OutOfBudget, expressionInput } from '../expressions/evaluation.ts'
import type { ExpressionInput } from '../expressions/evaluation.ts'
import { isExempt, namespaceOf } from '../matching/rules.ts'
import type { Match } from '../matching/rules.ts'
import { VersionedObjects } from '../matching/versionedObjects.ts'
import { Reinvocations } from '../reinvocations.ts'
import type { Invoked } from '../reinvocations.ts'
import { MutationError, Mutator } from './mutator.ts'
import { collectParams, paramResource } from './params.ts'
import { boundPolicies, matchPolicy, matchesBinding, namespaceObjectOf } from './policies.ts'
import type { PolicyOptions } from './policies.ts'

type Policy = MutatingAdmissionPolicy
type Binding = MutatingAdmissionPolicyBinding

interface Invocation {
  policy: Policy
  binding: Binding
  match: Match
  param: KubeObject | null
  /** Tells it from other invocations of the same request. */
  key: string
}

interface PolicyFailure {
  policy: string
  binding?: string
  message: string
  isInvalid: boolean
}

/** Objects of the cache never change, so what was compiled of one holds as long as it. */
const mutators = new WeakMap<Policy, Mutator>()

function mutatorOf(policy: Policy): Mutator {
  let mutator = mutators.get(policy)
  if (!mutator) mutators.set(policy, (mutator = new Mutator(policy)))
  return mutator
}

export function createMutatingPolicies(options: PolicyOptions): AdmissionPlugin {
  const reinvocations = new Reinvocations()
  return {
    name: 'MutatingAdmissionPolicy',
    admit(request) {
      if (isExempt(request)) return undefined
      const bound = boundPolicies(options.reader, mutatingadmissionpolicies, mutatingadmissionpolicybindings)
      return bound.length > 0 ? new Dispatch(request, options).run(bound, reinvocations) : undefined
    },
  }
}

class Dispatch {
  readonly #request: AdmissionRequest
  readonly #options: PolicyOptions
  readonly #objects: VersionedObjects
  readonly #failures: PolicyFailure[] = []

  constructor(request: AdmissionRequest, options: PolicyOptions) {
    this.#request = request
    this.#options = options
    this.#objects = new VersionedObjects(request, { catalog: options.catalog, nowMs: options.now() })
  }

  async run(bound: readonly { policy: Policy; bindings: Binding[] }[], reinvocations: Reinvocations): Promise<void> {
    const invocations: Invocation[] = []
    for (const { policy, bindings } of bound) invocations.push(...(await this.#invocations(policy, bindings)))
    if (invocations.length > 0) {
      const invoked = reinvocations.begin(this.#request)
      for (const invocation of invocations) await this.#invoke(invocation, invoked)
      await this.#objects.finish()
      invoked.end(this.#request)
    }
    if (this.#failures.length > 0) throw refusal(this.#request, this.#failures)
  }

  async #invocations(policy: Policy, bindings: readonly Binding[]): Promise<Invocation[]> {
    const request = this.#request
    const { paramKind } = policy.spec
    const found = this.#orFailed(policy, undefined, () => {
      const match = matchPolicy(policy, request, this.#options)
      return match && { match, resource: paramKind && paramResource(this.#options.catalog, paramKind) }
    })
    if (!found) return []
    const { match, resource } = found
    const invocations: Invocation[] = []
    for (const binding of bindings) {
      if (!this.#orFailed(policy, binding, () => matchesBinding(binding, request, this.#options))) continue
      const asked = { paramKind, resource, paramRef: binding.spec.paramRef, namespace: namespaceOf(request) }
      const params = await collectParams(this.#options.params, asked).catch((error: Error) => {
        this.#misconfigured(policy, binding, error)
        return []
      })
      for (const param of params) {
        const { name = '', namespace = '' } = param?.metadata ?? {}
        const key = `${policy.metadata.name}/${binding.metadata.name}/${namespace}/${name}`
        invocations.push({ policy, binding, match, param, key })
      }
    }
    return invocations
  }

  #orFailed<T>(policy: Policy, binding: Binding | undefined, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      this.#misconfigured(policy, binding, error as Error)
      return undefined
    }
  }

  #misconfigured(policy: Policy, binding: Binding | undefined, error: Error): void {
    this.#fail(policy, binding, `failed to configure ${binding ? 'binding' : 'policy'}: ${error.message}`, false)
  }

  #fail({ metadata, spec }: Policy, binding: Binding | undefined, message: string, isInvalid: boolean): void {
    if (spec.failurePolicy === 'Ignore') return
    this.#failures.push({ policy: metadata.name, ...(binding && { binding: binding.metadata.name }), message, isInvalid })
  }

  async #invoke({ policy, binding, match, param, key }: Invocation, invoked: Invoked): Promise<void> {
    const request = this.#request
    const mutator = mutatorOf(policy)
    const { matches, error } = mutator.decide(await this.#input(match, param))
    if (error !== undefined) this.#fail(policy, binding, error, true)
    if (!matches) {
      if (error === undefined) {
        this.#options.observer().matchConditionExcluded(policy.metadata.name, 'policy', 'admit', request.operation)
      }
      return
    }
    if (request.round === 1 && !invoked.isDue(key)) return
    let changed = false
    for (let i = 0; i < mutator.count; i++) changed = (await this.#mutate(mutator, i, { policy, binding, match, param, key })) || changed
    if (changed) {
      invoked.changed()
      request.wantsReinvocation = true
    }
    if (policy.spec.reinvocationPolicy === 'IfNeeded') invoked.add(key)
  }

  async #input(match: Match, params: KubeObject | null): Promise<ExpressionInput> {
    const request = this.#request
    const { authorizer, reader } = this.#options
    const view = await this.#objects.view(match).catch((cause: Error) => Promise.reject(newInternalError(cause.message)))
    const namespaceObject = namespaceObjectOf(request, reader)
    return expressionInput({ request, match, view, params, authorizer, ...(namespaceObject && { namespaceObject }) })
  }

  async #mutate(mutator: Mutator, index: number, { policy, binding, match, param }: Invocation): Promise<boolean> {
    const { object } = await this.#objects.view(match)
    if (!object) return false
    const { catalog, observer, now } = this.#options
    const type = catalog.typeOfKind(match.kind) ?? match.resource.type
    const startedMs = now()
    const check = { kind: 'mutating', policy: policy.metadata.name, binding: binding.metadata.name } as const
    try {
      const changed = await this.#objects.replace(
        mutator.mutate(index, object, type, await this.#input(match, param)),
        match,
        mutator.isStrict(index),
      )
      observer().policyChecked({ ...check, enforcement: 'allow', errorType: 'no_error', seconds: (now() - startedMs) / 1_000 })
      return changed
    } catch (error) {
      observer().policyChecked({ ...check, enforcement: 'deny', errorType: 'invalid_error', seconds: (now() - startedMs) / 1_000 })
      if (error instanceof DecodeError) throw newInternalError(error.message)
      const isOwn = error instanceof MutationError || error instanceof ExpressionFailure || error instanceof OutOfBudget
      if (!isOwn) throw error
      this.#fail(policy, binding, error.message, true)
      return false
    }
  }
}

function refusal(request: AdmissionRequest, failures: readonly PolicyFailure[]): StatusError {
  const texts = failures.map(({ policy, binding, message }) =>
    binding === undefined
      ? `policy ${JSON.stringify(policy)} denied request: ${message}`
      : `policy '${policy}' with binding '${binding}' denied request: ${message}`,
  )
  const { status } = forbid(request, 'admission request denied by policy')
  return new StatusError({
    ...status,
    message: texts[0] as string,
    ...(failures[0]?.isInvalid && { reason: 'Invalid' }),
    details: { ...status.details, causes: texts.map((message) => ({ message })) },
  })
}
