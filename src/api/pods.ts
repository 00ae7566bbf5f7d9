/** What several components ask of a pod. */
import type { Pod } from './kinds/core/v1.ts'

/** Its containers have ended for good. */
export function hasFinished({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed'
}

/** The claim behind a volume of a pod: a generic ephemeral volume's is named after pod and volume. */
export function claimNameOf({ metadata }: Pod, volume: NonNullable<Pod['spec']['volumes']>[number]): string | undefined {
  if (volume.persistentVolumeClaim) return volume.persistentVolumeClaim.claimName
  return volume.ephemeral && `${metadata.name}-${volume.name}`
}

/** Names of the claims that a pod mounts. */
export function claimNamesOf(pod: Pod): string[] {
  return (pod.spec.volumes ?? []).flatMap((volume) => claimNameOf(pod, volume) ?? [])
}
