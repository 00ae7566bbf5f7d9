/** Between an object with replicas and its Scale. */
import { formatLabelSelector } from '../../../api/selectors.ts'
import type { Scale } from '../../../api/kinds/autoscaling/v1.ts'
import type { LabelSelector } from '../../../api/kinds/meta/v1.ts'
import type { KubeObject } from '../../../api/resource.ts'
import type { StoredKind } from '../kind.ts'

interface Scalable extends KubeObject {
  spec: { replicas?: number; selector?: LabelSelector | Record<string, string> }
  status?: { replicas?: number }
}

function isLabelSelector(selector: object): selector is LabelSelector {
  return 'matchLabels' in selector || 'matchExpressions' in selector
}

/** ReplicationControllers select by a plain map. */
function selectorText(selector: LabelSelector | Record<string, string> | undefined): string {
  if (!selector) return ''
  return formatLabelSelector(isLabelSelector(selector) ? selector : { matchLabels: selector })
}

export function scaleOf(_kind: StoredKind, object: KubeObject): Scale {
  const { metadata, spec, status } = object as Scalable
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata
  const selector = selectorText(spec.selector)
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, ...(namespace && { namespace }), uid, resourceVersion, creationTimestamp },
    spec: spec.replicas ? { replicas: spec.replicas } : {},
    status: { replicas: status?.replicas ?? 0, ...(selector && { selector }) },
  }
}

/** `object` belongs to the caller. */
export function withReplicas(_kind: StoredKind, object: KubeObject, replicas: number): KubeObject {
  const scalable = object as Scalable
  scalable.spec.replicas = replicas
  return scalable
}
