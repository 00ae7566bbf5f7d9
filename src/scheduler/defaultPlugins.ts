/** The default profile: upstream's default plugins in their order and with their weights. */
import type { Plugins } from './schedulePod.ts'
import { balancedAllocationScore, fitFilter, leastAllocatedScore } from './plugins/fit.ts'
import { imageLocalityScore } from './plugins/imageLocality.ts'
import { nodeAffinityFilter, nodeAffinityScore } from './plugins/nodeAffinity.ts'
import { nodeNameFilter } from './plugins/nodeName.ts'
import { nodePortsFilter } from './plugins/nodePorts.ts'
import { volumeBindingFilter, type VolumeListers } from './plugins/volumeBinding.ts'
import { taintFilter, taintScore, unschedulableFilter } from './plugins/taints.ts'

export function defaultPlugins(volumes: VolumeListers): Plugins {
  return {
    filters: [unschedulableFilter, nodeNameFilter, taintFilter, nodeAffinityFilter, nodePortsFilter, fitFilter, volumeBindingFilter(volumes)],
    scores: [taintScore, nodeAffinityScore, leastAllocatedScore, balancedAllocationScore, imageLocalityScore],
  }
}
