/** The replicationcontroller controller: ReplicaSet's predecessor, whose selector is a plain map. */
import { replicationcontrollers, type ReplicationController } from '../api/kinds/core/v1.ts'
import type { Controller, ControllerContext } from '../reconcile/controller.ts'
import { replicaController, type ReplicaKind } from './replicaset/replicaController.ts'

const REPLICATION_CONTROLLER: ReplicaKind<ReplicationController> = {
  name: 'replicationcontroller-controller',
  resource: replicationcontrollers,
  selectorOf: (rc) => rc.spec.selector && { matchLabels: rc.spec.selector },
  templateOf: (rc) => rc.spec.template,
  replicasOf: (rc) => rc.spec.replicas ?? 1,
  minReadySecondsOf: (rc) => rc.spec.minReadySeconds ?? 0,
  withStatus(rc, counted) {
    const { terminatingReplicas: _, ...status } = counted
    return { ...rc, status }
  },
}

export function replicationControllerController(context: ControllerContext): Controller {
  return replicaController(REPLICATION_CONTROLLER, context)
}
