/** admissionregistration.k8s.io: webhook configurations and policies count their generation and are never updated blindly. */
import {
  validateMutatingAdmissionPolicy,
  validateMutatingAdmissionPolicyBinding,
  validateValidatingAdmissionPolicy,
  validateValidatingAdmissionPolicyBinding,
  validateValidatingAdmissionPolicyStatus,
} from '../../../api/validation/admissionPolicies.ts'
import { validateWebhookConfiguration } from '../../../api/validation/webhooks.ts'
import { expressionRules } from './expressionRules.ts'
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
} from '../../../api/kinds/admissionregistration/v1.ts'
import type { Strategy } from '../strategy.ts'

const configuration = {
  managesGeneration: true,
  allowUnconditionalUpdate: false,
  updateChecks: ['new'],
  anyFinalizers: true,
} as const

const webhooks: Strategy<ValidatingWebhookConfiguration | MutatingWebhookConfiguration> = {
  ...configuration,
  generationCountsEmpty: true,
  validateCreate: (next) => validateWebhookConfiguration(next, undefined, expressionRules),
  validateUpdate: (next, old) => validateWebhookConfiguration(next, old, expressionRules),
}
const validatingPolicies: Strategy<ValidatingAdmissionPolicy> = {
  ...configuration,
  appliedStatusCreates: true,
  validateCreate: (policy) => validateValidatingAdmissionPolicy(policy, expressionRules),
  validateUpdate: (policy) => validateValidatingAdmissionPolicy(policy, expressionRules),
  validateStatusUpdate: validateValidatingAdmissionPolicyStatus,
}
const validatingBindings: Strategy<ValidatingAdmissionPolicyBinding> = {
  ...configuration,
  validateCreate: validateValidatingAdmissionPolicyBinding,
  validateUpdate: validateValidatingAdmissionPolicyBinding,
}
const mutatingPolicies: Strategy<MutatingAdmissionPolicy> = {
  ...configuration,
  validateCreate: (policy) => validateMutatingAdmissionPolicy(policy, expressionRules),
  validateUpdate: (policy) => validateMutatingAdmissionPolicy(policy, expressionRules),
}
const mutatingBindings: Strategy<MutatingAdmissionPolicyBinding> = {
  ...configuration,
  validateCreate: validateMutatingAdmissionPolicyBinding,
  validateUpdate: validateMutatingAdmissionPolicyBinding,
}

export const admissionStrategies: Record<string, Strategy> = {
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': webhooks as Strategy,
  'admissionregistration.k8s.io/validatingwebhookconfigurations': webhooks as Strategy,
  'admissionregistration.k8s.io/validatingadmissionpolicies': validatingPolicies as Strategy,
  'admissionregistration.k8s.io/validatingadmissionpolicybindings': validatingBindings as Strategy,
  'admissionregistration.k8s.io/mutatingadmissionpolicies': mutatingPolicies as Strategy,
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings': mutatingBindings as Strategy,
}
