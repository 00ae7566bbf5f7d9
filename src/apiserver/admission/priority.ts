/** Priority: a pod's number from its class, and one default class at most. */
import { pods } from '../../api/kinds/core/v1.ts'
import { priorityclasses } from '../../api/kinds/scheduling/v1.ts'
import { newForbidden } from '../../api/status.ts'
import { forbid, isResource } from './admission.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { PriorityClass } from '../../api/kinds/scheduling/v1.ts'
import type { ObjectReader } from '../registry/reader.ts'
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts'

const SYSTEM = new Set(['system-node-critical', 'system-cluster-critical'])

interface Computed {
  name: string
  value: number
  policy: string
}

function classOf(request: AdmissionRequest, pod: Pod, reader: ObjectReader): Computed {
  const name = pod.spec.priorityClassName
  if (!name) {
    const defaults = reader
      .list(priorityclasses)
      .filter((c) => c.globalDefault)
      .toSorted((a, b) => (a.value ?? 0) - (b.value ?? 0))
    const found = defaults[0]
    return { name: found?.metadata.name ?? '', value: found?.value ?? 0, policy: found?.preemptionPolicy ?? 'PreemptLowerPriority' }
  }
  const found = reader.get(priorityclasses, '', name)
  if (!found) throw forbid(request, `no PriorityClass with name ${name} was found`)
  return { name, value: found.value ?? 0, policy: found.preemptionPolicy ?? 'PreemptLowerPriority' }
}

function admitPod(request: AdmissionRequest, reader: ObjectReader): void {
  const pod = request.object as Pod
  if (!pod.spec) return
  if (request.operation === 'UPDATE') {
    const old = request.oldObject as Pod
    if (old.spec.priority !== undefined) pod.spec.priority ??= old.spec.priority
    if (old.spec.preemptionPolicy) pod.spec.preemptionPolicy ??= old.spec.preemptionPolicy
    return
  }
  const { name, value, policy } = classOf(request, pod, reader)
  const { spec } = pod
  if (spec.priority !== undefined && spec.priority !== value) {
    throw forbid(
      request,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
    )
  }
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
    throw forbid(
      request,
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`,
    )
  }
  if (name) spec.priorityClassName = name
  spec.priority = value
  spec.preemptionPolicy = policy
}

function checkClass(request: AdmissionRequest, reader: ObjectReader): void {
  if (request.operation === 'DELETE') {
    if (SYSTEM.has(request.name))
      throw newForbidden(request.resource, request.name, 'this is a system priority class and cannot be deleted')
    return
  }
  const given = request.object as PriorityClass
  if (!given.globalDefault) return
  const other = reader.list(priorityclasses).find((c) => c.globalDefault && c.metadata.name !== given.metadata.name)
  if (other) throw forbid(request, `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`)
}

export function createPriority(reader: ObjectReader): AdmissionPlugin {
  return {
    name: 'Priority',
    admit(request) {
      if (isResource(request, pods.group, pods.resource) && request.operation !== 'DELETE') admitPod(request, reader)
    },
    validate(request) {
      if (isResource(request, priorityclasses.group, priorityclasses.resource)) checkClass(request, reader)
    },
  }
}
