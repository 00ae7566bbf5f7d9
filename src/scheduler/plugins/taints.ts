/** TaintToleration and NodeUnschedulable. */
import type { Node, Pod, Taint, Toleration } from '../../api/kinds/core/v1.ts'
import { tolerates } from '../../api/tolerations.ts'
import { ADD, UPDATE_NODE_TAINT, UPDATE_POD_TOLERATION } from '../events.ts'
import { FITS, normalizeByMax, refuses, type Plugin } from '../framework.ts'

const isTolerated = (tolerations: readonly Toleration[], taint: Taint): boolean => tolerations.some((t) => tolerates(t, taint))

export function toleratesHardTaints(pod: Pod, { spec: { taints } }: Node): boolean {
  if (!taints) return true
  return taints.every(
    (taint) => (taint.effect !== 'NoSchedule' && taint.effect !== 'NoExecute') || isTolerated(pod.spec.tolerations ?? [], taint),
  )
}

export function newTaintToleration(): Plugin {
  return {
    name: 'TaintToleration',
    isLocal: true,
    events: [
      {
        resource: 'Node',
        actions: ADD | UPDATE_NODE_TAINT,
        mayHelp: (pod, { before, after }) =>
          after !== undefined && toleratesHardTaints(pod, after as Node) && !(before && toleratesHardTaints(pod, before as Node)),
      },
      {
        resource: 'Pod',
        actions: UPDATE_POD_TOLERATION,
        mayHelp: (pod, { after }) => after?.metadata.uid === pod.metadata.uid,
      },
    ],
    prepare({ pod }) {
      return { filter: ({ node }) => (toleratesHardTaints(pod, node) ? FITS : refuses('node(s) had untolerated taint(s)', false)) }
    },
    score({ pod }) {
      const tolerations = (pod.spec.tolerations ?? []).filter((t) => !t.effect || t.effect === 'PreferNoSchedule')
      return {
        of: ({ node }) =>
          node.spec.taints ? node.spec.taints.filter((t) => t.effect === 'PreferNoSchedule' && !isTolerated(tolerations, t)).length : 0,
        normalize: (scores) => normalizeByMax(scores, true),
      }
    },
  }
}

const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }

export function newNodeUnschedulable(): Plugin {
  return {
    name: 'NodeUnschedulable',
    isLocal: true,
    events: [
      {
        resource: 'Node',
        actions: ADD | UPDATE_NODE_TAINT,
        mayHelp(_, { before, after }) {
          const isOpen = (after as Node | undefined)?.spec.unschedulable !== true
          return isOpen && (!before || (before as Node).spec.unschedulable === true)
        },
      },
      {
        resource: 'Pod',
        actions: UPDATE_POD_TOLERATION,
        mayHelp: (pod, { after }) =>
          after?.metadata.uid === pod.metadata.uid && isTolerated((after as Pod).spec.tolerations ?? [], UNSCHEDULABLE),
      },
    ],
    prepare({ pod }) {
      if (isTolerated(pod.spec.tolerations ?? [], UNSCHEDULABLE)) return undefined
      return { filter: ({ node }) => (node.spec.unschedulable ? refuses('node(s) were unschedulable', false) : FITS) }
    },
  }
}
