/** ValidatingAdmissionPolicy: what the expressions of all bound policies say to a request, by their bindings' actions. */
import { withDecisions } from '../../authorization/pending.ts'
import { validatingadmissionpolicies, validatingadmissionpolicybindings } from '../../../api/kinds/admissionregistration/v1.ts'
import type { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../../../api/kinds/admissionregistration/v1.ts'
import type { StatusError, StatusReason } from '../../../api/status.ts'
import { StatusError as Refusal } from '../../../api/status.ts'
import { forbid } from '../admission.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts'
import { isExempt } from '../matching/rules.ts'
import { VersionedObjects } from '../matching/versionedObjects.ts'
import { inputOf, invocationsOf, misconfigured, oncePerPolicy } from './invocations.ts'
import type { Invocation, TellMisconfigured } from './invocations.ts'
import { boundPolicies } from './policies.ts'
import type { PolicyOptions } from './policies.ts'
import { Validator } from './validator.ts'
import type { Decision, PolicyVerdict } from './validator.ts'

interface Denial {
  policy: string
  binding?: string
  message: string
  reason?: string
}

type Policy = ValidatingAdmissionPolicy
type Binding = ValidatingAdmissionPolicyBinding

const FAILURE_ANNOTATION = 'validation.policy.admission.k8s.io/validation_failure'
const ANNOTATION_LIMIT_BYTES = 10 * 1024
const CODES: Readonly<Record<string, number>> = { Forbidden: 403, Unauthorized: 401, RequestEntityTooLarge: 413 }
const INVALID_CODE = 422

const validatorOf = oncePerPolicy((policy: Policy) => new Validator(policy))

export function createValidatingPolicies(options: PolicyOptions): AdmissionPlugin {
  return {
    name: 'ValidatingAdmissionPolicy',
    validate(request) {
      if (isExempt(request)) return undefined
      const bound = boundPolicies(options.reader, validatingadmissionpolicies, validatingadmissionpolicybindings)
      return bound.length > 0 ? new Dispatch(request, options).run(bound) : undefined
    },
  }
}

/** One request's way through all policies. */
class Dispatch {
  readonly #request: AdmissionRequest
  readonly #options: PolicyOptions
  readonly #objects: VersionedObjects
  readonly #denials: Denial[] = []

  constructor(request: AdmissionRequest, options: PolicyOptions) {
    this.#request = request
    this.#options = options
    this.#objects = new VersionedObjects(request, { catalog: options.catalog, nowMs: options.now() })
  }

  async run(bound: readonly { policy: Policy; bindings: Binding[] }[]): Promise<void> {
    for (const each of bound) await this.#policy(each)
    const [first] = this.#denials
    if (first) throw refusal(this.#request, first)
  }

  async #policy(bound: { policy: Policy; bindings: Binding[] }): Promise<void> {
    const [request, options] = [this.#request, this.#options]
    const annotations = new Map<string, Set<string>>()
    for await (const invocation of invocationsOf(bound, { request, options, tell: this.#misconfigured })) {
      const startedMs = options.now()
      const verdict = await this.#validate(invocation)
      if (verdict) this.#enforce(invocation, verdict, annotations, (options.now() - startedMs) / 1_000)
    }
    for (const [key, values] of annotations) request.annotate?.(`${bound.policy.metadata.name}/${key}`, [...values].join(', '))
  }

  readonly #misconfigured: TellMisconfigured<Policy, Binding> = ({ metadata }, binding, message) => {
    this.#denials.push({ policy: metadata.name, ...(binding && { binding: binding.metadata.name }), message })
  }

  async #validate(invocation: Invocation<Policy, Binding>): Promise<PolicyVerdict | undefined> {
    const { policy, binding, match } = invocation
    let view
    try {
      view = await this.#objects.view(match)
    } catch (cause) {
      if (policy.spec.failurePolicy === 'Ignore') return undefined
      const error = new Error(`failed to convert object version: ${(cause as Error).message}`, { cause })
      this.#misconfigured(policy, binding, misconfigured(binding, error))
      return undefined
    }
    const input = inputOf(invocation, view, this.#request, this.#options)
    return withDecisions(() => validatorOf(policy).validate(input))
  }

  #enforce(
    { policy, binding }: Invocation<Policy, Binding>,
    { decisions, auditAnnotations }: PolicyVerdict,
    annotations: Map<string, Set<string>>,
    seconds: number,
  ): void {
    const [policyName, bindingName] = [policy.metadata.name, binding.metadata.name]
    for (const [i, decision] of decisions.entries()) {
      if (decision.action === 'deny') this.#act(policyName, binding, i, decision, seconds)
      else if (decision.isError) this.#observe(policyName, bindingName, 'allow', true, seconds)
    }
    for (const { key, value, error } of auditAnnotations) {
      if (error !== undefined) this.#denials.push({ policy: policyName, binding: bindingName, message: error })
      else if (value) {
        const values = annotations.get(key) ?? new Set()
        annotations.set(key, values.add(value.slice(0, ANNOTATION_LIMIT_BYTES)))
      }
    }
  }

  #act(policy: string, { metadata, spec }: Binding, expressionIndex: number, decision: Decision, seconds: number): void {
    const { message, reason, isError } = decision
    const validationActions = spec.validationActions ?? []
    for (const action of validationActions) {
      if (action === 'Deny') this.#denials.push({ policy, binding: metadata.name, message, ...(reason && { reason }) })
      else if (action === 'Warn') {
        this.#request.warnings.push(
          `Validation failed for ValidatingAdmissionPolicy '${policy}' with binding '${metadata.name}': ${message}`,
        )
      } else if (action === 'Audit') {
        const failure = { message, policy, binding: metadata.name, expressionIndex, validationActions }
        this.#request.annotate?.(FAILURE_ANNOTATION, JSON.stringify([failure]))
      }
      this.#observe(policy, metadata.name, action.toLowerCase() as 'deny' | 'warn' | 'audit', isError, seconds)
    }
  }

  #observe(policy: string, binding: string, enforcement: 'allow' | 'deny' | 'warn' | 'audit', isError: boolean, seconds: number): void {
    const errorType = isError ? 'invalid_error' : 'no_error'
    this.#options.observer().policyChecked({ kind: 'validating', policy, binding, enforcement, errorType, seconds })
  }
}

function refusal(request: AdmissionRequest, { policy, binding, message, reason = 'Invalid' }: Denial): StatusError {
  const by = binding === undefined ? `'${policy}'` : `'${policy}' with binding '${binding}'`
  const text = `ValidatingAdmissionPolicy ${by} denied request: ${message}`
  const { status } = forbid(request, text)
  const details = { ...status.details, causes: [{ message: text }] }
  return new Refusal({
    message: status.message ?? text,
    reason: reason as StatusReason,
    details,
    code: CODES[reason] ?? INVALID_CODE,
  })
}
