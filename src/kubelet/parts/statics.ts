/** Pods from a folder of manifests. */
import { podsOfNode } from '../kubeletOptions.ts'
import { StaticPods } from '../staticPods/staticPods.ts'
import type { StatusManager } from '../status/statusManager.ts'
import type { Shared } from './kubeletParts.ts'

export function staticsOf({ options, clock, log, signal, parts }: Shared, statuses: StatusManager): StaticPods | undefined {
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
