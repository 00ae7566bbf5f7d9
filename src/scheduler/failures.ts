/** What a pod's failed attempt leaves on the pod: its condition, its promised node, and an event. */
import { pods, type Pod } from '../api/kinds/core/v1.ts'
import { findCondition, timestamp } from '../api/meta.ts'
import { keyOf } from '../api/resource.ts'
import { isNotFound } from '../api/status.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'

const EVENT_MESSAGE_MAX = 1_024

export interface FailureReporter {
  client: Client
  events: EventRecorder
  clock: Clock
  log: Logger
  signal: AbortSignal
}

export interface Failure {
  reason: 'Unschedulable' | 'SchedulerError'
  message: string
  /** '' takes the promise back, undefined leaves it. */
  nominatedNodeName?: string | undefined
}

const truncated = (message: string): string =>
  message.length <= EVENT_MESSAGE_MAX ? message : `${message.slice(0, EVENT_MESSAGE_MAX - 4)} ...`

export async function reportFailure(pod: Pod, { reason, message, nominatedNodeName }: Failure, reporter: FailureReporter): Promise<void> {
  const { client, events, clock, log, signal } = reporter
  const { name, namespace, generation } = pod.metadata
  events.record(pod, { type: 'Warning', reason: 'FailedScheduling', action: 'Scheduling', message: truncated(message) })
  const before = findCondition(pod.status?.conditions, 'PodScheduled')
  const isNominated = nominatedNodeName !== undefined && nominatedNodeName !== (pod.status?.nominatedNodeName ?? '')
  if (!isNominated && before?.status === 'False' && before.reason === reason && before.message === message) return
  const now = timestamp(clock.now())
  const condition = {
    type: 'PodScheduled',
    status: 'False',
    reason,
    message,
    lastProbeTime: null,
    lastTransitionTime: before?.status === 'False' ? before.lastTransitionTime : now,
    ...(generation !== undefined && { observedGeneration: generation }),
  }
  const status = { conditions: [condition], ...(isNominated && { nominatedNodeName: nominatedNodeName || null }) }
  const at = { namespace, name, subresource: 'status' as const, signal }
  try {
    await client.patch(pods, { ...at, type: 'application/strategic-merge-patch+json' }, { status })
  } catch (error) {
    if (!isNotFound(error) && !signal.aborted)
      log.warn('could not report that a pod is unschedulable', { pod: keyOf(pod), cause: String(error) })
  }
}
