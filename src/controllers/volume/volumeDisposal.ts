/** What becomes of a volume without a claim: available, or released and then kept or removed, as its reclaim policy says. */
import { PROVISIONED_BY, PROVISIONER } from '../../api/hostPathClass.ts'
import { persistentvolumeclaims, type Node, type PersistentVolume, type PersistentVolumeClaim } from '../../api/kinds/core/v1.ts'
import { isNotFound } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'
import type { Lister } from '../../client/informer.ts'
import type { BindingWrites } from './bindingWrites.ts'
import { isProvisioned, nodeOf, removeVolume, type HostPathVolumes } from './hostPathProvisioner.ts'

export interface VolumeDisposalOptions {
  client: Client
  writes: BindingWrites
  claims: Lister<PersistentVolumeClaim>
  nodes: Lister<Node>
  hostPath?: HostPathVolumes
}

export class VolumeDisposal {
  readonly #client: Client
  readonly #writes: BindingWrites
  readonly #claims: Lister<PersistentVolumeClaim>
  readonly #nodes: Lister<Node>
  readonly #hostPath: HostPathVolumes | undefined

  constructor(options: VolumeDisposalOptions) {
    this.#client = options.client
    this.#writes = options.writes
    this.#claims = options.claims
    this.#nodes = options.nodes
    this.#hostPath = options.hostPath
  }

  async sync(volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    const { claimRef } = volume.spec
    const leaving = volume.metadata.deletionTimestamp !== undefined
    if (!claimRef?.uid) return leaving ? undefined : this.#writes.setVolumePhase(volume, 'Available', signal)
    if (!(await this.#claimIsGone(volume, signal))) return
    // One that is leaving is protected for as long as it is bound.
    if (leaving) return volume.status?.phase === 'Bound' ? this.#writes.setVolumePhase(volume, 'Released', signal) : undefined
    if (volume.status?.phase !== 'Released' && volume.status?.phase !== 'Failed')
      return this.#writes.setVolumePhase(volume, 'Released', signal)
    if (volume.spec.persistentVolumeReclaimPolicy === 'Delete') await this.#dispose(volume, signal)
  }

  /** Never on the word of the cache alone: a claim that is there must not lose its data. */
  async #claimIsGone(volume: PersistentVolume, signal: AbortSignal): Promise<boolean> {
    const { name = '', namespace = '', uid } = volume.spec.claimRef ?? {}
    const cached = this.#claims.get(`${namespace}/${name}`)
    if (cached?.metadata.uid === uid) return false
    try {
      return (await this.#client.get(persistentvolumeclaims, { name, namespace, signal })).metadata.uid !== uid
    } catch (error) {
      if (isNotFound(error)) return true
      throw error
    }
  }

  async #dispose(volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    const hostPath = this.#hostPath
    const provisioner = volume.metadata.annotations?.[PROVISIONED_BY]
    // Who provisioned it elsewhere removes it; of a storage driver's volume that is its own provisioner.
    if ((provisioner && provisioner !== PROVISIONER) || volume.spec.csi) return
    if (!hostPath || !isProvisioned(volume, hostPath)) {
      const path = volume.spec.hostPath?.path
      const message =
        path === undefined ? 'no deletable volume plugin matched' : `host_path deleter only supports /tmp/.+ but received provided ${path}`
      if (volume.status?.phase !== 'Failed') this.#writes.tell(volume, 'Warning', 'VolumeFailedDelete', message)
      return this.#writes.setVolumePhase(volume, 'Failed', signal, message)
    }
    const nodeName = nodeOf(volume) ?? hostPath.nodeName
    const isElsewhere = nodeName !== hostPath.nodeName
    // The node that has the directory removes both. With a node that is gone the directory is gone.
    if (isElsewhere && this.#nodes.get(nodeName)) return
    await removeVolume(this.#client, volume, isElsewhere ? async () => {} : hostPath.remove, signal)
  }
}
