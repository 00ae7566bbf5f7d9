/** What speaks for the node and guards it: reports, evictions, its shutdown. */
import { EvictionManager } from '../eviction/evictionManager.ts'
import { readSignals } from '../eviction/signals.ts'
import { GracefulShutdown } from '../node/gracefulShutdown.ts'
import { NodeReporter } from '../node/nodeReporter.ts'
import type { PodWorkers } from '../podLife/podWorkers.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { StatusManager } from '../status/statusManager.ts'
import type { KubeletParts, Shared } from './kubeletParts.ts'

const KUBELET_PORT = 10_250

export function nodeReporterOf(
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

export function evictionOf({ options, configuration, measures, clock, log, signal, parts }: Shared): EvictionManager {
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

export function shutdownOf({ options, configuration, measures, clock, log, parts }: Shared, statuses: StatusManager): GracefulShutdown {
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
