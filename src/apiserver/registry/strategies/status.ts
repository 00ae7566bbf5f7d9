/** The statuses that objects begin with: Go's zero values, which its encoder prints. */
import { timestamp } from '../../../api/meta.ts'
import type { Strategy } from '../strategy.ts'

const fixed = (status: object): Pick<Strategy, 'initialStatus'> => ({ initialStatus: () => structuredClone(status) })

export const daemonSetStatus = fixed({ currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 })
export const replicaStatus = fixed({ replicas: 0 })
export const statefulSetStatus = fixed({ replicas: 0, availableReplicas: 0 })
export const loadBalancerStatus = fixed({ loadBalancer: {} })
export const disruptionStatus = fixed({ disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 })
export const autoscalerStatus = fixed({ desiredReplicas: 0, currentMetrics: null })
export const attachmentStatus = fixed({ attached: false })
export const activeStatus = fixed({ phase: 'Active' })
export const pendingStatus = fixed({ phase: 'Pending' })
export const volumeStatus: Pick<Strategy, 'initialStatus'> = {
  initialStatus: () => ({ phase: 'Pending', lastPhaseTransitionTime: timestamp(Date.now()) }),
}
