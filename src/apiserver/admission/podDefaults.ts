/** Small plugins on the way of a pod or a node: tolerations, taints, classes that stand in for themselves. */
import { nodes, pods } from '../../api/kinds/core/v1.ts'
import { runtimeclasses } from '../../api/kinds/node/v1.ts'
import { nanosOf } from '../../api/validation/quantities.ts'
import { asGiven } from '../../api/codec/goShape.ts'
import { newStatusError } from '../../api/status.ts'
import { forbid, isResource, resourceNameError } from './admission.ts'
import type { Node, Pod, Toleration } from '../../api/kinds/core/v1.ts'
import type { RuntimeClass } from '../../api/kinds/node/v1.ts'
import type { ObjectReader } from '../registry/reader.ts'
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts'

export interface TolerationSeconds {
  notReady: number
  unreachable: number
}

/** Upstream's --default-not-ready-toleration-seconds and its like. */
export const TOLERATION_SECONDS: TolerationSeconds = { notReady: 300, unreachable: 300 }

const isPod = (request: AdmissionRequest): boolean => isResource(request, pods.group, pods.resource)

/** A pod stays for some minutes on a node that does not answer. */
export function createDefaultTolerationSeconds({ notReady, unreachable }: TolerationSeconds): AdmissionPlugin {
  const evicting = { 'node.kubernetes.io/not-ready': notReady, 'node.kubernetes.io/unreachable': unreachable }
  return {
    name: 'DefaultTolerationSeconds',
    admit(request) {
      if (!isPod(request) || request.operation === 'DELETE') return
      const { spec } = request.object as Pod
      if (!spec) return
      const tolerates = (key: string): boolean =>
        (spec.tolerations ?? []).some((t) => (!t.key || t.key === key) && (!t.effect || t.effect === 'NoExecute'))
      for (const [key, tolerationSeconds] of Object.entries(evicting)) {
        if (tolerates(key)) continue
        spec.tolerations = [...(spec.tolerations ?? []), { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds }]
      }
    },
  }
}

const NOT_READY = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }

/** A new node takes no pods until the node lifecycle controller has seen it ready. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  admit(request) {
    if (request.operation !== 'CREATE' || !isResource(request, nodes.group, nodes.resource)) return
    const node = request.object as Node
    const taints = node.spec?.taints ?? []
    if (taints.some((taint) => taint.key === NOT_READY.key && taint.effect === NOT_READY.effect)) return
    node.spec = { ...node.spec, taints: [...taints, { ...NOT_READY }] }
  },
}

/** ExtendedResourceToleration and the like are off by default, as upstream. */
function sameOverhead(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].every((key) => key in a && key in b && nanosOf(a[key]) === nanosOf(b[key]))
}

function applyScheduling(request: AdmissionRequest, pod: Pod, scheduling: NonNullable<RuntimeClass['scheduling']>): void {
  const { spec } = pod
  for (const [key, value] of Object.entries(scheduling.nodeSelector ?? {})) {
    const given = spec.nodeSelector?.[key]
    if (given !== undefined && given !== value) {
      throw forbid(request, `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${given}`)
    }
    spec.nodeSelector = { ...spec.nodeSelector, [key]: value }
  }
  const same = (a: Toleration, b: Toleration): boolean => JSON.stringify(a) === JSON.stringify(b)
  const added = (scheduling.tolerations ?? []).filter((t) => !(spec.tolerations ?? []).some((given) => same(given, t)))
  if (added.length > 0) spec.tolerations = [...(spec.tolerations ?? []), ...structuredClone(added)]
}

export function createRuntimeClass(reader: ObjectReader): AdmissionPlugin {
  const classOf = (request: AdmissionRequest, pod: Pod): RuntimeClass | undefined => {
    const name = pod.spec?.runtimeClassName
    if (name === undefined) return undefined
    const broken = resourceNameError(name)
    if (broken) throw newStatusError(500, '', broken)
    const found = reader.get(runtimeclasses, '', name)
    if (!found) throw forbid(request, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`)
    return found
  }
  return {
    name: 'RuntimeClass',
    admit(request) {
      if (request.operation !== 'CREATE' || !isPod(request)) return
      const pod = request.object as Pod
      const found = classOf(request, pod)
      if (!found) return
      if (found.overhead?.podFixed) {
        if (!pod.spec.overhead || Object.keys(pod.spec.overhead).length === 0) pod.spec.overhead = { ...found.overhead.podFixed }
        else if (!sameOverhead(pod.spec.overhead, found.overhead.podFixed)) {
          throw forbid(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
        }
      }
      if (found.scheduling) applyScheduling(request, pod, found.scheduling)
    },
    validate(request) {
      if (request.operation !== 'CREATE' || !isPod(request)) return
      const pod = request.object as Pod
      const found = classOf(request, pod)
      if (!found?.overhead && pod.spec && asGiven(pod.spec, 'overhead')) {
        throw forbid(request, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead')
      }
    },
  }
}
