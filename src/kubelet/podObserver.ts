/** Reads what the runtime has of a pod, once for each change, with what containers said when they ended. */
import { nothingRuns, toPodRuntimeStatus, allContainers } from './podRuntimeStatus.ts'
import type { PodRuntimeStatus } from './podRuntimeStatus.ts'
import { podDirectories } from './podDirectories.ts'
import { readTerminationMessage } from './containers/terminationMessage.ts'
import type { Container, Image, Runtime } from './runtime/runtime.ts'

interface Observation {
  status: PodRuntimeStatus
  stale: boolean
  /** By id of ended containers. */
  messages: Map<string, string>
}

/** Names of images that were looked up; beyond this the oldest are looked up again. */
const MAX_IMAGE_NAMES = 500

export class PodObserver {
  readonly #runtime: Runtime
  readonly #rootDir: string
  readonly #pods = new Map<string, Observation>()
  readonly #imageNames = new Map<string, string>()

  constructor(options: { runtime: Runtime; rootDir: string }) {
    this.#runtime = options.runtime
    this.#rootDir = options.rootDir
  }

  /** What was found when the kubelet began; pods it does not name have nothing. */
  begin(found: ReadonlyMap<string, PodRuntimeStatus>): void {
    this.#pods.clear()
    for (const [uid, status] of found) this.#pods.set(uid, { status, stale: true, messages: new Map() })
  }

  /** Something about the pod changed in the runtime. */
  invalidate(podUid: string): void {
    const observation = this.#pods.get(podUid)
    if (observation) observation.stale = true
    else this.#pods.set(podUid, { status: nothingRuns, stale: true, messages: new Map() })
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
    if (!observation) this.#pods.set(podUid, (observation = { status: nothingRuns, stale: false, messages: new Map() }))
    if (!observation.stale) return observation.status
    observation.stale = false
    try {
      const status = toPodRuntimeStatus(await this.#runtime.list(podUid))
      await Promise.all(allContainers(status).map((container) => this.#learn(container, observation.messages)))
      observation.status = status
      return status
    } catch (error) {
      observation.stale = true
      throw error
    }
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
