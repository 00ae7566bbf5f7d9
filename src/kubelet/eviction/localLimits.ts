/** Which pod uses more of the node's disk than it may: limits of emptyDirs, of the pod, of its containers. Pure; texts are upstream's. */
import { aggregateContainerResources } from '../../api/defaulting/resources.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { quantityValue } from '../pods/amounts.ts'
import { allSpecContainers } from '../pods/podSpec.ts'

const RESOURCE = 'ephemeral-storage'

export interface DiskUse {
  /** By name of the volume: emptyDirs on disk. */
  emptyDirs: ReadonlyMap<string, number>
  /** By name of the container: its writable layer and its logs. */
  containers: ReadonlyMap<string, number>
  /** Files of the kubelet's own that the pod can write to: its /etc/hosts. */
  filesBytes: number
}

const isOnDisk = (medium: string | undefined): boolean => !medium

/** Only these pods are worth the look. */
export function hasLocalLimits(pod: Pod): boolean {
  const ofVolumes = (pod.spec?.volumes ?? []).some(({ emptyDir }) => emptyDir?.sizeLimit !== undefined && isOnDisk(emptyDir.medium))
  return (
    ofVolumes ||
    pod.spec?.resources?.limits?.[RESOURCE] !== undefined ||
    allSpecContainers(pod).some((c) => c.resources?.limits?.[RESOURCE] !== undefined)
  )
}

const total = (amounts: Iterable<number>): number => [...amounts].reduce((sum, amount) => sum + amount, 0)

export interface ExceededLimit {
  /** Upstream's name of it. */
  signal: 'emptydirfs.limit' | 'ephemeralpodfs.limit' | 'ephemeralcontainerfs.limit'
  message: string
}

/** Why the pod has to go; undefined when it keeps its limits. */
export function exceededLimit(pod: Pod, use: DiskUse): ExceededLimit | undefined {
  for (const { name, emptyDir } of pod.spec?.volumes ?? []) {
    const limit = emptyDir?.sizeLimit
    if (limit === undefined || quantityValue(limit) <= 0 || (use.emptyDirs.get(name) ?? 0) <= quantityValue(limit)) continue
    return { signal: 'emptydirfs.limit', message: `Usage of EmptyDir volume "${name}" exceeds the limit "${limit}". ` }
  }
  const ofPod = pod.spec?.resources?.limits?.[RESOURCE] ?? aggregateContainerResources(pod, 'limits')[RESOURCE]
  if (ofPod !== undefined && total(use.containers.values()) + total(use.emptyDirs.values()) + use.filesBytes > quantityValue(ofPod))
    return { signal: 'ephemeralpodfs.limit', message: `Pod ephemeral local storage usage exceeds the total limit of containers ${ofPod}. ` }
  for (const { name, resources } of allSpecContainers(pod)) {
    const limit = resources?.limits?.[RESOURCE]
    if (limit !== undefined && (use.containers.get(name) ?? 0) > quantityValue(limit))
      return { signal: 'ephemeralcontainerfs.limit', message: `Container ${name} exceeded its local ephemeral storage limit "${limit}". ` }
  }
  return undefined
}
