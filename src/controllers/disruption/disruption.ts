/** The disruption controller: keeps the status of PodDisruptionBudgets, by which evictions are granted. */
import { pods, type Pod } from '../../api/kinds/core/v1.ts'
import { poddisruptionbudgets, type PodDisruptionBudget } from '../../api/kinds/policy/v1.ts'
import { keyOf } from '../../api/resource.ts'
import { labelMatcher, labelSelectorMatches } from '../../api/selectors.ts'
import { watch, type Controller, type ControllerContext, type Outcome, type Watch } from '../../reconcile/controller.ts'
import { semanticallyEqual } from '../hash.ts'
import { countsScale, planBudget } from './plan.ts'
import { podScales } from './podScales.ts'

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

export function disruptionController({ client, informers, events, clock }: ControllerContext): Controller {
  const budgetInformer = informers.for(poddisruptionbudgets)
  const podInformer = informers.for(pods)
  const scales = podScales(client, informers)

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
    watches: [watch(poddisruptionbudgets, (budget) => [keyOf(budget)]), podChanges, ...scales.watches],
    async reconcile(key, signal): Promise<Outcome> {
      const budget = budgetInformer.get(key)
      if (!budget) return
      const matches = labelMatcher(budget.spec.selector)
      const selected = podInformer.list(budget.metadata.namespace).filter((pod) => matches(pod.metadata.labels))
      const scale = await scales.of(selected, signal)
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
