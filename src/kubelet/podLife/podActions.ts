/**
 * The plan of one sync: from a pod's spec and what the runtime has of it to what must be killed, made and started.
 * Pure; `podLife.ts` applies it. The rules are those of upstream's kuberuntime `computePodActions`.
 */
import type { Container as SpecContainer, Pod, ResourceRequirements } from '../../api/kinds/core/v1.ts'
import { containerHash } from '../containers/containerHash.ts'
import { annotation } from '../containers/annotations.ts'
import { isSidecar, shouldRestart, shouldRestartInit } from '../pods/podSpec.ts'
import { latest, readySandbox } from '../pods/podRuntimeStatus.ts'
import { differences } from '../resizes/podResizes.ts'
import type { PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import type { ContainerResize } from '../resizes/applyResize.ts'
import { containersToReset } from '../pods/restartAll.ts'
import type { Container } from '../runtime/runtime.ts'

export type ContainerKind = 'init' | 'regular' | 'ephemeral'

export interface ContainerStart {
  kind: ContainerKind
  container: SpecContainer
  /** The container that it follows, if there was one. */
  previous: Container | undefined
}

export interface ContainerKill {
  container: Container
  spec: SpecContainer
  reason: 'Unhealthy' | 'Changed'
  message: string
  /** Which probe failed: its own grace period counts. */
  probe?: 'livenessProbe' | 'startupProbe'
}

/** A container that must wait before its next start. */
export interface ContainerWait {
  container: SpecContainer
  previous: Container
  delayMs: number
  untilMs: number
}

export interface PodActions {
  /** Stop the sandbox and all that is in it. */
  killPod: boolean
  createSandbox: boolean
  /** Of the sandbox to be created. */
  sandboxAttempt: number
  /** In the order in which they are to be started. */
  start: ContainerStart[]
  kill: ContainerKill[]
  resize: ContainerResize[]
  backingOff: ContainerWait[]
  /** All containers are to go, in this order, and the pod to begin again. */
  reset: Container[]
}

export interface PodActionsInput {
  pod: Pod
  observed: PodRuntimeStatus
  /** A container's end asks for all to be started anew. */
  restartingAll: boolean
  nowMs: number
  /** What the probes of a running container last said; undefined is not known yet. */
  probeResult(containerId: string, probe: 'livenessProbe' | 'startupProbe'): boolean | undefined
  /** The requests and limits that a running container has; undefined where its spec's hold. */
  resourcesOf(containerId: string): ResourceRequirements | undefined
  /** The whole crash-loop delay that holds for a container that ended. */
  restartDelayMs(container: SpecContainer, finishedAtMs: number): number
}

/** The resources that differ between what a running container has and what its spec says. */
function resized(spec: SpecContainer, running: Container, { resourcesOf }: Pick<PodActionsInput, 'resourcesOf'>): string[] {
  const has = resourcesOf(running.id)
  return has ? differences(has, spec.resources) : []
}

/** Why a running container must go, if it must. */
function killReason(
  spec: SpecContainer,
  running: Container,
  input: PodActionsInput,
): Omit<ContainerKill, 'container' | 'spec'> | undefined {
  const hash = running.annotations[annotation.hash]
  if (hash !== undefined && hash !== containerHash(spec)) {
    return { reason: 'Changed', message: `Container ${spec.name} definition changed` }
  }
  const restarts = resized(spec, running, input).filter((name) =>
    spec.resizePolicy?.some((rule) => rule.resourceName === name && rule.restartPolicy === 'RestartContainer'),
  )
  if (restarts.length > 0) return { reason: 'Changed', message: `Container ${spec.name} resize requires restart` }
  if (input.probeResult(running.id, 'livenessProbe') === false) {
    return { reason: 'Unhealthy', message: `Container ${spec.name} failed liveness probe`, probe: 'livenessProbe' }
  }
  if (input.probeResult(running.id, 'startupProbe') === false) {
    return { reason: 'Unhealthy', message: `Container ${spec.name} failed startup probe`, probe: 'startupProbe' }
  }
  return undefined
}

/** 128 + SIGKILL. */
const KILLED_EXIT_CODE = 137

class Plan implements PodActions {
  killPod = false
  createSandbox = false
  sandboxAttempt = 0
  start: ContainerStart[] = []
  kill: ContainerKill[] = []
  resize: ContainerResize[] = []
  backingOff: ContainerWait[] = []
  reset: Container[] = []
  readonly #input: PodActionsInput

  constructor(input: PodActionsInput) {
    this.#input = input
  }

  /** Starts a container now, or notes how long it has to wait. */
  startOrWait(kind: ContainerKind, container: SpecContainer, previous: Container | undefined): void {
    if (previous?.state === 'Exited') {
      const finishedAtMs = previous.finishedAtMs ?? previous.createdAtMs
      const delayMs = this.#input.restartDelayMs(container, finishedAtMs)
      const untilMs = finishedAtMs + delayMs
      if (untilMs > this.#input.nowMs) {
        this.backingOff.push({ container, previous, delayMs, untilMs })
        return
      }
    }
    this.start.push({ kind, container, previous })
  }

  /** Kills a running container that has to go. Its successor starts in the next sync, when its end has been seen. */
  killIfNeeded(spec: SpecContainer, running: Container, restarts: boolean): boolean {
    const why = killReason(spec, running, this.#input)
    if (!why) {
      this.resizeIfNeeded(spec, running)
      return false
    }
    this.kill.push({ container: running, spec, ...why, message: restarts ? `${why.message}, will be restarted` : why.message })
    return true
  }

  resizeIfNeeded(spec: SpecContainer, running: Container): void {
    if (resized(spec, running, this.#input).length > 0) this.resize.push({ container: running, spec })
  }

  result(): PodActions {
    const { killPod, createSandbox, sandboxAttempt, start, kill, resize, backingOff, reset } = this
    return { killPod, createSandbox, sandboxAttempt, start, kill, resize, backingOff, reset }
  }
}

function regularContainersEverCreated(pod: Pod, observed: PodRuntimeStatus): boolean {
  return (pod.spec?.containers ?? []).some((container) => observed.containers.has(container.name))
}

/** There is no sandbox that works: begin again from the start, unless there is nothing left to do. */
function planNewSandbox(plan: Plan, { pod, observed }: PodActionsInput): void {
  const newest = observed.sandboxes[0]
  plan.killPod = newest !== undefined
  plan.sandboxAttempt = newest ? newest.attempt + 1 : 0
  const containers = pod.spec?.containers ?? []
  const toRun = containers.filter((container) => {
    const previous = latest(observed, container.name)
    return !previous || previous.state !== 'Exited' || shouldRestart(pod, container, previous.exitCode ?? 0)
  })
  if (toRun.length === 0) return
  const failedInit = (pod.spec?.initContainers ?? []).some((container) => {
    const previous = latest(observed, container.name)
    const failed = previous?.state === 'Exited' && (previous.exitCode ?? 0) !== 0
    return failed && !isSidecar(container) && !shouldRestartInit(pod, container, previous.exitCode ?? 0)
  })
  if (failedInit) return
  plan.createSandbox = true
  const init = pod.spec?.initContainers?.[0]
  if (init) plan.startOrWait('init', init, latest(observed, init.name))
  else for (const container of toRun) plan.startOrWait('regular', container, latest(observed, container.name))
}

/** Containers of a sandbox that is gone say nothing about the progress of this one. */
function inSandbox(observed: PodRuntimeStatus, sandboxId: string): PodRuntimeStatus {
  const containers = new Map<string, readonly Container[]>()
  for (const [name, all] of observed.containers) {
    const own = all.filter((container) => container.sandboxId === sandboxId)
    if (own.length > 0) containers.set(name, own)
  }
  return { sandboxes: observed.sandboxes, containers }
}

/** True once every init container has done its part and the regular ones may run. */
function planInitContainers(plan: Plan, input: PodActionsInput, here: PodRuntimeStatus): boolean {
  const { pod, observed } = input
  const inits = pod.spec?.initContainers ?? []
  const initialized = regularContainersEverCreated(pod, here)
  const furthest = inits.findLastIndex((container) => here.containers.has(container.name))
  for (const [index, container] of inits.entries()) {
    const own = latest(here, container.name)
    const passed = initialized || index < furthest
    const done = isSidecar(container)
      ? planSidecar(plan, input, container, own ?? latest(observed, container.name), own, passed)
      : passed || planInitContainer(plan, input, container, own, latest(observed, container.name))
    if (!done) return false
    if (plan.killPod) return false
  }
  return true
}

/** True when the next container may go on. */
function planSidecar(
  plan: Plan,
  input: PodActionsInput,
  container: SpecContainer,
  previous: Container | undefined,
  own: Container | undefined,
  passed: boolean,
): boolean {
  if (own?.state !== 'Running') {
    plan.startOrWait('init', container, previous)
    return passed
  }
  if (plan.killIfNeeded(container, own, true)) return passed
  return passed || !container.startupProbe || input.probeResult(own.id, 'startupProbe') === true
}

function planInitContainer(
  plan: Plan,
  { pod }: PodActionsInput,
  container: SpecContainer,
  own: Container | undefined,
  previous: Container | undefined,
): boolean {
  if (own?.state === 'Running') {
    plan.resizeIfNeeded(container, own)
    return false
  }
  if (own?.state === 'Exited' && own.exitCode === 0) return true
  if (own?.state === 'Exited' && !shouldRestartInit(pod, container, own.exitCode ?? 1)) {
    plan.killPod = true
    return false
  }
  plan.startOrWait('init', container, own ?? previous)
  return false
}

function planRegularContainers(plan: Plan, input: PodActionsInput, here: PodRuntimeStatus): void {
  const { pod, observed } = input
  let alive = 0
  for (const container of pod.spec?.containers ?? []) {
    const own = latest(here, container.name)
    if (own?.state === 'Running') {
      alive++
      const changed = killReason(container, own, input)?.reason === 'Changed'
      plan.killIfNeeded(container, own, changed || shouldRestart(pod, container, KILLED_EXIT_CODE))
      continue
    }
    const previous = own ?? latest(observed, container.name)
    if (previous?.state === 'Exited' && !mayStartAgain(pod, container, previous)) continue
    alive++
    plan.startOrWait('regular', container, previous)
  }
  if (alive > 0) return
  plan.killPod = true
  plan.start = []
  plan.backingOff = []
}

/** A container whose image was changed runs again whatever its policy says. */
function mayStartAgain(pod: Pod, container: SpecContainer, previous: Container): boolean {
  const hash = previous.annotations[annotation.hash]
  const changed = hash !== undefined && hash !== containerHash(container)
  return changed || shouldRestart(pod, container, previous.exitCode ?? 0)
}

export function computePodActions(input: PodActionsInput): PodActions {
  const { pod, observed } = input
  const plan = new Plan(input)
  const sandbox = readySandbox(observed)
  if (input.restartingAll) plan.reset = containersToReset(pod, observed)
  if (plan.reset.length > 0) return plan.result()
  if (!sandbox) {
    planNewSandbox(plan, input)
    return plan.result()
  }
  const here = inSandbox(observed, sandbox.id)
  for (const container of pod.spec?.ephemeralContainers ?? []) {
    if (!observed.containers.has(container.name)) plan.start.push({ kind: 'ephemeral', container, previous: undefined })
  }
  if (planInitContainers(plan, input, here)) planRegularContainers(plan, input, here)
  if (plan.killPod) plan.start = []
  return plan.result()
}
