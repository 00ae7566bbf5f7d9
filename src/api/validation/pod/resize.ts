/** pods/resize: CPU and memory of running containers, and nothing else. */
import { forbidden, invalid } from '../fieldErrors.ts'
import { deepEqual } from '../../meta.ts'
import { qosClassOf } from '../podQos.ts'
import { isSidecar } from './scope.ts'
import type { Container, Pod, PodSpec, ResourceRequirements } from '../../kinds/core/v1.ts'
import type { FieldError } from '../../status.ts'

type ResourceList = Readonly<Record<string, string>>

const RESIZABLE = ['cpu', 'memory']
const ONLY_COMPUTE = 'only cpu and memory resources are mutable'

function withOldCompute(next: ResourceList = {}, old: ResourceList = {}): ResourceList {
  const kept = Object.entries(next).filter(([name]) => !RESIZABLE.includes(name))
  return Object.fromEntries([...kept, ...Object.entries(old).filter(([name]) => RESIZABLE.includes(name))])
}

/** Lists without an empty one, which means the same as none. */
function requirementsOf(limits: ResourceList, requests: ResourceList): ResourceRequirements {
  return { ...(Object.keys(limits).length > 0 && { limits }), ...(Object.keys(requests).length > 0 && { requests }) }
}

/** The container with its old CPU and memory; what still differs may not. Claims are not carried over. */
function undone(container: Container, old: Container): Container {
  const { limits, requests } = container.resources ?? {}
  const before = old.resources ?? {}
  return { ...container, resources: requirementsOf(withOldCompute(limits, before.limits), withOldCompute(requests, before.requests)) }
}

const same = (a: Container, b: Container): boolean =>
  deepEqual({ ...a, resources: a.resources ?? {} }, { ...b, resources: b.resources ?? {} })

function isRemoved(next: ResourceList = {}, old: ResourceList = {}): boolean {
  return Object.keys(old).some((name) => next[name] === undefined)
}

function checkRemoved(
  errors: FieldError[],
  next: ResourceRequirements = {},
  old: ResourceRequirements = {},
  path: string,
  prefix: string,
): void {
  if (isRemoved(next.requests, old.requests)) errors.push(forbidden(`${path}.requests`, `${prefix}resource requests cannot be removed`))
  if (isRemoved(next.limits, old.limits)) errors.push(forbidden(`${path}.limits`, `${prefix}resource limits cannot be removed`))
}

/** Answers whether the lists can be compared one by one. */
function checkOrder(errors: FieldError[], next: PodSpec, old: PodSpec): boolean {
  const before = errors.length
  for (const field of ['containers', 'initContainers'] as const) {
    const [now, then] = [next[field] ?? [], old[field] ?? []]
    if (now.length !== then.length) errors.push(forbidden(`spec.${field}`, `${field} may not be added or removed on resize`))
    else {
      then.forEach(({ name }, i) => {
        if (now[i]?.name !== name) errors.push(forbidden(`spec.${field}[${i}].name`, `${field} may not be renamed or reordered on resize`))
      })
    }
  }
  return errors.length === before
}

function hasPodResources({ resources }: PodSpec): boolean {
  return Object.keys(resources?.requests ?? {}).length + Object.keys(resources?.limits ?? {}).length > 0
}

function checkPodLevel(errors: FieldError[], next: PodSpec, old: PodSpec): void {
  if (!hasPodResources(next) && !hasPodResources(old)) return
  if (old.resources && !next.resources) {
    errors.push(forbidden('spec.resources', 'pod-level resources cannot be removed'))
    return
  }
  if (old.resources) checkRemoved(errors, next.resources, old.resources, 'spec.resources', 'pod-level ')
  const { claims, limits, requests } = next.resources ?? {}
  const kept = {
    ...requirementsOf(withOldCompute(limits, old.resources?.limits), withOldCompute(requests, old.resources?.requests)),
    ...(claims && { claims }),
  }
  if (!deepEqual(kept, old.resources ?? {})) errors.push(forbidden('spec', 'only cpu and memory resources are mutable at pod-level'))
}

function checkInitContainer(errors: FieldError[], next: Container, old: Container, path: string): void {
  if (!same(undone(next, old), old))
    errors.push(forbidden(path, 'only cpu and memory resources for init or sidecar containers are mutable'))
  if (isSidecar(next) || same(next, old)) return
  if (next.resizePolicy?.some(({ restartPolicy }) => restartPolicy === 'RestartContainer')) {
    errors.push(forbidden(path, 'non-sidecar init containers with a resize policy of RestartContainer cannot be resized'))
  }
}

/** Only a node that reports the resources of its containers can change them. */
function isSupported({ status }: Pod): boolean {
  const running = status?.containerStatuses?.find(({ state }) => state?.running)
  return !running || running.resources !== undefined
}

export function checkPodResize(errors: FieldError[], next: Pod, old: Pod): void {
  const { spec } = next
  if ((old.status?.qosClass ?? qosClassOf(old.spec)) !== qosClassOf(spec)) {
    errors.push(invalid('spec', next.status?.qosClass ?? '', 'Pod QOS Class may not change as a result of resizing'))
  }
  if (!isSupported(old)) errors.push(forbidden('spec', 'Pod running on node without support for resize'))
  checkPodLevel(errors, spec, old.spec)
  if (old.status?.nodeAllocatableResourceClaimStatuses?.length)
    errors.push(forbidden('spec', 'pods with node allocatable resource claims cannot be resized'))
  if (!checkOrder(errors, spec, old.spec)) return
  for (const field of ['initContainers', 'containers'] as const) {
    old.spec[field]?.forEach((container, i) =>
      checkRemoved(errors, spec[field]?.[i]?.resources, container.resources, `spec.${field}[${i}].resources`, ''),
    )
  }
  spec.containers?.forEach((container, i) => {
    const before = old.spec.containers[i] as Container
    if (!same(undone(container, before), before)) errors.push(forbidden('spec', ONLY_COMPUTE))
  })
  spec.initContainers?.forEach((container, i) =>
    checkInitContainer(errors, container, old.spec.initContainers?.[i] as Container, `spec.initContainers[${i}]`),
  )
  if (errors.length > 0) return
  const withoutContainers = ({ containers: _, initContainers: __, resources: ___, ...rest }: PodSpec): object => rest
  if (!deepEqual(withoutContainers(spec), withoutContainers(old.spec))) errors.push(forbidden('spec', ONLY_COMPUTE))
}
