/** namespaces/finalize: the only way to change spec.finalizers; the last one lets a deleted namespace go. */
import { partOfObject } from './part.ts'
import type { Namespace } from '../../../api/kinds/core/v1.ts'
import type { KubeObject } from '../../../api/resource.ts'
import type { SubresourceHandler } from '../registryCore.ts'

function withFinalizers(next: KubeObject, old: KubeObject): KubeObject {
  const { spec } = next as Namespace
  const kept = old as Namespace
  return {
    ...kept,
    metadata: { ...kept.metadata, resourceVersion: next.metadata.resourceVersion },
    spec: { ...kept.spec, finalizers: spec?.finalizers ?? [] },
  } as Namespace
}

export const finalizeNamespace: SubresourceHandler = (core, kind, request) =>
  partOfObject(core, kind, request, { part: 'other', reshape: withFinalizers })
