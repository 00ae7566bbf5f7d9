/** Kinds about the cluster itself: leases, classes, flow control, certificates. */
import {
  validateLease,
  validatePriorityClass,
  validatePriorityClassUpdate,
  validateRuntimeClass,
  validateRuntimeClassUpdate,
} from '../../../api/validation/cluster.ts'
import { validateFlowControlStatus, validateFlowSchema, validatePriorityLevelConfiguration } from '../../../api/validation/flowcontrol.ts'
import { runtimeClassWarnings } from '../../../api/validation/warnings.ts'
import { certificateSigningRequests } from './certificates.ts'
import type { FlowSchema, PriorityLevelConfiguration } from '../../../api/kinds/flowcontrol/v1.ts'
import type { Lease } from '../../../api/kinds/coordination/v1.ts'
import type { RuntimeClass } from '../../../api/kinds/node/v1.ts'
import type { PriorityClass } from '../../../api/kinds/scheduling/v1.ts'
import type { Strategy } from '../strategy.ts'

const leases: Strategy<Lease> = {
  anyFinalizers: true,
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  prepareForCreate: (next) => dropCoordination(next.spec, undefined),
  prepareForUpdate: (next, old) => dropCoordination(next.spec, old.spec),
  validateCreate: validateLease,
  validateUpdate: validateLease,
}
/** Coordinated leader election is off by default. */
function dropCoordination(spec: Lease['spec'], old: Lease['spec'] | undefined): void {
  for (const field of ['strategy', 'preferredHolder'] as const) if (old?.[field] === undefined) delete spec?.[field]
}
const priorityClasses: Strategy<PriorityClass> = {
  managesGeneration: 'atFirst',
  validateCreate: validatePriorityClass,
  validateUpdate: validatePriorityClassUpdate,
}
const runtimeClasses: Strategy<RuntimeClass> = {
  anyFinalizers: true,
  updateChecks: ['new', 'change'],
  warningsOnCreate: runtimeClassWarnings,
  warningsOnUpdate: runtimeClassWarnings,
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  validateCreate: validateRuntimeClass,
  validateUpdate: validateRuntimeClassUpdate,
}

const flowSchemas: Strategy<FlowSchema> = {
  updateChecks: ['new'],
  managesGeneration: true,
  validateCreate: validateFlowSchema,
  validateUpdate: validateFlowSchema,
  validateStatusUpdate: validateFlowControlStatus,
}
const priorityLevels: Strategy<PriorityLevelConfiguration> = {
  updateChecks: ['new'],
  managesGeneration: true,
  validateCreate: validatePriorityLevelConfiguration,
  validateUpdate: validatePriorityLevelConfiguration,
  validateStatusUpdate: validateFlowControlStatus,
}

export const clusterStrategies: Record<string, Strategy> = {
  'coordination.k8s.io/leases': leases as Strategy,
  'scheduling.k8s.io/priorityclasses': priorityClasses as Strategy,
  'node.k8s.io/runtimeclasses': runtimeClasses as Strategy,
  'certificates.k8s.io/certificatesigningrequests': certificateSigningRequests as Strategy,
  'flowcontrol.apiserver.k8s.io/flowschemas': flowSchemas as Strategy,
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations': priorityLevels as Strategy,
}
