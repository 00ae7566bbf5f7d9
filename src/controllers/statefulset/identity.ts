/** The fixed identity of a StatefulSet's pods: name, labels, host name and claims by ordinal. */
import { statefulsets, type StatefulSet } from '../../api/kinds/apps/v1.ts'
import { pods, type PersistentVolumeClaim, type Pod, type PodTemplateSpec, type Volume } from '../../api/kinds/core/v1.ts'
import type { OwnerReference } from '../../api/kinds/meta/v1.ts'
import { newControllerRef } from '../../api/meta.ts'
import type { Draft } from '../../api/resource.ts'
import { REVISION_HASH } from '../history.ts'
import { podFromTemplate } from '../podState.ts'

const POD_NAME = 'statefulset.kubernetes.io/pod-name'
const POD_INDEX = 'apps.kubernetes.io/pod-index'

export function podName(set: StatefulSet, ordinal: number): string {
  return `${set.metadata.name}-${ordinal}`
}

/** Which of the set's pods it is. */
export function identityLabels(set: StatefulSet, ordinal: number): Record<string, string> {
  return { [POD_NAME]: podName(set, ordinal), [POD_INDEX]: String(ordinal) }
}

/** -1 for a pod that is not named after the set. */
export function ordinalOf(set: StatefulSet, name: string): number {
  const prefix = `${set.metadata.name}-`
  const rest = name.startsWith(prefix) ? name.slice(prefix.length) : ''
  return /^(0|[1-9]\d*)$/.test(rest) ? Number(rest) : -1
}

export function claimName(set: StatefulSet, template: PersistentVolumeClaim, ordinal: number): string {
  return `${template.metadata.name}-${podName(set, ordinal)}`
}

/** Whether a claim of that name is one of the set's pods'. */
export function holdsClaim(set: StatefulSet, name: string): boolean {
  return (set.spec.volumeClaimTemplates ?? []).some(({ metadata }) => {
    const prefix = `${metadata.name}-`
    return name.startsWith(prefix) && ordinalOf(set, name.slice(prefix.length)) >= 0
  })
}

function volumesOf(set: StatefulSet, template: PodTemplateSpec, ordinal: number): Volume[] {
  const claims = (set.spec.volumeClaimTemplates ?? []).map((claim) => ({
    name: claim.metadata.name,
    persistentVolumeClaim: { claimName: claimName(set, claim, ordinal) },
  }))
  const names = new Set(claims.map((volume) => volume.name))
  return [...claims, ...(template.spec?.volumes ?? []).filter((volume) => !names.has(volume.name))]
}

export function podOf(set: StatefulSet, template: PodTemplateSpec, ordinal: number, revision: string): Draft<Pod> {
  const name = podName(set, ordinal)
  const draft = podFromTemplate(template, set, newControllerRef(set, statefulsets), name)
  const volumes = volumesOf(set, template, ordinal)
  const { subdomain: _, ...spec } = draft.spec
  return {
    ...draft,
    metadata: {
      ...draft.metadata,
      labels: { ...draft.metadata.labels, ...identityLabels(set, ordinal), [REVISION_HASH]: revision },
    },
    spec: {
      ...spec,
      hostname: name,
      ...(set.spec.serviceName && { subdomain: set.spec.serviceName }),
      ...(volumes.length > 0 && { volumes }),
    },
  }
}

export function claimOf(set: StatefulSet, template: PersistentVolumeClaim, ordinal: number): Draft<PersistentVolumeClaim> {
  const { labels, annotations } = template.metadata
  const { whenDeleted } = set.spec.persistentVolumeClaimRetentionPolicy ?? {}
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: claimName(set, template, ordinal),
      namespace: set.metadata.namespace,
      labels: { ...labels, ...set.spec.selector.matchLabels },
      ...(annotations && { annotations }),
      ...(whenDeleted === 'Delete' && { ownerReferences: [newControllerRef(set, statefulsets)] }),
    },
    spec: template.spec ?? {},
  }
}

/** A claim that goes with a pod of that name which is gone: it must be gone, too, before there is another such pod. */
export function isStaleClaim(set: StatefulSet, claim: PersistentVolumeClaim, podName: string): boolean {
  if (set.spec.persistentVolumeClaimRetentionPolicy?.whenScaled !== 'Delete') return false
  return (claim.metadata.ownerReferences ?? []).some((owner) => owner.kind === 'Pod' && owner.name === podName)
}

/** A pod, or one that is about to be made (then its uid is ''). */
export interface ClaimHolder {
  metadata: { name: string; uid: string }
}

/**
 * Owner references of a claim by the retention policy: owned by the set it goes with the set, owned by the pod it goes when the
 * pod is scaled away. Undefined when they already are as they should be, and for a claim that belongs to a set or a pod of the
 * name which is gone: that one is the garbage collector's. Beside another controller there is no place for ours.
 */
export function claimOwners(
  set: StatefulSet,
  claim: PersistentVolumeClaim,
  pod: ClaimHolder,
  condemned: boolean,
): OwnerReference[] | undefined {
  const { whenDeleted = 'Retain', whenScaled = 'Retain' } = set.spec.persistentVolumeClaimRetentionPolicy ?? {}
  const known = claim.metadata.ownerReferences ?? []
  const bearsSetsName = ({ apiVersion, kind, name }: OwnerReference): boolean =>
    apiVersion.startsWith('apps/') && kind === 'StatefulSet' && name === set.metadata.name
  const bearsPodsName = ({ apiVersion, kind, name }: OwnerReference): boolean =>
    apiVersion === 'v1' && kind === 'Pod' && name === pod.metadata.name
  const own = [...known.filter(bearsSetsName), ...known.filter(bearsPodsName)]
  if (own.some(({ uid }) => uid !== set.metadata.uid && uid !== pod.metadata.uid)) return undefined
  const others = known.filter((owner) => !own.includes(owner))
  const bySet = whenDeleted === 'Delete' && !(condemned && whenScaled === 'Delete')
  const byPod = whenScaled === 'Delete' && condemned
  const foreign = (whenDeleted === 'Delete' || whenScaled === 'Delete') && others.some(({ controller }) => controller)
  const wanted: OwnerReference[] = [
    ...others,
    ...(bySet && !foreign ? [newControllerRef(set, statefulsets)] : []),
    ...(byPod && !foreign ? [newControllerRef(pod, pods)] : []),
  ]
  const ids = (owners: readonly OwnerReference[]): string =>
    owners
      .map(({ uid, controller }) => `${uid} ${controller ?? false}`)
      .sort()
      .join()
  return ids(wanted) === ids(known) ? undefined : wanted
}
