/**
 * Kinds in versions that upstream's scheme still knows and its server no longer serves by default: a body that says it is one
 * of them is told apart from one that nobody knows.
 */
import type { GroupVersionKind } from './catalog.ts'

const FLOW_CONTROL = 'FlowSchema PriorityLevelConfiguration'
const RBAC = 'Role RoleBinding ClusterRole ClusterRoleBinding'

const FORMER: Readonly<Record<string, string>> = {
  'admission.k8s.io/v1beta1': 'AdmissionReview',
  'admissionregistration.k8s.io/v1alpha1': 'ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding',
  'admissionregistration.k8s.io/v1beta1':
    'ValidatingWebhookConfiguration MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding',
  'apiextensions.k8s.io/v1beta1': 'CustomResourceDefinition ConversionReview',
  'apiregistration.k8s.io/v1beta1': 'APIService',
  'apps/v1beta1': 'Deployment DeploymentRollback Scale StatefulSet ControllerRevision',
  'apps/v1beta2': 'Deployment Scale StatefulSet DaemonSet ReplicaSet ControllerRevision',
  'authentication.k8s.io/v1alpha1': 'SelfSubjectReview',
  'authentication.k8s.io/v1beta1': 'SelfSubjectReview TokenReview',
  'authorization.k8s.io/v1beta1': 'SelfSubjectRulesReview SelfSubjectAccessReview SubjectAccessReview LocalSubjectAccessReview',
  'batch/v1beta1': 'CronJob',
  'certificates.k8s.io/v1beta1': 'CertificateSigningRequest',
  'coordination.k8s.io/v1beta1': 'Lease',
  'discovery.k8s.io/v1beta1': 'EndpointSlice',
  'events.k8s.io/v1beta1': 'Event',
  'extensions/v1beta1': 'Deployment DeploymentRollback Scale DaemonSet Ingress ReplicaSet NetworkPolicy',
  'flowcontrol.apiserver.k8s.io/v1beta1': FLOW_CONTROL,
  'flowcontrol.apiserver.k8s.io/v1beta2': FLOW_CONTROL,
  'flowcontrol.apiserver.k8s.io/v1beta3': FLOW_CONTROL,
  'imagepolicy.k8s.io/v1alpha1': 'ImageReview',
  'networking.k8s.io/v1beta1': 'Ingress IngressClass',
  'node.k8s.io/v1alpha1': 'RuntimeClass',
  'node.k8s.io/v1beta1': 'RuntimeClass',
  'policy/v1beta1': 'PodDisruptionBudget Eviction',
  'rbac.authorization.k8s.io/v1alpha1': RBAC,
  'rbac.authorization.k8s.io/v1beta1': RBAC,
  'scheduling.k8s.io/v1beta1': 'PriorityClass',
  'storage.k8s.io/v1alpha1': 'VolumeAttachment CSIStorageCapacity VolumeAttributesClass',
  'storage.k8s.io/v1beta1': 'StorageClass VolumeAttachment CSIDriver CSINode CSIStorageCapacity',
}

export function isFormerKind({ group, version, kind }: GroupVersionKind): boolean {
  return FORMER[`${group}/${version}`]?.split(' ').includes(kind) ?? false
}

/** Groups whose objects are another group's as well, by kind. */
const HOMES: Readonly<Record<string, string>> = {
  'extensions/Ingress': 'networking.k8s.io',
  'extensions/NetworkPolicy': 'networking.k8s.io',
  'extensions/Scale': 'autoscaling',
  'extensions/Deployment': 'apps',
  'extensions/DaemonSet': 'apps',
  'extensions/ReplicaSet': 'apps',
  'apps/Scale': 'autoscaling',
  'events.k8s.io/Event': '',
}

/** The group of the kind's internal type: kinds that share one can be told as each other's versions. */
export function homeGroup({ group, kind }: Pick<GroupVersionKind, 'group' | 'kind'>): string {
  return HOMES[`${group}/${kind}`] ?? group
}
