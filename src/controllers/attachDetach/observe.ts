/** What the attach-detach controller sees of a node: the volumes that its pods mount, and what is attached to it and to others. */
import { nodes, persistentvolumeclaims, persistentvolumes, pods, type PersistentVolume, type Pod } from '../../api/kinds/core/v1.ts'
import { csidrivers, volumeattachments, type VolumeAttachment } from '../../api/kinds/storage/v1.ts'
import { claimNamesOf, hasFinished } from '../../api/pods.ts'
import type { Clock } from '../../base/clock.ts'
import type { Informers } from '../../client/informer.ts'
import { attachmentName, isManaged, type NodeFacts, type Wanted } from './plan.ts'

const BY_NODE = 'nodeOfVolumes'
const BY_CLAIM = 'claimOnNode'
const ATTACHMENTS_BY_NODE = 'node'
const ATTACHMENTS_BY_VOLUME = 'volume'

const claimKeys = (pod: Pod): string[] => (pod.spec.nodeName ? claimNamesOf(pod).map((name) => `${pod.metadata.namespace}/${name}`) : [])

/** The node on which a pod mounts claims. */
export const nodeOf = (pod: Pod): string[] => (pod.spec.nodeName && claimNamesOf(pod).length > 0 ? [pod.spec.nodeName] : [])

const keyOfClaim = ({ spec }: PersistentVolume): string => `${spec.claimRef?.namespace ?? ''}/${spec.claimRef?.name ?? ''}`

export class AttachmentView {
  readonly #nodes
  readonly #pods
  readonly #claims
  readonly #volumes
  readonly #drivers
  readonly #attachments
  readonly #clock: Clock
  /** Since when attachments are not wanted any more, by name. */
  readonly #unwantedSinceMs = new Map<string, number>()

  constructor(informers: Informers, clock: Clock) {
    this.#nodes = informers.for(nodes)
    this.#pods = informers.for(pods)
    this.#claims = informers.for(persistentvolumeclaims)
    this.#volumes = informers.for(persistentvolumes)
    this.#drivers = informers.for(csidrivers)
    this.#attachments = informers.for(volumeattachments)
    this.#clock = clock
    this.#pods.addIndex(BY_NODE, nodeOf)
    this.#pods.addIndex(BY_CLAIM, claimKeys)
    this.#attachments.addIndex(ATTACHMENTS_BY_NODE, ({ spec }) => [spec.nodeName])
    this.#attachments.addIndex(ATTACHMENTS_BY_VOLUME, ({ spec }) => [spec.source.persistentVolumeName ?? []].flat())
  }

  nodesOfClaim(claimKey: string): string[] {
    return this.#pods.byIndex(BY_CLAIM, claimKey).flatMap(nodeOf)
  }

  nodesOfVolume(volume: PersistentVolume | undefined): string[] {
    return volume?.spec.csi ? this.nodesOfClaim(keyOfClaim(volume)) : []
  }

  /** The node of the attachment; those that wait for the volume to come free are on others. */
  nodesOfAttachment({ spec }: VolumeAttachment): string[] {
    return [spec.nodeName, ...this.nodesOfVolume(this.#volumes.get(spec.source.persistentVolumeName ?? ''))]
  }

  hasAttachments(nodeName: string): boolean {
    return this.#attachments.byIndex(ATTACHMENTS_BY_NODE, nodeName).length > 0
  }

  forget(attachment: VolumeAttachment): void {
    this.#unwantedSinceMs.delete(attachment.metadata.name)
  }

  /** Undefined where there is nothing to do, and never was. */
  factsOf(nodeName: string): NodeFacts | undefined {
    const node = this.#nodes.get(nodeName)
    const wanted = this.#wantedOn(nodeName)
    const attachments = this.#attachments.byIndex(ATTACHMENTS_BY_NODE, nodeName)
    if (wanted.length === 0 && !attachments.some(isManaged) && !node?.status?.volumesAttached?.length) return undefined
    const names = new Set([
      ...wanted.map(({ volume }) => volume.metadata.name),
      ...attachments.map(({ spec }) => spec.source.persistentVolumeName ?? ''),
    ])
    const volumes = new Map([...names].flatMap((name) => [this.#volumes.get(name) ?? []].flat().map((volume) => [name, volume] as const)))
    const nowMs = this.#clock.now()
    this.#noteUnwanted(attachments, new Set(wanted.map(({ volume }) => attachmentName(volume, nodeName))), nowMs)
    return {
      nodeName,
      node,
      wanted,
      attachments,
      elsewhere: new Map([...names].map((name) => [name, this.#elsewhere(name, nodeName)])),
      usersElsewhere: new Map(wanted.map(({ volume }) => [volume.metadata.name, this.#usersElsewhere(volume, nodeName)])),
      volumes,
      unwantedSinceMs: this.#unwantedSinceMs,
      nowMs,
    }
  }

  /** Until the kubelet has unmounted what finished pods had, the node's status says that it is in use. */
  #wantedOn(nodeName: string): Wanted[] {
    const found = new Map<string, { volume: PersistentVolume; pods: Pod[] }>()
    for (const pod of this.#pods.byIndex(BY_NODE, nodeName)) {
      if (hasFinished(pod)) continue
      for (const key of claimKeys(pod)) {
        const volume = this.#attachable(key)
        if (!volume) continue
        const known = found.get(volume.metadata.name) ?? { volume, pods: [] }
        known.pods.push(pod)
        found.set(volume.metadata.name, known)
      }
    }
    return [...found.values()]
  }

  /** The volume behind a claim, if it must be attached. */
  #attachable(claimKey: string): PersistentVolume | undefined {
    const claim = this.#claims.get(claimKey)
    const volume = claim?.spec.volumeName ? this.#volumes.get(claim.spec.volumeName) : undefined
    if (!volume?.spec.csi || volume.spec.claimRef?.uid !== claim?.metadata.uid) return undefined
    return this.#drivers.get(volume.spec.csi.driver)?.spec.attachRequired === false ? undefined : volume
  }

  #noteUnwanted(attachments: readonly VolumeAttachment[], needed: ReadonlySet<string>, nowMs: number): void {
    for (const { metadata } of attachments) {
      if (needed.has(metadata.name)) this.#unwantedSinceMs.delete(metadata.name)
      else if (!this.#unwantedSinceMs.has(metadata.name)) this.#unwantedSinceMs.set(metadata.name, nowMs)
    }
  }

  #elsewhere(volumeName: string, nodeName: string): VolumeAttachment[] {
    return this.#attachments.byIndex(ATTACHMENTS_BY_VOLUME, volumeName).filter(({ spec }) => spec.nodeName !== nodeName)
  }

  #usersElsewhere(volume: PersistentVolume, nodeName: string): Pod[] {
    return this.#pods.byIndex(BY_CLAIM, keyOfClaim(volume)).filter((pod) => pod.spec.nodeName !== nodeName && !hasFinished(pod))
  }
}
