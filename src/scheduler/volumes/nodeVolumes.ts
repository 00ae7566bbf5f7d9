/** What one node has for a pod's claims, purely: whether bound volumes can be reached from it, and what claims that wait would get there. */
import type { Node, PersistentVolume, PersistentVolumeClaim, TopologySelectorTerm } from '../../api/kinds/core/v1.ts'
import type { CSIStorageCapacity, StorageClass } from '../../api/kinds/storage/v1.ts'
import { matchesNodeSelectorTerm } from '../../api/nodeSelector.ts'
import { compareQuantity } from '../../api/quantity.ts'
import { labelSelectorMatches } from '../../api/selectors.ts'
import { freeVolumes, requestedStorage, reservedVolume, storageClassOf } from '../../api/volumeMatching.ts'
import type { VolumeListers } from './listers.ts'
import type { PodClaims } from './podClaims.ts'

export const SELECTED_NODE = 'volume.kubernetes.io/selected-node'
/** The provisioner of classes whose volumes somebody makes by hand. */
const NO_PROVISIONER = 'kubernetes.io/no-provisioner'

const WRONG_NODE = "node(s) didn't match PersistentVolume's node affinity"
const NO_VOLUME = "node(s) didn't find available persistent volumes to bind"
const NO_SPACE = 'node(s) did not have enough free storage'
const NOT_THERE = 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)'

/** A claim that waits, with the volumes that would do, wherever they are. */
export interface WaitingClaim {
  readonly claim: PersistentVolumeClaim
  readonly reserved: PersistentVolume | undefined
  /** The smallest first. */
  readonly free: readonly PersistentVolume[]
}

export interface NodeVolumes {
  readonly bindings: readonly { claim: PersistentVolumeClaim; volume: PersistentVolume }[]
  readonly provisioned: readonly PersistentVolumeClaim[]
}

export type VolumeFacts = Pick<VolumeListers, 'volumes' | 'classes' | 'drivers' | 'capacities'>

/** Small claims come first, so that they do not take the volume that only a big one needs. */
export function waitingClaims(delayed: readonly PersistentVolumeClaim[], { volumes }: Pick<VolumeFacts, 'volumes'>): WaitingClaim[] {
  if (delayed.length === 0) return []
  const bySize = delayed.toSorted((a, b) => compareQuantity(requestedStorage(a), requestedStorage(b)))
  const all = volumes.list()
  return bySize.map((claim) => {
    const ofClass = all.filter((volume) => storageClassOf(volume) === storageClassOf(claim))
    return { claim, reserved: reservedVolume(ofClass, claim), free: freeVolumes(ofClass, claim) }
  })
}

/** Volumes know nodes by their labels alone: what a term says of fields is not looked at. */
export function isReachable({ spec }: PersistentVolume, node: Node): boolean {
  const required = spec.nodeAffinity?.required
  return (
    !required ||
    required.nodeSelectorTerms.some(({ matchExpressions = [], matchFields = [] }) =>
      matchExpressions.length === 0 ? matchFields.length > 0 : matchesNodeSelectorTerm({ matchExpressions }, node),
    )
  )
}

function boundProblem(bound: PodClaims['bound'], { volumes }: VolumeFacts, node: Node): string | undefined {
  for (const claim of bound) {
    const volume = volumes.get(claim.spec.volumeName ?? '')
    if (!volume) return NOT_THERE
    if (!isReachable(volume, node)) return WRONG_NODE
  }
  return undefined
}

function matchesTopology(terms: readonly TopologySelectorTerm[] | undefined, { metadata }: Node): boolean {
  if (!terms || terms.length === 0) return true
  return terms.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => values.includes(metadata.labels?.[key] ?? '')),
  )
}

/** How big a volume may be there. */
export const volumeLimit = ({ maximumVolumeSize, capacity }: CSIStorageCapacity): string | undefined => maximumVolumeSize ?? capacity

function hasCapacity(
  claim: PersistentVolumeClaim,
  { metadata, provisioner }: StorageClass,
  { drivers, capacities }: VolumeFacts,
  node: Node,
): boolean {
  if (!drivers.get(provisioner)?.spec.storageCapacity || claim.spec.resources?.requests?.['storage'] === undefined) return true
  return capacities.list().some((capacity) => {
    const limit = volumeLimit(capacity)
    if (capacity.storageClassName !== metadata.name || limit === undefined) return false
    if (compareQuantity(limit, requestedStorage(claim)) < 0) return false
    return capacity.nodeTopology !== undefined && labelSelectorMatches(capacity.nodeTopology, node.metadata.labels)
  })
}

function provisionProblem(claims: readonly PersistentVolumeClaim[], facts: VolumeFacts, node: Node): string | undefined {
  for (const claim of claims) {
    const storageClass = facts.classes.get(storageClassOf(claim))
    if (!storageClass || storageClass.provisioner === NO_PROVISIONER || !matchesTopology(storageClass.allowedTopologies, node))
      return NO_VOLUME
    if (!hasCapacity(claim, storageClass, facts, node)) return NO_SPACE
  }
  return undefined
}

/**
 * The volumes that a pod's claims would have on a node, or why they would have none.
 * @param isGiven whether a decision that is not written yet gave the volume to another claim
 */
export function planNodeVolumes(
  { bound, waiting }: { bound: PodClaims['bound']; waiting: readonly WaitingClaim[] },
  facts: VolumeFacts,
  node: Node,
  isGiven: (volume: PersistentVolume, claim: PersistentVolumeClaim) => boolean,
): NodeVolumes | { problems: string[] } {
  const problem = boundProblem(bound, facts, node)
  const problems = problem === undefined ? [] : [problem]
  const selected = waiting.filter(({ claim }) => claim.metadata.annotations?.[SELECTED_NODE] !== undefined)
  if (selected.some(({ claim }) => claim.metadata.annotations?.[SELECTED_NODE] !== node.metadata.name))
    return { problems: [...problems, NO_VOLUME] }
  const bindings: { claim: PersistentVolumeClaim; volume: PersistentVolume }[] = []
  const provisioned = selected.map(({ claim }) => claim)
  const taken = new Set<PersistentVolume>()
  for (const { claim, reserved, free } of waiting) {
    if (provisioned.includes(claim)) continue
    const isToBeHad = (volume: PersistentVolume): boolean => !taken.has(volume) && !isGiven(volume, claim) && isReachable(volume, node)
    const volume = reserved ? [reserved].find(isToBeHad) : free.find(isToBeHad)
    if (volume) {
      bindings.push({ claim, volume })
      taken.add(volume)
    } else {
      provisioned.push(claim)
    }
  }
  const provisioning = provisionProblem(provisioned, facts, node)
  if (provisioning !== undefined) problems.push(provisioning)
  return problems.length > 0 ? { problems } : { bindings, provisioned }
}
