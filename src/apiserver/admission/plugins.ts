/** The admission chain in upstream's order (pkg/kubeapiserver/options/plugins.go). The registry puts quota behind it. */
import { createDefaultIngressClass, createDefaultStorageClass, createPersistentVolumeClaimResize, storageObjectInUseProtection } from './defaultClasses.ts'
import { createLimitRanger } from './limitRanger.ts'
import { createNamespaceLifecycle } from './namespaceLifecycle.ts'
import { createPriority } from './priority.ts'
import { createRuntimeClass, defaultTolerationSeconds, taintNodesByCondition } from './podDefaults.ts'
import { createServiceAccount } from './serviceAccount.ts'
import { createEscalationCheck } from '../authorization/escalation.ts'
import type { Authorizer } from '../request.ts'
import type { ObjectReader } from '../registry/reader.ts'
import type { AdmissionPlugin } from './admission.ts'

export interface AdmissionOptions {
  reader: ObjectReader
  authorizer: Authorizer
  /** Policies and webhooks: after the plugins that fill in defaults, before quota. */
  external?: readonly AdmissionPlugin[]
}

export function admissionPlugins({ reader, authorizer, external = [] }: AdmissionOptions): AdmissionPlugin[] {
  return [
    createNamespaceLifecycle(reader),
    createLimitRanger(reader),
    createServiceAccount(reader),
    taintNodesByCondition,
    createPriority(reader),
    defaultTolerationSeconds,
    createDefaultStorageClass(reader),
    storageObjectInUseProtection,
    createPersistentVolumeClaimResize(reader),
    createRuntimeClass(reader),
    createDefaultIngressClass(reader),
    createEscalationCheck(authorizer),
    ...external,
  ]
}
