/** What leads the pods' lives. */
import { nodes, services } from '../../api/kinds/core/v1.ts'
import { ImagePuller } from '../images/imagePuller.ts'
import { nodeCredentials } from '../images/nodeCredentials.ts'
import { podsOfNode } from '../kubeletOptions.ts'
import { hasAppArmor } from '../node/appArmor.ts'
import { RealPodLife } from '../podLife/podLife.ts'
import type { StatusManager } from '../status/statusManager.ts'
import type { KubeletParts, Shared } from './kubeletParts.ts'
import type { Storage } from './storage.ts'

export async function lifeOf(
  { options, configuration, amounts, measures, startTimes, clock, log, signal, parts }: Shared,
  made: Storage & Pick<KubeletParts, 'observer' | 'probes' | 'devices' | 'claims'> & { statuses: StatusManager },
): Promise<RealPodLife> {
  const { client, informers, events, runtime, nodeName, nodeIp, rootDir, clusterDns, clusterDomain } = options
  const serviceInformer = informers.for(services)
  const { pulledImages } = made
  const onPulled = (): void => parts().node.imagesChanged()
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
    images: new ImagePuller({
      runtime,
      events,
      clock,
      signal,
      measures,
      startTimes,
      pulledImages,
      maxParallel: configuration.maxParallelImagePulls,
      nodeCredentials: nodeCredentials({ rootDir, log }),
      onPulled,
    }),
  })
}
