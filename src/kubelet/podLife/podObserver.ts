/** Reads what the runtime has of a pod, once for each change, with what containers said when they ended. */
import type { Clock } from '../../base/clock.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import { nothingRuns, toPodRuntimeStatus, allContainers } from '../pods/podRuntimeStatus.ts'
import type { PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import { podDirectories } from '../pods/podDirectories.ts'
import { readTerminationMessage } from '../containers/terminationMessage.ts'
import type { Container, Image, Runtime, RuntimeEvent } from '../runtime/runtime.ts'

interface Observation {
  status: PodRuntimeStatus
  stale: boolean
  /** By id of ended containers. */
  messages: Map<string, string>
  /** Ids of containers whose end was told by an event: they never run again. */
  died: Set<string>
}

/** An engine may tell of a container's end a moment before its list knows of it. */
const LIST_LAG_MS = 10
const MAX_LIST_TRIES = 50

/** Names of images that were looked up; beyond this the oldest are looked up again. */
const MAX_IMAGE_NAMES = 500

export class PodObserver {
  readonly #runtime: Runtime
  readonly #rootDir: string
  readonly #clock: Clock
  readonly #measures: KubeletMeasures
  #readAtMs: number | undefined
  readonly #pods = new Map<string, Observation>()
  readonly #imageNames = new Map<string, string>()

  constructor(options: { runtime: Runtime; rootDir: string; clock: Clock; measures: KubeletMeasures }) {
    this.#measures = options.measures
    this.#clock = options.clock
    this.#runtime = options.runtime
    this.#rootDir = options.rootDir
  }

  /** What was found when the kubelet began; pods it does not name have nothing. */
  begin(found: ReadonlyMap<string, PodRuntimeStatus>): void {
    this.#pods.clear()
    for (const [uid, status] of found) this.#pods.set(uid, { status, stale: true, messages: new Map(), died: new Set() })
  }

  /** Something about the pod changed in the runtime. */
  invalidate(podUid: string): Observation {
    let observation = this.#pods.get(podUid)
    if (!observation) this.#pods.set(podUid, (observation = { status: nothingRuns, stale: true, messages: new Map(), died: new Set() }))
    observation.stale = true
    return observation
  }

  onEvent({ podUid, containerId, type }: RuntimeEvent): void {
    const observation = this.invalidate(podUid)
    if (type === 'Died') observation.died.add(containerId)
    if (type === 'Removed') observation.died.delete(containerId)
  }

  invalidateAll(): void {
    for (const observation of this.#pods.values()) observation.stale = true
  }

  /** The last observation, as it is. */
  last(podUid: string): PodRuntimeStatus {
    return this.#pods.get(podUid)?.status ?? nothingRuns
  }

  async observe(podUid: string): Promise<PodRuntimeStatus> {
    let observation = this.#pods.get(podUid)
    if (!observation) this.#pods.set(podUid, (observation = { status: nothingRuns, stale: false, messages: new Map(), died: new Set() }))
    if (!observation.stale) return observation.status
    observation.stale = false
    try {
      const status = await this.#list(podUid, observation.died)
      await Promise.all(allContainers(status).map((container) => this.#learn(container, observation.messages)))
      observation.status = status
      const known = new Set(allContainers(status).map((container) => container.id))
      for (const id of observation.messages.keys()) if (!known.has(id)) observation.messages.delete(id)
      return status
    } catch (error) {
      observation.stale = true
      throw error
    }
  }

  async #list(podUid: string, died: ReadonlySet<string>): Promise<PodRuntimeStatus> {
    for (let tries = 1; ; tries++) {
      const listed = await this.#read(podUid)
      const lags = listed.containers.some(({ id, state }) => state === 'Running' && died.has(id))
      if (!lags || tries >= MAX_LIST_TRIES) return toPodRuntimeStatus(listed)
      await this.#clock.sleep(LIST_LAG_MS)
    }
  }

  async #read(podUid: string): ReturnType<Runtime['list']> {
    const startedMs = this.#clock.now()
    if (this.#readAtMs !== undefined) this.#measures.observeSince('kubelet_pleg_relist_interval_seconds', this.#readAtMs)
    this.#readAtMs = startedMs
    const listed = await this.#runtime.list(podUid)
    this.#measures.observeSince('kubelet_pleg_relist_duration_seconds', startedMs)
    this.#measures.set('kubelet_pleg_last_seen_seconds', this.#clock.now() / 1000)
    return listed
  }

  terminationMessage(podUid: string, containerId: string): string | undefined {
    return this.#pods.get(podUid)?.messages.get(containerId)
  }

  /** Remembers how the image is called, for container statuses. */
  learnImage(image: Image): void {
    if (this.#imageNames.size >= MAX_IMAGE_NAMES) this.#imageNames.clear()
    this.#imageNames.set(image.id, image.repoDigests[0] ?? image.id)
  }

  imageIdOf(container: Container): string {
    return this.#imageNames.get(container.imageId) ?? container.imageId
  }

  forget(podUid: string): void {
    this.#pods.delete(podUid)
  }

  async #learn(container: Container, messages: Map<string, string>): Promise<void> {
    if (!this.#imageNames.has(container.imageId)) {
      const image = await this.#runtime.imageStatus(container.imageId)
      if (image) this.learnImage({ ...image, id: container.imageId })
      else this.#imageNames.set(container.imageId, container.imageId)
    }
    if (container.state !== 'Exited' || messages.has(container.id)) return
    const { terminationLog } = podDirectories(this.#rootDir, container.podUid)
    messages.set(container.id, await readTerminationMessage(this.#runtime, container, terminationLog(container.name, container.attempt)))
  }
}
