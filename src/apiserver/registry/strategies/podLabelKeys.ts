/**
 * matchLabelKeys and mismatchLabelKeys: a new pod's own values of these labels go into the selectors that they belong to, so that
 * whoever reads the pod sees what is selected (KEP-3633, KEP-5333).
 */
import type { Pod, PodAffinityTerm } from '../../../api/kinds/core/v1.ts'
import type { LabelSelector } from '../../../api/kinds/meta/v1.ts'

type Labels = Readonly<Record<string, string>>

/** Without a selector nothing is selected, and nothing is to be narrowed. */
function narrow(selector: LabelSelector | undefined, keys: readonly string[] | undefined, operator: 'In' | 'NotIn', labels: Labels): void {
  if (!selector) return
  for (const key of keys ?? []) {
    const value = labels[key]
    if (value !== undefined) selector.matchExpressions = [...(selector.matchExpressions ?? []), { key, operator, values: [value] }]
  }
}

function affinityTerms({ affinity }: Pod['spec']): PodAffinityTerm[] {
  return [affinity?.podAffinity, affinity?.podAntiAffinity].flatMap((wishes) => [
    ...(wishes?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm),
    ...(wishes?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
  ])
}

export function mergeLabelKeys({ metadata, spec }: Pod): void {
  const labels = metadata.labels ?? {}
  for (const { labelSelector, matchLabelKeys, mismatchLabelKeys } of affinityTerms(spec)) {
    narrow(labelSelector, matchLabelKeys, 'In', labels)
    narrow(labelSelector, mismatchLabelKeys, 'NotIn', labels)
  }
  for (const { labelSelector, matchLabelKeys } of spec.topologySpreadConstraints ?? []) narrow(labelSelector, matchLabelKeys, 'In', labels)
}
