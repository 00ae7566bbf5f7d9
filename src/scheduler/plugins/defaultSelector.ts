/** Which pods are of one kind with a pod: those that its services and its controller select. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { replicationcontrollers, services } from '../../api/kinds/core/v1.ts'
import { replicasets, statefulsets } from '../../api/kinds/apps/v1.ts'
import { controllerOf } from '../../api/meta.ts'
import { labelMatcher, selectsAll, type Labels } from '../../api/selectors.ts'
import type { Informers } from '../../client/informer.ts'

export const SELECTING = [services, replicationcontrollers, replicasets, statefulsets] as const

export function defaultSelector(informers: Informers): (pod: Pod) => ((labels: Labels) => boolean) | undefined {
  const [ofServices, ofControllers, ofSets, ofStatefulSets] = [
    informers.for(services),
    informers.for(replicationcontrollers),
    informers.for(replicasets),
    informers.for(statefulsets),
  ]
  const ofController = (pod: Pod): ((labels: Labels) => boolean) | undefined => {
    const owner = controllerOf(pod)
    if (!owner) return undefined
    const key = `${pod.metadata.namespace}/${owner.name}`
    if (owner.kind === 'ReplicaSet') return matcherOf(ofSets.get(key)?.spec?.selector)
    if (owner.kind === 'StatefulSet') return matcherOf(ofStatefulSets.get(key)?.spec?.selector)
    if (owner.kind !== 'ReplicationController') return undefined
    const selector = ofControllers.get(key)?.spec?.selector
    return selector && ((labels) => selectsAll(selector, labels))
  }
  return (pod) => {
    const merged: Record<string, string> = {}
    for (const { spec } of ofServices.list(pod.metadata.namespace))
      if (spec?.selector && selectsAll(spec.selector, pod.metadata.labels)) Object.assign(merged, spec.selector)
    const byController = ofController(pod)
    if (Object.keys(merged).length === 0) return byController
    return (labels) => selectsAll(merged, labels) && (byController?.(labels) ?? true)
  }
}

type Selector = Parameters<typeof labelMatcher>[0]

const matcherOf = (selector: Selector): ((labels: Labels) => boolean) | undefined => (selector ? labelMatcher(selector) : undefined)
