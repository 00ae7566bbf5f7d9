/**
 * The persistentvolume-binder controller: brings claims and volumes together, has volumes provisioned, and disposes of those
 * whose claim is gone (upstream's pkg/controller/volume/persistentvolume).
 */
import { DEFAULT_STORAGE_CLASS, newestDefault } from '../../api/defaultClass.ts'
import {
  nodes,
  persistentvolumeclaims,
  persistentvolumes,
  pods,
  type PersistentVolume,
  type PersistentVolumeClaim,
} from '../../api/kinds/core/v1.ts'
import { storageclasses, type StorageClass } from '../../api/kinds/storage/v1.ts'
import { claimNamesOf, hasFinished } from '../../api/pods.ts'
import { keyOf } from '../../api/resource.ts'
import { isAlreadyExists, isNotFound } from '../../api/status.ts'
import { storageClassOf } from '../../api/volumeMatching.ts'
import type { Client } from '../../client/client.ts'
import type { Informers } from '../../client/informer.ts'
import { watch, type Controller, type ControllerContext } from '../../reconcile/controller.ts'
import { BindingWrites } from './bindingWrites.ts'
import { planClaim, SELECTED_NODE, STORAGE_PROVISIONER, type ClaimFacts, type ClaimStep } from './claimPlan.ts'
import { defaultStorageClass, hostPathVolume, nodeOf, provisionedName, type HostPathVolumes } from './hostPathProvisioner.ts'
import { VolumeDisposal } from './volumeDisposal.ts'

const CLAIM = 'claim:'
const VOLUME = 'volume:'
const CLASS = 'class:'
const BY_CLAIM = 'mountedClaim'

/** What the binder sees. */
class BinderView {
  readonly claims
  readonly volumes
  readonly classes
  readonly nodes
  readonly #pods
  readonly #client: Client

  constructor(informers: Informers, client: Client) {
    this.claims = informers.for(persistentvolumeclaims)
    this.volumes = informers.for(persistentvolumes)
    this.classes = informers.for(storageclasses)
    this.nodes = informers.for(nodes)
    this.#pods = informers.for(pods)
    this.#client = client
    this.#pods.addIndex(BY_CLAIM, (pod) => claimNamesOf(pod).map((name) => `${pod.metadata.namespace}/${name}`))
  }

  async factsOf(claim: PersistentVolumeClaim, isProvisioner: boolean, signal: AbortSignal): Promise<ClaimFacts> {
    const { volumeName } = claim.spec
    const selected = claim.metadata.annotations?.[SELECTED_NODE]
    return {
      claim,
      named: volumeName ? (this.volumes.get(volumeName) ?? (await this.#liveVolume(volumeName, signal))) : undefined,
      volumes: this.volumes.list(),
      storageClass: this.classes.get(storageClassOf(claim)),
      defaultClass: newestDefault(this.classes.list(), DEFAULT_STORAGE_CLASS),
      node: selected === undefined ? undefined : this.nodes.get(selected),
      waiting: this.#pods.byIndex(BY_CLAIM, keyOf(claim)).filter((pod) => !pod.spec.nodeName && !hasFinished(pod)),
      isProvisioner,
    }
  }

  unboundClaims(): PersistentVolumeClaim[] {
    return this.claims.list().filter((claim) => claim.status?.phase !== 'Bound')
  }

  volumesOn(nodeName: string): PersistentVolume[] {
    return this.volumes.list().filter((volume) => nodeOf(volume) === nodeName)
  }

  /** A claim is not told that its data is lost on the word of the cache alone. */
  async #liveVolume(name: string, signal: AbortSignal): Promise<PersistentVolume | undefined> {
    return this.#client.get(persistentvolumes, { name, signal }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined
      throw error
    })
  }
}

/** Does what is planned of claims. */
class ClaimSteps {
  readonly #client: Client
  readonly #writes: BindingWrites
  readonly #hostPath: HostPathVolumes | undefined

  constructor(client: Client, writes: BindingWrites, hostPath: HostPathVolumes | undefined) {
    this.#client = client
    this.#writes = writes
    this.#hostPath = hostPath
  }

  async apply(claim: PersistentVolumeClaim, step: ClaimStep, signal: AbortSignal): Promise<void> {
    switch (step.kind) {
      case 'bind':
        return this.#writes.bind(claim, step.volume, signal)
      case 'setPhase':
        return this.#writes.setClaimPhase(claim, step.phase, undefined, signal)
      case 'tell':
        return this.#writes.tell(claim, step.type, step.reason, step.message)
      case 'nameProvisioner':
        return this.#nameProvisioner(claim, step.provisioner, signal)
      case 'provision':
        return this.#provision(claim, step.storageClass, signal)
      case 'assignClass':
        return this.#assignClass(claim, step.name, signal)
    }
  }

  async ensureDefaultClass(signal: AbortSignal): Promise<void> {
    await this.#client.create(storageclasses, defaultStorageClass(), { signal }).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error
    })
  }

  async #assignClass(claim: PersistentVolumeClaim, storageClassName: string, signal: AbortSignal): Promise<void> {
    await this.#client.update(persistentvolumeclaims, { ...claim, spec: { ...claim.spec, storageClassName } }, { signal })
  }

  async #nameProvisioner(claim: PersistentVolumeClaim, provisioner: string, signal: AbortSignal): Promise<void> {
    const annotations = {
      ...claim.metadata.annotations,
      [STORAGE_PROVISIONER]: provisioner,
      'volume.beta.kubernetes.io/storage-provisioner': provisioner,
    }
    // Its event brings the claim back.
    await this.#client.update(persistentvolumeclaims, { ...claim, metadata: { ...claim.metadata, annotations } }, { signal })
  }

  async #provision(claim: PersistentVolumeClaim, storageClass: StorageClass, signal: AbortSignal): Promise<void> {
    if (!this.#hostPath) return
    const { directory, nodeName } = this.#hostPath
    const draft = hostPathVolume(claim, storageClass, directory, claim.metadata.annotations?.[SELECTED_NODE] ?? nodeName)
    try {
      const volume = await this.#client.create(persistentvolumes, draft, { signal })
      this.#writes.tell(claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${volume.metadata.name}`)
      await this.#writes.bind(claim, volume, signal)
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
    }
  }
}

export function persistentVolumeBinder(context: ControllerContext, hostPath?: HostPathVolumes): Controller {
  const { client, informers } = context
  const view = new BinderView(informers, client)
  const writes = new BindingWrites(context)
  const steps = new ClaimSteps(client, writes, hostPath)
  const disposal = new VolumeDisposal({ client, writes, claims: view.claims, nodes: view.nodes, ...(hostPath && { hostPath }) })
  let classChecked = false
  const waitingClaims = (): string[] => view.unboundClaims().map((claim) => CLAIM + keyOf(claim))

  async function reconcileClaim(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
    const facts = await view.factsOf(claim, hostPath !== undefined, signal)
    for (const step of planClaim(facts)) await steps.apply(claim, step, signal)
  }

  return {
    name: 'persistentvolume-binder-controller',
    // One at a time: two claims must not see the same volume free.
    workers: 1,
    watches: [
      watch(persistentvolumeclaims, (claim) => {
        const names = [claim.spec.volumeName, provisionedName(claim)].filter((name) => name && view.volumes.get(name))
        return [CLAIM + keyOf(claim), ...names.map((name) => VOLUME + name)]
      }),
      watch(persistentvolumes, (volume) => {
        const { name, namespace } = volume.spec.claimRef ?? {}
        return [VOLUME + volume.metadata.name, ...(name ? [`${CLAIM}${namespace}/${name}`] : waitingClaims())]
      }),
      watch(storageclasses, () => waitingClaims()),
      // What a node that leaves has in its directories goes with it.
      watch(nodes, ({ metadata: { name } }) =>
        view.nodes.get(name) ? [] : view.volumesOn(name).map(({ metadata }) => VOLUME + metadata.name),
      ),
      {
        start(_, enqueue) {
          enqueue(CLASS)
          return view.classes
        },
      },
    ],
    async reconcile(key, signal) {
      if (key === CLASS) {
        // Once, at the start: who deletes the class afterwards does not want it.
        if (!classChecked && hostPath && view.classes.list().length === 0) await steps.ensureDefaultClass(signal)
        classChecked = true
        return
      }
      if (key.startsWith(CLAIM)) {
        const claim = view.claims.get(key.slice(CLAIM.length))
        if (claim && claim.metadata.deletionTimestamp === undefined) await reconcileClaim(claim, signal)
        return
      }
      const volume = view.volumes.get(key.slice(VOLUME.length))
      if (volume) await disposal.sync(volume, signal)
    },
  }
}
