/** One container's entry in a pod's status, from what the runtime says of it and why it does not run, if it does not. */
import { timestamp } from '../../api/meta.ts'
import type {
  Container as SpecContainer,
  ContainerState,
  ContainerStateTerminated,
  ContainerStatus,
  ContainerUser,
  ResourceRequirements,
} from '../../api/kinds/core/v1.ts'
import { annotation } from '../containers/annotations.ts'
import { resetStatus } from '../pods/restartAll.ts'
import { containerIdOf } from '../pods/podRuntimeStatus.ts'
import type { Container } from '../runtime/runtime.ts'

export interface WaitingReason {
  reason: string
  message?: string
}

export interface ContainerStatusInput {
  spec: SpecContainer
  /** Newest attempt first. */
  attempts: readonly Container[]
  /** What the kubelet said of it last. */
  before: ContainerStatus | undefined
  /** Why it is not running though it should be. */
  waiting: WaitingReason | undefined
  /** The reason for a container that was never started. */
  defaultWaiting: WaitingReason
  /** The pod will start nothing more. */
  terminal: boolean
  /** All containers of the pod go and begin again. */
  restartingAll: boolean
  /** What it has, where that is not (yet) what its spec says. */
  resources: ResourceRequirements | undefined
  terminationMessage(containerId: string): string | undefined
  /** `docker.io/library/x@sha256:…` where it is known. */
  imageIdOf(container: Container): string
}

/** What the runtime reports for a container whose program could not be started. */
const START_ERROR_EXIT_CODE = 128

function neverStarted({ error, startedAtMs }: Container): boolean {
  return error !== undefined && startedAtMs === undefined
}

function terminatedReason(container: Container): string {
  if (container.oomKilled) return 'OOMKilled'
  if (neverStarted(container)) return 'StartError'
  return container.exitCode === 0 ? 'Completed' : 'Error'
}

export function terminatedState(container: Container, message: string | undefined): ContainerStateTerminated {
  const text = message || container.error
  return {
    exitCode: neverStarted(container) ? START_ERROR_EXIT_CODE : (container.exitCode ?? 137),
    reason: terminatedReason(container),
    ...(text && { message: text }),
    startedAt: timestamp(neverStarted(container) ? 0 : (container.startedAtMs ?? container.createdAtMs)),
    finishedAt: timestamp(container.finishedAtMs ?? container.createdAtMs),
    containerID: containerIdOf(container.id),
  }
}

function userOf(container: Container): ContainerUser | undefined {
  const kept = container.annotations[annotation.user]
  return kept === undefined ? undefined : (JSON.parse(kept) as ContainerUser)
}

/** The container vanished from the runtime while the status says that it ran. */
function lostState(before: ContainerStatus): ContainerState {
  const message = 'The container could not be located when the pod was terminated'
  return {
    terminated: {
      reason: 'ContainerStatusUnknown',
      message,
      exitCode: 137,
      ...(before.containerID && { containerID: before.containerID }),
    },
  }
}

function stateOf(input: ContainerStatusInput, newest: Container | undefined): ContainerState {
  const { waiting, defaultWaiting, before, terminal, terminationMessage } = input
  if (newest?.state === 'Running') return { running: { startedAt: timestamp(newest.startedAtMs ?? newest.createdAtMs) } }
  if (waiting && !terminal) return { waiting: { reason: waiting.reason, ...(waiting.message && { message: waiting.message }) } }
  if (newest?.state === 'Exited') return { terminated: terminatedState(newest, terminationMessage(newest.id)) }
  if (before?.state?.terminated) return { terminated: before.state.terminated }
  if (terminal && before?.state?.running) return lostState(before)
  return { waiting: { reason: defaultWaiting.reason, ...(defaultWaiting.message && { message: defaultWaiting.message }) } }
}

/** The end before the present state. */
function lastStateOf(input: ContainerStatusInput, state: ContainerState): ContainerState {
  const { attempts, before, terminationMessage } = input
  const ended = attempts.find((container, index) => container.state === 'Exited' && (index > 0 || !state.terminated))
  if (ended) return { terminated: terminatedState(ended, terminationMessage(ended.id)) }
  const last = before?.lastState?.terminated
  return last && !(state.terminated && last.containerID === state.terminated.containerID) ? { terminated: last } : {}
}

function mountsOf(spec: SpecContainer): Pick<ContainerStatus, 'volumeMounts'> {
  if (!spec.volumeMounts?.length) return {}
  return {
    volumeMounts: spec.volumeMounts.map(({ name, mountPath, readOnly, recursiveReadOnly }) => ({
      mountPath,
      name,
      ...(readOnly && {
        readOnly: true,
        recursiveReadOnly: recursiveReadOnly === 'Enabled' || recursiveReadOnly === 'IfPossible' ? 'Enabled' : 'Disabled',
      }),
    })),
  }
}

/** What the container was given, and what of it is in force. */
function resourcesOf(
  given: ResourceRequirements = {},
  { requests, limits }: ResourceRequirements = given,
): Pick<ContainerStatus, 'resources' | 'allocatedResources'> {
  return {
    ...(given.requests && { allocatedResources: given.requests }),
    resources: { ...(limits && { limits }), ...(requests && { requests }) },
  }
}

/** `ready` and `started` are added by the pod's status, which knows the probes. */
export function containerStatus(input: ContainerStatusInput): ContainerStatus {
  const { spec, attempts, before, resources, imageIdOf, terminal, restartingAll } = input
  const newest = attempts[0]
  const state = stateOf(input, newest)
  const user = newest && userOf(newest)
  const containerID = newest ? containerIdOf(newest.id) : before?.containerID
  return {
    name: spec.name,
    state,
    lastState: lastStateOf(input, state),
    ready: false,
    restartCount: newest?.attempt ?? before?.restartCount ?? 0,
    image: newest?.image ?? spec.image ?? '',
    imageID: newest ? imageIdOf(newest) : (before?.imageID ?? ''),
    ...(containerID && { containerID }),
    ...(newest && resourcesOf(spec.resources, resources)),
    ...(newest && mountsOf(spec)),
    ...(user && { user }),
    ...(!newest && !terminal && !input.waiting && resetStatus(before, restartingAll)),
  }
}
