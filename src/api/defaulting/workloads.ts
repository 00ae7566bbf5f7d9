/** Workload controllers: apps, batch, autoscaling. */
import type * as apps from '../kinds/apps/v1.ts'
import type * as autoscalingV1 from '../kinds/autoscaling/v1.ts'
import type * as autoscalingV2 from '../kinds/autoscaling/v2.ts'
import type * as batch from '../kinds/batch/v1.ts'
import { rule, type Rules } from './rules.ts'

const INT32_MAX = 2 ** 31 - 1
const DEFAULT_CPU_UTILIZATION_PERCENT = 80

function defaultDeployment({ spec }: apps.Deployment): void {
  spec.replicas ??= 1
  const strategy = (spec.strategy ??= {})
  strategy.type ||= 'RollingUpdate'
  if (strategy.type === 'RollingUpdate') {
    const rollingUpdate = (strategy.rollingUpdate ??= {})
    rollingUpdate.maxUnavailable ??= '25%'
    rollingUpdate.maxSurge ??= '25%'
  }
  spec.revisionHistoryLimit ??= 10
  spec.progressDeadlineSeconds ??= 600
}

function defaultDaemonSet({ spec }: apps.DaemonSet): void {
  const strategy = (spec.updateStrategy ??= {})
  strategy.type ||= 'RollingUpdate'
  if (strategy.type === 'RollingUpdate') {
    const rollingUpdate = (strategy.rollingUpdate ??= {})
    rollingUpdate.maxUnavailable ??= 1
    rollingUpdate.maxSurge ??= 0
  }
  spec.revisionHistoryLimit ??= 10
}

function defaultStatefulSet({ spec }: apps.StatefulSet): void {
  spec.podManagementPolicy ||= 'OrderedReady'
  const strategy = (spec.updateStrategy ??= {})
  if (!strategy.type) {
    strategy.type = 'RollingUpdate'
    strategy.rollingUpdate ??= {}
  }
  if (strategy.type === 'RollingUpdate' && strategy.rollingUpdate) strategy.rollingUpdate.partition ??= 0
  const retention = (spec.persistentVolumeClaimRetentionPolicy ??= {})
  retention.whenDeleted ||= 'Retain'
  retention.whenScaled ||= 'Retain'
  spec.replicas ??= 1
  spec.revisionHistoryLimit ??= 10
  for (const template of spec.volumeClaimTemplates ?? []) Object.assign(template, { kind: 'PersistentVolumeClaim', apiVersion: 'v1' })
}

function defaultJob({ metadata, spec }: batch.Job): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1
  spec.parallelism ??= 1
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : INT32_MAX
  const labels = spec.template?.metadata?.labels
  if (labels && Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels }
  spec.completionMode ??= 'NonIndexed'
  spec.suspend ??= false
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed'
  spec.manualSelector ??= false
}

function scalingRules(
  given: autoscalingV2.HPAScalingRules | undefined,
  defaults: autoscalingV2.HPAScalingRules,
): autoscalingV2.HPAScalingRules {
  return { ...defaults, ...given }
}

function defaultAutoscaler({ spec }: autoscalingV2.HorizontalPodAutoscaler): void {
  spec.minReplicas ??= 1
  if (!spec.metrics?.length) {
    const target = { type: 'Utilization', averageUtilization: DEFAULT_CPU_UTILIZATION_PERCENT }
    spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }]
  }
  if (!spec.behavior) return
  spec.behavior.scaleUp = scalingRules(spec.behavior.scaleUp, {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [
      { type: 'Pods', value: 4, periodSeconds: 15 },
      { type: 'Percent', value: 100, periodSeconds: 15 },
    ],
  })
  spec.behavior.scaleDown = scalingRules(spec.behavior.scaleDown, {
    selectPolicy: 'Max',
    policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
  })
}

export const workloadRules: Rules = {
  'io.k8s.api.apps.v1.Deployment': rule(defaultDeployment),
  'io.k8s.api.apps.v1.DaemonSet': rule(defaultDaemonSet),
  'io.k8s.api.apps.v1.StatefulSet': rule(defaultStatefulSet),
  'io.k8s.api.apps.v1.ReplicaSet': rule<apps.ReplicaSet>(({ spec }) => void (spec.replicas ??= 1)),
  'io.k8s.api.batch.v1.Job': rule(defaultJob),
  'io.k8s.api.batch.v1.CronJob': rule<batch.CronJob>(({ spec }) => {
    spec.concurrencyPolicy ||= 'Allow'
    spec.suspend ??= false
    spec.successfulJobsHistoryLimit ??= 3
    spec.failedJobsHistoryLimit ??= 1
  }),
  'io.k8s.api.batch.v1.PodFailurePolicyOnPodConditionsPattern': rule<batch.PodFailurePolicyOnPodConditionsPattern>(
    (pattern) => void (pattern.status ||= 'True'),
  ),
  'io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler': rule<autoscalingV1.HorizontalPodAutoscaler>(
    ({ spec }) => void (spec.minReplicas ??= 1),
  ),
  'io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler': rule(defaultAutoscaler),
}
