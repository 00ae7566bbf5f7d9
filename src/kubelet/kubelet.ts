/**
 * The kubelet: runs the pods that are bound to this node and tells the API how they do. It is driven by the watch of those
 * pods and by the runtime's events; nothing polls. All that must outlive it is in the API and in the runtime, so that a
 * kubelet that starts anew finds its containers and lets them run.
 * Upstream contract: the kubelet of Kubernetes 1.36 as the API shows it (pod status, node status, events, leases).
 */
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { nodes, pods, secrets, services } from '../api/kinds/core/v1.ts'
import type { Pod } from '../api/kinds/core/v1.ts'
import { aborted } from '../base/abort.ts'
import { Backoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import type { ComponentContext } from '../base/component.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Change, Informer, Informers } from '../client/informer.ts'
import { KUBELET_DEFAULTS, type KubeletConfiguration } from './configuration.ts'
import { annotation } from './containers/annotations.ts'
import { CsiVolumes } from './csi/csiVolumes.ts'
import { CsiPlugins } from './csi/plugins.ts'
import { DeviceManager } from './devices/deviceManager.ts'
import { servePodResources } from './devices/podResources.ts'
import { EvictionManager } from './eviction/evictionManager.ts'
import { readSignals, type Signals } from './eviction/signals.ts'
import { ImageCollector } from './images/imageCollector.ts'
import { ImagePuller } from './images/imagePuller.ts'
import { measuredRuntime } from './metrics/measuredRuntime.ts'
import { KubeletMeasures } from './metrics/measures.ts'
import { PodStartTimes } from './metrics/podStartTimes.ts'
import { allocatableAmounts, maxPods, podsMemoryBytes, readCapacity } from './node/capacity.ts'
import type { NodeCapacity } from './node/capacity.ts'
import { hasAppArmor } from './node/appArmor.ts'
import { NodeReporter } from './node/nodeReporter.ts'
import { terminatePods } from './nodeShutdown.ts'
import { podsDirectory } from './podDirectories.ts'
import { RealPodLife } from './podLife.ts'
import type { LimitPod } from './podLimits.ts'
import { PodObjects } from './podObjects.ts'
import { PodObserver } from './podObserver.ts'
import { allContainers, byPod, readySandbox } from './podRuntimeStatus.ts'
import type { PodRuntimeStatus } from './podRuntimeStatus.ts'
import { PodWorkers } from './podWorkers.ts'
import { createProber } from './probes/prober.ts'
import { PodProbes } from './probes/podProbes.ts'
import type { Image, Runtime, RuntimeListener } from './runtime/runtime.ts'
import type { KubeletPods } from './server/pods.ts'
import { mirroredHash } from './staticPods/manifests.ts'
import { StaticPods } from './staticPods/staticPods.ts'
import { StatusManager } from './status/statusManager.ts'
import type { PinSubPath } from './volumes/subPath.ts'
import { volumeStats, type VolumeUse } from './volumes/volumeStats.ts'
import { Volumes } from './volumes/volumes.ts'

export interface KubeletOptions {
  client: Client
  informers: Informers
  events: EventRecorder
  clock: Clock
  runtime: Runtime
  nodeName: string
  nodeIp: string
  /** One of each IP family that pods have, the first is `nodeIp`; that one alone unless given. */
  nodeIps?: readonly string[]
  /** `/var/lib/kubelet`. */
  rootDir: string
  clusterDns: readonly string[]
  clusterDomain: string
  /** What pods with dnsPolicy Default get; `/etc/resolv.conf` unless given. */
  nodeResolvConfPath?: string
  /** Beside the ones that every node has. */
  nodeLabels?: Readonly<Record<string, string>>
  /** Read from the machine and the node's cgroup unless given. */
  capacity?: () => Promise<NodeCapacity>
  /** What can be set from outside; the defaults hold unless given. */
  configuration?: KubeletConfiguration
  /** Read from the machine and the node's cgroup unless given. */
  signals?: () => Promise<Signals>
  /** Writes what a pod may have into its own cgroup; nothing is written unless given. */
  limitPod?: LimitPod
  /** Binds subPaths; tests bring their own. */
  pinSubPath?: PinSubPath
  /** 10250 unless given. */
  kubeletPort?: number
  /** Where the manifests of static pods are; without it there are none. */
  manifestsDirectory?: string
}

export interface Kubelet {
  run(context: ComponentContext): Promise<void>
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

const KUBELET_PORT = 10_250
const EVENTS_RETRY = { baseMs: 50, maxMs: 5000 }

/** What one run of the kubelet is made of. */
interface Parts {
  workers: PodWorkers
  observer: PodObserver
  node: NodeReporter
  life: RealPodLife
  statics: StaticPods | undefined
  eviction: EvictionManager
  probes: PodProbes
  startTimes: PodStartTimes
  images: ImageCollector
  plugins: CsiPlugins
  csi: CsiVolumes
  devices: DeviceManager
}

async function assemble(options: KubeletOptions, measures: KubeletMeasures, { signal, log, clock }: ComponentContext): Promise<Parts> {
  const { client, informers, events, runtime, nodeName, nodeIp, rootDir, clusterDns, clusterDomain } = options
  const { nodeIps = [nodeIp] } = options
  const { configuration = KUBELET_DEFAULTS } = options
  const startTimes = new PodStartTimes(measures, clock)
  const found = await (options.capacity ?? (() => readCapacity(rootDir)))()
  const capacity = { ...found, pods: maxPods(found, configuration) }
  const allocatable = allocatableAmounts(capacity, configuration)
  const observer = new PodObserver({ runtime, rootDir, clock, measures })
  const objects = new PodObjects({
    client,
    clock,
    log,
    signal,
    onChange: (uids) => {
      for (const uid of uids) {
        life.objectsChanged(uid)
        workers.wake(uid)
      }
    },
  })
  const collector = new ImageCollector({
    configuration,
    runtime,
    clock,
    log,
    rootDir,
    recordFile: join(rootDir, 'pulled-images.json'),
    alsoUsed: () => volumes.imagesInUse(),
  })
  const onVerdict = (uid: string): void => {
    workers.wake(uid)
    life.probed(uid).catch((error: unknown) => log.warn('a result of a probe could not be reported', { uid, error: String(error) }))
  }
  const probes = new PodProbes({ clock, events, nodeIp, run: createProber(runtime), onVerdict })
  const serviceInformer = informers.for(services)
  const devices = new DeviceManager({
    clock,
    log,
    signal,
    directory: join(rootDir, 'device-plugins'),
    onChange: (uids) => {
      node.devicesChanged()
      for (const uid of uids) workers.wake(uid)
    },
  })
  await devices.begin()
  const statuses = new StatusManager({ client, clock, log, signal, measures })
  const plugins = new CsiPlugins({ client, clock, log, signal, nodeName, registryDirectory: join(rootDir, 'plugins_registry') })
  const csi = new CsiVolumes({
    client,
    plugins,
    rootDir,
    nodeName,
    clock,
    onInUse: () => node.volumesChanged(),
    secret: (namespace, name, until) => client.get(secrets, { namespace, name, signal: until }),
  })
  const volumes = new Volumes({ client, clock, objects, rootDir, runtime, csi, memoryBytes: podsMemoryBytes(capacity, configuration) })
  const pulled = (image: Image): void => {
    node.imagesChanged()
    void collector.pulled(image)
  }
  const life = new RealPodLife({
    runtime,
    events,
    clock,
    log,
    signal,
    rootDir,
    nodeName,
    nodeIp,
    nodeIps,
    observer,
    probes,
    objects,
    files: { clusterDns, clusterDomain, nodeName, ...(options.nodeResolvConfPath && { nodeResolvConfPath: options.nodeResolvConfPath }) },
    nodeLimits: { ...configuration, memoryBytes: capacity.memoryBytes },
    crashLoopMaxMs: configuration.crashLoopMaxMs,
    measures,
    startTimes,
    limitPod: options.limitPod ?? (() => Promise.resolve()),
    hasAppArmor: await hasAppArmor(),
    allowedUnsafeSysctls: configuration.allowedUnsafeSysctls,
    ...(options.pinSubPath && { pin: options.pinSubPath }),
    allocatable,
    services: () => serviceInformer.list(),
    podsOfNode: () => podsOfNode(options).list(),
    knownNode: () => node.node,
    pressures: () => eviction.conditions,
    currentNode: (until) => client.get(nodes, { name: nodeName, signal: until }),
    statuses,
    wake: (uid) => workers.wake(uid),
    devices,
    images: new ImagePuller({ runtime, events, clock, signal, measures, startTimes, onPulled: pulled }),
    volumes,
  })
  const workers = new PodWorkers({ life, clock, log, signal, measures, onGone: (uid) => statics?.podGone(uid) })
  const node = new NodeReporter({
    client,
    runtime,
    events,
    clock,
    log,
    signal,
    nodeName,
    nodeIps,
    rootDir,
    volumesInUse: () => csi.inUse(),
    devices: () => devices.amounts,
    capacity,
    allocatable,
    kubeletPort: options.kubeletPort ?? KUBELET_PORT,
    nodeLabels: options.nodeLabels ?? {},
  })
  const statics =
    options.manifestsDirectory === undefined
      ? undefined
      : new StaticPods({
          client,
          clock,
          log,
          signal,
          directory: options.manifestsDirectory,
          nodeName,
          node: () => node.node,
          ofNode: podsOfNode(options),
          onUpdate: (pod) => workers.update(pod),
          onRemove: (pod) => workers.remove(pod),
          onNewMirror: (uid) => statuses.sendAgain(uid),
        })
  const eviction = new EvictionManager({
    configuration,
    runtime,
    rootDir,
    clock,
    log,
    signal,
    signals: options.signals ?? (() => readSignals(rootDir)),
    pods: () => workers.all().filter((pod) => workers.isSyncing(pod.metadata.uid)),
    observed: (uid) => observer.last(uid),
    evict(pod, why) {
      life.evict(pod.metadata.uid, why)
      workers.wake(pod.metadata.uid)
    },
    onConditions: (conditions) => node.pressuresChanged(conditions),
    onEviction: (signal) => measures.count('kubelet_evictions', { eviction_signal: signal }),
    onNodeEvent: (reason, message) => node.warn(reason, message),
    reclaimDisk: async () => {
      await removeDead(runtime, workers)
      await collector.removeUnused()
    },
  })
  return { workers, observer, node, life, statics, eviction, probes, startTimes, images: collector, plugins, csi, devices }
}

/** Containers of pods that are over: their logs and files go before a pod that runs has to. */
async function removeDead(runtime: Runtime, workers: PodWorkers): Promise<void> {
  const { containers } = await runtime.list()
  const dead = containers.filter(({ podUid, state }) => state === 'Exited' && workers.isOver(podUid))
  await Promise.all(dead.map(({ id }) => runtime.removeContainer(id)))
}

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
  parts: Parts,
  rootDir: string,
  found: ReadonlyMap<string, PodRuntimeStatus>,
  wanted: ReadonlySet<string>,
): Promise<void> {
  const onDisk = await readdir(podsDirectory(rootDir)).catch(() => [])
  for (const uid of new Set([...found.keys(), ...onDisk])) {
    if (!wanted.has(uid)) parts.workers.remove(orphan(uid, found.get(uid)))
  }
}

function onPodChange({ workers, statics, startTimes }: Parts, { before, after }: Change<Pod>): void {
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
async function followRuntime({ runtime }: KubeletOptions, parts: Parts, { signal, clock, log }: ComponentContext): Promise<void> {
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
    onImagesChanged: () => node.imagesChanged(),
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
  let parts: Parts | undefined

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
    await own.statics?.begin()
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
        servePodResources({ directory: join(rootDir, 'pod-resources'), devices: own.devices, pods: () => ofNode.list(), signal }),
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
    terminatePods: (maxGraceSeconds, context) =>
      terminatePods({ ...options, ...context, pods: podsOfNode(options).list(), maxGraceSeconds }),
    pods: podProvider(options, () => parts),
    volumeStats: (pod, signal) => volumeStats(pod, { rootDir: options.rootDir, ...(parts && { csi: parts.csi }) }, signal),
    diskFull: () => parts?.eviction.lookNow(),
  }
}

function podsOfNode({ informers, nodeName }: KubeletOptions): Informer<Pod> {
  return informers.for(pods, { fieldSelector: `spec.nodeName=${nodeName}` })
}

function podProvider(options: KubeletOptions, parts: () => Parts | undefined): KubeletPods {
  const observedOf = (podUid: string): PodRuntimeStatus | undefined => {
    const { observer, statics } = parts() ?? {}
    return observer?.last(statics?.uidBehind(podUid) ?? podUid)
  }
  return {
    get: (namespace, name) => podsOfNode(options).get(`${namespace}/${name}`),
    all: () => podsOfNode(options).list(),
    probeCounts: () => parts()?.probes.counts() ?? [],
    running() {
      const all = [...podsOfNode(options).list()]
      return all.flatMap(({ metadata, spec }) => {
        const status = observedOf(metadata.uid)
        const running = (spec?.containers ?? []).filter(({ name }) => status?.containers.get(name)?.[0]?.state === 'Running')
        if (running.length === 0) return []
        const { name, namespace, uid, creationTimestamp } = metadata
        const containers = running.map((container) => ({
          name: container.name,
          ...(container.image && { image: container.image }),
          resources: {},
        }))
        return [{ metadata: { name, namespace, uid, creationTimestamp, resourceVersion: '' }, spec: { containers }, status: {} }]
      })
    },
    containerId(podUid, containerName, { previous = false } = {}) {
      return observedOf(podUid)?.containers.get(containerName)?.[previous ? 1 : 0]?.id
    },
    sandboxId(podUid) {
      const status = observedOf(podUid)
      return status && readySandbox(status)?.id
    },
  }
}
