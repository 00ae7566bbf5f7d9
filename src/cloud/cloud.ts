/**
 * The cloud controller manager, whose cloud is the laptop: the node container is the machine, the engine's network is the
 * provider's network. It keeps the contract of upstream's cloud provider interface for instances and load balancers.
 */
import type { ControllerFactory } from '../reconcile/controller.ts'
import { cloudNodeController } from './nodeController.ts'
import type { Cloud } from './provider.ts'
import { serviceLoadBalancerController } from './serviceController.ts'

/** By upstream's controller names. */
export function cloudControllerFactories(cloud: Cloud): Map<string, ControllerFactory> {
  return new Map([
    ['cloud-node-controller', (context) => cloudNodeController(cloud, context)],
    ['service-lb-controller', (context) => serviceLoadBalancerController(cloud, context)],
  ])
}
