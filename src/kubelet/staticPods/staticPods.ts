/**
 * Pods that come from files instead of the API (`/etc/kubernetes/manifests`), and the mirror pods through which the API
 * shows them. The files decide: a mirror that is deleted or that shows an older file is made anew, and its containers take
 * no notice. Upstream's file source and mirror client.
 */
import { watch } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { pods } from '../../api/kinds/core/v1.ts'
import type { Node, Pod, PodStatus } from '../../api/kinds/core/v1.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../../api/status.ts'
import { KeyedBackoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { Lister } from '../../client/informer.ts'
import { mirroredHash } from '../pods/origin.ts'
import { hashOf, mirrorPodOf, readManifests } from './manifests.ts'

/** Editors write in several steps. */
const SETTLE_MS = 200
const RETRY = { baseMs: 200, maxMs: 30_000 }

export interface StaticPodsOptions {
  client: Client
  clock: Clock
  log: Logger
  signal: AbortSignal
  directory: string
  nodeName: string
  node(): Node | undefined
  /** The pods of this node as the API has them. */
  ofNode: Lister<Pod>
  onUpdate(pod: Pod): void
  onRemove(pod: Pod): void
  /** The pod has a mirror that knows nothing of its status. */
  onNewMirror(podUid: string): void
}

const keyOf = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`

export class StaticPods {
  readonly #options: StaticPodsOptions
  readonly #backoff = new KeyedBackoff(RETRY)
  /** Keys whose mirror is being looked after; true when it has to be looked at again. */
  readonly #busy = new Map<string, boolean>()
  #byFile: ReadonlyMap<string, Pod> = new Map()
  /** By the uid of a pod that ends, what takes its place then. */
  readonly #waiting = new Map<string, Pod>()
  #cancelScan: (() => void) | undefined
  #scanning: Promise<void> = Promise.resolve()

  constructor(options: StaticPodsOptions) {
    this.#options = options
  }

  get uids(): string[] {
    return this.#pods.map((pod) => pod.metadata.uid)
  }

  /** The uid under which the kubelet runs what the API shows under the uid of a mirror pod. */
  uidBehind(mirrorUid: string): string {
    if (this.#byFile.size === 0) return mirrorUid
    const mirror = this.#options.ofNode.list().find((pod) => pod.metadata.uid === mirrorUid)
    const hash = mirror && mirroredHash(mirror)
    return (hash !== undefined && this.#pods.find((pod) => hashOf(pod) === hash)?.metadata.uid) || mirrorUid
  }

  /** Reads the files for the first time. What the API shows of a pod that ran before is where its status goes on. */
  async begin(): Promise<void> {
    const { directory, nodeName, clock, log } = this.#options
    await mkdir(directory, { recursive: true })
    this.#byFile = await readManifests(directory, this.#byFile, { nodeName, nowMs: clock.now(), log })
  }

  /** Follows the folder until the signal aborts. */
  async run(): Promise<void> {
    const { directory, clock, signal, ofNode, onUpdate } = this.#options
    const watcher = watch(directory, { signal, persistent: false }, () => {
      this.#cancelScan ??= clock.after(SETTLE_MS, () => {
        this.#cancelScan = undefined
        this.#scanning = this.#scanning.then(() => this.#scan())
      })
    })
    for (const pod of this.#pods) onUpdate({ ...pod, ...this.#lastStatus(pod) })
    const mirrors = ofNode.list().filter((pod) => mirroredHash(pod) !== undefined)
    for (const key of new Set([...this.#pods, ...mirrors].map(keyOf))) this.#lookAfter(key)
    await new Promise<void>((resolve) => watcher.on('close', resolve).on('error', () => resolve()))
    this.#cancelScan?.()
    await this.#scanning
  }

  /** A mirror pod came, changed or went. */
  mirrorChanged(mirror: Pod): void {
    this.#lookAfter(keyOf(mirror))
  }

  /** Nothing is left of a pod. */
  podGone(podUid: string): void {
    const next = this.#waiting.get(podUid)
    this.#waiting.delete(podUid)
    if (next && this.#pods.includes(next)) this.#options.onUpdate(next)
  }

  get #pods(): Pod[] {
    return [...this.#byFile.values()]
  }

  #lastStatus(pod: Pod): { status?: PodStatus } {
    const mirror = this.#options.ofNode.get(keyOf(pod))
    return mirror?.status && mirroredHash(mirror) === hashOf(pod) ? { status: mirror.status } : {}
  }

  async #scan(): Promise<void> {
    const { directory, nodeName, clock, log, onUpdate, onRemove } = this.#options
    const before = this.#pods
    this.#byFile = await readManifests(directory, this.#byFile, { nodeName, nowMs: clock.now(), log })
    const now = this.#pods
    const gone = before.filter((pod) => !now.includes(pod))
    for (const pod of now) {
      if (before.includes(pod)) continue
      const predecessor = gone.find((old) => keyOf(old) === keyOf(pod))
      if (predecessor) this.#waiting.set(predecessor.metadata.uid, pod)
      else onUpdate(pod)
    }
    for (const pod of gone) onRemove(pod)
    for (const key of new Set([...gone, ...now].map(keyOf))) this.#lookAfter(key)
  }

  #lookAfter(key: string): void {
    if (this.#busy.has(key)) {
      this.#busy.set(key, true)
      return
    }
    const { clock, signal, log } = this.#options
    this.#busy.set(key, false)
    void this.#mirror(key)
      .then(
        () => this.#backoff.forget(key),
        (error: unknown) => {
          if (signal.aborted) return
          log.warn('a mirror pod is not as it should be', { pod: key, error: String(error) })
          clock.after(this.#backoff.next(key), () => this.#lookAfter(key))
        },
      )
      .finally(() => {
        const again = this.#busy.get(key)
        this.#busy.delete(key)
        if (again && !signal.aborted) this.#lookAfter(key)
      })
  }

  /** One step towards the mirror that the files ask for; the watch tells when there is another. */
  async #mirror(key: string): Promise<void> {
    const { client, signal, node, ofNode, onNewMirror } = this.#options
    if (signal.aborted) return
    const pod = this.#pods.find((one) => keyOf(one) === key)
    const mirror = ofNode.get(key)
    if (mirror) {
      const hash = mirroredHash(mirror)
      if (hash === undefined || (pod && hash === hashOf(pod) && !mirror.metadata.deletionTimestamp)) return
      const { namespace, name, uid } = mirror.metadata
      await client
        .delete(pods, { namespace, name, signal }, { gracePeriodSeconds: 0, preconditions: { uid } })
        .catch((error: unknown) => ignore(error, isNotFound, isConflict))
    } else if (pod) {
      await client
        .create(pods, mirrorPodOf(pod, node()), { namespace: pod.metadata.namespace, signal })
        .then(() => onNewMirror(pod.metadata.uid))
        .catch((error: unknown) => ignore(error, isAlreadyExists))
    }
  }
}

function ignore(error: unknown, ...fine: ((error: unknown) => boolean)[]): void {
  if (!fine.some((is) => is(error))) throw error
}
