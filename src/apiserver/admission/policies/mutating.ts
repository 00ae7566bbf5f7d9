/**
 * MutatingAdmissionPolicy: the mutations of all bound policies, one after the other. Which policies are concerned is decided
 * on the request as it came; each then sees what those before it made. With reinvocationPolicy IfNeeded a policy works once
 * more on what others have changed after it.
 */
import { withDecisions } from '../../authorization/pending.ts'
import { mutatingadmissionpolicies, mutatingadmissionpolicybindings } from '../../../api/kinds/admissionregistration/v1.ts'
import type { MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding } from '../../../api/kinds/admissionregistration/v1.ts'
import { DecodeError } from '../../../api/codec/json.ts'
import { StatusError, newInternalError } from '../../../api/status.ts'
import { forbid } from '../admission.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts'
import { ExpressionFailure, OutOfBudget } from '../expressions/evaluation.ts'
import type { ExpressionInput } from '../expressions/evaluation.ts'
import { isExempt } from '../matching/rules.ts'
import { OtherKindError, VersionedObjects } from '../matching/versionedObjects.ts'
import { Reinvocations } from '../reinvocations.ts'
import type { Invoked } from '../reinvocations.ts'
import { inputOf, invocationsOf, oncePerPolicy } from './invocations.ts'
import type { Invocation, TellMisconfigured } from './invocations.ts'
import { MutationError, Mutator } from './mutator.ts'
import { boundPolicies } from './policies.ts'
import type { PolicyOptions } from './policies.ts'

type Policy = MutatingAdmissionPolicy
type Binding = MutatingAdmissionPolicyBinding

interface PolicyFailure {
  policy: string
  binding?: string
  message: string
  isInvalid: boolean
}

const mutatorOf = oncePerPolicy((policy: Policy) => new Mutator(policy))

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
    const told = { request: this.#request, options: this.#options, tell: this.#misconfigured }
    const invocations: Invocation<Policy, Binding>[] = []
    for (const each of bound) for await (const invocation of invocationsOf(each, told)) invocations.push(invocation)
    if (invocations.length > 0) {
      const invoked = reinvocations.begin(this.#request)
      for (const invocation of invocations) await this.#invoke(invocation, invoked)
      await this.#objects.finish()
      invoked.end(this.#request)
    }
    if (this.#failures.length > 0) throw refusal(this.#request, this.#failures)
  }

  readonly #misconfigured: TellMisconfigured<Policy, Binding> = (policy, binding, message) => this.#fail(policy, binding, message, false)

  #fail({ metadata, spec }: Policy, binding: Binding | undefined, message: string, isInvalid: boolean): void {
    if (spec.failurePolicy === 'Ignore') return
    this.#failures.push({ policy: metadata.name, ...(binding && { binding: binding.metadata.name }), message, isInvalid })
  }

  async #invoke(invocation: Invocation<Policy, Binding>, invoked: Invoked): Promise<void> {
    const { policy, binding } = invocation
    const key = keyOf(invocation)
    const request = this.#request
    const mutator = mutatorOf(policy)
    const input = await this.#input(invocation)
    const { matches, error } = await withDecisions(() => mutator.decide(input))
    if (error !== undefined) this.#fail(policy, binding, error, true)
    if (!matches) {
      if (error === undefined) {
        this.#options.observer().matchConditionExcluded(policy.metadata.name, 'policy', 'admit', request.operation)
      }
      return
    }
    if (request.round === 1 && !invoked.isDue(key)) return
    let changed = false
    for (let i = 0; i < mutator.count; i++) changed = (await this.#mutate(mutator, i, invocation)) || changed
    if (changed) {
      invoked.changed()
      request.wantsReinvocation = true
    }
    if (policy.spec.reinvocationPolicy === 'IfNeeded') invoked.add(key)
  }

  async #input(invocation: Invocation<Policy, Binding>): Promise<ExpressionInput> {
    const view = await this.#objects.view(invocation.match).catch((cause: Error) => Promise.reject(newInternalError(cause.message)))
    return inputOf(invocation, view, this.#request, this.#options)
  }

  async #mutate(mutator: Mutator, index: number, invocation: Invocation<Policy, Binding>): Promise<boolean> {
    const { policy, binding, match } = invocation
    const { object } = await this.#objects.view(match)
    if (!object) return false
    const { catalog, observer, now } = this.#options
    const type = catalog.typeOfKind(match.kind) ?? match.resource.type
    const startedMs = now()
    const check = { kind: 'mutating', policy: policy.metadata.name, binding: binding.metadata.name } as const
    try {
      const input = await this.#input(invocation)
      const mutated = await withDecisions(() => mutator.mutate(index, object, type, input))
      const changed = await this.#objects.replace(mutated, match, mutator.isStrict(index))
      observer().policyChecked({ ...check, enforcement: 'allow', errorType: 'no_error', seconds: (now() - startedMs) / 1_000 })
      return changed
    } catch (error) {
      observer().policyChecked({ ...check, enforcement: 'deny', errorType: 'invalid_error', seconds: (now() - startedMs) / 1_000 })
      if (error instanceof DecodeError) throw newInternalError(error.message)
      if (error instanceof OtherKindError) throw newInternalError(`failed to convert object: ${error.message}`)
      const isOwn = error instanceof MutationError || error instanceof ExpressionFailure || error instanceof OutOfBudget
      if (!isOwn) throw error
      this.#fail(policy, binding, error.message, true)
      return false
    }
  }
}

/** Tells it from other invocations of the same request. */
function keyOf({ policy, binding, param }: Invocation<Policy, Binding>): string {
  const { name = '', namespace = '' } = param?.metadata ?? {}
  return `${policy.metadata.name}/${binding.metadata.name}/${namespace}/${name}`
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
