/** admissionregistration.k8s.io: webhook configurations and policies count their generation and are never updated blindly. */
import type { Strategy } from '../strategy.ts'

const configuration: Strategy = { managesGeneration: true, allowUnconditionalUpdate: false }

export const admissionStrategies: Record<string, Strategy> = {
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': configuration,
  'admissionregistration.k8s.io/validatingwebhookconfigurations': configuration,
  'admissionregistration.k8s.io/validatingadmissionpolicies': configuration,
  'admissionregistration.k8s.io/validatingadmissionpolicybindings': configuration,
  'admissionregistration.k8s.io/mutatingadmissionpolicies': configuration,
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings': configuration,
}
