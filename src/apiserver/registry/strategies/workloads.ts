/** The apps group and what is like it. */
import {
  ROLLBACK_TO,
  validateControllerRevision,
  validateControllerRevisionUpdate,
  validateDaemonSet,
  validateDaemonSetUpdate,
  validateDeployment,
  validateDeploymentUpdate,
  validateReplicaSet,
  validateReplicaSetUpdate,
  validateStatefulSet,
  validateStatefulSetUpdate,
} from '../../../api/validation/apps.ts'
import {
  validateAutoscalerStatusUpdate,
  validateDaemonSetStatusUpdate,
  validateDeploymentStatusUpdate,
  validateDisruptionBudgetStatusUpdate,
  validateReplicaSetStatusUpdate,
  validateStatefulSetStatusUpdate,
} from '../../../api/validation/workloadStatus.ts'
import { validateHorizontalPodAutoscaler } from '../../../api/validation/autoscaling.ts'
import { validateDisruptionBudget } from '../../../api/validation/policies.ts'
import { isPathSegmentName, nameIsDnsLabel } from '../../../api/validation/names.ts'
import { statefulSetWarnings, templateWarnings, workloadUpdateWarnings, workloadWarnings } from '../../../api/validation/warnings.ts'
import { deepEqual } from '../../../api/meta.ts'
import { newBadRequest } from '../../../api/status.ts'
import { integerTrouble } from '../options.ts'
import { dropDisabledTemplateFields } from './disabledFields.ts'
import { autoscalerStatus, daemonSetStatus, disruptionStatus, replicaStatus, statefulSetStatus } from './status.ts'
import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../../../api/kinds/apps/v1.ts'
import type { HorizontalPodAutoscaler } from '../../../api/kinds/autoscaling/v2.ts'
import type { PodDisruptionBudget } from '../../../api/kinds/policy/v1.ts'
import type { Strategy } from '../strategy.ts'

/** What upstream's conversion to its internal type refuses, drops or writes anew. */
function convertDeployment({ metadata }: Deployment): void {
  const text = metadata.annotations?.[ROLLBACK_TO]
  if (text === undefined) return
  const { [ROLLBACK_TO]: _, ...others } = metadata.annotations ?? {}
  const trouble = text && integerTrouble(text)
  if (trouble)
    throw newBadRequest(
      `Deployment in version "v1" cannot be handled as a Deployment: failed to parse annotation[${ROLLBACK_TO}]=${text} as int64: ${trouble}`,
    )
  if (text) metadata.annotations = { ...others, [ROLLBACK_TO]: String(BigInt(text.replace('+', ''))) }
  else if (Object.keys(others).length > 0) metadata.annotations = others
  else delete metadata.annotations
}

const deployments: Strategy<Deployment> = {
  decoded: convertDeployment,
  managesGeneration: true,
  generationCounts: ['annotations'],
  prepareForCreate: ({ spec }) => dropDisabledTemplateFields(spec?.template),
  prepareForUpdate: ({ spec }, old) => dropDisabledTemplateFields(spec?.template, old.spec?.template),
  statusKeepsMetadata: 'exceptLabels',
  prepareForStatusUpdate(next, old) {
    if (old.metadata.labels) next.metadata.labels = { ...old.metadata.labels }
    else delete next.metadata.labels
  },
  validateCreate: validateDeployment,
  validateUpdate: validateDeploymentUpdate,
  validateStatusUpdate: validateDeploymentStatusUpdate,
  warningsOnCreate: workloadWarnings,
  warningsOnUpdate: workloadUpdateWarnings,
}
const replicaSets: Strategy<ReplicaSet> = {
  prepareForCreate: ({ spec }) => dropDisabledTemplateFields(spec?.template),
  prepareForUpdate: ({ spec }, old) => dropDisabledTemplateFields(spec?.template, old.spec?.template),
  ...replicaStatus,
  managesGeneration: true,
  statusKeepsMetadata: true,
  validateCreate: validateReplicaSet,
  validateUpdate: validateReplicaSetUpdate,
  validateStatusUpdate: validateReplicaSetStatusUpdate,
  warningsOnCreate: workloadWarnings,
  warningsOnUpdate: workloadUpdateWarnings,
}
const statefulSets: Strategy<StatefulSet> = {
  validateName: nameIsDnsLabel,
  /** Updating several pods at once is not on by default. */
  prepareForCreate(next) {
    delete next.spec?.updateStrategy?.rollingUpdate?.maxUnavailable
    dropDisabledTemplateFields(next.spec?.template)
  },
  prepareForUpdate(next, old) {
    if (old.spec?.updateStrategy?.rollingUpdate?.maxUnavailable === undefined)
      delete next.spec?.updateStrategy?.rollingUpdate?.maxUnavailable
    dropDisabledTemplateFields(next.spec?.template, old.spec?.template)
  },
  ...statefulSetStatus,
  managesGeneration: true,
  statusKeepsMetadata: true,
  validateCreate: validateStatefulSet,
  validateUpdate: validateStatefulSetUpdate,
  validateStatusUpdate: validateStatefulSetStatusUpdate,
  warningsOnCreate: statefulSetWarnings,
  warningsOnUpdate: statefulSetWarnings,
}
/** What used to be spec.templateGeneration lives on in an annotation. */
const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation'

function templateGeneration(set: DaemonSet): number {
  return Number(set.metadata.annotations?.[TEMPLATE_GENERATION] ?? 0)
}

function setTemplateGeneration(set: DaemonSet, generation: number): void {
  set.metadata.annotations = { ...set.metadata.annotations, [TEMPLATE_GENERATION]: String(generation) }
}

/** What upstream's conversion to its internal type refuses or fills in. */
function convertDaemonSet(set: DaemonSet): void {
  const generation = set.metadata.annotations?.[TEMPLATE_GENERATION] ?? '0'
  const trouble = integerTrouble(generation)
  if (trouble) throw newBadRequest(`DaemonSet in version "v1" cannot be handled as a DaemonSet: ${trouble}`)
  setTemplateGeneration(set, Number(generation))
  const rolling = set.spec?.updateStrategy?.rollingUpdate
  if (!rolling) return
  rolling.maxUnavailable ??= 0
  rolling.maxSurge ??= 0
}

const daemonSets: Strategy<DaemonSet> = {
  decoded: convertDaemonSet,
  prepareForCreate(set) {
    setTemplateGeneration(set, Math.max(1, templateGeneration(set)))
    dropDisabledTemplateFields(set.spec?.template)
  },
  prepareForUpdate: ({ spec }, old) => dropDisabledTemplateFields(spec?.template, old.spec?.template),
  settleUpdate(next, old) {
    const changed = !deepEqual(next.spec?.template, old.spec?.template)
    setTemplateGeneration(next, templateGeneration(old) + (changed ? 1 : 0))
  },
  ...daemonSetStatus,
  managesGeneration: true,
  statusKeepsMetadata: true,
  validateCreate: validateDaemonSet,
  validateUpdate: validateDaemonSetUpdate,
  validateStatusUpdate: validateDaemonSetStatusUpdate,
  warningsOnCreate: (set) => templateWarnings(set.spec?.template),
  warningsOnUpdate: (next, old) => (deepEqual(next.spec?.template, old.spec?.template) ? [] : templateWarnings(next.spec?.template)),
}
const controllerRevisions: Strategy<ControllerRevision> = {
  updateChecks: ['change', 'new'],
  validateCreate: validateControllerRevision,
  validateUpdate: validateControllerRevisionUpdate,
}
const disruptionBudgets: Strategy<PodDisruptionBudget> = {
  updateChecks: [],
  validateName: isPathSegmentName,
  ...disruptionStatus,
  managesGeneration: true,
  statusKeepsMetadata: true,
  allowUnconditionalUpdate: false,
  validateCreate: validateDisruptionBudget,
  validateUpdate: validateDisruptionBudget,
  validateStatusUpdate: validateDisruptionBudgetStatusUpdate,
}
const autoscalers: Strategy<HorizontalPodAutoscaler> = {
  ...autoscalerStatus,
  statusKeepsMetadata: true,
  validateCreate: (autoscaler) => validateHorizontalPodAutoscaler(autoscaler),
  validateUpdate: (next, old) => validateHorizontalPodAutoscaler(next, old),
  validateStatusUpdate: validateAutoscalerStatusUpdate,
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
