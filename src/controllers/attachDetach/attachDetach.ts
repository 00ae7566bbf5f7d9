/**
 * The attach-detach controller: a volume of a storage driver is attached to a node while pods there mount it. The controller
 * says so by VolumeAttachments; the driver's own attacher does it and answers in their status, which the kubelet waits for
 * (upstream's pkg/controller/volume/attachdetach with the CSI plugin). Drivers that need none say `attachRequired: false`.
 */
import { nodes, persistentvolumeclaims, persistentvolumes, pods, type PersistentVolume, type Pod } from '../../api/kinds/core/v1.ts'
import { csidrivers, volumeattachments, type VolumeAttachment } from '../../api/kinds/storage/v1.ts'
import { claimNamesOf, hasFinished } from '../../api/pods.ts'
import { keyOf } from '../../api/resource.ts'
import { isAlreadyExists, isNotFound } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { semanticallyEqual } from '../hash.ts'
import { attachmentName, isManaged, planNode, type NodePlan, type Wanted } from './plan.ts'

const BY_NODE = 'nodeOfVolumes'
const BY_CLAIM = 'claimOnNode'
const ATTACHMENTS_BY_NODE = 'node'
const ATTACHMENTS_BY_VOLUME = 'volume'

const claimKeys = (pod: Pod): string[] => (pod.spec.nodeName ? claimNamesOf(pod).map((name) => `${pod.metadata.namespace}/${name}`) : [])
const nodeOf = (pod: Pod): string[] => (pod.spec.nodeName && claimNamesOf(pod).length > 0 ? [pod.spec.nodeName] : [])

/** Why a volume cannot be had, in words for one of the pods that wait: it must not learn names of other namespaces. */
export function multiAttachMessage(volume: string, waiting: Pod, users: readonly Pod[]): string {
  const prefix = `Multi-Attach error for volume "${volume}"`
  if (users.length === 0) return `${prefix} Volume is already exclusively attached to one node and can't be attached to another`
  const local = users.filter(({ metadata }) => metadata.namespace === waiting.metadata.namespace).map(({ metadata }) => metadata.name)
  const others = users.length - local.length
  if (local.length === 0) return `${prefix} Volume is already used by ${others} pod(s) in different namespaces`
  const more = others > 0 ? ` and ${others} pod(s) in different namespaces` : ''
  return `${prefix} Volume is already used by pod(s) ${local.join(', ')}${more}`
}

export function attachDetachController(context: ControllerContext): Controller {
  const { client, informers, events, clock } = context
  const ofNodes = informers.for(nodes)
  const ofPods = informers.for(pods)
  const ofClaims = informers.for(persistentvolumeclaims)
  const ofVolumes = informers.for(persistentvolumes)
  const ofDrivers = informers.for(csidrivers)
  const ofAttachments = informers.for(volumeattachments)
  ofPods.addIndex(BY_NODE, nodeOf)
  ofPods.addIndex(BY_CLAIM, claimKeys)
  ofAttachments.addIndex(ATTACHMENTS_BY_NODE, ({ spec }) => [spec.nodeName])
  ofAttachments.addIndex(ATTACHMENTS_BY_VOLUME, ({ spec }) => (spec.source.persistentVolumeName ? [spec.source.persistentVolumeName] : []))
  const unwantedSinceMs = new Map<string, number>()
  /** What was told of an attachment, or of a volume that is elsewhere: once each. */
  const told = new Map<string, string>()

  /** The volume behind a claim, if it must be attached. */
  function attachable(claimKey: string): PersistentVolume | undefined {
    const claim = ofClaims.get(claimKey)
    const volume = claim?.spec.volumeName ? ofVolumes.get(claim.spec.volumeName) : undefined
    if (!volume?.spec.csi || volume.spec.claimRef?.uid !== claim?.metadata.uid) return undefined
    return ofDrivers.get(volume.spec.csi.driver)?.spec.attachRequired === false ? undefined : volume
  }

  /** Until the kubelet has unmounted what finished pods had, the node's status says that it is in use. */
  function wantedOn(nodeName: string): Wanted[] {
    const found = new Map<string, { volume: PersistentVolume; pods: Pod[] }>()
    for (const pod of ofPods.byIndex(BY_NODE, nodeName)) {
      if (hasFinished(pod)) continue
      for (const key of claimKeys(pod)) {
        const volume = attachable(key)
        if (!volume) continue
        const known = found.get(volume.metadata.name) ?? { volume, pods: [] }
        known.pods.push(pod)
        found.set(volume.metadata.name, known)
      }
    }
    return [...found.values()]
  }

  function planFor(nodeName: string, wanted: readonly Wanted[]): NodePlan {
    const attachments = ofAttachments.byIndex(ATTACHMENTS_BY_NODE, nodeName)
    const names = new Set([
      ...wanted.map(({ volume }) => volume.metadata.name),
      ...attachments.map(({ spec }) => spec.source.persistentVolumeName ?? ''),
    ])
    const volumes = new Map([...names].flatMap((name) => [ofVolumes.get(name) ?? []].flat().map((volume) => [name, volume] as const)))
    const ofOthers = (name: string): VolumeAttachment[] =>
      ofAttachments.byIndex(ATTACHMENTS_BY_VOLUME, name).filter(({ spec }) => spec.nodeName !== nodeName)
    const elsewhere = new Map([...names].map((name) => [name, ofOthers(name)] as const))
    const needed = new Set(wanted.map(({ volume }) => attachmentName(volume, nodeName)))
    const nowMs = clock.now()
    for (const { metadata } of attachments) {
      if (needed.has(metadata.name)) unwantedSinceMs.delete(metadata.name)
      else if (!unwantedSinceMs.has(metadata.name)) unwantedSinceMs.set(metadata.name, nowMs)
    }
    return planNode({ nodeName, node: ofNodes.get(nodeName), wanted, attachments, elsewhere, volumes, unwantedSinceMs, nowMs })
  }

  function tell(key: string, what: string, about: readonly Pod[], event: (pod: Pod) => { ok: boolean; message: string }): void {
    if (told.get(key) === what) return
    told.set(key, what)
    for (const pod of about) {
      const { ok, message } = event(pod)
      events.record(pod, { type: ok ? 'Normal' : 'Warning', reason: ok ? 'SuccessfulAttachVolume' : 'FailedAttachVolume', message })
    }
  }

  /** What the driver answered, to the pods that wait for it. */
  function report({ volume, pods: waiting }: Wanted, nodeName: string): void {
    const { name } = volume.metadata
    const attachment = ofAttachments.get(attachmentName(volume, nodeName))
    const key = `${nodeName}/${name}`
    if (attachment?.status?.attached)
      tell(key, 'attached', waiting, () => ({ ok: true, message: `AttachVolume.Attach succeeded for volume "${name}" ` }))
    else if (attachment?.status?.attachError) {
      const { message = '', time = '' } = attachment.status.attachError
      tell(key, `${time} ${message}`, waiting, () => ({
        ok: false,
        message: `AttachVolume.Attach failed for volume "${name}" : ${message}`,
      }))
    }
  }

  async function attach({ volume }: Wanted, nodeName: string, signal: AbortSignal): Promise<void> {
    try {
      await client.create(
        volumeattachments,
        {
          metadata: { name: attachmentName(volume, nodeName) },
          spec: { attacher: volume.spec.csi?.driver ?? '', nodeName, source: { persistentVolumeName: volume.metadata.name } },
        },
        { signal },
      )
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
    }
  }

  async function detach({ metadata }: VolumeAttachment, signal: AbortSignal): Promise<void> {
    try {
      await client.delete(volumeattachments, { name: metadata.name, signal }, { preconditions: { uid: metadata.uid } })
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  async function setAttached(nodeName: string, attached: NodePlan['attached'], signal: AbortSignal): Promise<void> {
    const node = ofNodes.get(nodeName)
    if (!node || semanticallyEqual(node.status?.volumesAttached, attached)) return
    const patch = { status: { volumesAttached: attached.length > 0 ? attached : null } }
    await client
      .patch(nodes, { name: nodeName, subresource: 'status', type: 'application/merge-patch+json', signal }, patch)
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error
      })
  }

  const usersElsewhere = (volume: PersistentVolume, nodeName: string): readonly Pod[] => {
    const { namespace = '', name = '' } = volume.spec.claimRef ?? {}
    return ofPods.byIndex(BY_CLAIM, `${namespace}/${name}`).filter((pod) => pod.spec.nodeName !== nodeName && !hasFinished(pod))
  }
  const nodesOfVolume = (name: string): string[] => {
    const { namespace = '', name: claim = '' } = ofVolumes.get(name)?.spec.claimRef ?? {}
    return ofPods.byIndex(BY_CLAIM, `${namespace}/${claim}`).flatMap(nodeOf)
  }

  return {
    name: 'persistentvolume-attach-detach-controller',
    watches: [
      watch(pods, nodeOf),
      // Those that wait for a volume to come free are on other nodes than the one that has it.
      watch(volumeattachments, (one) => [one.spec.nodeName, ...nodesOfVolume(one.spec.source.persistentVolumeName ?? '')]),
      watch(persistentvolumeclaims, (claim) => ofPods.byIndex(BY_CLAIM, keyOf(claim)).flatMap(nodeOf)),
      watch(persistentvolumes, ({ spec }) =>
        spec.csi ? ofPods.byIndex(BY_CLAIM, `${spec.claimRef?.namespace}/${spec.claimRef?.name}`).flatMap(nodeOf) : [],
      ),
      watch(nodes, ({ metadata }) => (ofAttachments.byIndex(ATTACHMENTS_BY_NODE, metadata.name).length > 0 ? [metadata.name] : [])),
      watch(csidrivers, () => []),
    ],
    async reconcile(nodeName, signal): Promise<Outcome> {
      const wanted = wantedOn(nodeName)
      const hasAny = wanted.length > 0 || ofAttachments.byIndex(ATTACHMENTS_BY_NODE, nodeName).some(isManaged)
      if (!hasAny && !ofNodes.get(nodeName)?.status?.volumesAttached?.length) return
      const plan = planFor(nodeName, wanted)
      // First the node is told that the volume is no longer safe to mount.
      await setAttached(nodeName, plan.attached, signal)
      for (const attachment of plan.detach) {
        await detach(attachment, signal)
        unwantedSinceMs.delete(attachment.metadata.name)
        told.delete(`${nodeName}/${attachment.spec.source.persistentVolumeName}`)
      }
      for (const one of plan.attach) await attach(one, nodeName, signal)
      for (const one of plan.blocked) {
        const { name } = one.volume.metadata
        const users = usersElsewhere(one.volume, nodeName)
        tell(`${nodeName}/${name}`, 'blocked', one.pods, (pod) => ({ ok: false, message: multiAttachMessage(name, pod, users) }))
      }
      for (const one of wanted) report(one, nodeName)
      if (plan.recheckMs !== undefined) return { requeueAfterMs: plan.recheckMs }
    },
  }
}
