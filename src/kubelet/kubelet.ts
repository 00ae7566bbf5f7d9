/**
 * The kubelet: runs the pods that are bound to this node and tells the API how they do. It is driven by the watch of those
 * pods and by the runtime's events; nothing polls. All that must outlive it is in the API and in the runtime, so that a
 * kubelet that starts anew finds its containers and lets them run.
 * Upstream contract: the kubelet of Kubernetes 1.36 as the API shows it (pod status, node status, events, leases).
 */
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { services } from '../api/kinds/core/v1.ts'
import type { Pod } from '../api/kinds/core/v1.ts'
import { aborted } from '../base/abort.ts'
import { Backoff } from '../base/backoff.ts'
import type { ComponentContext } from '../base/component.ts'
import type { Change } from '../client/informer.ts'
import { annotation } from './containers/annotations.ts'
import { servePodResources } from './devices/podResources.ts'
import { podsOfNode, type KubeletOptions } from './kubeletOptions.ts'
import { assemble } from './parts/assemble.ts'
import type { KubeletParts } from './parts/kubeletParts.ts'
import { measuredRuntime } from './metrics/measuredRuntime.ts'
import { KubeletMeasures } from './metrics/measures.ts'
import { terminatePods } from './node/nodeShutdown.ts'
import { podsDirectory } from './pods/podDirectories.ts'
import { podProvider } from './podProvider.ts'
import { allContainers, byPod } from './pods/podRuntimeStatus.ts'
import type { PodRuntimeStatus } from './pods/podRuntimeStatus.ts'
import type { Runtime, RuntimeListener } from './runtime/runtime.ts'
import type { KubeletPods } from './server/pods.ts'
import { mirroredHash } from './pods/origin.ts'
import { volumeStats, type VolumeUse } from './volumes/volumeStats.ts'

export interface Kubelet {
  run(context: ComponentContext): Promise<void>
  /** To be called before `run` ends, when the node is to stop: pods end within the time that they were given for it. */
  shutDown(): Promise<void>
  /** To be called after `run` ended, before the node stops: ends every pod, none with more grace than this. */
  terminatePods(maxGraceSeconds: number, context: Pick<ComponentContext, 'signal' | 'log' | 'clock'>): Promise<void>
  /** Its runtime, the use of which is measured. */
  runtime: Runtime
  measures: KubeletMeasures
  /** The pods on this node, for the kubelet's own server. */
  pods: KubeletPods
  /** How full a pod's volumes are. */
  volumeStats(pod: Pod, signal: AbortSignal): Promise<VolumeUse[]>
  /** The node's disk is full: pods may have to go. */
  diskFull(): void
}

const EVENTS_RETRY = { baseMs: 50, maxMs: 5000 }

/** A pod that is known from the runtime or the disk alone; nothing of it is wanted any more. */
function orphan(podUid: string, status: PodRuntimeStatus | undefined): Pod {
  const known = status?.sandboxes[0] ?? (status && allContainers(status)[0])
  const metadata = {
    uid: podUid,
    name: known?.podName ?? podUid,
    namespace: known?.podNamespace ?? '',
    creationTimestamp: '',
    resourceVersion: '',
  }
  const kept = status && allContainers(status)[0]?.annotations[annotation.gracePeriod]
  return { metadata, spec: { containers: [], ...(kept !== undefined && { terminationGracePeriodSeconds: Number(kept) }) } }
}

/** Pods that the API no longer has, but whose containers or directories are still here. */
async function removeOrphans(
  parts: KubeletParts,
  rootDir: string,
  found: ReadonlyMap<string, PodRuntimeStatus>,
  wanted: ReadonlySet<string>,
): Promise<void> {
  const onDisk = await readdir(podsDirectory(rootDir)).catch(() => [])
  for (const uid of new Set([...found.keys(), ...onDisk])) {
    if (!wanted.has(uid)) parts.workers.remove(orphan(uid, found.get(uid)))
  }
}

function onPodChange({ workers, statics, startTimes }: KubeletParts, { before, after }: Change<Pod>): void {
  const mirror = [after, before].find((pod) => pod && mirroredHash(pod) !== undefined)
  if (mirror) {
    statics?.mirrorChanged(mirror)
    return
  }
  if (before && before.metadata.uid !== after?.metadata.uid) workers.remove(before)
  if (after) startTimes.observed(after)
  // Items of a list carry no kind; events about the pod need it.
  if (after) workers.update(after.kind ? after : { ...after, kind: 'Pod', apiVersion: 'v1' })
}

/** Follows the runtime; whenever the connection is new, everything may have changed. */
async function followRuntime({ runtime }: KubeletOptions, parts: KubeletParts, { signal, clock, log }: ComponentContext): Promise<void> {
  const { workers, observer, node } = parts
  const backoff = new Backoff(EVENTS_RETRY)
  const listener: RuntimeListener = {
    onConnected() {
      backoff.reset()
      observer.invalidateAll()
      node.runtimeChanged(undefined)
      node.imagesChanged()
      for (const pod of workers.all()) workers.wake(pod.metadata.uid)
    },
    onEvent(event) {
      observer.onEvent(event)
      workers.wake(event.podUid)
    },
    onImagesChanged(loaded) {
      node.imagesChanged()
      if (loaded !== undefined) void parts.pulledImages.broughtByHand(loaded)
    },
  }
  while (!signal.aborted) {
    try {
      await runtime.events(signal, listener)
    } catch (error) {
      if (signal.aborted) return
      if (backoff.failures === 0) log.warn('the runtime cannot be followed', { error: String(error) })
      node.runtimeChanged(error instanceof Error ? error.message : String(error))
    }
    await clock.sleep(backoff.next(), signal).catch(() => {})
  }
}

export function createKubelet(given: KubeletOptions): Kubelet {
  const measures = new KubeletMeasures(given.clock)
  const options = { ...given, runtime: measuredRuntime(given.runtime, measures, given.clock) }
  let parts: KubeletParts | undefined

  async function runUntil(context: ComponentContext): Promise<void> {
    const { informers, runtime, rootDir } = options
    const { signal } = context
    await mkdir(podsDirectory(rootDir), { recursive: true, mode: 0o750 })
    const own = await assemble(options, measures, context)
    parts = own
    const ofNode = podsOfNode(options)
    const [listed] = await Promise.all([runtime.list(), own.node.register(), ofNode.synced(signal), informers.for(services).synced(signal)])
    const found = byPod(listed)
    own.observer.begin(found)
    await Promise.all([own.statics?.begin(), own.shutdown.begin()])
    const stop = ofNode.onChange((change) => onPodChange(own, change))
    try {
      const wanted = new Set([...ofNode.list().map((pod) => pod.metadata.uid), ...(own.statics?.uids ?? [])])
      await removeOrphans(own, rootDir, found, wanted)
      await own.devices.releaseAllBut(wanted)
      const working = [
        followRuntime(options, own, context),
        own.node.run(),
        own.statics?.run(),
        own.eviction.run(),
        own.images.run(signal),
        own.plugins.run(),
        own.devices.run(),
        own.drivers.begin(),
        own.claims.run(),
        servePodResources({ ...own, directory: join(rootDir, 'pod-resources'), pods: () => ofNode.list(), signal }),
      ]
      context.ready()
      await aborted(signal)
      await Promise.all(working)
    } finally {
      stop()
    }
  }

  /** Whatever of this run is still under way when it fails ends with it: the next run begins anew. */
  async function run(context: ComponentContext): Promise<void> {
    const over = new AbortController()
    try {
      await runUntil({ ...context, signal: AbortSignal.any([context.signal, over.signal]) })
    } finally {
      over.abort()
    }
  }

  return {
    run,
    runtime: options.runtime,
    measures,
    shutDown: async () => parts?.shutdown.run(),
    terminatePods: (maxGraceSeconds, context) =>
      terminatePods({ ...options, ...context, pods: podsOfNode(options).list(), maxGraceSeconds }),
    pods: podProvider(options, () => parts),
    volumeStats: (pod, signal) => volumeStats(pod, { rootDir: options.rootDir, ...(parts && { csi: parts.csi }) }, signal),
    diskFull: () => parts?.eviction.lookNow(),
  }
}
