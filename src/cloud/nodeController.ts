/** Tells Kubernetes which machine a node is: provider ID, instance type, zone and region. */
import { nodes, type Node } from '../api/kinds/core/v1.ts'
import { watch, type Controller, type ControllerContext } from '../reconcile/controller.ts'
import type { Cloud, Instance } from './provider.ts'

const ROLE_PREFIX = 'node-role.kubernetes.io/'
const UNINITIALIZED = 'node.cloudprovider.kubernetes.io/uninitialized'

/** The merge patch that tells what is missing of a node's identity; undefined when nothing is. A zone that somebody else gave it stays. */
export function nodePatch(node: Node, instance: Instance): object | undefined {
  const wanted: Record<string, string> = {
    'node.kubernetes.io/instance-type': instance.instanceType,
    'topology.kubernetes.io/region': instance.region,
    'topology.kubernetes.io/zone': instance.zone,
    ...Object.fromEntries((instance.roles ?? []).map((role) => [`${ROLE_PREFIX}${role}`, ''])),
  }
  const labels = Object.entries(wanted).filter(([key]) => node.metadata.labels?.[key] === undefined)
  const tainted = node.spec.taints?.some((taint) => taint.key === UNINITIALIZED) ?? false
  // A provider ID never changes once it is set.
  const nameless = !node.spec.providerID
  if (labels.length === 0 && !tainted && !nameless) return undefined
  return {
    metadata: { labels: Object.fromEntries(labels), ...(tainted && { resourceVersion: node.metadata.resourceVersion }) },
    spec: {
      ...(nameless && { providerID: instance.providerId }),
      ...(tainted && { taints: node.spec.taints?.filter((taint) => taint.key !== UNINITIALIZED) }),
    },
  }
}

export function cloudNodeController(cloud: Cloud, { client, informers }: ControllerContext): Controller {
  return {
    name: 'cloud-node-controller',
    watches: [watch(nodes, (node) => [node.metadata.name])],
    async reconcile(name, signal) {
      const node = informers.for(nodes).get(name)
      const instance = node && cloud.instance(name)
      const patch = instance && nodePatch(node, instance)
      if (patch) await client.patch(nodes, { name, signal, type: 'application/merge-patch+json' }, patch)
    },
  }
}
