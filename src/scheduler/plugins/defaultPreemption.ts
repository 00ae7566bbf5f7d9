/** DefaultPreemption: makes room for a pod where less important ones can go. They go gracefully; the pod waits for its place. */
import { pods, type Pod } from '../../api/kinds/core/v1.ts'
import type { PodDisruptionBudget } from '../../api/kinds/policy/v1.ts'
import { keyOf } from '../../api/resource.ts'
import { findCondition, timestamp } from '../../api/meta.ts'
import { isNotFound } from '../../api/status.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Lister } from '../../client/informer.ts'
import { DELETE } from '../events.ts'
import type { Plugin, PostFilterInput, PostFilterResult, Refusal } from '../framework.ts'
import type { Nominator } from '../nominator.ts'
import { priorityOf } from '../podInfo.ts'
import { dryRun, isTerminatingByPreemption, pickCandidate, type Victims } from '../preemption.ts'
import { describeFailure } from '../schedulePod.ts'

/** What extenders make of the candidates (their preempt verb). */
export type ProcessPreemption = (pod: Pod, candidates: readonly Victims[]) => Promise<readonly Victims[]>

export interface DefaultPreemptionOptions {
  minCandidateNodesPercentage: number
  minCandidateNodesAbsolute: number
  budgets: Lister<PodDisruptionBudget>
  pods: Lister<Pod>
  client: Client
  events: EventRecorder
  nominator: Nominator
  clock: Clock
  log: Logger
  signal: AbortSignal
  random: () => number
  /** Tries a pod again whose preemption failed midway. */
  activate: (uid: string) => void
  /** Lets a pod be tried that waited for its preemption to be over. */
  ungate: (uid: string) => void
  processPreemption?: ProcessPreemption
  observed?: (what: 'attempt' | { victims: number }) => void
}

const PREFIX = 'preemption: '
const NOT_HELPFUL: Refusal = { fits: false, reasons: ['Preemption is not helpful for scheduling'], resolvable: false }

/** Why a pod may not preempt others, if it may not. */
function ineligible({ pod, view, refusals }: PostFilterInput): string | undefined {
  const { spec, status } = pod.pod
  if (spec.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.'
  const nominated = status?.nominatedNodeName
  if (!nominated || refusals.get(nominated)?.resolvable === false) return undefined
  const waits = [...(view.get(nominated)?.pods.values() ?? [])].some(
    (other) => priorityOf(other.pod) < priorityOf(pod.pod) && isTerminatingByPreemption(other.pod),
  )
  return waits ? 'not eligible due to a terminating pod on the nominated node.' : undefined
}

export function newDefaultPreemption(options: DefaultPreemptionOptions): Plugin {
  const { client, clock, log, nominator, events, signal } = options
  /** Pods whose victims are being told, with the last of these once the others know. */
  const preempting = new Map<string, string | undefined>()

  async function evict(victim: Pod, preemptor: Pod, nodeName: string): Promise<void> {
    const { namespace, name, uid } = victim.metadata
    const before = findCondition(victim.status?.conditions, 'DisruptionTarget')
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: `${preemptor.spec.schedulerName}: preempting to accommodate a higher priority pod`,
      lastProbeTime: null,
      lastTransitionTime: before?.status === 'True' ? before.lastTransitionTime : timestamp(clock.now()),
      ...(victim.metadata.generation !== undefined && { observedGeneration: victim.metadata.generation }),
    }
    try {
      const at = { namespace, name, subresource: 'status' as const, signal }
      // At the end, where upstream has it.
      const order = [...(victim.status?.conditions ?? []).filter(({ type }) => type !== condition.type), condition]
      const status = { '$setElementOrder/conditions': order.map(({ type }) => ({ type })), conditions: [condition] }
      const patch = { metadata: { uid }, status }
      await client.patch(pods, { ...at, type: 'application/strategic-merge-patch+json' }, patch)
      await client.delete(pods, { namespace, name, signal }, { preconditions: { uid } })
    } catch (error) {
      if (isNotFound(error)) return
      throw error
    }
    events.record(victim, {
      type: 'Normal',
      reason: 'Preempted',
      action: 'Preempting',
      message: `Preempted by pod ${preemptor.metadata.uid} on node ${nodeName}`,
    })
  }

  /** Less important pods that were promised a place there look for another one. */
  async function withdrawPromises(preemptor: Pod, nodeName: string): Promise<void> {
    for (const { pod } of [...nominator.on(nodeName)]) {
      if (priorityOf(pod) >= priorityOf(preemptor)) continue
      const { namespace, name, uid } = pod.metadata
      nominator.delete(uid)
      const at = { namespace, name, subresource: 'status' as const, signal, type: 'application/merge-patch+json' as const }
      await client.patch(pods, at, { status: { nominatedNodeName: null } }).catch((error: unknown) => {
        if (!isNotFound(error)) log.warn('could not withdraw a promised node', { pod: keyOf(pod), cause: String(error) })
      })
    }
  }

  async function preempt(preemptor: Pod, { nodeName, pods: victims }: Victims): Promise<void> {
    const { uid } = preemptor.metadata
    const staying = victims.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    const last = staying.at(-1)
    if (!last) return
    preempting.set(uid, undefined)
    try {
      await withdrawPromises(preemptor, nodeName)
      await Promise.all(staying.slice(0, -1).map((victim) => evict(victim, preemptor, nodeName)))
      // From here on the pod may be tried as soon as this one is on its way.
      preempting.set(uid, keyOf(last))
      await evict(last, preemptor, nodeName)
    } catch (error) {
      if (signal.aborted) return
      log.error('preemption failed', error, { pod: keyOf(preemptor), node: nodeName })
      preempting.delete(uid)
      options.activate(uid)
    } finally {
      preempting.delete(uid)
      options.ungate(uid)
    }
  }

  function isWaiting(uid: string): boolean {
    if (!preempting.has(uid)) return false
    const last = preempting.get(uid)
    if (last === undefined) return true
    const victim = options.pods.get(last)
    return victim !== undefined && victim.metadata.deletionTimestamp === undefined
  }

  function findCandidates(input: PostFilterInput): { candidates: Victims[]; refusals: Map<string, Refusal> } {
    const nodes = input.view.nodes.filter(({ name }) => input.refusals.get(name)?.resolvable)
    if (nodes.length === 0) return { candidates: [], refusals: new Map() }
    const share = Math.trunc((nodes.length * options.minCandidateNodesPercentage) / 100)
    const enough = Math.min(nodes.length, Math.max(share, options.minCandidateNodesAbsolute))
    const offset = Math.floor(options.random() * nodes.length)
    return dryRun(input, nodes, options.budgets.list(), { offset, enough })
  }

  function start(input: PostFilterInput, candidates: readonly Victims[]): PostFilterResult {
    const best = pickCandidate(candidates)
    if (!best) return { message: `${PREFIX}no candidate node for preemption` }
    options.observed?.({ victims: best.pods.length })
    void preempt(input.pod.pod, best)
    return { nominatedNodeName: best.nodeName }
  }

  return {
    name: 'DefaultPreemption',
    events: [{ resource: 'Pod', actions: DELETE, mayHelp: () => false }],
    preEnqueue: ({ metadata }) => (isWaiting(metadata.uid) ? 'waiting for the preemption for this pod to be finished' : undefined),
    postFilter(input) {
      options.observed?.('attempt')
      const obstacle = ineligible(input)
      if (obstacle !== undefined) return { message: `${PREFIX}${obstacle}` }
      const { candidates, refusals } = findCandidates(input)
      if (candidates.length === 0) {
        const message = describeFailure(input.view.nodes.length, { refusals, absent: NOT_HELPFUL })
        return { nominatedNodeName: '', message: `${PREFIX}${message}` }
      }
      if (!options.processPreemption) return start(input, candidates)
      return options.processPreemption(input.pod.pod, candidates).then(
        (left) => start(input, left),
        (error: unknown) => ({ message: `${PREFIX}${error instanceof Error ? error.message : String(error)}`, isError: true }),
      )
    },
  }
}
