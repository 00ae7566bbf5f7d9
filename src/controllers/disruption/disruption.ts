/** The disruption controller: keeps the status of PodDisruptionBudgets, by which evictions are granted. */
import { customresourcedefinitions } from '../../api/kinds/apiextensions/v1.ts'
import { deployments, replicasets, statefulsets } from '../../api/kinds/apps/v1.ts'
import { pods, replicationcontrollers, type Pod } from '../../api/kinds/core/v1.ts'
import { poddisruptionbudgets, type PodDisruptionBudget } from '../../api/kinds/policy/v1.ts'
import { controllerOf } from '../../api/meta.ts'
import type { OwnerReference } from '../../api/kinds/meta/v1.ts'
import { keyOf, type KubeObject, type Resource } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import type { Informer } from '../../client/informer.ts'
import { labelMatcher, labelSelectorMatches } from '../../api/selectors.ts'
import { watch, type Controller, type ControllerContext, type Outcome, type Watch } from '../../reconcile/controller.ts'
import { semanticallyEqual } from '../hash.ts'
import { ownerKey } from '../ownership.ts'
import { scalesOf } from '../scales.ts'
import { countsScale, planBudget, type ScaleOfPods } from './plan.ts'

/** A selector as Go prints it. */
function printed({ spec }: PodDisruptionBudget): string {
  const { matchLabels = {}, matchExpressions = [] } = spec.selector ?? {}
  const labels = Object.keys(matchLabels)
    .sort()
    .map((key) => `${key}: ${matchLabels[key]},`)
    .join('')
  const expressions = matchExpressions
    .map(({ key, operator, values = [] }) => `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`)
    .join('')
  return `&LabelSelector{MatchLabels:map[string]string{${labels}},MatchExpressions:[]LabelSelectorRequirement{${expressions}},}`
}

const unmanagedMessage = (budget: PodDisruptionBudget): string =>
  `Pods selected by this PodDisruptionBudget (selector: ${printed(budget)}) were found to be unmanaged. As a result, the status of the PDB ` +
  'cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" ' +
  'field of the PDB to an integer value.'

interface ControllerScale {
  uid: string
  replicas: number
}

const qualifiedName = ({ group, resource }: Resource): string => (group ? `${resource}.${group}` : resource)

export function disruptionController({ client, informers, events, clock }: ControllerContext): Controller {
  const budgetInformer = informers.for(poddisruptionbudgets)
  const podInformer = informers.for(pods)
  const deploymentInformer = informers.for(deployments)
  const replicaSetInformer = informers.for(replicasets)
  const statefulSetInformer = informers.for(statefulsets)
  const replicationInformer = informers.for(replicationcontrollers)
  const scales = scalesOf(client, informers.for(customresourcedefinitions))

  /** The built-in controller that decides how many pods there are, and its number. */
  function builtInScaleOf(pod: Pod, { name, uid }: OwnerReference): ControllerScale | undefined {
    const key = `${pod.metadata.namespace}/${name}`
    const found = <T extends KubeObject>(informer: Informer<T>, resource: Resource<T>): T | undefined => {
      const owner = ownerKey(pod, resource) ? informer.get(key) : undefined
      return owner?.metadata.uid === uid ? owner : undefined
    }
    const set = found(replicaSetInformer, replicasets)
    const deployment = set && ownerKey(set, deployments) ? deploymentInformer.get(ownerKey(set, deployments) ?? '') : undefined
    const scale = deployment ?? set ?? found(statefulSetInformer, statefulsets) ?? found(replicationInformer, replicationcontrollers)
    return scale && { uid: scale.metadata.uid, replicas: scale.spec.replicas ?? 1 }
  }

  /** That of any other kind, by its scale; throws where it can have none. */
  async function otherScaleOf(pod: Pod, owner: OwnerReference, signal: AbortSignal): Promise<ControllerScale | undefined> {
    const { apiVersion, kind, name, uid } = owner
    const [resource] = scales.resourcesOf(owner)
    if (!resource) throw new Error(`no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`)
    if (!scales.hasScale(resource)) throw new Error(`${qualifiedName(resource)} does not implement the scale subresource`)
    try {
      const { metadata, spec } = await scales.read(resource, { namespace: pod.metadata.namespace, name }, signal)
      return metadata.uid === uid ? { uid, replicas: spec?.replicas ?? 0 } : undefined
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  /** What the pods' controllers want together; pods without one are told by name. */
  async function scaleOfAll(selected: readonly Pod[], signal: AbortSignal): Promise<ScaleOfPods> {
    const replicasBy = new Map<string, number>()
    const known = new Set<string>()
    const unmanaged: string[] = []
    for (const pod of selected) {
      const owner = controllerOf(pod)
      if (!owner) unmanaged.push(pod.metadata.name)
      if (!owner || known.has(owner.uid)) continue
      try {
        const scale = builtInScaleOf(pod, owner) ?? (await otherScaleOf(pod, owner, signal))
        if (!scale) return { problem: `found no controllers for pod ${JSON.stringify(pod.metadata.name)}` }
        known.add(owner.uid)
        replicasBy.set(scale.uid, scale.replicas)
      } catch (error) {
        signal.throwIfAborted()
        return { problem: (error as Error).message }
      }
    }
    return { replicas: [...replicasBy.values()].reduce((sum, replicas) => sum + replicas, 0), unmanaged }
  }

  function tell(budget: PodDisruptionBudget, type: 'Normal' | 'Warning', reason: string, message: string): void {
    events.record(budget, { type, reason, message })
  }

  /** As upstream has it, one pod counts for one budget only as far as events go. */
  function budgetsOf(pod: Pod): PodDisruptionBudget[] {
    return budgetInformer.list(pod.metadata.namespace).filter((budget) => labelSelectorMatches(budget.spec.selector, pod.metadata.labels))
  }

  const podChanges: Watch = {
    start(_, enqueue) {
      podInformer.onChange(({ before, after }) => {
        const pod = after ?? before
        const found = pod ? budgetsOf(pod) : []
        if (before && after) for (const budget of budgetsOf(before)) enqueue(keyOf(budget))
        for (const budget of found) enqueue(keyOf(budget))
        if (!pod || found.length < 2) return
        const { namespace, name } = pod.metadata
        const message = `Pod "${namespace}"/"${name}" matches multiple PodDisruptionBudgets.  Chose "${found[0]?.metadata.name}" arbitrarily.`
        events.record(pod, { type: 'Warning', reason: 'MultiplePodDisruptionBudgets', message })
      })
      return podInformer
    },
  }

  return {
    name: 'disruption-controller',
    watches: [
      watch(poddisruptionbudgets, (budget) => [keyOf(budget)]),
      podChanges,
      // Their numbers change with their pods.
      watch(deployments, () => []),
      watch(replicasets, () => []),
      watch(statefulsets, () => []),
      watch(replicationcontrollers, () => []),
      watch(customresourcedefinitions, () => []),
    ],
    async reconcile(key, signal): Promise<Outcome> {
      const budget = budgetInformer.get(key)
      if (!budget) return
      const matches = labelMatcher(budget.spec.selector)
      const selected = podInformer.list(budget.metadata.namespace).filter((pod) => matches(pod.metadata.labels))
      const scale = await scaleOfAll(selected, signal)
      if (selected.length === 0) tell(budget, 'Normal', 'NoPods', 'No matching pods found')
      if (countsScale(budget)) {
        if ('problem' in scale)
          tell(budget, 'Warning', 'CalculateExpectedPodCountFailed', `Failed to calculate the number of expected pods: ${scale.problem}`)
        else if (scale.unmanaged.length > 0) tell(budget, 'Warning', 'UnmanagedPods', unmanagedMessage(budget))
      }
      const plan = planBudget({ budget, pods: selected, scale, nowMs: clock.now() })
      if (!semanticallyEqual(plan.status, budget.status)) {
        await client.update(poddisruptionbudgets, { ...budget, status: plan.status }, { subresource: 'status', signal })
      }
      if (plan.recheckAfterMs !== undefined) return { requeueAfterMs: plan.recheckAfterMs }
    },
  }
}
