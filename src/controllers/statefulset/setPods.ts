/** What the statefulset controller does to the pods of a set and to their claims, and tells of it. */
import type { ControllerRevision, StatefulSet } from '../../api/kinds/apps/v1.ts'
import { persistentvolumeclaims, pods, type PersistentVolumeClaim, type Pod } from '../../api/kinds/core/v1.ts'
import { keyOf } from '../../api/resource.ts'
import { isAlreadyExists } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Dependents } from '../dependents.ts'
import type { Lister } from '../../client/informer.ts'
import { semanticallyEqual } from '../hash.ts'
import { templateOf } from '../history.ts'

import { at } from '../ownership.ts'
import { isNamespaceTerminating } from '../podControl.ts'
import { claimName, claimOf, claimOwners, identityLabels, isStaleClaim, ordinalOf, podName, podOf, type ClaimHolder } from './identity.ts'

type Writes = Pick<Dependents<StatefulSet, Pod>, 'wrote'>

export class SetPods {
  readonly #client: Client
  readonly #events: EventRecorder
  readonly #claims: Lister<PersistentVolumeClaim>
  readonly #writes: Writes

  constructor(options: { client: Client; events: EventRecorder; claims: Lister<PersistentVolumeClaim>; writes: Writes }) {
    this.#client = options.client
    this.#events = options.events
    this.#claims = options.claims
    this.#writes = options.writes
  }

  async createClaims(set: StatefulSet, ordinal: number, signal: AbortSignal): Promise<void> {
    for (const template of set.spec.volumeClaimTemplates ?? []) {
      const wanted = claimOf(set, template, ordinal)
      const known = this.#claims.get(`${set.metadata.namespace}/${wanted.metadata.name}`)
      if (known?.metadata.deletionTimestamp !== undefined) throw new Error(`pvc ${known.metadata.name} is being deleted`)
      if (known) continue
      try {
        await this.#client.create(persistentvolumeclaims, wanted, { signal })
        this.#told(set, 'Create', podName(set, ordinal), { claim: wanted.metadata.name })
      } catch (error) {
        if (isAlreadyExists(error)) continue
        this.#told(set, 'Create', podName(set, ordinal), { claim: wanted.metadata.name, error })
        const why = error instanceof Error ? error.message : String(error)
        throw new Error(`failed to create PVC ${wanted.metadata.name}: ${why}`, { cause: error })
      }
    }
  }

  async createPod(set: StatefulSet, ordinal: number, revision: ControllerRevision, signal: AbortSignal): Promise<void> {
    const draft = podOf(set, templateOf(revision), ordinal, revision.metadata.name)
    const name = podName(set, ordinal)
    // The garbage collector takes a stale claim; its end brings the set back here.
    if (this.#claimsOf(set, ordinal).some((held) => isStaleClaim(set, held, name))) return
    try {
      // Those that were there before; new ones are made as they should be.
      await this.#handOver(set, { metadata: { name, uid: '' } }, false, signal)
      await this.createClaims(set, ordinal, signal)
      this.#writes.wrote(keyOf(set), await this.#client.create(pods, draft, { signal }))
      this.#told(set, 'Create', name)
    } catch (error) {
      if (isNamespaceTerminating(error)) return
      if (!isAlreadyExists(error)) this.#told(set, 'Create', name, { error })
      throw error
    }
  }

  async removePod(set: StatefulSet, pod: Pod, signal: AbortSignal): Promise<void> {
    try {
      this.#writes.wrote(keyOf(set), await this.#client.delete(pods, { ...at(pod), signal }, { preconditions: { uid: pod.metadata.uid } }))
      this.#told(set, 'Delete', pod.metadata.name)
    } catch (error) {
      this.#told(set, 'Delete', pod.metadata.name, { error })
      throw error
    }
  }

  /** What was adopted is told which one it is: Services select single pods by these labels. */
  async identify(set: StatefulSet, pod: Pod, signal: AbortSignal): Promise<void> {
    const labels = { ...pod.metadata.labels, ...identityLabels(set, ordinalOf(set, pod.metadata.name)) }
    if (semanticallyEqual(labels, pod.metadata.labels)) return
    try {
      this.#writes.wrote(keyOf(set), await this.#client.update(pods, { ...pod, metadata: { ...pod.metadata, labels } }, { signal }))
      this.#told(set, 'Update', pod.metadata.name)
    } catch (error) {
      this.#told(set, 'Update', pod.metadata.name, { error })
      throw error
    }
  }

  /** Claims change hands before the pods that they go with are deleted. What changes for a pod that stays is told as its update. */
  async handOverClaims(set: StatefulSet, owned: readonly Pod[], condemned: ReadonlySet<number>, signal: AbortSignal): Promise<void> {
    for (const pod of owned) {
      const isCondemned = condemned.has(ordinalOf(set, pod.metadata.name))
      const isNews = await this.#handOver(set, pod, isCondemned, signal)
      if (isNews && !isCondemned) this.#told(set, 'Update', pod.metadata.name)
    }
  }

  async #handOver(set: StatefulSet, pod: ClaimHolder, isCondemned: boolean, signal: AbortSignal): Promise<boolean> {
    if (!set.spec.persistentVolumeClaimRetentionPolicy) return false
    let isNews = false
    for (const held of this.#claimsOf(set, ordinalOf(set, pod.metadata.name))) {
      const ownerReferences = claimOwners(set, held, pod, isCondemned)
      if (!ownerReferences) continue
      await this.#client.update(persistentvolumeclaims, { ...held, metadata: { ...held.metadata, ownerReferences } }, { signal })
      isNews = true
    }
    return isNews
  }

  /** Of a pod, or of a claim of it. */
  #told(
    set: StatefulSet,
    verb: 'Create' | 'Update' | 'Delete',
    pod: string,
    { claim, error }: { claim?: string; error?: unknown } = {},
  ): void {
    const done = error === undefined
    const what = claim === undefined ? `Pod ${pod}` : `Claim ${claim} ${done ? '' : 'for '}Pod ${pod}`
    const success = claim === undefined ? 'successful' : 'success'
    const outcome = done ? success : `failed error: ${error instanceof Error ? error.message : String(error)}`
    const message = `${verb} ${what} in StatefulSet ${set.metadata.name} ${outcome}`
    this.#events.record(set, { type: done ? 'Normal' : 'Warning', reason: `${done ? 'Successful' : 'Failed'}${verb}`, message })
  }

  #claimsOf(set: StatefulSet, ordinal: number): PersistentVolumeClaim[] {
    return (set.spec.volumeClaimTemplates ?? []).flatMap(
      (template) => this.#claims.get(`${set.metadata.namespace}/${claimName(set, template, ordinal)}`) ?? [],
    )
  }
}
