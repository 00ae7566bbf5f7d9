/**
 * The node is about to stop: every pod ends in good order (preStop hook, stop signal, sidecars last) within its own grace
 * period or the node's, whichever is shorter. A pod whose containers may run again keeps its place and does so at the next
 * start, as after a reboot. One that may not is told Failed in the words of upstream's graceful node shutdown, so that its
 * Job makes another and does not take an interrupted run for a finished one.
 */
import { pods } from '../../api/kinds/core/v1.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { isNotFound } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'
import { Grace, graceSecondsOf, killPod } from '../podLife/killPod.ts'
import type { KillOptions } from '../podLife/killPod.ts'
import { allContainers, byPod } from '../pods/podRuntimeStatus.ts'
import { isTerminalPhase } from '../pods/podSpec.ts'
import { timestamp } from '../../api/meta.ts'
import { SHUTDOWN_MESSAGE } from './gracefulShutdown.ts'

export interface NodeShutdownOptions extends KillOptions {
  client: Client
  /** Those that are bound to the node. */
  pods: readonly Pod[]
  /** No pod gets longer than this. */
  maxGraceSeconds: number
  signal: AbortSignal
}

/** Whether the pod's work is lost by the shutdown. */
export function endsForGood(pod: Pod): boolean {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
  const mayRunAgain = pod.spec?.restartPolicy !== 'Never' || containers.some((container) => container.restartPolicyRules?.length)
  return !mayRunAgain && !isTerminalPhase(pod.status?.phase) && pod.metadata.deletionTimestamp === undefined
}

async function tell({ client, clock, signal }: NodeShutdownOptions, { metadata }: Pod): Promise<void> {
  const condition = { type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message: SHUTDOWN_MESSAGE }
  const conditions = [{ ...condition, lastTransitionTime: timestamp(clock.now()) }]
  const patch = {
    metadata: { uid: metadata.uid },
    status: { phase: 'Failed', reason: 'Terminated', message: SHUTDOWN_MESSAGE, conditions },
  }
  const at = { namespace: metadata.namespace, name: metadata.name, subresource: 'status' as const, signal }
  await client.patch(pods, { ...at, type: 'application/strategic-merge-patch+json' }, patch).catch((error: unknown) => {
    if (!isNotFound(error)) throw error
  })
}

/** Resolves when nothing runs any more; what could not be ended is logged and left to the engine. */
export async function terminatePods(options: NodeShutdownOptions): Promise<void> {
  const { runtime, clock, log, maxGraceSeconds } = options
  const running = [...byPod(await runtime.list())].filter(([, status]) => allContainers(status).some(({ state }) => state === 'Running'))
  const known = new Map(options.pods.map((pod) => [pod.metadata.uid, pod]))
  const end = async (uid: string, observed: (typeof running)[number][1]): Promise<void> => {
    const metadata = { uid, name: uid, namespace: '', creationTimestamp: '', resourceVersion: '' }
    const pod = known.get(uid) ?? { metadata, spec: { containers: [] } }
    const grace = new Grace(Math.min(graceSecondsOf(pod), maxGraceSeconds), clock)
    // The control plane may be gone already, or hang: the pod ends in good order nevertheless.
    const told = known.has(uid) && endsForGood(pod) ? tell(options, pod) : undefined
    await Promise.all([
      told?.catch((error: unknown) => log.warn('the end of a pod could not be told', { pod: pod.metadata.name, error: String(error) })),
      killPod(options, { pod, observed, grace }),
    ])
  }
  const ends = await Promise.allSettled(running.map(([uid, observed]) => end(uid, observed)))
  for (const outcome of ends) if (outcome.status === 'rejected') log.warn('a pod could not be ended', { error: String(outcome.reason) })
}
