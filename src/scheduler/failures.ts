/** What becomes of a pod whose attempt failed: it waits again, and its condition, its promised node and an event tell why. */
import { pods, type Pod } from '../api/kinds/core/v1.ts'
import { findCondition, timestamp } from '../api/meta.ts'
import { keyOf } from '../api/resource.ts'
import { isNotFound } from '../api/status.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { SchedulerParts } from './parts.ts'
import type { Profile } from './profile.ts'
import type { QueuedPod } from './queue.ts'

const EVENT_MESSAGE_MAX = 1_024

interface FailureReporter {
  client: Client
  events: EventRecorder
  clock: Clock
  log: Logger
  signal: AbortSignal
}

interface Failure {
  reason: 'Unschedulable' | 'SchedulerError'
  message: string
  /** '' takes the promise back, undefined leaves it. */
  nominatedNodeName?: string | undefined
}

const truncated = (message: string): string =>
  message.length <= EVENT_MESSAGE_MAX ? message : `${message.slice(0, EVENT_MESSAGE_MAX - 4)} ...`

async function reportFailure(pod: Pod, { reason, message, nominatedNodeName }: Failure, reporter: FailureReporter): Promise<void> {
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

export class AttemptFailures {
  readonly #parts: SchedulerParts

  constructor(parts: SchedulerParts) {
    this.#parts = parts
  }

  /** No node fits. @param plugins those that refused it, for the queue's hints */
  unschedulable(
    queued: QueuedPod,
    profile: Profile,
    failure: Omit<Failure, 'reason'> & { plugins: ReadonlySet<string> },
    startMs: number,
  ): void {
    const pod = this.#count(queued, profile, 'unschedulable', startMs)
    if (!pod) return
    this.#parts.queue.failed(queued, pod, failure.plugins)
    this.#tell(queued, profile, pod, { reason: 'Unschedulable', ...failure })
  }

  /** Something went wrong: what was promised to the pod is not to be relied on. */
  error(queued: QueuedPod, profile: Profile, error: unknown, startMs: number): void {
    const pod = this.#count(queued, profile, 'error', startMs)
    if (!pod) return
    this.#parts.queue.retry(queued, pod)
    const message = error instanceof Error ? error.message : String(error)
    this.#tell(queued, profile, pod, { reason: 'SchedulerError', message, nominatedNodeName: '' })
  }

  /** The newest object of the pod; undefined where it does not want a node any more. */
  #count({ info }: QueuedPod, { schedulerName }: Profile, result: 'unschedulable' | 'error', startMs: number): Pod | undefined {
    const { informers, metrics, queue } = this.#parts
    metrics.attempt(result, schedulerName, (performance.now() - startMs) / 1_000)
    const { uid } = info.pod.metadata
    const pod = informers.for(pods).get(keyOf(info.pod))
    if (pod?.metadata.uid === uid && !pod.spec.nodeName && pod.metadata.deletionTimestamp === undefined) return pod
    queue.done(uid)
    return undefined
  }

  #tell({ info }: QueuedPod, profile: Profile, pod: Pod, failure: Failure): void {
    const { client, context, nominator, recorderOf } = this.#parts
    if (failure.nominatedNodeName !== undefined) nominator.set(info, failure.nominatedNodeName)
    void reportFailure(pod, failure, { client, events: recorderOf(profile), ...context })
  }
}
