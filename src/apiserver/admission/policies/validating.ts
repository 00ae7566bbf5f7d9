/** ValidatingAdmissionPolicy: what the expressions of all bound policies say to a request, by their bindings' actions. */
import { validatingadmissionpolicies, validatingadmissionpolicybindings } from '../../../api/kinds/admissionregistration/v1.ts'
import type { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../../../api/kinds/admissionregistration/v1.ts'
import type { StatusError, StatusReason } from '../../../api/status.ts'
import { StatusError as Refusal } from '../../../api/status.ts'
import { forbid } from '../admission.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts'
import { expressionInput } from '../expressions/evaluation.ts'
import { isExempt, namespaceOf } from '../matching/rules.ts'
import type { Match } from '../matching/rules.ts'
import { VersionedObjects } from '../matching/versionedObjects.ts'
import { collectParams, paramResource } from './params.ts'
import { boundPolicies, matchPolicy, matchesBinding, namespaceObjectOf } from './policies.ts'
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

/** Objects of the cache never change, so what was compiled of one holds as long as it. */
const validators = new WeakMap<Policy, Validator>()

function validatorOf(policy: Policy): Validator {
  let validator = validators.get(policy)
  if (!validator) validators.set(policy, (validator = new Validator(policy)))
  return validator
}

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
    for (const { policy, bindings } of bound) await this.#policy(policy, bindings)
    const [first] = this.#denials
    if (first) throw refusal(this.#request, first)
  }

  async #policy(policy: Policy, bindings: readonly Binding[]): Promise<void> {
    const request = this.#request
    const found = this.#orDenied(policy, undefined, () => {
      const match = matchPolicy(policy, request, this.#options)
      const { paramKind } = policy.spec
      return match && { match, paramResource: paramKind && paramResource(this.#options.catalog, paramKind) }
    })
    if (!found) return
    const annotations = new Map<string, Set<string>>()
    for (const binding of bindings) {
      if (!this.#orDenied(policy, binding, () => matchesBinding(binding, request, this.#options))) continue
      const { spec } = policy
      const asked = {
        paramKind: spec.paramKind,
        resource: found.paramResource,
        paramRef: binding.spec.paramRef,
        namespace: namespaceOf(request),
      }
      const params = await collectParams(this.#options.params, asked).catch((error: Error) => {
        this.#misconfigured(policy, binding, error)
        return []
      })
      for (const param of params) {
        const startedMs = this.#options.now()
        const verdict = await this.#validate(policy, binding, found.match, param)
        if (verdict) this.#enforce(policy, binding, verdict, annotations, (this.#options.now() - startedMs) / 1_000)
      }
    }
    for (const [key, values] of annotations) request.annotate?.(`${policy.metadata.name}/${key}`, [...values].join(', '))
  }

  #orDenied<T>(policy: Policy, binding: Binding | undefined, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      this.#misconfigured(policy, binding, error as Error)
      return undefined
    }
  }

  #misconfigured({ metadata, spec }: Policy, binding: Binding | undefined, error: Error): void {
    if (spec.failurePolicy === 'Ignore') return
    const message = `failed to configure ${binding ? 'binding' : 'policy'}: ${error.message}`
    this.#denials.push({ policy: metadata.name, ...(binding && { binding: binding.metadata.name }), message })
  }

  async #validate(
    policy: Policy,
    binding: Binding,
    match: Match,
    params: Parameters<typeof expressionInput>[0]['params'],
  ): Promise<PolicyVerdict | undefined> {
    const request = this.#request
    const { authorizer, reader } = this.#options
    let view
    try {
      view = await this.#objects.view(match)
    } catch (error) {
      this.#misconfigured(policy, binding, new Error(`failed to convert object version: ${(error as Error).message}`, { cause: error }))
      return undefined
    }
    const namespaceObject = namespaceObjectOf(request, reader)
    const source = {
      request,
      match,
      view,
      authorizer,
      ...(params !== undefined && { params }),
      ...(namespaceObject && { namespaceObject }),
    }
    return validatorOf(policy).validate(expressionInput(source))
  }

  #enforce(
    policy: Policy,
    binding: Binding,
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
