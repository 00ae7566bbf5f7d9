/** The apps group and what is like it. */
import {
  validateControllerRevision, validateDaemonSet, validateDaemonSetUpdate, validateDeployment, validateDeploymentUpdate, validateReplicaSet, validateReplicaSetUpdate,
  validateStatefulSet, validateStatefulSetUpdate,
} from '../../../api/validation/apps.ts'
import { validateDisruptionBudget, validateHorizontalPodAutoscaler } from '../../../api/validation/policies.ts'
import { autoscalerStatus, daemonSetStatus, disruptionStatus, replicaStatus, statefulSetStatus } from './status.ts'
import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../../../api/kinds/apps/v1.ts'
import type { HorizontalPodAutoscaler } from '../../../api/kinds/autoscaling/v2.ts'
import type { PodDisruptionBudget } from '../../../api/kinds/policy/v1.ts'
import type { Strategy } from '../strategy.ts'

const deployments: Strategy<Deployment> = {
  managesGeneration: true,
  generationCountsAnnotations: true,
  validateCreate: validateDeployment,
  validateUpdate: validateDeploymentUpdate,
}
const replicaSets: Strategy<ReplicaSet> = {
  ...replicaStatus,
  managesGeneration: true,
  statusKeepsMetadata: true,
  validateCreate: validateReplicaSet,
  validateUpdate: validateReplicaSetUpdate,
  selectableFields: { 'status.replicas': (set) => String(set.status?.replicas ?? 0) },
}
const statefulSets: Strategy<StatefulSet> = {
  ...statefulSetStatus,
  managesGeneration: true,
  statusKeepsMetadata: true,
  validateCreate: validateStatefulSet,
  validateUpdate: validateStatefulSetUpdate,
}
const daemonSets: Strategy<DaemonSet> = {
  ...daemonSetStatus,
  managesGeneration: true,
  statusKeepsMetadata: true,
  validateCreate: validateDaemonSet,
  validateUpdate: validateDaemonSetUpdate,
}
const controllerRevisions: Strategy<ControllerRevision> = { validateCreate: validateControllerRevision }
const disruptionBudgets: Strategy<PodDisruptionBudget> = {
  ...disruptionStatus,
  managesGeneration: true,
  statusKeepsMetadata: true,
  allowUnconditionalUpdate: false,
  validateCreate: validateDisruptionBudget,
  validateUpdate: validateDisruptionBudget,
}
const autoscalers: Strategy<HorizontalPodAutoscaler> = {
  ...autoscalerStatus,
  statusKeepsMetadata: true,
  validateCreate: validateHorizontalPodAutoscaler,
  validateUpdate: validateHorizontalPodAutoscaler,
}

export const workloadStrategies: Record<string, Strategy> = {
  'apps/deployments': deployments as Strategy,
  'apps/replicasets': replicaSets as Strategy,
  'apps/statefulsets': statefulSets as Strategy,
  'apps/daemonsets': daemonSets as Strategy,
  'apps/controllerrevisions': controllerRevisions as Strategy,
  'policy/poddisruptionbudgets': disruptionBudgets as Strategy,
  'autoscaling/horizontalpodautoscalers': autoscalers as Strategy,
}
