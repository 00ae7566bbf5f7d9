/** A pod's phase, from the states of its containers (upstream's getPhase). */
import type { Container, ContainerStatus, Pod } from '../../api/kinds/core/v1.ts'
import { RESTARTING_REASON } from '../pods/restartAll.ts'
import { isSidecar, shouldRestart, shouldRestartInit } from '../pods/podSpec.ts'

type Restarts = (pod: Pod, container: Container, exitCode: number) => boolean

interface Progress {
  state: 'running' | 'stopped' | 'waiting' | 'unknown'
  exitCode?: number
  mayRestart: boolean
}

function progressOf(pod: Pod, container: Container, status: ContainerStatus | undefined, restarts: Restarts): Progress {
  if (!status) return { state: 'unknown', mayRestart: false }
  if (status.state?.running) return { state: 'running', mayRestart: false }
  const ended = status.state?.terminated ?? (status.state?.waiting && status.lastState?.terminated)
  const mayRestart = ended !== undefined && (ended.reason === RESTARTING_REASON || restarts(pod, container, ended.exitCode))
  if (ended) return { state: 'stopped', exitCode: ended.exitCode, mayRestart }
  return { state: status.state?.waiting ? 'waiting' : 'unknown', mayRestart: false }
}

export interface PhaseInput {
  pod: Pod
  initStatuses: readonly ContainerStatus[]
  statuses: readonly ContainerStatus[]
  /** Nothing will be started any more. */
  terminal: boolean
  /** A regular container was started once. */
  initialized: boolean
}

export function podPhase({ pod, initStatuses, statuses, terminal, initialized }: PhaseInput): string {
  const find = (list: readonly ContainerStatus[], name: string): ContainerStatus | undefined => list.find((status) => status.name === name)
  const inits = pod.spec?.initContainers ?? []
  const init = inits
    .filter((container) => !isSidecar(container))
    .map((container) => progressOf(pod, container, find(initStatuses, container.name), shouldRestartInit))
  const sidecars = inits.filter(isSidecar).map((container) => {
    const status = find(initStatuses, container.name)
    return { ...progressOf(pod, container, status, shouldRestart), started: status?.started === true }
  })
  const regular = (pod.spec?.containers ?? []).map((container) => progressOf(pod, container, find(statuses, container.name), shouldRestart))

  if (init.some((c) => c.state === 'stopped' && c.exitCode !== 0 && !c.mayRestart)) return 'Failed'
  const sidecarPending = sidecars.some((c) => c.state === 'waiting' || (c.state === 'running' && !c.started))
  if (init.some((c) => c.state !== 'stopped') || (sidecarPending && !initialized)) return 'Pending'
  if (regular.some((c) => c.state === 'waiting') || sidecars.some((c) => c.state === 'waiting')) return 'Pending'
  const stopped = regular.filter((c) => c.state === 'stopped')
  if (regular.some((c) => c.state === 'unknown') || sidecars.some((c) => c.state === 'unknown')) return 'Pending'
  if (stopped.length < regular.length || sidecars.some((c) => c.state === 'running')) return 'Running'
  if (!terminal && stopped.some((c) => c.mayRestart)) return 'Running'
  return stopped.every((c) => c.exitCode === 0) ? 'Succeeded' : 'Failed'
}
