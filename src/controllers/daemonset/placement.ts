/** Where daemons run: the tolerations that all of them have, the nodes that fit, and what binds a pod to its node. No I/O. */
import type { DaemonSet } from '../../api/kinds/apps/v1.ts'
import type { Node, Pod, PodSpec, PodTemplateSpec, Toleration } from '../../api/kinds/core/v1.ts'
import { matchesRequiredNodeAffinity } from '../../api/nodeSelector.ts'
import { tolerates } from '../../api/tolerations.ts'
import { REVISION_HASH } from '../history.ts'

const NODE = 'node.kubernetes.io'
/** Daemons run where other pods may not. */
const DAEMON_TOLERATIONS: readonly Toleration[] = [
  { key: `${NODE}/not-ready`, operator: 'Exists', effect: 'NoExecute' },
  { key: `${NODE}/unreachable`, operator: 'Exists', effect: 'NoExecute' },
  { key: `${NODE}/disk-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${NODE}/memory-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${NODE}/pid-pressure`, operator: 'Exists', effect: 'NoSchedule' },
  { key: `${NODE}/unschedulable`, operator: 'Exists', effect: 'NoSchedule' },
]
const HOST_NETWORK_TOLERATION: Toleration = { key: `${NODE}/network-unavailable`, operator: 'Exists', effect: 'NoSchedule' }

function tolerationsOf(spec: PodSpec | undefined): Toleration[] {
  const own = spec?.tolerations ?? []
  const added = [...DAEMON_TOLERATIONS, ...(spec?.hostNetwork ? [HOST_NETWORK_TOLERATION] : [])]
  const alike = (a: Toleration, b: Toleration): boolean =>
    a.key === b.key && a.effect === b.effect && a.operator === b.operator && (a.value ?? '') === (b.value ?? '')
  // One of the template's own that ends after a while would have the daemon evicted all the same.
  return [
    ...own.map((known) => added.find((extra) => alike(extra, known)) ?? known),
    ...added.filter((extra) => !own.some((known) => alike(extra, known))),
  ]
}

const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation'
const TEMPLATE_GENERATION_LABEL = 'pod-template-generation'

/** The number that older clients tell templates apart by, where the DaemonSet has one. */
export function templateGeneration(ds: DaemonSet): string | undefined {
  const generation = ds.metadata.annotations?.[TEMPLATE_GENERATION]
  return generation !== undefined && /^-?\d+$/.test(generation) ? generation : undefined
}

/** The template with what binds a pod of it to one node, through the scheduler. */
export function templateFor(template: PodTemplateSpec, nodeName: string, hash: string, generation?: string): PodTemplateSpec {
  const affinity = template.spec?.affinity
  // Whether the template's own terms allow the node was asked before: the name alone is left of them.
  const nodeSelectorTerms = [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [nodeName] }] }]
  const labels = { ...template.metadata?.labels, ...(generation && { [TEMPLATE_GENERATION_LABEL]: generation }), [REVISION_HASH]: hash }
  return {
    metadata: { ...template.metadata, labels },
    spec: {
      ...(template.spec ?? { containers: [] }),
      tolerations: tolerationsOf(template.spec),
      affinity: {
        ...affinity,
        nodeAffinity: { ...affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
      },
    },
  }
}

/** The node that a daemon pod is on, or is meant for while it has none. */
export function nodeOf(pod: Pod): string | undefined {
  if (pod.spec.nodeName) return pod.spec.nodeName
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  return terms.flatMap((term) => term.matchFields ?? []).find((field) => field.key === 'metadata.name')?.values?.[0]
}

/** Whether a daemon should be on a node, and whether one that is there may stay. */
export function fits(ds: DaemonSet, node: Node): { shouldRun: boolean; mayStay: boolean } {
  const { spec } = ds.spec.template
  const wanted = (!spec?.nodeName || spec.nodeName === node.metadata.name) && matchesRequiredNodeAffinity(spec, node)
  if (!wanted) return { shouldRun: false, mayStay: false }
  const tolerations = tolerationsOf(spec)
  const refused = (node.spec?.taints ?? []).filter(
    (taint) => taint.effect !== 'PreferNoSchedule' && !tolerations.some((toleration) => tolerates(toleration, taint)),
  )
  return { shouldRun: refused.length === 0, mayStay: refused.every((taint) => taint.effect !== 'NoExecute') }
}
