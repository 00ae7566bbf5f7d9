/** PodTopologyLabels: a pod that is given a node gets the labels that tell where this node is. */
import { nodes, pods, type Binding, type Pod } from '../../api/kinds/core/v1.ts'
import type { ObjectReader } from '../registry/reader.ts'
import { isResource, type AdmissionPlugin } from './admission.ts'

const TOPOLOGY_LABELS = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region']

export function createPodTopologyLabels(reader: ObjectReader): AdmissionPlugin {
  function label(object: Binding | Pod, nodeName: string): void {
    const known = reader.get(nodes, '', nodeName)?.metadata.labels ?? {}
    const found = TOPOLOGY_LABELS.flatMap((key) => (known[key] === undefined ? [] : [[key, known[key]] as const]))
    if (found.length > 0) object.metadata.labels = { ...object.metadata.labels, ...Object.fromEntries(found) }
  }
  return {
    name: 'PodTopologyLabels',
    admit(request) {
      if (request.operation !== 'CREATE') return
      if (isResource(request, '', pods.resource, 'binding')) {
        const binding = request.object as Binding
        if (binding.target?.kind === 'Node') label(binding, binding.target.name ?? '')
        return
      }
      if (!isResource(request, '', pods.resource)) return
      const pod = request.object as Pod
      if (pod.spec.nodeName) label(pod, pod.spec.nodeName)
    },
  }
}
