/** pods/resize: the resources of containers, in place. */
import { validatePodResize } from '../../../api/validation/pod.ts'
import { cloneJson, semanticEqual } from '../../../api/jsonValues.ts'
import { dropDisabledFields } from '../strategies/disabledFields.ts'
import { partOfObject, withPodSpec } from './part.ts'
import type { Container, Pod, PodSpec } from '../../../api/kinds/core/v1.ts'
import type { KubeObject } from '../../../api/resource.ts'
import type { SubresourceHandler } from '../registryCore.ts'

/** The old containers with the new ones' resources; the new ones as they are where they are not the same, for the rules to refuse. */
function resized(next: readonly Container[], old: readonly Container[]): Container[] {
  if (next.some(({ name }, i) => old[i]?.name !== name)) return [...next]
  return next.map(({ resources = {}, resizePolicy }, i) => {
    const { resizePolicy: _, ...kept } = old[i] as Container
    return { ...kept, resources, ...(resizePolicy && { resizePolicy }) }
  })
}

function resizedSpec(next: PodSpec, old: PodSpec): PodSpec {
  const { resources } = next
  // A required list that was left out is null until the object is normalized.
  const [containers, initContainers] = [next.containers ?? [], next.initContainers ?? []]
  if (containers.length !== old.containers.length || initContainers.length !== (old.initContainers ?? []).length)
    return { ...next, containers }
  const { resources: _, ...kept } = old
  return {
    ...kept,
    containers: resized(containers, old.containers),
    ...(old.initContainers && { initContainers: resized(initContainers, old.initContainers) }),
    ...(resources && { resources }),
  }
}

function withResources(next: KubeObject, old: KubeObject): KubeObject {
  const kept = old as Pod
  const spec = cloneJson(resizedSpec((next as Pod).spec, kept.spec))
  dropDisabledFields(spec, kept.spec)
  return withPodSpec(kept, next, spec, !semanticEqual(spec, kept.spec))
}

export const resizePod: SubresourceHandler = (core, kind, request) =>
  partOfObject(core, kind, request, {
    part: 'other',
    reshape: withResources,
    validate: (next, old) => validatePodResize(next as Pod, old as Pod),
  })
