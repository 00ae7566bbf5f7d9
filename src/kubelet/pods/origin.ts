/** Where a pod comes from, as its annotations say: the API, or a manifest of this node, of which the API has a mirror. */
import type { Pod } from '../../api/kinds/core/v1.ts'

/** The hash of the static pod that a mirror pod shows. */
export const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror'
export const SOURCE_ANNOTATION = 'kubernetes.io/config.source'

/** Undefined for a pod that is no mirror. */
export function mirroredHash({ metadata }: Pod): string | undefined {
  return metadata.annotations?.[MIRROR_ANNOTATION]
}

export function isStaticPod({ metadata }: Pod): boolean {
  const source = metadata.annotations?.[SOURCE_ANNOTATION]
  return source !== undefined && source !== 'api' && metadata.annotations?.[MIRROR_ANNOTATION] === undefined
}
