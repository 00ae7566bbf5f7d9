/** The admission chain in upstream's order (pkg/kubeapiserver/options/plugins.go). The registry puts quota behind it. */
import {
  createDefaultIngressClass,
  createDefaultStorageClass,
  createPersistentVolumeClaimResize,
  storageObjectInUseProtection,
} from './defaultClasses.ts'
import { certificateSubjectRestriction, createCertificateApproval, createCertificateSigning } from './certificates.ts'
import { createLimitRanger } from './limitRanger.ts'
import { createNamespaceLifecycle } from './namespaceLifecycle.ts'
import { createNodeRestriction } from './nodeRestriction.ts'
import { createNodeDeclaredFeatureValidator, createPodResizeValidator } from './podResize.ts'
import { createPodSecurity } from './podSecurity.ts'
import { createPodTopologyLabels } from './podTopologyLabels.ts'
import { createPriority } from './priority.ts'
import { createDefaultTolerationSeconds, createRuntimeClass, taintNodesByCondition, TOLERATION_SECONDS } from './podDefaults.ts'
import type { TolerationSeconds } from './podDefaults.ts'
import { createServiceAccount } from './serviceAccount.ts'
import { createEscalationCheck } from '../authorization/escalation.ts'
import type { Authorizer } from '../request.ts'
import type { ObjectReader } from '../registry/reader.ts'
import type { AdmissionPlugin } from './admission.ts'

export interface AdmissionOptions {
  reader: ObjectReader
  authorizer: Authorizer
  tolerationSeconds?: TolerationSeconds
}

export function admissionPlugins({ reader, authorizer, tolerationSeconds = TOLERATION_SECONDS }: AdmissionOptions): AdmissionPlugin[] {
  return [
    createNamespaceLifecycle(reader),
    createLimitRanger(reader),
    createServiceAccount(reader),
    createNodeRestriction(reader),
    taintNodesByCondition,
    createPodSecurity(reader),
    createPriority(reader),
    createDefaultTolerationSeconds(tolerationSeconds),
    createDefaultStorageClass(reader),
    storageObjectInUseProtection,
    createPersistentVolumeClaimResize(reader),
    createRuntimeClass(reader),
    createCertificateApproval(authorizer),
    createCertificateSigning(authorizer),
    certificateSubjectRestriction,
    createDefaultIngressClass(reader),
    createPodTopologyLabels(reader),
    createNodeDeclaredFeatureValidator(reader),
    createPodResizeValidator(reader),
    createEscalationCheck(authorizer),
  ]
}
