/** Makes the plugins of a profile by upstream's names. */
import { namespaces, pods } from '../../api/kinds/core/v1.ts'
import { poddisruptionbudgets } from '../../api/kinds/policy/v1.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Informers } from '../../client/informer.ts'
import { volumeListers } from '../volumes/listers.ts'
import type { PluginArgs } from '../configuration/pluginArgs.ts'
import { ConfigurationError } from '../pluginPoints.ts'
import type { Plugin } from '../framework.ts'
import type { Nominator } from '../nominator.ts'
import { newDefaultBinder } from './defaultBinder.ts'
import { newDefaultPreemption, type ProcessPreemption } from './defaultPreemption.ts'
import { defaultSelector } from './defaultSelector.ts'
import { classResolver } from '../devices/extendedResources.ts'
import { deviceclasses } from '../../api/kinds/resource/v1.ts'
import { newDynamicResources } from './dynamicResources.ts'
import { newBalancedAllocation, newFit } from './fit.ts'
import { newImageLocality } from './imageLocality.ts'
import { newInterPodAffinity } from './interPodAffinity.ts'
import { newNodeAffinity } from './nodeAffinity.ts'
import { newNodeDeclaredFeatures } from './nodeDeclaredFeatures.ts'
import { newNodeName } from './nodeName.ts'
import { newNodePorts } from './nodePorts.ts'
import { newPrioritySort, newSchedulingGates } from './queueing.ts'
import { newNodeUnschedulable, newTaintToleration } from './taints.ts'
import { newTopologySpread } from './topologySpread.ts'
import { newVolumeBinding } from './volumeBinding.ts'
import { newNodeVolumeLimits, newVolumeRestrictions, newVolumeZone } from './volumes.ts'

/** What the plugins work with. */
export interface PluginHandle {
  client: Client
  informers: Informers
  events: EventRecorder
  nominator: Nominator
  clock: Clock
  log: Logger
  signal: AbortSignal
  random: () => number
  activate: (uid: string) => void
  ungate: (uid: string) => void
  processPreemption?: ProcessPreemption
  /** Extended resources that extenders account for. */
  ignoredResources: readonly string[]
  observedPreemption?: (what: 'attempt' | { victims: number }) => void
}

export function createPlugin(name: string, args: PluginArgs, handle: PluginHandle): Plugin {
  const { informers, client } = handle
  const listers = volumeListers(informers)
  switch (name) {
    case 'SchedulingGates':
      return newSchedulingGates()
    case 'PrioritySort':
      return newPrioritySort()
    case 'NodeUnschedulable':
      return newNodeUnschedulable()
    case 'NodeName':
      return newNodeName()
    case 'TaintToleration':
      return newTaintToleration()
    case 'NodeAffinity':
      return newNodeAffinity(args.NodeAffinity.addedAffinity)
    case 'NodePorts':
      return newNodePorts()
    case 'NodeResourcesFit': {
      const { ignoredResources } = args.NodeResourcesFit
      const classes = informers.for(deviceclasses)
      const classOf = classResolver({ get: (className) => classes.get(className), list: () => classes.list() })
      const isBacked = (resource: string): boolean => classOf(resource) !== undefined
      return newFit({ ...args.NodeResourcesFit, ignoredResources: [...ignoredResources, ...handle.ignoredResources] }, isBacked)
    }
    case 'NodeResourcesBalancedAllocation':
      return newBalancedAllocation(args.NodeResourcesBalancedAllocation.resources)
    case 'VolumeRestrictions':
      return newVolumeRestrictions(listers)
    case 'NodeVolumeLimits':
      return newNodeVolumeLimits(listers)
    case 'VolumeBinding':
      return newVolumeBinding({ client, informers, listers, timeoutMs: args.VolumeBinding.bindTimeoutMs })
    case 'VolumeZone':
      return newVolumeZone(listers)
    case 'PodTopologySpread':
      return newTopologySpread({ ...args.PodTopologySpread, selectorOf: defaultSelector(informers) })
    case 'InterPodAffinity': {
      const ofNamespaces = informers.for(namespaces)
      return newInterPodAffinity(args.InterPodAffinity, (namespace) => ofNamespaces.get(namespace)?.metadata.labels)
    }
    case 'DefaultPreemption':
      return newDefaultPreemption({
        ...handle,
        ...args.DefaultPreemption,
        budgets: informers.for(poddisruptionbudgets),
        pods: informers.for(pods),
        ...(handle.observedPreemption && { observed: handle.observedPreemption }),
      })
    case 'DynamicResources':
      return newDynamicResources({ ...handle, bindingTimeoutMs: args.DynamicResources.bindingTimeoutMs })
    case 'ImageLocality':
      return newImageLocality()
    case 'DefaultBinder':
      return newDefaultBinder(client)
    case 'NodeDeclaredFeatures':
      return newNodeDeclaredFeatures()
    default:
      throw new ConfigurationError(`plugin "${name}" does not exist`)
  }
}
