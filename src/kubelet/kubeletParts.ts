/** What one run of the kubelet is made of, and how its parts tell each other of what happens. */
import { join } from 'node:path'
import { nodes, secrets, services } from '../api/kinds/core/v1.ts'
import type { ComponentContext } from '../base/component.ts'
import { KUBELET_DEFAULTS } from './configuration.ts'
import { CsiVolumes } from './csi/csiVolumes.ts'
import { CSI_PLUGIN_TYPE, CsiPlugins } from './csi/plugins.ts'
import { DeviceManager } from './devices/deviceManager.ts'
import { DRA_PLUGIN_TYPE, DraDrivers } from './dynamicResources/draDrivers.ts'
import { DynamicResources } from './dynamicResources/dynamicResources.ts'
import { EvictionManager } from './eviction/evictionManager.ts'
import { readSignals } from './eviction/signals.ts'
import { ImageCollector } from './images/imageCollector.ts'
import { ImagePuller } from './images/imagePuller.ts'
import { podsOfNode, type KubeletOptions } from './kubeletOptions.ts'
import type { KubeletMeasures } from './metrics/measures.ts'
import { PodStartTimes } from './metrics/podStartTimes.ts'
import { hasAppArmor } from './node/appArmor.ts'
import { allocatableAmounts, maxPods, podsMemoryBytes, readCapacity, type NodeCapacity } from './node/capacity.ts'
import { GracefulShutdown } from './node/gracefulShutdown.ts'
import { NodeReporter } from './node/nodeReporter.ts'
import { RealPodLife } from './podLife/podLife.ts'
import { PodObjects } from './pods/podObjects.ts'
import { PodObserver } from './podLife/podObserver.ts'
import { PodWorkers } from './podLife/podWorkers.ts'
import { PluginRegistry } from './plugins/pluginRegistry.ts'
import { createProber } from './probes/prober.ts'
import { PodProbes } from './probes/podProbes.ts'
import type { Image, Runtime } from './runtime/runtime.ts'
import { StaticPods } from './staticPods/staticPods.ts'
import { StatusManager } from './status/statusManager.ts'
import { Volumes } from './volumes/volumes.ts'

const KUBELET_PORT = 10_250

export interface KubeletParts {
  workers: PodWorkers
  observer: PodObserver
  node: NodeReporter
  life: RealPodLife
  statics: StaticPods | undefined
  eviction: EvictionManager
  probes: PodProbes
  startTimes: PodStartTimes
  images: ImageCollector
  plugins: PluginRegistry
  csi: CsiVolumes
  devices: DeviceManager
  drivers: DraDrivers
  claims: DynamicResources
  shutdown: GracefulShutdown
}

/** What the node has, and what of it pods may ask for. */
interface Amounts {
  capacity: NodeCapacity
  allocatable: Record<string, string>
}

/** What all parts of one run share. */
interface Shared extends Pick<ComponentContext, 'signal' | 'log' | 'clock'> {
  options: KubeletOptions
  configuration: NonNullable<KubeletOptions['configuration']>
  amounts: Amounts
  measures: KubeletMeasures
  startTimes: PodStartTimes
  /** The parts themselves, for what happens later: they are there once all of them are made. */
  parts: () => KubeletParts
}

async function amountsOf(options: KubeletOptions, configuration: Shared['configuration']): Promise<Amounts> {
  const found = await (options.capacity ?? (() => readCapacity(options.rootDir)))()
  const capacity = { ...found, pods: maxPods(found, configuration) }
  return { capacity, allocatable: allocatableAmounts(capacity, configuration) }
}

export async function assemble(options: KubeletOptions, measures: KubeletMeasures, context: ComponentContext): Promise<KubeletParts> {
  const { signal, log, clock } = context
  const { client, events, runtime, nodeIp, rootDir } = options
  const { configuration = KUBELET_DEFAULTS } = options
  const startTimes = new PodStartTimes(measures, clock)
  let made: KubeletParts | undefined
  const parts = (): KubeletParts => made as KubeletParts
  const shared = {
    options,
    configuration,
    amounts: await amountsOf(options, configuration),
    measures,
    startTimes,
    signal,
    log,
    clock,
    parts,
  }
  const observer = new PodObserver({ runtime, rootDir, clock, measures })
  const onVerdict = (uid: string): void => {
    const { life, workers } = parts()
    workers.wake(uid)
    life.probed(uid).catch((error: unknown) => log.warn('a result of a probe could not be reported', { uid, error: String(error) }))
  }
  const probes = new PodProbes({ clock, events, nodeIp, run: createProber(runtime), onVerdict })
  const statuses = new StatusManager({ client, clock, log, signal, measures })
  const [devices, { drivers, claims }] = await Promise.all([devicesOf(shared), claimsOf(shared)])
  const storage = storageOf(shared)
  const life = await lifeOf(shared, { observer, probes, statuses, devices, claims, ...storage })
  const workers = new PodWorkers({ life, clock, log, signal, measures, onGone: (uid) => parts().statics?.podGone(uid) })
  const { csi, images } = storage
  const plugins = new PluginRegistry({
    clock,
    log,
    signal,
    directory: join(rootDir, 'plugins_registry'),
    kinds: { [CSI_PLUGIN_TYPE]: storage.csiPlugins, [DRA_PLUGIN_TYPE]: drivers },
    onRegistered() {
      for (const { metadata, status } of workers.all()) if (status?.phase === 'Pending') workers.wake(metadata.uid)
    },
  })
  const node = nodeReporterOf(shared, { csi, devices })
  const [statics, eviction] = [staticsOf(shared, statuses), evictionOf(shared)]
  const shutdown = shutdownOf(shared, statuses)
  made = { workers, observer, node, life, statics, eviction, probes, startTimes, images, plugins, csi, devices, drivers, claims, shutdown }
  return made
}

async function devicesOf({ options, clock, log, signal, parts }: Shared): Promise<DeviceManager> {
  const devices = new DeviceManager({
    clock,
    log,
    signal,
    directory: join(options.rootDir, 'device-plugins'),
    onChange(uids) {
      const { node, workers } = parts()
      node.devicesChanged()
      for (const uid of uids) workers.wake(uid)
    },
  })
  await devices.begin()
  return devices
}

async function claimsOf({ options, measures, clock, log, signal, parts }: Shared): Promise<Pick<KubeletParts, 'drivers' | 'claims'>> {
  const { client, nodeName, rootDir } = options
  const drivers = new DraDrivers({
    client,
    clock,
    log,
    signal,
    nodeName,
    measures,
    onHealth: (driver, devices) => claims.told(driver, devices),
  })
  const claims = new DynamicResources({
    client,
    clock,
    log,
    signal,
    measures,
    drivers,
    recordFile: join(rootDir, 'dra_manager_state'),
    isActive: (uid) =>
      parts()
        .workers.all()
        .some(({ metadata }) => metadata.uid === uid),
    onChange(uids) {
      for (const uid of uids) parts().workers.wake(uid)
    },
  })
  await claims.begin()
  return { drivers, claims }
}

interface Storage extends Pick<KubeletParts, 'images' | 'csi'> {
  csiPlugins: CsiPlugins
  objects: PodObjects
  volumes: Volumes
}

/** The objects, volumes and images that pods use. */
function storageOf({ options, configuration, amounts, measures, clock, log, signal, parts }: Shared): Storage {
  const { client, runtime, nodeName, rootDir } = options
  const objects = new PodObjects({
    client,
    clock,
    log,
    signal,
    onChange(uids) {
      const { life, workers } = parts()
      for (const uid of uids) {
        life.objectsChanged(uid)
        workers.wake(uid)
      }
    },
  })
  const csiPlugins = new CsiPlugins({ client, signal, nodeName })
  const csi = new CsiVolumes({
    client,
    plugins: csiPlugins,
    rootDir,
    nodeName,
    clock,
    onInUse: () => parts().node.volumesChanged(),
    secret: (namespace, name, until) => client.get(secrets, { namespace, name, signal: until }),
  })
  const memoryBytes = podsMemoryBytes(amounts.capacity, configuration)
  const { memoryDir } = options
  const volumes = new Volumes({
    client,
    nodeName,
    clock,
    objects,
    rootDir,
    runtime,
    csi,
    memoryBytes,
    measures,
    ...(memoryDir && { memoryDir }),
  })
  const images = new ImageCollector({
    configuration,
    runtime,
    clock,
    log,
    rootDir,
    recordFile: join(rootDir, 'pulled-images.json'),
    alsoUsed: () => volumes.imagesInUse(),
  })
  return { objects, csiPlugins, csi, volumes, images }
}

async function lifeOf(
  { options, configuration, amounts, measures, startTimes, clock, log, signal, parts }: Shared,
  made: Storage & Pick<KubeletParts, 'observer' | 'probes' | 'devices' | 'claims'> & { statuses: StatusManager },
): Promise<RealPodLife> {
  const { client, informers, events, runtime, nodeName, nodeIp, rootDir, clusterDns, clusterDomain } = options
  const serviceInformer = informers.for(services)
  const onPulled = (image: Image): void => {
    parts().node.imagesChanged()
    void made.images.pulled(image)
  }
  return new RealPodLife({
    ...made,
    runtime,
    events,
    clock,
    log,
    signal,
    rootDir,
    nodeName,
    nodeIp,
    nodeIps: options.nodeIps ?? [nodeIp],
    files: { clusterDns, clusterDomain, nodeName, ...(options.nodeResolvConfPath && { nodeResolvConfPath: options.nodeResolvConfPath }) },
    nodeLimits: { ...configuration, memoryBytes: amounts.capacity.memoryBytes },
    crashLoopMaxMs: configuration.crashLoopMaxMs,
    measures,
    startTimes,
    limitPod: options.limitPod ?? (() => Promise.resolve()),
    hasAppArmor: await hasAppArmor(),
    allowedUnsafeSysctls: configuration.allowedUnsafeSysctls,
    ...(options.pinSubPath && { pin: options.pinSubPath }),
    allocatable: amounts.allocatable,
    services: () => serviceInformer.list(),
    podsOfNode: () => podsOfNode(options).list(),
    knownNode: () => parts().node.node,
    pressures: () => parts().eviction.conditions,
    isStopping: () => parts().shutdown.isUnderWay,
    currentNode: (until) => client.get(nodes, { name: nodeName, signal: until }),
    wake: (uid) => parts().workers.wake(uid),
    images: new ImagePuller({ runtime, events, clock, signal, measures, startTimes, onPulled }),
  })
}

function nodeReporterOf(
  { options, amounts, clock, log, signal }: Shared,
  { csi, devices }: Pick<KubeletParts, 'csi' | 'devices'>,
): NodeReporter {
  const { client, runtime, events, nodeName, nodeIp, nodeIps = [nodeIp], rootDir } = options
  return new NodeReporter({
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
    ...amounts,
    kubeletPort: options.kubeletPort ?? KUBELET_PORT,
    nodeLabels: options.nodeLabels ?? {},
  })
}

function staticsOf({ options, clock, log, signal, parts }: Shared, statuses: StatusManager): StaticPods | undefined {
  const { client, nodeName, manifestsDirectory } = options
  if (manifestsDirectory === undefined) return undefined
  return new StaticPods({
    client,
    clock,
    log,
    signal,
    directory: manifestsDirectory,
    nodeName,
    node: () => parts().node.node,
    ofNode: podsOfNode(options),
    onUpdate: (pod) => parts().workers.update(pod),
    onRemove: (pod) => parts().workers.remove(pod),
    onNewMirror: (uid) => statuses.sendAgain(uid),
  })
}

function evictionOf({ options, configuration, measures, clock, log, signal, parts }: Shared): EvictionManager {
  const { runtime, rootDir } = options
  return new EvictionManager({
    configuration,
    runtime,
    rootDir,
    clock,
    log,
    signal,
    signals: options.signals ?? (() => readSignals(rootDir)),
    pods() {
      const { workers } = parts()
      return workers.all().filter((pod) => workers.isSyncing(pod.metadata.uid))
    },
    observed: (uid) => parts().observer.last(uid),
    evict: (pod, why) => parts().life.evict(pod.metadata.uid, why),
    onConditions: (conditions) => parts().node.pressuresChanged(conditions),
    onEviction: (evictionSignal) => measures.count('kubelet_evictions', { eviction_signal: evictionSignal }),
    onNodeEvent: (reason, message) => parts().node.warn(reason, message),
    async reclaimDisk() {
      const { workers, images } = parts()
      await removeDead(runtime, workers)
      await images.removeUnused()
    },
  })
}

function shutdownOf({ options, configuration, measures, clock, log, parts }: Shared, statuses: StatusManager): GracefulShutdown {
  return new GracefulShutdown({
    periods: configuration.shutdownPeriods,
    rootDir: options.rootDir,
    clock,
    log,
    measures,
    onBegin: () => parts().node.stopping(),
    pods() {
      const { workers } = parts()
      return workers.all().filter(({ metadata }) => !workers.isOver(metadata.uid))
    },
    end({ metadata: { uid } }, eviction) {
      const { life, workers } = parts()
      life.evict(uid, eviction)
      workers.hurry(uid, eviction.graceSeconds)
    },
    async over({ metadata: { uid } }) {
      await parts().workers.over(uid)
      await statuses.flush(uid)
    },
  })
}

/** Containers of pods that are over: their logs and files go before a pod that runs has to. */
async function removeDead(runtime: Runtime, workers: PodWorkers): Promise<void> {
  const { containers } = await runtime.list()
  const dead = containers.filter(({ podUid, state }) => state === 'Exited' && workers.isOver(podUid))
  await Promise.all(dead.map(({ id }) => runtime.removeContainer(id)))
}
