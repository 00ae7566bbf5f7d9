/** The objects of its namespace that a pod uses. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { environmentReferences } from '../containers/environment.ts'
import type { ObjectReference } from '../pods/podObjects.ts'
import { allSpecContainers } from '../pods/podSpec.ts'
import { volumeReferences } from '../volumes/volumes.ts'

export function referencesOf(pod: Pod): ObjectReference[] {
  const { namespace } = pod.metadata
  const fromEnv = allSpecContainers(pod).flatMap((container): ObjectReference[] => {
    const { configMaps, secrets } = environmentReferences(container)
    return [
      ...configMaps.map((name) => ({ kind: 'ConfigMap' as const, namespace, name })),
      ...secrets.map((name) => ({ kind: 'Secret' as const, namespace, name })),
    ]
  })
  const pull = (pod.spec?.imagePullSecrets ?? []).flatMap(({ name }): ObjectReference[] =>
    name ? [{ kind: 'Secret', namespace, name }] : [],
  )
  return [...fromEnv, ...pull, ...volumeReferences(pod)]
}
