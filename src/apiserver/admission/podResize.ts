/** What a pod that is bound to a node may be changed to, by what the node has and knows: PodResizeValidator, NodeDeclaredFeatureValidator. */
import { aggregateContainerResources } from '../../api/defaulting/resources.ts'
import { nodes, pods, type Container, type Node, type Pod } from '../../api/kinds/core/v1.ts'
import { deepEqual } from '../../api/meta.ts'
import { addQuantity, compareQuantity, formatQuantity, parseQuantity, quantityMilliValue, quantityValue } from '../../api/quantity.ts'
import { quote } from '../../api/quote.ts'
import type { StatusError } from '../../api/status.ts'
import type { ObjectReader } from '../registry/reader.ts'
import { forbid, isResource, type AdmissionPlugin, type AdmissionRequest } from './admission.ts'

interface Change {
  request: AdmissionRequest
  before: Pod
  after: Pod
}

/** The change of a bound pod's spec, at one of these subresources. */
function boundChange(request: AdmissionRequest, subresources: readonly string[]): Change | undefined {
  if (request.operation !== 'UPDATE' || !subresources.some((name) => isResource(request, '', pods.resource, name))) return undefined
  const [before, after] = [request.oldObject as Pod, request.object as Pod]
  return after.spec.nodeName && !deepEqual(before.spec, after.spec) ? { request, before, after } : undefined
}

function nodeOf({ request, after }: Change, reader: ObjectReader): Node {
  const { nodeName = '' } = after.spec
  const node = reader.get(nodes, '', nodeName)
  if (!node) throw forbid(request, `node ${quote(nodeName)} not found`)
  return node
}

/** What the pod asks for as a whole. */
function requested({ spec, ...pod }: Pod, name: 'cpu' | 'memory'): string {
  const amount = spec.resources?.requests?.[name] ?? aggregateContainerResources({ ...pod, spec }, 'requests')[name] ?? '0'
  const overhead = spec.overhead?.[name]
  return overhead === undefined ? amount : formatQuantity(addQuantity(amount, overhead))
}

function forbidFor(request: AdmissionRequest, why: string, reason: string): StatusError {
  const error = forbid(request, why)
  const { details } = error.status
  if (details) details.causes = [...(details.causes ?? []), { reason }]
  return error
}

const OS_LABEL = 'kubernetes.io/os'
const UNIT_VALUES = { cpu: quantityMilliValue, memory: quantityValue } as const

function lacks(pod: Pod, { status }: Node): string[] {
  return (['cpu', 'memory'] as const).flatMap((name) => {
    const [wanted, there] = [requested(pod, name), status?.allocatable?.[name] ?? '0']
    if (compareQuantity(wanted, there) <= 0) return []
    const value = UNIT_VALUES[name]
    return [`${name}, requested: ${value(parseQuantity(wanted))}, allocatable: ${value(parseQuantity(there))}`]
  })
}

/** A resize that the node could never give is refused, not deferred for ever. */
export function createPodResizeValidator(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'PodResizeValidator',
    validate(request) {
      const change = boundChange(request, ['resize'])
      if (!change) return
      const node = nodeOf(change, reader)
      const os = node.metadata.labels?.[OS_LABEL] ?? 'linux'
      if (os !== 'linux')
        throw forbidFor(
          request,
          `pod resize is only supported on linux nodes, node ${quote(node.metadata.name)} is ${quote(os)}`,
          'UnsupportedPlatform',
        )
      const lacking = lacks(change.after, node)
      if (lacking.length > 0)
        throw forbidFor(request, `node didn't have enough allocatable resources: ${lacking.join('; ')}`, 'NodeCapacity')
    },
  }
}

const resourcesOfInit = (containers: readonly Container[] | undefined): unknown =>
  (containers ?? []).filter(({ restartPolicy }) => restartPolicy !== 'Always').map(({ resources }) => resources ?? {})

/** Features that a change wants of the node, in the order of their names. */
function wantedFeatures({ before, after }: Change): string[] {
  const wanted: string[] = []
  if (!deepEqual(before.spec.resources, after.spec.resources)) wanted.push('InPlacePodLevelResourcesVerticalScaling')
  if (!deepEqual(resourcesOfInit(before.spec.initContainers), resourcesOfInit(after.spec.initContainers)))
    wanted.push('InPlacePodVerticalScalingInitContainers')
  return wanted
}

/** A kubelet that does not say that it can do it would leave the change undone. */
export function createNodeDeclaredFeatureValidator(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'NodeDeclaredFeatureValidator',
    validate(request) {
      const change = boundChange(request, ['', 'resize'])
      const wanted = change ? wantedFeatures(change) : []
      if (!change || wanted.length === 0) return
      const node = nodeOf(change, reader)
      const missing = wanted.filter((feature) => !node.status?.declaredFeatures?.includes(feature))
      if (missing.length > 0)
        throw forbid(
          request,
          `pod update requires features ${missing.join(', ')} which are not available on node ${quote(node.metadata.name)}`,
        )
    },
  }
}
