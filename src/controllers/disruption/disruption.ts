/** The disruption controller: keeps the status of PodDisruptionBudgets, by which evictions are granted. */
import { deployments, replicasets, statefulsets } from '../../api/kinds/apps/v1.ts'
import { pods, replicationcontrollers, type Pod } from '../../api/kinds/core/v1.ts'
import { poddisruptionbudgets } from '../../api/kinds/policy/v1.ts'
import { controllerOf } from '../../api/meta.ts'
import { keyOf } from '../../api/resource.ts'
import { labelMatcher, labelSelectorMatches } from '../../api/selectors.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { semanticallyEqual } from '../hash.ts'
import { ownerKey } from '../ownership.ts'
import { planBudget } from './plan.ts'

export function disruptionController({ client, informers, clock }: ControllerContext): Controller {
  const budgetInformer = informers.for(poddisruptionbudgets)
  const podInformer = informers.for(pods)
  const deploymentInformer = informers.for(deployments)
  const replicaSetInformer = informers.for(replicasets)
  const statefulSetInformer = informers.for(statefulsets)
  const replicationInformer = informers.for(replicationcontrollers)

  /** The controller that decides how many pods there are, and its number. */
  function scaleOf(pod: Pod): { uid: string; replicas: number } | undefined {
    const key = controllerOf(pod) && `${pod.metadata.namespace}/${controllerOf(pod)?.name}`
    if (!key) return undefined
    const set = ownerKey(pod, replicasets) ? replicaSetInformer.get(key) : undefined
    const deployment = set && ownerKey(set, deployments) ? deploymentInformer.get(ownerKey(set, deployments) ?? '') : undefined
    const scale =
      deployment ??
      set ??
      (ownerKey(pod, statefulsets) ? statefulSetInformer.get(key) : undefined) ??
      (ownerKey(pod, replicationcontrollers) ? replicationInformer.get(key) : undefined)
    return scale && { uid: scale.metadata.uid, replicas: scale.spec.replicas ?? 1 }
  }

  function wantedByControllers(selected: readonly Pod[]): number | undefined {
    const scales = new Map<string, number>()
    for (const pod of selected) {
      const scale = scaleOf(pod)
      if (!scale) return undefined
      scales.set(scale.uid, scale.replicas)
    }
    return [...scales.values()].reduce((sum, replicas) => sum + replicas, 0)
  }

  const inNamespace = (object: { metadata: { namespace: string } }): string[] => budgetInformer.list(object.metadata.namespace).map(keyOf)

  return {
    name: 'disruption-controller',
    watches: [
      watch(poddisruptionbudgets, (budget) => [keyOf(budget)]),
      watch(pods, (pod) =>
        budgetInformer
          .list(pod.metadata.namespace)
          .filter((budget) => labelSelectorMatches(budget.spec.selector, pod.metadata.labels))
          .map(keyOf),
      ),
      watch(deployments, inNamespace),
      watch(replicasets, inNamespace),
      watch(statefulsets, inNamespace),
      watch(replicationcontrollers, inNamespace),
    ],
    async reconcile(key, signal): Promise<Outcome> {
      const budget = budgetInformer.get(key)
      if (!budget) return
      const matches = labelMatcher(budget.spec.selector)
      const selected = podInformer.list(budget.metadata.namespace).filter((pod) => matches(pod.metadata.labels))
      const plan = planBudget({ budget, pods: selected, wantedByControllers: wantedByControllers(selected), nowMs: clock.now() })
      if (!semanticallyEqual(plan.status, budget.status)) {
        await client.update(poddisruptionbudgets, { ...budget, status: plan.status }, { subresource: 'status', signal })
      }
      if (plan.recheckAfterMs !== undefined) return { requeueAfterMs: plan.recheckAfterMs }
    },
  }
}
