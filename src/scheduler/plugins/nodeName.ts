/** NodeName: a pod that names its node goes there or nowhere. */
import { ADD, type ClusterEvent } from '../events.ts'
import { FITS, refuses, type Plugin } from '../framework.ts'

export function newNodeName(): Plugin {
  return {
    name: 'NodeName',
    isLocal: true,
    events: [{ resource: 'Node', actions: ADD, mayHelp: ({ spec }, { after }: ClusterEvent) => spec.nodeName === after?.metadata.name }],
    prepare({ pod }) {
      const wanted = pod.spec.nodeName
      if (!wanted) return undefined
      return { filter: ({ name }) => (wanted === name ? FITS : refuses("node(s) didn't match the requested node name", false)) }
    },
  }
}
