/** Claims that pods use, volumes that claims are bound to and classes that either names are not let go: a finalizer holds them until then. */
import {
  persistentvolumeclaims,
  persistentvolumes,
  pods,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
} from '../../api/kinds/core/v1.ts'
import { volumeattributesclasses } from '../../api/kinds/storage/v1.ts'
import { keyOf, splitKey, type KubeObject, type Resource } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import { claimNamesOf } from '../../api/pods.ts'
import type { Client } from '../../client/client.ts'
import { watch, type Controller, type ControllerContext } from '../../reconcile/controller.ts'
import { at } from '../ownership.ts'

const CLAIM_FINALIZER = 'kubernetes.io/pvc-protection'
const VOLUME_FINALIZER = 'kubernetes.io/pv-protection'
const CLASS_FINALIZER = 'kubernetes.io/vac-protection'
const BY_CLAIM = 'persistentVolumeClaim'

/** Keys of the claims that a pod uses, its ephemeral ones included. */
function claimKeysOf(pod: Pod): string[] {
  return claimNamesOf(pod).map((name) => `${pod.metadata.namespace}/${name}`)
}

/**
 * A pod without a node has not mounted anything: the scheduler waits for it to have its claims. One that has finished holds the claims
 * that it names for as long as it is there, and its own ones until it is deleted and the kubelet is done with it.
 */
export function holds({ metadata, spec }: Pod, claim: string): boolean {
  if (!spec.nodeName) return false
  const isShutDown = metadata.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0
  return (spec.volumes ?? []).some(({ name, persistentVolumeClaim, ephemeral }) => {
    if (persistentVolumeClaim?.claimName === claim) return true
    return !isShutDown && ephemeral !== undefined && `${metadata.name}-${name}` === claim
  })
}

async function setFinalizer<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  object: T,
  finalizer: string,
  present: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { finalizers = [], resourceVersion } = object.metadata
  if (finalizers.includes(finalizer) === present) return
  const next = present ? [...finalizers, finalizer] : finalizers.filter((other) => other !== finalizer)
  try {
    await client.patch(
      resource,
      { ...at(object), type: 'application/merge-patch+json', signal },
      { metadata: { resourceVersion, finalizers: next } },
    )
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}

export function pvcProtectionController({ client, informers }: ControllerContext): Controller {
  const claimInformer = informers.for(persistentvolumeclaims)
  const podInformer = informers.for(pods)
  podInformer.addIndex(BY_CLAIM, claimKeysOf)
  const isUsed = (key: string, users: readonly Pod[]): boolean => users.some((pod) => holds(pod, splitKey(key).name))

  /** A claim is let go only when the API server agrees that nobody uses it: the cache may not have the newest pod yet. */
  async function isUsedLive(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<boolean> {
    const { items } = await client.list(pods, { namespace: claim.metadata.namespace, signal })
    return isUsed(keyOf(claim), items)
  }

  return {
    name: 'persistentvolumeclaim-protection-controller',
    watches: [watch(persistentvolumeclaims, (claim) => [keyOf(claim)]), watch(pods, claimKeysOf)],
    async reconcile(key, signal) {
      const claim = claimInformer.get(key)
      if (!claim) return
      if (claim.metadata.deletionTimestamp === undefined)
        return setFinalizer(client, persistentvolumeclaims, claim, CLAIM_FINALIZER, true, signal)
      if (isUsed(key, podInformer.byIndex(BY_CLAIM, key)) || (await isUsedLive(claim, signal))) return
      await setFinalizer(client, persistentvolumeclaims, claim, CLAIM_FINALIZER, false, signal)
    },
  }
}

export function pvProtectionController({ client, informers }: ControllerContext): Controller {
  const informer = informers.for(persistentvolumes)
  const isBound = (volume: PersistentVolume): boolean => volume.status?.phase === 'Bound'
  return {
    name: 'persistentvolume-protection-controller',
    watches: [watch(persistentvolumes, (volume) => [keyOf(volume)])],
    async reconcile(key, signal) {
      const volume = informer.get(key)
      if (!volume) return
      const leaving = volume.metadata.deletionTimestamp !== undefined
      if (leaving && isBound(volume)) return
      await setFinalizer(client, persistentvolumes, volume, VOLUME_FINALIZER, !leaving, signal)
    },
  }
}

const isName = (name: string | undefined): name is string => Boolean(name)

/** The attributes classes that a claim asks for, has, or is on the way to. */
function classesOfClaim({ spec, status }: PersistentVolumeClaim): string[] {
  const { currentVolumeAttributesClassName: current, modifyVolumeStatus } = status ?? {}
  return [spec?.volumeAttributesClassName, current, modifyVolumeStatus?.targetVolumeAttributesClassName].filter(isName)
}

function classesOfVolume({ spec }: PersistentVolume): string[] {
  return [spec?.volumeAttributesClassName].filter(isName)
}

export function attributesClassProtectionController({ client, informers }: ControllerContext): Controller {
  const informer = informers.for(volumeattributesclasses)
  const claims = informers.for(persistentvolumeclaims)
  const volumes = informers.for(persistentvolumes)
  const BY_CLASS = 'volumeAttributesClass'
  claims.addIndex(BY_CLASS, classesOfClaim)
  volumes.addIndex(BY_CLASS, classesOfVolume)
  return {
    name: 'volumeattributesclass-protection-controller',
    watches: [
      watch(volumeattributesclasses, ({ metadata }) => [metadata.name]),
      watch(persistentvolumeclaims, classesOfClaim),
      watch(persistentvolumes, classesOfVolume),
    ],
    async reconcile(name, signal) {
      const attributesClass = informer.get(name)
      if (!attributesClass) return
      const leaving = attributesClass.metadata.deletionTimestamp !== undefined
      if (leaving && [claims, volumes].some((users) => users.byIndex(BY_CLASS, name).length > 0)) return
      await setFinalizer(client, volumeattributesclasses, attributesClass, CLASS_FINALIZER, !leaving, signal)
    },
  }
}
