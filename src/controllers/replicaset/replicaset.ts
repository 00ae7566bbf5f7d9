/** The replicaset controller. */
import { replicasets, type ReplicaSet } from '../../api/kinds/apps/v1.ts'
import type { Controller, ControllerContext } from '../../reconcile/controller.ts'
import { replicaController, type ReplicaKind } from './replicaController.ts'

const REPLICA_SET: ReplicaKind<ReplicaSet> = {
  name: 'replicaset-controller',
  resource: replicasets,
  selectorOf: (rs) => rs.spec.selector,
  templateOf: (rs) => rs.spec.template,
  replicasOf: (rs) => rs.spec.replicas ?? 1,
  minReadySecondsOf: (rs) => rs.spec.minReadySeconds ?? 0,
  withStatus: (rs, status) => ({ ...rs, status }),
}

export function replicaSetController(context: ControllerContext): Controller {
  return replicaController(REPLICA_SET, context)
}
