/** What the binder writes: phases, both ends of a binding, and events. */
import { persistentvolumeclaims, persistentvolumes, type PersistentVolume, type PersistentVolumeClaim } from '../../api/kinds/core/v1.ts'
import { BOUND_BY_CONTROLLER, boundTo } from '../../api/volumeMatching.ts'
import type { Clock } from '../../base/clock.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'

/** How often upstream looks at every claim anew. */
const SAME_NEWS_MS = 15_000

export const BIND_COMPLETED = 'pv.kubernetes.io/bind-completed'

export class BindingWrites {
  readonly #client: Client
  readonly #events: EventRecorder
  readonly #clock: Clock
  /** What each claim and volume was told last, by uid, while it may not be told again. */
  readonly #told = new Map<string, { what: string; atMs: number }>()

  constructor({ client, events, clock }: { client: Client; events: EventRecorder; clock: Clock }) {
    this.#client = client
    this.#events = events
    this.#clock = clock
  }

  /** Whatever changes beside it makes a claim be looked at again: it is told the same once in upstream's period. */
  tell(about: PersistentVolume | PersistentVolumeClaim, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const nowMs = this.#clock.now()
    for (const [uid, { atMs }] of this.#told) if (atMs + SAME_NEWS_MS <= nowMs) this.#told.delete(uid)
    const { uid } = about.metadata
    const what = `${reason} ${message}`
    if (this.#told.get(uid)?.what === what) return
    this.#told.set(uid, { what, atMs: nowMs })
    this.#events.record(about, { type, reason, message })
  }

  async setClaimPhase(
    claim: PersistentVolumeClaim,
    phase: string,
    volume: PersistentVolume | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { accessModes, capacity } = volume?.spec ?? {}
    const { phase: was, accessModes: _, capacity: __, ...rest } = claim.status ?? {}
    const same = was === phase && (!volume || claim.status?.capacity?.['storage'] !== undefined)
    if (same) return
    const attributes = was === phase ? undefined : volume?.spec.volumeAttributesClassName
    const status = {
      ...rest,
      phase,
      ...(accessModes && { accessModes }),
      ...(capacity && { capacity }),
      ...(attributes && { currentVolumeAttributesClassName: attributes }),
    }
    await this.#client.update(persistentvolumeclaims, { ...claim, status }, { subresource: 'status', signal })
  }

  async setVolumePhase(volume: PersistentVolume, phase: string, signal: AbortSignal, message?: string): Promise<void> {
    if (volume.status?.phase === phase && volume.status.message === message) return
    const { message: _, ...before } = volume.status ?? {}
    // The server writes down when the phase changed.
    const status = { ...before, phase, ...(message && { message }) }
    await this.#client.update(persistentvolumes, { ...volume, status }, { subresource: 'status', signal })
  }

  /** The volume first: a claim must never name a volume that another one holds. */
  async bind(claim: PersistentVolumeClaim, volume: PersistentVolume, signal: AbortSignal): Promise<void> {
    let bound = volume
    if (volume.spec.claimRef?.uid !== claim.metadata.uid)
      bound = await this.#client.update(persistentvolumes, boundTo(volume, claim), { signal })
    if (bound.status?.phase !== 'Bound') await this.setVolumePhase(bound, 'Bound', signal)
    let latest = claim
    if (claim.spec.volumeName !== volume.metadata.name || claim.metadata.annotations?.[BIND_COMPLETED] !== 'yes') {
      const annotations = {
        ...claim.metadata.annotations,
        ...(!claim.spec.volumeName && { [BOUND_BY_CONTROLLER]: 'yes' }),
        [BIND_COMPLETED]: 'yes',
      }
      const spec = { ...claim.spec, volumeName: volume.metadata.name }
      latest = await this.#client.update(
        persistentvolumeclaims,
        { ...claim, metadata: { ...claim.metadata, annotations }, spec },
        { signal },
      )
    }
    await this.setClaimPhase(latest, 'Bound', bound, signal)
  }
}
