/** What the rules of a pod's parts need to know of the rest of the pod. */
import type { Container, EphemeralContainer, PodSpec, Volume } from '../../kinds/core/v1.ts'
import type { FieldError } from '../../status.ts'

export interface PodScope {
  /** Where errors are added, in upstream's order. */
  errors: FieldError[]
  spec: PodSpec
  /** The volumes that are valid, by name. */
  volumes: ReadonlyMap<string, Volume>
  claimNames: ReadonlySet<string>
  /** A pod itself, not a template of pods: a few rules wait until the pod is made. */
  isPod: boolean
}

export type AnyContainer = Container | EphemeralContainer

/** All containers with their paths, init containers first. */
export function eachContainer(spec: PodSpec, path: string, visit: (container: AnyContainer, path: string) => void): void {
  const { initContainers, containers, ephemeralContainers } = spec
  initContainers?.forEach((container, i) => visit(container, `${path}.initContainers[${i}]`))
  containers?.forEach((container, i) => visit(container, `${path}.containers[${i}]`))
  ephemeralContainers?.forEach((container, i) => visit(container, `${path}.ephemeralContainers[${i}]`))
}

export const usesHostUsers = (spec: PodSpec): boolean => spec.hostUsers !== false
export const isSidecar = (container: AnyContainer): boolean => container.restartPolicy === 'Always'
