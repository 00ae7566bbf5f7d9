/** SchedulingGates and PrioritySort: which pods wait, and in which order the others come. */
import { UPDATE_POD_SCHEDULING_GATES_ELIMINATED, type ClusterEvent } from '../events.ts'
import type { Plugin } from '../framework.ts'
import { priorityOf } from '../podInfo.ts'

export function newSchedulingGates(): Plugin {
  return {
    name: 'SchedulingGates',
    events: [
      {
        resource: 'Pod',
        actions: UPDATE_POD_SCHEDULING_GATES_ELIMINATED,
        mayHelp: (pod, { after }: ClusterEvent) => after?.metadata.uid === pod.metadata.uid,
      },
    ],
    preEnqueue({ spec: { schedulingGates = [] } }) {
      return schedulingGates.length > 0 ? `waiting for scheduling gates: [${schedulingGates.map(({ name }) => name).join(' ')}]` : undefined
    },
  }
}

/** Highest priority first, then the one that waits longest. */
export function newPrioritySort(): Plugin {
  return {
    name: 'PrioritySort',
    events: [],
    isBefore(a, b) {
      const [x, y] = [priorityOf(a.info.pod), priorityOf(b.info.pod)]
      if (x !== y) return x > y
      return a.addedMs !== b.addedMs ? a.addedMs < b.addedMs : a.sequence < b.sequence
    },
  }
}
