/** Between an object with replicas and its Scale. */
import { newInternalError } from '../../../api/status.ts'
import { formatLabelSelector } from '../../../api/selectors.ts'
import type { CustomSchema } from '../../../api/catalog/catalog.ts'
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

type CustomScale = NonNullable<CustomSchema['scale']>

const fieldsOf = (path: string): string[] => path.replace(/^\./, '').split('.')

function valueAt(object: unknown, path: string): unknown {
  return fieldsOf(path).reduce<unknown>(
    (at, name) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[name] : undefined),
    object,
  )
}

/** Of a custom resource: where the values are stands in its definition. */
function customScaleOf(object: KubeObject, paths: CustomScale): Scale {
  const replicas = Number(valueAt(object, paths.specReplicasPath) ?? 0)
  const selector = paths.labelSelectorPath ? valueAt(object, paths.labelSelectorPath) : undefined
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: scaleMetadata(object),
    spec: replicas ? { replicas } : {},
    status: {
      replicas: Number(valueAt(object, paths.statusReplicasPath) ?? 0),
      ...(typeof selector === 'string' && selector && { selector }),
    },
  }
}

/** The scale of an object that does not say how many there should be is not to be read. */
export function checkHasReplicas({ storage }: StoredKind, object: KubeObject): void {
  const path = storage.custom?.scale?.specReplicasPath
  if (path === undefined || valueAt(object, path) !== undefined) return
  throw newInternalError(`the spec replicas field ${JSON.stringify(path)} does not exist`)
}

function scaleMetadata({ metadata }: KubeObject): KubeObject['metadata'] {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata
  return { name, ...(namespace && { namespace }), uid, resourceVersion, creationTimestamp } as KubeObject['metadata']
}

/** The field that holds the number of replicas, for managers of fields. */
export function replicasField({ storage }: StoredKind): readonly string[] {
  return fieldsOf(storage.custom?.scale?.specReplicasPath ?? '.spec.replicas')
}

export function scaleOf(kind: StoredKind, object: KubeObject): Scale {
  const paths = kind.storage.custom?.scale
  if (paths) return customScaleOf(object, paths)
  const { spec, status } = object as Scalable
  const selector = selectorText(spec.selector)
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: scaleMetadata(object),
    spec: spec.replicas ? { replicas: spec.replicas } : {},
    status: { replicas: status?.replicas ?? 0, ...(selector && { selector }) },
  }
}

/** `object` belongs to the caller. */
export function withReplicas(kind: StoredKind, object: KubeObject, replicas: number): KubeObject {
  const paths = kind.storage.custom?.scale
  if (paths) {
    const names = fieldsOf(paths.specReplicasPath)
    const last = names.pop() as string
    const holder = names.reduce<Record<string, unknown>>(
      (at, name) => {
        if (typeof at[name] !== 'object' || at[name] === null) at[name] = {}
        return at[name] as Record<string, unknown>
      },
      object as unknown as Record<string, unknown>,
    )
    holder[last] = replicas
    return object
  }
  const scalable = object as Scalable
  scalable.spec.replicas = replicas
  return scalable
}
