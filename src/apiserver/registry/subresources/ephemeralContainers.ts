/** pods/ephemeralcontainers: containers are added, never changed or removed. */
import { validateEphemeralContainersUpdate } from '../../../api/validation/pod.ts'
import { semanticEqual } from '../jsonValues.ts'
import { partOfObject, withPodSpec } from './part.ts'
import type { Pod } from '../../../api/kinds/core/v1.ts'
import type { KubeObject } from '../../../api/resource.ts'
import type { SubresourceHandler } from '../registryCore.ts'

function withEphemeralContainers(next: KubeObject, old: KubeObject): KubeObject {
  const kept = old as Pod
  const ephemeralContainers = (next as Pod).spec.ephemeralContainers
  const changed = !semanticEqual(ephemeralContainers, kept.spec.ephemeralContainers)
  return withPodSpec(kept, next, { ...kept.spec, ...(ephemeralContainers && { ephemeralContainers }) }, changed)
}

export const ephemeralContainers: SubresourceHandler = (core, kind, request) =>
  partOfObject(core, kind, request, {
    part: 'other',
    reshape: withEphemeralContainers,
    validate: (next, old) => validateEphemeralContainersUpdate(next as Pod, old as Pod),
  })
