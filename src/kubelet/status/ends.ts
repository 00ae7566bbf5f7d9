/** Which containers a status tells to have ended that the one before did not. Pure; the labels are those of upstream's metrics. */
import type { ContainerStatus, Pod, PodStatus } from '../../api/kinds/core/v1.ts'

const TYPES = {
  containerStatuses: 'container',
  initContainerStatuses: 'init_container',
  ephemeralContainerStatuses: 'ephemeral_container',
} as const

export interface ContainerEnd extends Record<string, string> {
  container_type: string
  exit_code: string
  reason: string
}

export function containerType({ spec }: Pod, name: string): string {
  if (spec?.initContainers?.some((container) => container.name === name)) return TYPES.initContainerStatuses
  return spec?.ephemeralContainers?.some((container) => container.name === name)
    ? TYPES.ephemeralContainerStatuses
    : TYPES.containerStatuses
}

/** The newest end that a status tells of; a container that runs again already has it behind itself. */
function endOf({ state, lastState }: ContainerStatus) {
  return state?.terminated ?? lastState?.terminated
}

export function newEnds(before: PodStatus, after: PodStatus): ContainerEnd[] {
  return (Object.keys(TYPES) as (keyof typeof TYPES)[]).flatMap((kind) =>
    (after[kind] ?? []).flatMap((status) => {
      const end = endOf(status)
      const known = before[kind]?.find(({ name }) => name === status.name)
      if (!end || (known && endOf(known)?.containerID === end.containerID)) return []
      return [{ container_type: TYPES[kind], exit_code: String(end.exitCode), reason: end.reason ?? '' }]
    }),
  )
}
