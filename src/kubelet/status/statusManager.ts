/**
 * Brings pod statuses to the API server: one request at a time for each pod, only when something changed, the newest
 * wins. A pod whose work is over is deleted from the API by its uid, after its last status arrived.
 */
import { isDeepStrictEqual } from 'node:util'
import { pods } from '../../api/kinds/core/v1.ts'
import type { Pod, PodCondition, PodStatus } from '../../api/kinds/core/v1.ts'
import { isConflict, isInvalid, isNotFound } from '../../api/status.ts'
import { isAbort } from '../../base/abort.ts'
import { KeyedBackoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import { isStaticPod } from '../pods/origin.ts'
import { isOwnDisruption, KUBELET_CONDITIONS } from './conditions.ts'
import { RESIZE_CONDITIONS } from '../resizes/resizeConditions.ts'

const RETRY = { baseMs: 50, maxMs: 10_000 }

interface Reported {
  pod: Pod
  /** What the API has, as far as is known. */
  sent: PodStatus
  wanted: PodStatus
  wantedAtMs: number
  sending: Promise<void> | undefined
  /** The object is no more: nothing is sent. */
  gone: boolean
}

export interface StatusManagerOptions {
  client: Client
  clock: Clock
  log: Logger
  signal: AbortSignal
  measures: KubeletMeasures
}

const OWN_CONDITIONS: readonly string[] = [...KUBELET_CONDITIONS, ...RESIZE_CONDITIONS]

function hasCondition({ conditions }: PodStatus, type: string): boolean {
  return conditions?.some((condition) => condition.type === type) ?? false
}

/** A strategic merge patch from one status to the next; undefined when nothing changed. */
export function statusPatch(pod: Pod, sent: PodStatus, wanted: PodStatus): object | undefined {
  const status: Record<string, unknown> = {}
  const keys = new Set([...Object.keys(sent), ...Object.keys(wanted)]) as Set<keyof PodStatus>
  for (const key of keys) {
    if (isDeepStrictEqual(sent[key], wanted[key])) continue
    if (key === 'conditions') {
      const own = (wanted.conditions ?? []).filter((c) => OWN_CONDITIONS.includes(c.type) || isOwnDisruption(c))
      const changed = own.flatMap(
        (c) =>
          conditionPatch(
            sent.conditions?.find((s) => s.type === c.type),
            c,
          ) ?? [],
      )
      const over = RESIZE_CONDITIONS.filter((type) => hasCondition(sent, type) && !hasCondition(wanted, type))
      const patches = [...changed, ...over.map((type) => ({ $patch: 'delete', type }))]
      if (patches.length > 0) status.conditions = patches
    } else if (wanted[key] === undefined) {
      if (FIELDS_OWNED.has(key)) status[key] = null
    } else if (key === 'podIPs' || key === 'hostIPs') {
      status[key] = sent[key]?.length ? [{ $patch: 'replace' }, ...(wanted[key] ?? [])] : wanted[key]
    } else {
      status[key] = wanted[key]
    }
  }
  if (Object.keys(status).length === 0) return undefined
  // A static pod's status goes to its mirror, whose uid is another.
  return isStaticPod(pod) ? { status } : { metadata: { uid: pod.metadata.uid }, status }
}

/** A field that a condition no longer has must be taken away by name. */
function conditionPatch(before: PodCondition | undefined, after: PodCondition): object | undefined {
  if (isDeepStrictEqual(before, after)) return undefined
  const lost = (['reason', 'message'] as const).filter((field) => before?.[field] !== undefined && after[field] === undefined)
  return { ...Object.fromEntries(lost.map((field) => [field, null])), ...after }
}

const FIELDS_OWNED: ReadonlySet<keyof PodStatus> = new Set(['reason', 'message'])

export class StatusManager {
  readonly #options: StatusManagerOptions
  readonly #byUid = new Map<string, Reported>()
  readonly #backoff = new KeyedBackoff(RETRY)

  constructor(options: StatusManagerOptions) {
    this.#options = options
  }

  /** The status reported last, or the API's. */
  current(pod: Pod): PodStatus {
    return this.#byUid.get(pod.metadata.uid)?.wanted ?? pod.status ?? {}
  }

  /** Never waits. */
  set(pod: Pod, status: PodStatus): void {
    const reported = this.#reported(pod)
    reported.pod = pod
    reported.wanted = status
    reported.wantedAtMs = this.#options.clock.now()
    reported.sending ??= this.#send(reported).finally(() => {
      reported.sending = undefined
      // A status may have been set after the last one was found to be sent.
      const { pod, sent, wanted, gone } = reported
      if (!gone && !this.#options.signal.aborted && statusPatch(pod, sent, wanted)) this.set(pod, wanted)
    })
  }

  /** The API has a new object for the pod, without a status. */
  sendAgain(uid: string): void {
    const reported = this.#byUid.get(uid)
    if (!reported) return
    reported.sent = {}
    reported.gone = false
    this.set(reported.pod, reported.wanted)
  }

  /** Sends the last status, then deletes the pod's object. */
  async finish(pod: Pod): Promise<void> {
    const reported = this.#reported(pod)
    while (reported.sending) await reported.sending
    if (reported.gone) return
    const { name, namespace, uid } = pod.metadata
    try {
      await this.#options.client.delete(
        pods,
        { namespace, name, signal: this.#options.signal },
        { gracePeriodSeconds: 0, preconditions: { uid } },
      )
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error
    }
  }

  /** The object is gone. */
  forget(uid: string): void {
    const reported = this.#byUid.get(uid)
    if (reported) reported.gone = true
    this.#byUid.delete(uid)
    this.#backoff.forget(uid)
  }

  /** Resolves when everything set so far was sent. */
  async flush(uid: string): Promise<void> {
    while (this.#byUid.get(uid)?.sending) await this.#byUid.get(uid)?.sending
  }

  #reported(pod: Pod): Reported {
    const { uid } = pod.metadata
    let reported = this.#byUid.get(uid)
    if (!reported) {
      const status = pod.status ?? {}
      reported = { pod, sent: status, wanted: status, wantedAtMs: 0, sending: undefined, gone: false }
      this.#byUid.set(uid, reported)
    }
    return reported
  }

  async #send(reported: Reported): Promise<void> {
    const { signal, clock, log, measures } = this.#options
    const { uid } = reported.pod.metadata
    while (!reported.gone && !signal.aborted) {
      const { wanted, wantedAtMs } = reported
      const patch = statusPatch(reported.pod, reported.sent, wanted)
      if (!patch) return
      try {
        await this.#patch(reported, patch)
        reported.sent = wanted
        measures.observeSince('kubelet_pod_status_sync_duration_seconds', wantedAtMs)
        this.#backoff.forget(uid)
      } catch (error) {
        if (isAbort(error) && signal.aborted) return
        if (isNotFound(error)) reported.gone = true
        else if (isConflict(error) || isInvalid(error)) await this.#compare(reported, error)
        else log.warn('a pod status could not be sent', { pod: reported.pod.metadata.name, error: String(error) })
        if (!reported.gone) await clock.sleep(this.#backoff.next(uid), signal).catch(() => {})
      }
    }
  }

  async #patch(reported: Reported, patch: object): Promise<void> {
    const { name, namespace } = reported.pod.metadata
    const { client, signal } = this.#options
    await client.patch(pods, { namespace, name, subresource: 'status', type: 'application/strategic-merge-patch+json', signal }, patch)
  }

  /** After a refusal: is this still the same pod, and what does the API have? */
  async #compare(reported: Reported, refusal: unknown): Promise<void> {
    const { client, signal, log } = this.#options
    const { name, namespace, uid } = reported.pod.metadata
    try {
      const found = await client.get(pods, { namespace, name, signal })
      if (found.metadata.uid !== uid && !isStaticPod(reported.pod)) reported.gone = true
      else reported.sent = found.status ?? {}
      log.warn('a pod status was refused', { pod: name, error: String(refusal), samePod: !reported.gone })
    } catch (error) {
      if (isNotFound(error)) reported.gone = true
    }
  }
}
