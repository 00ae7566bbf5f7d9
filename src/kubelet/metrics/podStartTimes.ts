/**
 * How long pods take to start, as the "pod startup latency" indicator defines it: from the pod's creation until the watch
 * shows that each of its containers has started; without pulling images and without init containers, and of pods alone
 * whose volumes are made from the API or empty.
 */
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import { isTerminalPhase } from '../pods/podSpec.ts'
import type { KubeletMeasures } from './measures.ts'

interface Pull {
  startMs: number
  endMs: number
}

interface Start {
  seenAtMs: number
  pulls: Pull[]
}

const STATELESS = new Set(['name', 'secret', 'configMap', 'downwardAPI', 'emptyDir', 'projected'])

function isStateful({ spec }: Pod): boolean {
  return (spec?.volumes ?? []).some((volume) => Object.keys(volume).some((key) => !STATELESS.has(key)))
}

function allStarted({ status }: Pod): boolean {
  const containers = status?.containerStatuses ?? []
  return containers.length > 0 && containers.every(({ state }) => state?.running?.startedAt !== undefined)
}

/** Time in which at least one image was being pulled. */
export function pullingMs(pulls: readonly Pull[]): number {
  let total = 0
  let untilMs = -Infinity
  for (const { startMs, endMs } of pulls.toSorted((a, b) => a.startMs - b.startMs)) {
    total += Math.max(0, endMs - Math.max(startMs, untilMs))
    untilMs = Math.max(untilMs, endMs)
  }
  return total
}

function initMs({ spec, status }: Pod): number {
  const sidecars = new Set((spec?.initContainers ?? []).filter((c) => c.restartPolicy === 'Always').map(({ name }) => name))
  const ends = (status?.initContainerStatuses ?? []).flatMap(({ name, state }) => (sidecars.has(name) ? [] : (state?.terminated ?? [])))
  return ends.reduce((sum, { startedAt, finishedAt }) => {
    const ms = Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? '')
    return sum + (ms > 0 ? ms : 0)
  }, 0)
}

export class PodStartTimes {
  readonly #measures: KubeletMeasures
  readonly #clock: Pick<Clock, 'now'>
  readonly #starts = new Map<string, Start>()
  #networkSeen = false

  constructor(measures: KubeletMeasures, clock: Pick<Clock, 'now'>) {
    this.#measures = measures
    this.#clock = clock
  }

  /** The watch shows the pod. Those that an earlier kubelet began are not timed. */
  observed(pod: Pod): void {
    const { uid, creationTimestamp } = pod.metadata
    const start = this.#starts.get(uid)
    if (!start) {
      if (!pod.status?.startTime && !isTerminalPhase(pod.status?.phase)) this.#starts.set(uid, { seenAtMs: this.#clock.now(), pulls: [] })
      return
    }
    if (isTerminalPhase(pod.status?.phase)) this.forget(uid)
    else if (allStarted(pod)) {
      this.forget(uid)
      this.#started(pod, (this.#clock.now() - Date.parse(creationTimestamp)) / 1000, start)
    }
  }

  /** The kubelet finds that the pod runs now. */
  running(podUid: string): void {
    const start = this.#starts.get(podUid)
    if (start) this.#measures.observeSince('kubelet_pod_start_duration_seconds', start.seenAtMs)
  }

  /** An image is pulled for the pod, until the answer is called. */
  pulling(podUid: string): () => void {
    const startMs = this.#clock.now()
    return () => this.#starts.get(podUid)?.pulls.push({ startMs, endMs: this.#clock.now() })
  }

  forget(podUid: string): void {
    this.#starts.delete(podUid)
  }

  #started(pod: Pod, seconds: number, { pulls }: Start): void {
    const measures = this.#measures
    measures.observe('kubelet_pod_start_total_duration_seconds', seconds)
    if (isStateful(pod)) return
    const own = Math.max(0, seconds - (pullingMs(pulls) + initMs(pod)) / 1000)
    measures.observe('kubelet_pod_start_sli_duration_seconds', own)
    if (pod.spec?.hostNetwork || this.#networkSeen) return
    this.#networkSeen = true
    measures.set('kubelet_first_network_pod_start_sli_duration_seconds', own)
  }
}
