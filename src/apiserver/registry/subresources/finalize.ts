/** namespaces/finalize: the only way to change spec.finalizers; the last one lets a deleted namespace go. */
import { validateFinalizerName } from '../../../api/validation/objectMeta.ts'
import { partOfObject } from './part.ts'
import type { FieldError } from '../../../api/status.ts'
import type { Namespace } from '../../../api/kinds/core/v1.ts'
import type { KubeObject } from '../../../api/resource.ts'
import type { SubresourceHandler } from '../registryCore.ts'

function withFinalizers(next: KubeObject, old: KubeObject): KubeObject {
  const { spec } = next as Namespace
  const kept = old as Namespace
  return {
    ...kept,
    metadata: next.metadata,
    spec: { ...kept.spec, finalizers: spec?.finalizers ?? [] },
  } as Namespace
}

function validate(next: KubeObject): FieldError[] {
  const finalizers = (next as Namespace).spec?.finalizers ?? []
  return finalizers.flatMap((name, i) => validateFinalizerName(name, `spec.finalizers[${i}]`))
}

export const finalizeNamespace: SubresourceHandler = (core, kind, request) =>
  partOfObject(core, kind, request, { part: 'other', reshape: withFinalizers, validate })
