/** How a taint manager ends a pod: the pod says why it is disrupted before it is deleted. */
import { pods, type Pod } from '../api/kinds/core/v1.ts'
import { timestamp } from '../api/meta.ts'
import { isNotFound } from '../api/status.ts'
import type { ControllerContext } from '../reconcile/controller.ts'
import { at } from './ownership.ts'

export interface DisruptionReason {
  reason: string
  message: string
}

export async function deleteDisrupted(
  { client, clock }: Pick<ControllerContext, 'client' | 'clock'>,
  pod: Pod,
  { reason, message }: DisruptionReason,
  signal: AbortSignal,
): Promise<void> {
  const target = { type: 'DisruptionTarget', status: 'True', reason, message, lastTransitionTime: timestamp(clock.now()) }
  const conditions = [...(pod.status?.conditions ?? []).filter(({ type }) => type !== target.type), target]
  try {
    await client.update(pods, { ...pod, status: { ...pod.status, conditions } }, { subresource: 'status', signal })
    await client.delete(pods, { ...at(pod), signal }, { preconditions: { uid: pod.metadata.uid } })
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}
