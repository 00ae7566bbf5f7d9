/** Pods that the node cannot do without: what the system consists of, and what the node itself was told to run. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { isStaticPod, mirroredHash } from './origin.ts'

/** Pods of this priority and above are the system's own. */
const CRITICAL_PRIORITY = 2_000_000_000

export function isCritical(pod: Pod): boolean {
  return isStaticPod(pod) || mirroredHash(pod) !== undefined || (pod.spec?.priority ?? 0) >= CRITICAL_PRIORITY
}
