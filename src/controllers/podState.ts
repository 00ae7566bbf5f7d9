/** What a pod's status says to the controllers. */
import type { Pod, PodTemplateSpec } from '../api/kinds/core/v1.ts'
import type { OwnerReference } from '../api/kinds/meta/v1.ts'
import { findCondition, isConditionTrue } from '../api/meta.ts'
import { hasFinished } from '../api/pods.ts'
import type { Draft } from '../api/resource.ts'

/** Neither finished nor going away. */
export function isActive(pod: Pod): boolean {
  return !hasFinished(pod) && pod.metadata.deletionTimestamp === undefined
}

/** Going away, but not gone. */
export function isTerminating(pod: Pod): boolean {
  return !hasFinished(pod) && pod.metadata.deletionTimestamp !== undefined
}

export function isReady(pod: Pod): boolean {
  return isConditionTrue(pod.status?.conditions, 'Ready')
}

/** When it became ready; undefined while it is not. */
export function readySinceMs(pod: Pod): number | undefined {
  const ready = findCondition(pod.status?.conditions, 'Ready')
  return ready?.status === 'True' ? Date.parse(ready.lastTransitionTime ?? '') || 0 : undefined
}

/** Milliseconds until it has been ready for `minReadySeconds`: 0 when it is available, undefined while it is not ready. */
export function availableInMs(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  const sinceMs = readySinceMs(pod)
  if (sinceMs === undefined) return undefined
  return minReadySeconds === 0 ? 0 : Math.max(0, sinceMs + minReadySeconds * 1_000 - nowMs)
}

export function isAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  return availableInMs(pod, minReadySeconds, nowMs) === 0
}

/** A pod from a template, owned by the controller; named by the server unless `name` is given, and the prefix is there all the same. */
export function podFromTemplate(
  template: PodTemplateSpec | undefined,
  owner: { metadata: { name: string; namespace: string } },
  reference: OwnerReference,
  name?: string,
): Draft<Pod> {
  const { labels, annotations, finalizers } = template?.metadata ?? {}
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...(name && { name }),
      // The server cuts it where the name would be too long.
      generateName: `${owner.metadata.name}-`,
      namespace: owner.metadata.namespace,
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(finalizers && { finalizers }),
      ownerReferences: [reference],
    },
    spec: template?.spec ?? { containers: [] },
  }
}
