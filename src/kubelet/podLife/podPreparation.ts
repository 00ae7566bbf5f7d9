/**
 * What a pod's containers need before they can start: the sandbox, the volumes, the files, the images. Each is made once
 * and kept current; they do not depend on one another, so that they can be made side by side.
 */
import type { Container, Pod, Secret, Service } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import type { EventRecorder } from '../../client/events.ts'
import { sandboxConfig } from '../containers/containerConfig.ts'
import type { EnvironmentSources } from '../containers/environment.ts'
import type { DynamicResources } from '../dynamicResources/dynamicResources.ts'
import type { PodFacts } from '../pods/fieldRef.ts'
import type { ImagePuller } from '../images/imagePuller.ts'
import { podDirectories } from '../pods/podDirectories.ts'
import { podFilesOf } from '../podFiles/podFiles.ts'
import type { PodFilesOptions } from '../podFiles/podFiles.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import type { PodStartTimes } from '../metrics/podStartTimes.ts'
import type { PodObjects } from '../pods/podObjects.ts'
import type { Image, Runtime, Sandbox } from '../runtime/runtime.ts'
import type { PreparedVolumes } from '../volumes/preparedVolume.ts'
import { VolumeError, VolumePending } from '../volumes/volumeErrors.ts'
import type { Volumes } from '../volumes/volumes.ts'

export interface PodPreparationOptions {
  measures: KubeletMeasures
  startTimes: PodStartTimes
  runtime: Runtime
  events: EventRecorder
  clock: Clock
  /** Ends with the kubelet. */
  signal: AbortSignal
  rootDir: string
  nodeName: string
  /** Of the node, one for each IP family. */
  nodeIps: readonly string[]
  files: PodFilesOptions
  allocatable: Readonly<Record<string, string>>
  services(): readonly Service[]
  images: ImagePuller
  objects: PodObjects
  volumes: Volumes
  claims: Pick<DynamicResources, 'prepare'>
}

/** What was made for a pod so far. */
export interface Prepared {
  volumes: PreparedVolumes | undefined
  /** The volumes have to be looked at again: an object that they are made from has changed. */
  volumesStale: boolean
  /** The version of the pod that the volumes were made for. */
  volumesFor: string
  /** Since when the volumes have been waiting for somebody else. */
  volumesPendingSinceMs?: number | undefined
  filesFor: string
}

/** After this time a pod whose volumes are still to be attached is told so (upstream's). */
const PATIENCE_MS = 123_000

const noVolumes: PreparedVolumes = { byName: new Map(), renewAtMs: undefined }

export const nothingPrepared = (): Prepared => ({ volumes: undefined, volumesStale: true, volumesFor: '', filesFor: '' })

/** Changes when anything of the pod changes that its volumes and containers are made from. */
export function podVersion({ metadata }: Pod): string {
  return JSON.stringify([metadata.labels, metadata.annotations, metadata.generation])
}

/** The engine has one mapping of users for all its containers, or none. */
const NO_USER_NAMESPACES = "can't set `spec.hostUsers: false`, runtime does not support user namespaces"

export class PodPreparation {
  readonly #options: PodPreparationOptions

  constructor(options: PodPreparationOptions) {
    this.#options = options
  }

  async createSandbox(pod: Pod, attempt: number, signal: AbortSignal): Promise<Sandbox> {
    const { runtime, events, nodeName, rootDir, files, signal: lifetime } = this.#options
    await this.#prepareClaims(pod, signal)
    const { measures } = this.#options
    measures.count('kubelet_started_pods_total')
    try {
      if (pod.spec?.hostUsers === false) throw new Error(NO_USER_NAMESPACES)
      const config = sandboxConfig({ pod, attempt, clusterDomain: files.clusterDomain, nodeName, rootDir })
      const sandbox = await runtime.createSandbox(config, lifetime)
      signal.throwIfAborted()
      return sandbox
    } catch (error) {
      signal.throwIfAborted()
      const text = error instanceof Error ? error.message : String(error)
      measures.count('kubelet_started_pods_errors_total')
      measures.count('kubelet_run_podsandbox_errors_total', { runtime_handler: pod.spec?.runtimeClassName ?? '' })
      events.record(pod, { type: 'Warning', reason: 'FailedCreatePodSandBox', message: `Failed to create pod sandbox: ${text}` })
      throw error
    }
  }

  async #prepareClaims(pod: Pod, signal: AbortSignal): Promise<void> {
    const { claims, events } = this.#options
    try {
      await claims.prepare(pod, signal)
    } catch (error) {
      signal.throwIfAborted()
      const text = error instanceof Error ? error.message : String(error)
      const message = `Failed to prepare dynamic resources: ${text}`
      events.record(pod, { type: 'Warning', reason: 'FailedPrepareDynamicResources', message })
      throw error
    }
    signal.throwIfAborted()
  }

  async writeFiles(pod: Pod, sandbox: Sandbox, state: Prepared): Promise<void> {
    const { rootDir, files, events } = this.#options
    const wanted = await podFilesOf(pod, sandbox.ips, files)
    if (state.filesFor === wanted.key) return
    for (const message of wanted.omissions) events.record(pod, { type: 'Warning', reason: 'DNSConfigForming', message })
    await wanted.write(podDirectories(rootDir, pod.metadata.uid))
    state.filesFor = wanted.key
  }

  /** The container's image, and before it those that its volumes show. */
  async image(pod: Pod, container: Container, signal: AbortSignal): Promise<Image> {
    const { volumes } = this.#options
    const mounted = new Set((container.volumeMounts ?? []).map(({ name }) => name))
    const shown = (pod.spec?.volumes ?? []).filter(({ name, image }) => image && mounted.has(name))
    await Promise.all(
      shown.map(async ({ name, image }) => {
        const { reference = '', pullPolicy } = image ?? {}
        const asked = { name: container.name, image: reference, ...(pullPolicy && { imagePullPolicy: pullPolicy }) }
        await volumes.showImage(pod, name, await this.#pull(pod, asked, signal), signal)
      }),
    )
    return this.#pull(pod, container, signal)
  }

  #pull(pod: Pod, container: Container, signal: AbortSignal): Promise<Image> {
    const { objects, images } = this.#options
    const { namespace } = pod.metadata
    const pullSecrets = async (): Promise<Secret[]> => {
      const names = (pod.spec?.imagePullSecrets ?? []).flatMap(({ name }) => name || [])
      const found = await Promise.all(names.map((name) => objects.secret(namespace, name, signal)))
      this.#tellOfMissing(
        pod,
        names.filter((_, index) => !found[index]),
      )
      return found.filter((secret) => secret !== undefined)
    }
    return images.ensure({ pod, container, pullSecrets, signal })
  }

  #tellOfMissing(pod: Pod, names: readonly string[]): void {
    if (names.length === 0) return
    const message = `Unable to retrieve some image pull secrets (${names.join(', ')}); attempting to pull the image may not succeed.`
    this.#options.events.record(pod, { type: 'Warning', reason: 'FailedToRetrieveImagePullSecret', message })
  }

  facts(sandbox: Sandbox | undefined): PodFacts {
    const { nodeIps, allocatable } = this.#options
    return { nodeIps, allocatable, podIps: sandbox?.ips.length ? sandbox.ips : nodeIps }
  }

  sources(pod: Pod, signal: AbortSignal): EnvironmentSources {
    const { objects, services } = this.#options
    const { namespace } = pod.metadata
    return {
      services: services(),
      configMap: (name) => objects.configMap(namespace, name, signal),
      secret: (name) => objects.secret(namespace, name, signal),
    }
  }

  async refreshVolumes(pod: Pod, state: Prepared, signal: AbortSignal): Promise<PreparedVolumes> {
    const { volumes, events, clock } = this.#options
    if (!pod.spec?.volumes?.length) return (state.volumes = noVolumes)
    const wantedFor = podVersion(pod)
    const due = (state.volumes?.renewAtMs ?? Infinity) <= clock.now()
    if (state.volumes && !state.volumesStale && !due && state.volumesFor === wantedFor) return state.volumes
    state.volumesStale = false
    try {
      state.volumes = await volumes.prepare(pod, this.facts(undefined), signal)
      state.volumesFor = wantedFor
      state.volumesPendingSinceMs = undefined
      return state.volumes
    } catch (error) {
      state.volumesStale = true
      if (error instanceof VolumePending) {
        const sinceMs = (state.volumesPendingSinceMs ??= clock.now())
        if (clock.now() - sinceMs < PATIENCE_MS) throw error
        state.volumesPendingSinceMs = undefined
      }
      if (error instanceof VolumeError) events.record(pod, { type: 'Warning', reason: error.reason, message: error.message })
      throw error
    }
  }
}
