/** Kinds about the cluster itself: leases, classes, flow control, certificates. */
import { validateCertificateSigningRequest } from '../../../api/validation/certificates.ts'
import {
  validateLease,
  validatePriorityClass,
  validatePriorityClassUpdate,
  validateRuntimeClass,
  validateRuntimeClassUpdate,
} from '../../../api/validation/cluster.ts'
import { validateFlowSchema, validatePriorityLevelConfiguration } from '../../../api/validation/flowcontrol.ts'
import type { FlowSchema, PriorityLevelConfiguration } from '../../../api/kinds/flowcontrol/v1.ts'
import type { CertificateSigningRequest } from '../../../api/kinds/certificates/v1.ts'
import type { Lease } from '../../../api/kinds/coordination/v1.ts'
import type { RuntimeClass } from '../../../api/kinds/node/v1.ts'
import type { PriorityClass } from '../../../api/kinds/scheduling/v1.ts'
import type { Strategy } from '../strategy.ts'

const leases: Strategy<Lease> = {
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  validateCreate: validateLease,
  validateUpdate: validateLease,
}
const priorityClasses: Strategy<PriorityClass> = {
  managesGeneration: 'atFirst',
  validateCreate: validatePriorityClass,
  validateUpdate: validatePriorityClassUpdate,
}
const runtimeClasses: Strategy<RuntimeClass> = {
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  validateCreate: validateRuntimeClass,
  validateUpdate: validateRuntimeClassUpdate,
}

const certificateSigningRequests: Strategy<CertificateSigningRequest> = {
  /** Who asks is what the authenticator says, never what the object says. */
  prepareForCreate(next, { user }) {
    next.spec.username = user.name
    if (user.uid) next.spec.uid = user.uid
    else delete next.spec.uid
    next.spec.groups = [...user.groups]
    const extra = Object.entries(user.extra)
    if (extra.length > 0) next.spec.extra = Object.fromEntries(extra.map(([key, values]) => [key, [...values]]))
    else delete next.spec.extra
  },
  validateCreate: (csr) => validateCertificateSigningRequest(csr),
  prepareForUpdate(next, old) {
    next.spec = old.spec
  },
  prepareForStatusUpdate(next, old) {
    const isDecision = (type: string): boolean => type === 'Approved' || type === 'Denied'
    const kept = (old.status?.conditions ?? []).filter((condition) => isDecision(condition.type))
    const others = (next.status?.conditions ?? []).filter((condition) => !isDecision(condition.type))
    const conditions = [...kept, ...others]
    next.status = { ...next.status, ...(conditions.length > 0 && { conditions }) }
  },
  selectableFields: { 'spec.signerName': (csr) => csr.spec.signerName },
}

const flowSchemas: Strategy<FlowSchema> = {
  managesGeneration: true,
  checksMetaOnce: true,
  validateCreate: validateFlowSchema,
  validateUpdate: validateFlowSchema,
}
const priorityLevels: Strategy<PriorityLevelConfiguration> = {
  managesGeneration: true,
  checksMetaOnce: true,
  validateCreate: validatePriorityLevelConfiguration,
  validateUpdate: validatePriorityLevelConfiguration,
}

export const clusterStrategies: Record<string, Strategy> = {
  'coordination.k8s.io/leases': leases as Strategy,
  'scheduling.k8s.io/priorityclasses': priorityClasses as Strategy,
  'node.k8s.io/runtimeclasses': runtimeClasses as Strategy,
  'certificates.k8s.io/certificatesigningrequests': certificateSigningRequests as Strategy,
  'flowcontrol.apiserver.k8s.io/flowschemas': flowSchemas as Strategy,
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations': priorityLevels as Strategy,
}
