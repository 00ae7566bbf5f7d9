/**
 * Restarting all containers of a pod in its place, as the restart rule of one that ended may ask: all go, that one last, and
 * the pod begins again from its first init container, in the same sandbox and with the same volumes.
 * Upstream's `RestartAllContainersOnContainerExits`, on since 1.36: the pod's condition says how far it is.
 */
import type { Container as SpecContainer, ContainerStatus, Pod, PodCondition, PodStatus } from '../../api/kinds/core/v1.ts'
import type { PodRuntimeStatus } from './podRuntimeStatus.ts'
import { latest } from './podRuntimeStatus.ts'
import { matchingRestartRule } from './podSpec.ts'
import type { Container } from '../runtime/runtime.ts'

export const RESTARTING_CONDITION = 'AllContainersRestarting'
/** Of containers that went so; there is nothing else to tell of their end. */
export const RESTARTING_REASON = 'RestartingAllContainers'
const RESTARTING_MESSAGE = 'The container is removed because RestartAllContainers in place'
const KILLED_EXIT_CODE = 137

function restartable({ spec }: Pod): SpecContainer[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
}

function asksForAll(container: SpecContainer, exitCode: number | undefined): boolean {
  return exitCode !== undefined && matchingRestartRule(container, exitCode)?.action === 'RestartAllContainers'
}

export function mayRestartAll(pod: Pod): boolean {
  return restartable(pod).some((c) => c.restartPolicyRules?.some(({ action }) => action === 'RestartAllContainers'))
}

/** Whether all are to go: it has begun, or a container's end asks for it. */
export function isRestartingAll(pod: Pod, observed: PodRuntimeStatus, before: PodStatus): boolean {
  if (!mayRestartAll(pod)) return false
  if (before.conditions?.some(({ type, status }) => type === RESTARTING_CONDITION && status === 'True')) return true
  return restartable(pod).some((spec) => {
    const newest = latest(observed, spec.name)
    return newest?.state === 'Exited' && asksForAll(spec, newest.exitCode)
  })
}

/** All that is there of the pod's containers, in the order in which it is to go. */
export function containersToReset(pod: Pod, observed: PodRuntimeStatus): Container[] {
  const ask = (of: readonly SpecContainer[], whetherSource: boolean): Container[] =>
    of.flatMap((spec) =>
      (observed.containers.get(spec.name) ?? []).filter(
        (container) => (container.state === 'Exited' && asksForAll(spec, container.exitCode)) === whetherSource,
      ),
    )
  const { initContainers = [], containers = [] } = pod.spec ?? {}
  return [...ask(containers, false), ...ask(initContainers, false), ...ask(containers, true), ...ask(initContainers, true)]
}

export function restartingVerdict(
  pod: Pod,
  observed: PodRuntimeStatus,
  before: PodStatus,
  phase: string,
): Pick<PodCondition, 'status' | 'reason' | 'message'> {
  if (phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' }
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' }
  if (!isRestartingAll(pod, observed, before) || containersToReset(pod, observed).length === 0) return { status: 'False' }
  return { status: 'True', reason: 'RestartAllContainersStarted', message: 'container exited with restart policy rule' }
}

/** What is said of a container that went, until its successor runs; undefined for one of which there is nothing to say. */
export function resetStatus(before: ContainerStatus | undefined, restarting: boolean): Partial<ContainerStatus> | undefined {
  if (!before) return undefined
  const { state, lastState, restartCount } = before
  if (state?.waiting?.reason === RESTARTING_REASON) return { state, lastState: lastState ?? {}, restartCount }
  if (!restarting || state?.waiting) return undefined
  return {
    state: { waiting: { reason: RESTARTING_REASON, message: RESTARTING_MESSAGE } },
    lastState: { terminated: { reason: RESTARTING_REASON, message: RESTARTING_MESSAGE, exitCode: KILLED_EXIT_CODE } },
    restartCount: restartCount + 1,
  }
}
