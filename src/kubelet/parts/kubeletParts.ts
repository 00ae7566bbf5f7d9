/** What one run of the kubelet is made of, and what all its parts share. */
import type { ComponentContext } from '../../base/component.ts'
import type { CsiVolumes } from '../csi/csiVolumes.ts'
import type { DeviceManager } from '../devices/deviceManager.ts'
import type { DraDrivers } from '../dynamicResources/draDrivers.ts'
import type { DynamicResources } from '../dynamicResources/dynamicResources.ts'
import type { EvictionManager } from '../eviction/evictionManager.ts'
import type { ImageCollector } from '../images/imageCollector.ts'
import type { PulledImages } from '../images/pulledImages.ts'
import type { KubeletOptions } from '../kubeletOptions.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import type { PodStartTimes } from '../metrics/podStartTimes.ts'
import { allocatableAmounts, maxPods, readCapacity, type NodeCapacity } from '../node/capacity.ts'
import type { GracefulShutdown } from '../node/gracefulShutdown.ts'
import type { NodeReporter } from '../node/nodeReporter.ts'
import type { RealPodLife } from '../podLife/podLife.ts'
import type { PodObserver } from '../podLife/podObserver.ts'
import type { PodWorkers } from '../podLife/podWorkers.ts'
import type { PluginRegistry } from '../plugins/pluginRegistry.ts'
import type { PodProbes } from '../probes/podProbes.ts'
import type { StaticPods } from '../staticPods/staticPods.ts'

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
  pulledImages: PulledImages
  plugins: PluginRegistry
  csi: CsiVolumes
  devices: DeviceManager
  drivers: DraDrivers
  claims: DynamicResources
  shutdown: GracefulShutdown
}

/** What the node has, and what of it pods may ask for. */
export interface Amounts {
  capacity: NodeCapacity
  allocatable: Record<string, string>
}

/** What all parts of one run share. */
export interface Shared extends Pick<ComponentContext, 'signal' | 'log' | 'clock'> {
  options: KubeletOptions
  configuration: NonNullable<KubeletOptions['configuration']>
  amounts: Amounts
  measures: KubeletMeasures
  startTimes: PodStartTimes
  /** The parts themselves, for what happens later: they are there once all of them are made. */
  parts: () => KubeletParts
}

export async function amountsOf(options: KubeletOptions, configuration: Shared['configuration']): Promise<Amounts> {
  const found = await (options.capacity ?? (() => readCapacity(options.rootDir)))()
  const capacity = { ...found, pods: maxPods(found, configuration) }
  return { capacity, allocatable: allocatableAmounts(capacity, configuration) }
}
