/** How a controller ends a pod that is in nobody's way but has to go: the pod says why it is disrupted before it is deleted. */
import { pods, type Pod, type PodCondition } from '../api/kinds/core/v1.ts'
import { timestamp } from '../api/meta.ts'
import { isNotFound } from '../api/status.ts'
import type { ControllerContext } from '../reconcile/controller.ts'
import { at } from './ownership.ts'

export interface DisruptionReason {
  reason: string
  message: string
}

/** Which of its specs a pod's status, or a condition, is about. */
export const observedGeneration = ({ metadata: { generation } }: Pod): { observedGeneration?: number } =>
  generation ? { observedGeneration: generation } : {}

/** The pod's conditions with the one that says why it is disrupted. */
export function disrupted(pod: Pod, { reason, message }: DisruptionReason, nowMs: number): PodCondition[] {
  const lastTransitionTime = timestamp(nowMs)
  const target = { type: 'DisruptionTarget', ...observedGeneration(pod), status: 'True', reason, message, lastTransitionTime }
  return [...(pod.status?.conditions ?? []).filter(({ type }) => type !== target.type), target]
}

export async function deleteDisrupted(
  { client, clock }: Pick<ControllerContext, 'client' | 'clock'>,
  pod: Pod,
  why: DisruptionReason,
  signal: AbortSignal,
): Promise<void> {
  const conditions = disrupted(pod, why, clock.now())
  try {
    await client.update(pods, { ...pod, status: { ...pod.status, conditions } }, { subresource: 'status', signal })
    await client.delete(pods, { ...at(pod), signal }, { preconditions: { uid: pod.metadata.uid } })
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}
