/** NodeDeclaredFeatures: a pod that needs a kubelet's feature goes where a kubelet says that it has it. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { ADD, UPDATE, UPDATE_NODE_DECLARED_FEATURE } from '../events.ts'
import { FITS, refuses, type Plugin } from '../framework.ts'

/** Features by the pod's fields that ask for them. */
const REQUIREMENTS: readonly { feature: string; isNeeded: (pod: Pod) => boolean }[] = [
  {
    feature: 'RestartAllContainersOnContainerExits',
    isNeeded: ({ spec }) =>
      [...(spec.initContainers ?? []), ...spec.containers].some((c) =>
        c.restartPolicyRules?.some(({ action }) => action === 'RestartAllContainers'),
      ),
  },
  { feature: 'UserNamespacesHostNetworkSupport', isNeeded: ({ spec }) => spec.hostNetwork === true && spec.hostUsers === false },
]

export function newNodeDeclaredFeatures(): Plugin {
  return {
    name: 'NodeDeclaredFeatures',
    events: [
      { resource: 'Node', actions: ADD | UPDATE_NODE_DECLARED_FEATURE },
      { resource: 'Pod', actions: UPDATE, mayHelp: (pod, { after }) => after?.metadata.uid === pod.metadata.uid },
    ],
    prepare({ pod }) {
      const needed = REQUIREMENTS.filter(({ isNeeded }) => isNeeded(pod)).map(({ feature }) => feature)
      if (needed.length === 0) return undefined
      return {
        filter({ node }) {
          const has = node.status?.declaredFeatures ?? []
          return needed.every((feature) => has.includes(feature)) ? FITS : refuses("node(s) didn't match Pod's required features", false)
        },
      }
    },
  }
}
