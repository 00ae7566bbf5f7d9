/** pods/resize: the resources of containers, in place. */
import { validatePodResize } from '../../../api/validation/pod.ts'
import { partOfObject, withPodSpec } from './part.ts'
import type { Container, Pod } from '../../../api/kinds/core/v1.ts'
import type { KubeObject } from '../../../api/resource.ts'
import type { SubresourceHandler } from '../registryCore.ts'

function resized(next: readonly Container[] | undefined, old: readonly Container[] | undefined): Container[] | undefined {
  const byName = new Map(next?.map((container) => [container.name, container]))
  return old?.map((container) => {
    const given = byName.get(container.name)
    if (!given) return container
    return {
      ...container,
      ...(given.resources && { resources: given.resources }),
      ...(given.resizePolicy && { resizePolicy: given.resizePolicy }),
    }
  })
}

function withResources(next: KubeObject, old: KubeObject): KubeObject {
  const kept = old as Pod
  const given = next as Pod
  const initContainers = resized(given.spec.initContainers, kept.spec.initContainers)
  const spec = {
    ...kept.spec,
    containers: resized(given.spec.containers, kept.spec.containers) as Container[],
    ...(initContainers && { initContainers }),
  }
  const changed = JSON.stringify(spec) !== JSON.stringify(kept.spec)
  return withPodSpec(kept, next, spec, changed)
}

export const resizePod: SubresourceHandler = (core, kind, request) =>
  partOfObject(core, kind, request, {
    part: 'other',
    reshape: withResources,
    validate: (next, old) => validatePodResize(next as Pod, old as Pod),
  })
