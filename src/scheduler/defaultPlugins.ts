/** The default profile: upstream's default plugins in their order and with their weights. */
import type { Namespace } from '../api/kinds/core/v1.ts'
import type { Lister } from '../client/informer.ts'
import type { Plugins } from './schedulePod.ts'
import { balancedAllocationScore, fitFilter, leastAllocatedScore } from './plugins/fit.ts'
import { imageLocalityScore } from './plugins/imageLocality.ts'
import { interPodAffinityFilter, interPodAffinityScore } from './plugins/interPodAffinity.ts'
import { topologySpreadFilter, topologySpreadScore } from './plugins/topologySpread.ts'
import { nodeAffinityFilter, nodeAffinityScore } from './plugins/nodeAffinity.ts'
import { nodeNameFilter } from './plugins/nodeName.ts'
import { nodePortsFilter } from './plugins/nodePorts.ts'
import { volumeBindingFilter, type VolumeListers } from './plugins/volumeBinding.ts'
import { taintFilter, taintScore, unschedulableFilter } from './plugins/taints.ts'

/** What plugins look up besides nodes and pods. */
export interface PluginListers extends VolumeListers {
  namespaces: Lister<Namespace>
}

export function defaultPlugins(listers: PluginListers): Plugins {
  return {
    filters: [
      unschedulableFilter,
      nodeNameFilter,
      taintFilter,
      nodeAffinityFilter,
      nodePortsFilter,
      fitFilter,
      volumeBindingFilter(listers),
      topologySpreadFilter,
      interPodAffinityFilter(listers.namespaces),
    ],
    scores: [
      taintScore,
      nodeAffinityScore,
      leastAllocatedScore,
      balancedAllocationScore,
      topologySpreadScore,
      interPodAffinityScore(listers.namespaces),
      imageLocalityScore,
    ],
  }
}
