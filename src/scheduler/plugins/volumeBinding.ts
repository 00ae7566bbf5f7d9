/**
 * VolumeBinding: a pod goes where its claims' volumes can be reached. Claims that wait for their first consumer get a volume
 * there (an existing one that fits, or a new one by their class), held in memory from the decision on and written before the
 * pod is bound.
 */
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/kinds/core/v1.ts'
import type { CSIDriver, CSINode, CSIStorageCapacity, StorageClass } from '../../api/kinds/storage/v1.ts'
import { deepEqual } from '../../api/meta.ts'
import { quantityValue } from '../../api/quantity.ts'
import { keyOf } from '../../api/resource.ts'
import { ADD, UPDATE, UPDATE_NODE_LABEL, type ClusterEvent, type EventHint } from '../events.ts'
import { FITS, refuses, type Plugin, type Prepared, type Refusal, type View } from '../framework.ts'
import { bindVolumes, type BindVolumes } from '../volumes/bindVolumes.ts'
import type { VolumeListers } from '../volumes/listers.ts'
import { planNodeVolumes, volumeLimit, waitingClaims, type NodeVolumes } from '../volumes/nodeVolumes.ts'
import { claimsOf } from '../volumes/podClaims.ts'
import { isOwnClaim } from './volumes.ts'

export interface VolumeBindingOptions extends BindVolumes {
  listers: VolumeListers
}

/** Volumes that decisions which are not written yet gave to claims. */
class GivenVolumes {
  readonly #claimByVolume = new Map<string, string>()

  isGivenToAnother({ metadata }: PersistentVolume, claim: PersistentVolumeClaim): boolean {
    return (this.#claimByVolume.get(metadata.name) ?? keyOf(claim)) !== keyOf(claim)
  }

  give({ bindings }: NodeVolumes): void {
    for (const { claim, volume } of bindings) this.#claimByVolume.set(volume.metadata.name, keyOf(claim))
  }

  takeBack({ bindings }: NodeVolumes): void {
    for (const { volume } of bindings) this.#claimByVolume.delete(volume.metadata.name)
  }
}

function prepare(pod: Pod, view: View, given: GivenVolumes, options: VolumeBindingOptions): Prepared | Refusal | undefined {
  const { listers } = options
  const { bound, delayed, problem } = claimsOf(pod, listers)
  if (problem !== undefined) return refuses(problem, false)
  if (bound.length + delayed.length === 0) return undefined
  const waiting = waitingClaims(delayed, listers)
  const plans = new Map<string, NodeVolumes>()
  let held: NodeVolumes | undefined
  return {
    filter({ node, name }) {
      const plan = planNodeVolumes({ bound, waiting }, listers, node, (volume, claim) => given.isGivenToAnother(volume, claim))
      if ('problems' in plan) return refuses(plan.problems, false)
      plans.set(name, plan)
      return FITS
    },
    reserve(nodeName) {
      held = plans.get(nodeName)
      if (held) given.give(held)
      return FITS
    },
    unreserve() {
      if (held) given.takeBack(held)
      held = undefined
    },
    needsPreBind: () => delayed.length > 0,
    async preBind(nodeName, signal) {
      const node = view.get(nodeName)?.node
      if (!held) return
      if (!node) throw new Error(`failed to get node "${nodeName}"`)
      await bindVolumes(pod, held, node, options, signal)
      given.takeBack(held)
    },
  }
}

/** Whether a class that was there before admits other nodes now. */
const isClassHelpful = (_: Pod, { before, after }: ClusterEvent): boolean =>
  !before || !deepEqual((before as StorageClass).allowedTopologies, (after as StorageClass).allowedTopologies)

const MIGRATED_PLUGINS = 'storage.alpha.kubernetes.io/migrated-plugins'
const migratedOn = (node: CSINode): string => node.metadata.annotations?.[MIGRATED_PLUGINS] ?? ''
const isCsiNodeHelpful = (_: Pod, { before, after }: ClusterEvent): boolean =>
  !before || migratedOn(before as CSINode) !== migratedOn(after as CSINode)

/** Whether a driver that a volume of the pod itself names does not care for capacity any more. */
const isDriverHelpful = ({ spec }: Pod, { before, after }: ClusterEvent): boolean => {
  const [old, now] = [before as CSIDriver, after as CSIDriver]
  if (!old.spec.storageCapacity || now.spec.storageCapacity) return false
  return (spec.volumes ?? []).some(({ csi }) => csi?.driver === now.metadata.name)
}

const isCapacityHelpful = (_: Pod, { before, after }: ClusterEvent): boolean => {
  if (!before) return true
  const [old, now] = [volumeLimit(before as CSIStorageCapacity), volumeLimit(after as CSIStorageCapacity)]
  return now !== undefined && (old === undefined || quantityValue(now) > quantityValue(old))
}

const EVENTS: readonly EventHint[] = [
  { resource: 'StorageClass', actions: ADD | UPDATE, mayHelp: isClassHelpful },
  { resource: 'PersistentVolumeClaim', actions: ADD | UPDATE, mayHelp: isOwnClaim },
  { resource: 'PersistentVolume', actions: ADD | UPDATE },
  { resource: 'Node', actions: ADD | UPDATE_NODE_LABEL },
  { resource: 'CSINode', actions: ADD | UPDATE, mayHelp: isCsiNodeHelpful },
  { resource: 'CSIDriver', actions: UPDATE, mayHelp: isDriverHelpful },
  { resource: 'CSIStorageCapacity', actions: ADD | UPDATE, mayHelp: isCapacityHelpful },
]

export function newVolumeBinding(options: VolumeBindingOptions): Plugin {
  const given = new GivenVolumes()
  return {
    name: 'VolumeBinding',
    events: EVENTS,
    prepare: ({ pod, claims }, view) => (claims.length > 0 ? prepare(pod, view, given, options) : undefined),
  }
}
