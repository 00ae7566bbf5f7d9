/** What the attach-detach controller writes: attachments, the node's list of them, and events. */
import { nodes, type Node } from '../../api/kinds/core/v1.ts'
import { volumeattachments, type VolumeAttachment } from '../../api/kinds/storage/v1.ts'
import { isAlreadyExists, isNotFound } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import { semanticallyEqual } from '../hash.ts'
import type { News } from './news.ts'
import { attachmentName, type NodePlan, type Wanted } from './plan.ts'

export class AttachmentWrites {
  readonly #client: Client
  readonly #events: EventRecorder
  /** What was told of each node's volumes: the same is told once. */
  readonly #told = new Map<string, string>()

  constructor({ client, events }: { client: Client; events: EventRecorder }) {
    this.#client = client
    this.#events = events
  }

  async attach({ volume }: Wanted, nodeName: string, signal: AbortSignal): Promise<void> {
    const attachment = {
      metadata: { name: attachmentName(volume, nodeName) },
      spec: { attacher: volume.spec.csi?.driver ?? '', nodeName, source: { persistentVolumeName: volume.metadata.name } },
    }
    await this.#client.create(volumeattachments, attachment, { signal }).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error
    })
  }

  async detach({ metadata, spec }: VolumeAttachment, signal: AbortSignal): Promise<void> {
    const preconditions = { uid: metadata.uid }
    await this.#client.delete(volumeattachments, { name: metadata.name, signal }, { preconditions }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
    this.#told.delete(`${spec.nodeName}/${spec.source.persistentVolumeName}`)
  }

  async setAttached(node: Node | undefined, attached: NodePlan['attached'], signal: AbortSignal): Promise<void> {
    if (!node || semanticallyEqual(node.status?.volumesAttached, attached)) return
    const patch = { status: { volumesAttached: attached.length > 0 ? attached : null } }
    const at = { name: node.metadata.name, subresource: 'status', type: 'application/merge-patch+json', signal } as const
    await this.#client.patch(nodes, at, patch).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
  }

  tell(nodeName: string, { volume, what, isGood, messages }: News): void {
    const key = `${nodeName}/${volume}`
    if (this.#told.get(key) === what) return
    this.#told.set(key, what)
    const [type, reason] = isGood ? (['Normal', 'SuccessfulAttachVolume'] as const) : (['Warning', 'FailedAttachVolume'] as const)
    for (const { pod, message } of messages) this.#events.record(pod, { type, reason, message })
  }
}
