/**
 * VolumeBinding: a pod goes where its claims' volumes can be reached. Claims that wait for their first consumer get a volume
 * there (an existing one that fits, or a new one by their class), held in memory from the decision on and written before the
 * pod is bound.
 */
import {
  persistentvolumeclaims,
  persistentvolumes,
  type Node,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
  type TopologySelectorTerm,
} from '../../api/kinds/core/v1.ts'
import type { CSIDriver, StorageClass } from '../../api/kinds/storage/v1.ts'
import { isControlledBy } from '../../api/meta.ts'
import { matchesNodeSelectorTerms } from '../../api/nodeSelector.ts'
import { claimNameOf } from '../../api/pods.ts'
import { quantityValue } from '../../api/quantity.ts'
import { keyOf } from '../../api/resource.ts'
import { labelSelectorMatches } from '../../api/selectors.ts'
import { orAbort } from '../../base/abort.ts'
import type { Client } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import { ADD, UPDATE, UPDATE_NODE_LABEL } from '../events.ts'
import { FITS, refuses, type Plugin, type Prepared, type Verdict } from '../framework.ts'
import type { NodeInfo } from '../nodeInfo.ts'
import { claimClass, isOwnClaim, type VolumeListers } from './volumes.ts'

const SELECTED_NODE = 'volume.kubernetes.io/selected-node'
const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed'
const BOUND_BY_CONTROLLER = 'pv.kubernetes.io/bound-by-controller'
/** The provisioner of classes whose volumes somebody makes by hand. */
const NO_PROVISIONER = 'kubernetes.io/no-provisioner'

const NO_VOLUME = "node(s) didn't find available persistent volumes to bind"
const WRONG_NODE = "node(s) didn't match PersistentVolume's node affinity"
const NO_SPACE = 'node(s) did not have enough free storage'
const NOT_THERE = 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)'

export interface VolumeBindingOptions {
  client: Client
  informers: Informers
  listers: VolumeListers
  bindTimeoutMs: number
}

const isBound = ({ metadata, spec }: PersistentVolumeClaim): boolean =>
  Boolean(spec.volumeName && metadata.annotations?.[BIND_COMPLETED] !== undefined)

export interface PodClaims {
  bound: readonly PersistentVolumeClaim[]
  /** To be bound once a node is chosen. */
  delayed: readonly PersistentVolumeClaim[]
  /** Why the pod cannot go anywhere yet. */
  problem?: string
}

/** Why a claim that a pod mounts keeps it from every node; undefined when it does not. */
function claimProblem(pod: Pod, name: string, claim: PersistentVolumeClaim | undefined, isEphemeral: boolean): string | undefined {
  if (!claim) {
    const missing = `persistentvolumeclaim "${name}"`
    return isEphemeral ? `waiting for ephemeral volume controller to create the ${missing}` : `${missing} not found`
  }
  const { metadata, spec, status } = claim
  if (status?.phase === 'Lost') return `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${spec.volumeName ?? ''}"`
  if (metadata.deletionTimestamp !== undefined) return `persistentvolumeclaim "${name}" is being deleted`
  if (!isEphemeral || isControlledBy(claim, pod)) return undefined
  return `PVC ${keyOf(claim)} was not created for pod ${keyOf(pod)} (pod is not owner)`
}

export function claimsOf(pod: Pod, { claims, classes }: Pick<VolumeListers, 'claims' | 'classes'>): PodClaims {
  const bound: PersistentVolumeClaim[] = []
  const delayed: PersistentVolumeClaim[] = []
  let isUnbound = false
  for (const volume of pod.spec.volumes ?? []) {
    const name = claimNameOf(pod, volume)
    if (name === undefined) continue
    const claim = claims.get(`${pod.metadata.namespace}/${name}`)
    const problem = claimProblem(pod, name, claim, volume.ephemeral !== undefined)
    if (problem !== undefined || !claim) return { bound, delayed, problem: problem ?? '' }
    const waits = classes.get(claimClass(claim))?.volumeBindingMode === 'WaitForFirstConsumer'
    if (isBound(claim)) bound.push(claim)
    else if (waits && !claim.spec.volumeName) delayed.push(claim)
    else isUnbound = true
  }
  return { bound, delayed, ...(isUnbound && { problem: 'pod has unbound immediate PersistentVolumeClaims' }) }
}

function isReachable(volume: PersistentVolume, node: Node): boolean {
  const required = volume.spec.nodeAffinity?.required
  return !required || matchesNodeSelectorTerms(required.nodeSelectorTerms, node)
}

const sizeOf = (quantity: string | undefined): number => (quantity === undefined ? 0 : quantityValue(quantity))
const requestedSize = ({ spec }: PersistentVolumeClaim): number => sizeOf(spec.resources?.requests?.['storage'])

function serves(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const { spec, metadata, status } = volume
  if (metadata.deletionTimestamp !== undefined || (spec.storageClassName ?? '') !== claimClass(claim)) return false
  if ((spec.volumeMode ?? 'Filesystem') !== (claim.spec.volumeMode ?? 'Filesystem')) return false
  if ((spec.volumeAttributesClassName ?? '') !== (claim.spec.volumeAttributesClassName ?? '')) return false
  if (sizeOf(spec.capacity?.['storage']) < requestedSize(claim)) return false
  if (!(claim.spec.accessModes ?? []).every((mode) => spec.accessModes?.includes(mode))) return false
  if (claim.spec.selector && !labelSelectorMatches(claim.spec.selector, metadata.labels)) return false
  return status?.phase === undefined || status.phase === 'Available' || status.phase === 'Pending'
}

const isPromisedTo = ({ spec: { claimRef } }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean =>
  claimRef?.namespace === metadata.namespace && claimRef.name === metadata.name && (!claimRef.uid || claimRef.uid === metadata.uid)

/** What one node has for the claims that wait. */
interface Provision {
  /** Existing volumes by claim key. */
  matched: Map<string, PersistentVolume>
  provisioned: PersistentVolumeClaim[]
}

function matchesTopology(terms: readonly TopologySelectorTerm[] | undefined, { metadata }: Node): boolean {
  if (!terms || terms.length === 0) return true
  return terms.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => values.includes(metadata.labels?.[key] ?? '')),
  )
}

export function newVolumeBinding({ client, informers, listers, bindTimeoutMs }: VolumeBindingOptions): Plugin {
  /** Volumes that were given to claims by decisions which are not written yet, by name. */
  const given = new Map<string, string>()

  function findVolume(claim: PersistentVolumeClaim, candidates: readonly PersistentVolume[], node: Node, taken: ReadonlySet<string>) {
    const key = keyOf(claim)
    let best: PersistentVolume | undefined
    for (const volume of candidates) {
      const { name } = volume.metadata
      if (taken.has(name) || !isReachable(volume, node) || (given.get(name) ?? key) !== key) continue
      if (isPromisedTo(volume, claim)) return volume
      if (volume.spec.claimRef || !serves(volume, claim)) continue
      if (!best || sizeOf(volume.spec.capacity?.['storage']) < sizeOf(best.spec.capacity?.['storage'])) best = volume
    }
    return best
  }

  function hasCapacity(claim: PersistentVolumeClaim, storageClass: StorageClass, node: Node): boolean {
    const driver: CSIDriver | undefined = listers.drivers.get(storageClass.provisioner)
    const size = requestedSize(claim)
    if (!driver?.spec.storageCapacity || size === 0) return true
    return listers.capacities.list().some(({ storageClassName, capacity, maximumVolumeSize, nodeTopology }) => {
      const limit = maximumVolumeSize ?? capacity
      if (storageClassName !== storageClass.metadata.name || limit === undefined || sizeOf(limit) < size) return false
      return nodeTopology !== undefined && labelSelectorMatches(nodeTopology, node.metadata.labels)
    })
  }

  function provide(
    delayed: readonly PersistentVolumeClaim[],
    candidates: readonly PersistentVolume[],
    { node }: NodeInfo,
  ): Provision | Verdict {
    const provision: Provision = { matched: new Map(), provisioned: [] }
    const taken = new Set<string>()
    for (const claim of delayed) {
      const selected = claim.metadata.annotations?.[SELECTED_NODE]
      if (selected !== undefined && selected !== node.metadata.name) return refuses(NO_VOLUME, false)
      const volume = selected === undefined ? findVolume(claim, candidates, node, taken) : undefined
      if (volume) {
        provision.matched.set(keyOf(claim), volume)
        taken.add(volume.metadata.name)
        continue
      }
      const storageClass = listers.classes.get(claimClass(claim))
      if (!storageClass || storageClass.provisioner === NO_PROVISIONER || !matchesTopology(storageClass.allowedTopologies, node))
        return refuses(NO_VOLUME, false)
      if (!hasCapacity(claim, storageClass, node)) return refuses(NO_SPACE, false)
      provision.provisioned.push(claim)
    }
    return provision
  }

  function boundFit(bound: readonly PersistentVolumeClaim[], { node }: NodeInfo): Verdict {
    for (const claim of bound) {
      const volume = listers.volumes.get(claim.spec.volumeName ?? '')
      if (!volume) return refuses(NOT_THERE, false)
      if (!isReachable(volume, node)) return refuses(WRONG_NODE, false)
    }
    return FITS
  }

  /** Local volumes leave few nodes. */
  function nodesOf(bound: readonly PersistentVolumeClaim[]): ReadonlySet<string> | undefined {
    let nodes: Set<string> | undefined
    for (const claim of bound) {
      const terms = listers.volumes.get(claim.spec.volumeName ?? '')?.spec.nodeAffinity?.required?.nodeSelectorTerms ?? []
      if (terms.length === 0) continue
      const names = terms.map(({ matchFields = [] }) => matchFields.find((f) => f.key === 'metadata.name' && f.operator === 'In')?.values)
      if (names.some((values) => values === undefined)) continue
      const local = new Set(names.flatMap((values) => values ?? []))
      nodes = nodes ? nodes.intersection(local) : local
    }
    return nodes
  }

  async function write(
    { matched, provisioned }: Provision,
    delayed: readonly PersistentVolumeClaim[],
    nodeName: string,
    signal: AbortSignal,
  ) {
    for (const claim of delayed) {
      const volume = matched.get(keyOf(claim))
      if (!volume) continue
      const { name, namespace, uid, resourceVersion } = claim.metadata
      const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion }
      const annotations = { ...volume.metadata.annotations, [BOUND_BY_CONTROLLER]: 'yes' }
      const next = { ...volume, metadata: { ...volume.metadata, annotations }, spec: { ...volume.spec, claimRef } }
      await client.update(persistentvolumes, next, { signal })
    }
    for (const { metadata } of provisioned) {
      if (metadata.annotations?.[SELECTED_NODE] === nodeName) continue
      const at = { namespace: metadata.namespace, name: metadata.name, signal }
      const patch = { metadata: { annotations: { [SELECTED_NODE]: nodeName } } }
      await client.patch(persistentvolumeclaims, { ...at, type: 'application/merge-patch+json' }, patch)
    }
  }

  function prepare(pod: Pod): Prepared | ReturnType<typeof refuses> | undefined {
    const { bound, delayed: unsorted, problem } = claimsOf(pod, listers)
    if (problem !== undefined) return refuses(problem, false)
    if (bound.length + unsorted.length === 0) return undefined
    // Small claims first, so that they do not take the volume that only a big one needs.
    const delayed = unsorted.toSorted((a, b) => requestedSize(a) - requestedSize(b))
    const classes = new Set(delayed.map(claimClass))
    const candidates = delayed.length > 0 ? listers.volumes.list().filter(({ spec }) => classes.has(spec.storageClassName ?? '')) : []
    const provisions = new Map<string, Provision>()
    const nodes = nodesOf(bound)
    let held: Provision | undefined
    return {
      ...(nodes && { nodes }),
      filter(node) {
        const verdict = boundFit(bound, node)
        if (!verdict.fits || delayed.length === 0) return verdict
        const provision = provide(delayed, candidates, node)
        if ('fits' in provision) return provision
        provisions.set(node.name, provision)
        return FITS
      },
      reserve(nodeName) {
        held = provisions.get(nodeName)
        for (const [claim, { metadata }] of held?.matched ?? []) given.set(metadata.name, claim)
        return FITS
      },
      unreserve() {
        for (const { metadata } of held?.matched.values() ?? []) given.delete(metadata.name)
        held = undefined
      },
      needsPreBind: () => delayed.length > 0,
      async preBind(nodeName, signal) {
        if (!held) return
        const limit = AbortSignal.any([signal, AbortSignal.timeout(bindTimeoutMs)])
        await write(held, delayed, nodeName, limit)
        await allBound(delayed, nodeName, informers, limit)
        for (const { metadata } of held.matched.values()) given.delete(metadata.name)
      },
    }
  }

  return {
    name: 'VolumeBinding',
    events: [
      { resource: 'StorageClass', actions: ADD | UPDATE },
      { resource: 'PersistentVolumeClaim', actions: ADD | UPDATE, mayHelp: isOwnClaim },
      { resource: 'PersistentVolume', actions: ADD | UPDATE },
      { resource: 'Node', actions: ADD | UPDATE_NODE_LABEL },
      { resource: 'CSINode', actions: ADD | UPDATE },
      { resource: 'CSIDriver', actions: UPDATE },
      { resource: 'CSIStorageCapacity', actions: ADD | UPDATE },
    ],
    prepare: ({ pod, claims }) => (claims.length > 0 ? prepare(pod) : undefined),
  }
}

/** @throws when a provisioner gave the node up: the pod is to be decided anew. */
async function allBound(
  claims: readonly PersistentVolumeClaim[],
  nodeName: string,
  informers: Informers,
  signal: AbortSignal,
): Promise<void> {
  const informer = informers.for(persistentvolumeclaims)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const asked = new Set<string>()
  const check = (): void => {
    let all = true
    for (const { metadata } of claims) {
      const key = `${metadata.namespace}/${metadata.name}`
      const now = informer.get(key)
      if (!now) return reject(new Error(`persistentvolumeclaim "${metadata.name}" not found`))
      if (isBound(now)) continue
      all = false
      if (now.metadata.annotations?.[SELECTED_NODE] === nodeName) asked.add(key)
      else if (asked.has(key)) return reject(new Error(`selectedNode annotation reset for PVC "${metadata.name}"`))
    }
    if (all) resolve()
  }
  const stop = informer.onChange(check)
  try {
    check()
    await orAbort(promise, signal)
  } finally {
    stop()
  }
}
