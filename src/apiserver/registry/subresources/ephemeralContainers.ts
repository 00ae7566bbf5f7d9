/** pods/ephemeralcontainers: containers are added, never changed or removed. */
import { validateEphemeralContainersUpdate } from '../../../api/validation/pod.ts'
import { cloneJson, semanticEqual } from '../../../api/jsonValues.ts'
import { dropDisabledFields } from '../strategies/disabledFields.ts'
import { partOfObject, withPodSpec } from './part.ts'
import type { Pod } from '../../../api/kinds/core/v1.ts'
import type { KubeObject } from '../../../api/resource.ts'
import type { SubresourceHandler } from '../registryCore.ts'

function withEphemeralContainers(next: KubeObject, old: KubeObject): KubeObject {
  const kept = old as Pod
  const { ephemeralContainers } = cloneJson((next as Pod).spec)
  const changed = !semanticEqual(ephemeralContainers, kept.spec.ephemeralContainers)
  const spec = { ...kept.spec, ...(ephemeralContainers && { ephemeralContainers }) }
  if (ephemeralContainers) dropDisabledFields({ containers: [], ephemeralContainers }, kept.spec)
  return withPodSpec(kept, next, spec, changed)
}

export const ephemeralContainers: SubresourceHandler = (core, kind, request) =>
  partOfObject(core, kind, request, {
    part: 'other',
    reshape: withEphemeralContainers,
    validate: (next, old) => validateEphemeralContainersUpdate(next as Pod, old as Pod),
  })
