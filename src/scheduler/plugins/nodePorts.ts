/** NodePorts: no two pods of a node want the same host port. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { ADD, DELETE, type ClusterEvent } from '../events.ts'
import { FITS, refuses, type Plugin } from '../framework.ts'
import { ANY_ADDRESS, newPodInfo, type HostPort } from '../podInfo.ts'

const clashes = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === ANY_ADDRESS || b.ip === ANY_ADDRESS)

export function newNodePorts(): Plugin {
  return {
    name: 'NodePorts',
    isLocal: true,
    events: [
      {
        resource: 'Pod',
        actions: DELETE,
        mayHelp(pod, { before }: ClusterEvent) {
          const gone = before as Pod
          if (!gone.spec.nodeName) return false
          const freed = newPodInfo(gone).hostPorts
          return newPodInfo(pod).hostPorts.some((wanted) => freed.some((port) => clashes(wanted, port)))
        },
      },
      { resource: 'Node', actions: ADD },
    ],
    prepare({ hostPorts }) {
      if (hostPorts.length === 0) return undefined
      return {
        filter: (node) =>
          hostPorts.some((port) => node.hasPort(port)) ? refuses("node(s) didn't have free ports for the requested pod ports", true) : FITS,
      }
    },
  }
}
