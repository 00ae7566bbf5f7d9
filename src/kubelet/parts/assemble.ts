/** Makes what one run of the kubelet is made of. What a part tells others of what happens stands where it is made. */
import type { ComponentContext } from '../../base/component.ts'
import { KUBELET_DEFAULTS } from '../configuration.ts'
import { CSI_PLUGIN_TYPE } from '../csi/plugins.ts'
import { DRA_PLUGIN_TYPE } from '../dynamicResources/draDrivers.ts'
import type { KubeletOptions } from '../kubeletOptions.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import { PodStartTimes } from '../metrics/podStartTimes.ts'
import { PodObserver } from '../podLife/podObserver.ts'
import { PodWorkers } from '../podLife/podWorkers.ts'
import { createProber } from '../probes/prober.ts'
import { PodProbes } from '../probes/podProbes.ts'
import { StatusManager } from '../status/statusManager.ts'
import { claimsOf, devicesOf, pluginsOf } from './devices.ts'
import { lifeOf } from './life.ts'
import { evictionOf, nodeReporterOf, shutdownOf } from './node.ts'
import { amountsOf, type KubeletParts } from './kubeletParts.ts'
import { staticsOf } from './statics.ts'
import { storageOf } from './storage.ts'

export async function assemble(options: KubeletOptions, measures: KubeletMeasures, context: ComponentContext): Promise<KubeletParts> {
  const { signal, log, clock } = context
  const { client, events, runtime, nodeIp, rootDir } = options
  const { configuration = KUBELET_DEFAULTS } = options
  const startTimes = new PodStartTimes(measures, clock)
  let made: KubeletParts | undefined
  const parts = (): KubeletParts => made as KubeletParts
  const amounts = await amountsOf(options, configuration)
  const shared = { options, configuration, amounts, measures, startTimes, signal, log, clock, parts }
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
  const { csi, images, pulledImages } = storage
  const plugins = pluginsOf(shared, { [CSI_PLUGIN_TYPE]: storage.csiPlugins, [DRA_PLUGIN_TYPE]: drivers })
  const node = nodeReporterOf(shared, { csi, devices })
  const [statics, eviction] = [staticsOf(shared, statuses), evictionOf(shared)]
  const shutdown = shutdownOf(shared, statuses)
  const ended = { eviction, shutdown, statics }
  made = { workers, observer, node, life, probes, startTimes, images, pulledImages, plugins, csi, devices, drivers, claims, ...ended }
  return made
}
