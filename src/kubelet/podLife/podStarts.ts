/** Starts what a plan says: sandbox, volumes and images are prepared side by side, since the time until a container runs is what people wait for. */
import type { Container, EphemeralContainer, Pod, ResourceRequirements } from '../../api/kinds/core/v1.ts'
import type { KillOptions } from './killPod.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import type { ContainerStart, PodActions } from './podActions.ts'
import { podDirectories } from '../pods/podDirectories.ts'
import type { PodLimits } from '../resources/podLimits.ts'
import type { PodObserver } from './podObserver.ts'
import type { PodPreparation, Prepared } from './podPreparation.ts'
import type { PodRestarts } from './podRestarts.ts'
import { latest, readySandbox } from '../pods/podRuntimeStatus.ts'
import type { PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import { describePod } from '../pods/podSpec.ts'
import type { Image, Sandbox } from '../runtime/runtime.ts'
import { createContainer, nextAttempt, startContainer, StartError } from './startContainer.ts'
import type { ContainerStartRequest, ContainerTarget, StartOptions } from './startContainer.ts'
import { containerType } from '../status/ends.ts'
import type { StatusManager } from '../status/statusManager.ts'
import type { PreparedVolumes } from '../volumes/preparedVolume.ts'

export interface StartState extends Prepared {
  /** Requests and limits of running containers, by id, as they were applied last. */
  resources: Map<string, ResourceRequirements>
}

export interface PodStartsOptions extends Pick<StartOptions, 'rootDir' | 'nodeLimits' | 'pin' | 'devices' | 'claims'> {
  kills: KillOptions
  /** Ends with the kubelet. */
  signal: AbortSignal
  observer: PodObserver
  statuses: StatusManager
  measures: KubeletMeasures
  preparation: PodPreparation
  limits: PodLimits
  restarts: PodRestarts
  report(pod: Pod, observed: PodRuntimeStatus): void
}

/** A failure comes out once `other` has ended as well: the next try must not meet what this one still does. */
async function endingAfter<T>(other: Promise<unknown>, result: Promise<T>): Promise<T> {
  try {
    return await result
  } catch (error) {
    await other.catch(() => {})
    throw error
  }
}

export class PodStarts {
  readonly #options: PodStartsOptions

  constructor(options: PodStartsOptions) {
    this.#options = options
  }

  /** Starts what the plan says; answers the containers that could not be started. */
  async start(pod: Pod, plan: PodActions, observed: PodRuntimeStatus, state: StartState, signal: AbortSignal): Promise<StartError[]> {
    const preparing = this.#options.preparation.refreshVolumes(pod, state, signal)
    // Nobody is told of images while volumes are missing; both are there before the sandbox is.
    const image = (container: Container): Promise<Image> => preparing.then(() => this.#options.preparation.image(pod, container, signal))
    const images = new Map(plan.start.map(({ container }) => [container.name, image(container)]))
    // Whoever awaits them handles their failures.
    for (const promise of [preparing, ...images.values()]) promise.catch(() => {})
    const { preparation, limits } = this.#options
    const [sandbox] = plan.createSandbox
      ? await endingAfter(preparing, Promise.all([preparation.createSandbox(pod, plan.sandboxAttempt, signal), limits.settle(pod)]))
      : [readySandbox(observed)]
    if (!sandbox) throw new Error(`${describePod(pod)} has no sandbox`)
    const slow = await this.#reportIfSlow(pod, plan, sandbox, [preparing, ...images.values()])
    const [volumes] = await Promise.all([preparing, this.#options.preparation.writeFiles(pod, sandbox, state)])
    if (slow) signal.throwIfAborted()
    const requests = plan.start.map((start) =>
      this.#request(pod, start, { observed, sandbox, volumes, image: images.get(start.container.name) as Promise<Image> }, signal),
    )
    return this.#startInOrder(requests, state, signal)
  }

  /** Containers are created side by side and started one after the other, in the order of the spec. */
  async #startInOrder(requests: readonly ContainerStartRequest[], state: StartState, signal: AbortSignal): Promise<StartError[]> {
    const { rootDir, nodeLimits, pin, observer, devices, claims, signal: lifetime } = this.#options
    const options = { ...this.#options.kills, rootDir, nodeLimits, devices, claims, lifetime, ...(pin && { pin }) }
    const creating = requests.map((request) => ({ request, created: createContainer(options, request) }))
    for (const { created } of creating) created.catch(() => {})
    const failed: StartError[] = []
    for (const { request, created } of creating) {
      const { name } = request.container
      const container_type = containerType(request.pod, name)
      this.#options.measures.count('kubelet_started_containers_total', { container_type })
      try {
        const container = await created
        await startContainer(options, request, container)
        state.resources.set(container.id, request.container.resources ?? {})
        observer.learnImage(await request.image)
        this.#options.restarts.started(request.pod.metadata.uid, name)
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof StartError)) throw error
        this.#options.measures.count('kubelet_started_containers_errors_total', { container_type, code: error.reason })
        this.#options.restarts.failed(request.pod.metadata.uid, name, error)
        failed.push(error)
      }
    }
    await Promise.allSettled(creating.map(({ created }) => created))
    return failed
  }

  /** While an image is being pulled the pod's address is already there to see. */
  async #reportIfSlow(pod: Pod, plan: PodActions, sandbox: Sandbox, work: readonly Promise<unknown>[]): Promise<boolean> {
    if (!plan.createSandbox) return false
    const done = Promise.allSettled(work).then(() => 'done')
    const turn = new Promise<string>((resolve) => setImmediate(() => resolve('slow')))
    if ((await Promise.race([done, turn])) === 'done') return false
    this.#options.report(pod, { sandboxes: [sandbox], containers: this.#options.observer.last(pod.metadata.uid).containers })
    return true
  }

  #request(
    pod: Pod,
    { kind, container, previous }: ContainerStart,
    ready: { observed: PodRuntimeStatus; sandbox: Sandbox; volumes: PreparedVolumes; image: Promise<Image> },
    signal: AbortSignal,
  ): ContainerStartRequest {
    const { rootDir } = this.#options
    const { observed, ...made } = ready
    if (previous?.state === 'Exited') this.#options.restarts.restarted(pod, container, previous)
    return {
      pod,
      container,
      attempt: nextAttempt(this.#options.statuses.current(pod), container, latest(observed, container.name)),
      ...made,
      ...(kind === 'ephemeral' && { target: targetOf(container, observed) }),
      facts: this.#options.preparation.facts(ready.sandbox),
      sources: this.#options.preparation.sources(pod, signal),
      directories: podDirectories(rootDir, pod.metadata.uid),
      signal,
    }
  }
}

/** The container that an ephemeral one was made to look into. */
function targetOf(container: EphemeralContainer, observed: PodRuntimeStatus): ContainerTarget | undefined {
  const name = container.targetContainerName
  if (!name) return undefined
  const target = latest(observed, name)
  return { name, id: target?.state === 'Running' ? target.id : undefined }
}
