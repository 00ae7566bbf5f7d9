/**
 * Stops containers in good order: preStop hook, stop signal, kill, all within one grace period that may be shortened while
 * it runs. Sidecars are stopped after the containers that they serve, the last one first; their hooks run with the others'.
 */
import type { Container as SpecContainer, LifecycleHandler, Pod } from '../../api/kinds/core/v1.ts'
import { orAbort } from '../../base/abort.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { EventRecorder } from '../../client/events.ts'
import { annotation } from '../containers/annotations.ts'
import { runHook } from './lifecycle.ts'
import { allContainers, readySandbox } from '../pods/podRuntimeStatus.ts'
import type { PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import { fieldPathOf, findContainer, isSidecar } from '../pods/podSpec.ts'
import type { Container, Runtime } from '../runtime/runtime.ts'

/** However short the grace, a container gets this long to end by itself. */
export const MIN_GRACE_SECONDS = 2
const DEFAULT_GRACE_SECONDS = 30
/** Beyond its grace a container needs this long to be reported dead; then stopping it is tried again. */
const STOP_MARGIN_MS = 30_000

/** A grace period under way: it can only become shorter. */
export class Grace {
  #seconds: number
  readonly #startedMs: number
  readonly #clock: Clock
  readonly #listeners = new Set<() => void>()

  constructor(seconds: number, clock: Clock) {
    this.#seconds = seconds
    this.#clock = clock
    this.#startedMs = clock.now()
  }

  shorten(seconds: number): void {
    if (seconds >= this.#seconds) return
    this.#seconds = seconds
    for (const listener of this.#listeners) listener()
  }

  get leftSeconds(): number {
    return Math.max(MIN_GRACE_SECONDS, Math.ceil(this.#seconds - (this.#clock.now() - this.#startedMs) / 1000))
  }

  onShortened(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

/** What the API says of a pod's end; a forced deletion still gives a moment. */
export function graceSecondsOf(pod: Pod): number {
  const seconds = pod.metadata.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS
  return Math.max(1, seconds)
}

export interface KillOptions {
  runtime: Runtime
  events: EventRecorder
  clock: Clock
  log: Logger
  nodeIp: string
}

export interface KillContainer {
  pod: Pod
  container: Container
  podIp: string
  grace: Grace
  message?: string
  reason?: string
  /** Those that are to end before this one is stopped. */
  after?: Promise<unknown>
}

function preStopOf(spec: SpecContainer | undefined, container: Container): LifecycleHandler | undefined {
  if (spec) return spec.lifecycle?.preStop
  const kept = container.annotations[annotation.preStop]
  return kept === undefined ? undefined : (JSON.parse(kept) as LifecycleHandler)
}

/** Does it for as long as the grace period lasts; throws when that is over. */
async function withinGrace(grace: Grace, clock: Clock, work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const over = new AbortController()
  let cancelTimer = clock.after(grace.leftSeconds * 1000, () => over.abort())
  const ignore = grace.onShortened(() => {
    cancelTimer()
    cancelTimer = clock.after(grace.leftSeconds * 1000, () => over.abort())
  })
  try {
    await orAbort(work(over.signal), over.signal)
  } finally {
    cancelTimer()
    ignore()
  }
}

async function runPreStop(options: KillOptions, { pod, container, podIp, grace }: KillContainer): Promise<void> {
  const { runtime, events, clock, log } = options
  const spec = findContainer(pod, container.name)
  const handler = preStopOf(spec, container)
  if (!handler) return
  const warn = (reason: string, message: string): void => events.record(pod, { type: 'Warning', reason, message })
  const target = { container: spec ?? { name: container.name }, containerId: container.id, podIp }
  try {
    await withinGrace(grace, clock, (signal) => runHook(handler, target, { runtime, clock, warn, signal }))
  } catch (error) {
    log.info('preStop hook failed', { pod: pod.metadata.name, container: container.name, error: String(error) })
    events.record(pod, {
      type: 'Warning',
      reason: 'FailedPreStopHook',
      message: 'PreStopHook failed',
      fieldPath: fieldPathOf(pod, container.name),
    })
  }
}

export async function killContainer(options: KillOptions, kill: KillContainer): Promise<void> {
  const { runtime, events, clock } = options
  const { pod, container, grace, after } = kill
  const message = kill.message ?? `Stopping container ${container.name}`
  events.record(pod, { type: 'Normal', reason: kill.reason ?? 'Killing', message, fieldPath: fieldPathOf(pod, container.name) })
  await runPreStop(options, kill)
  // Whoever has not ended within the grace period is not waited for.
  if (after) await withinGrace(grace, clock, () => after).catch(() => {})
  const ended = Promise.withResolvers<void>()
  const stop = (): void => void runtime.stopContainer(container.id, grace.leftSeconds).then(ended.resolve, ended.reject)
  const ignore = grace.onShortened(stop)
  const cancelTimer = clock.after(grace.leftSeconds * 1000 + STOP_MARGIN_MS, () =>
    ended.reject(new Error(`container ${container.name} does not end`)),
  )
  stop()
  try {
    await ended.promise
  } finally {
    cancelTimer()
    ignore()
  }
}

export interface KillPod {
  pod: Pod
  observed: PodRuntimeStatus
  grace: Grace
}

/** Stops every container and the sandboxes. */
export async function killPod(options: KillOptions, { pod, observed, grace }: KillPod): Promise<void> {
  const podIp = readySandbox(observed)?.ips[0] ?? options.nodeIp
  const alive = allContainers(observed).filter((container) => container.state === 'Running')
  const order = (pod.spec?.initContainers ?? []).filter(isSidecar).map((container) => container.name)
  const sidecars = alive.filter((container) => order.includes(container.name))
  const served = new Set(pod.spec?.containers.map(({ name }) => name))
  const kill = (container: Container, after?: Promise<unknown>): Promise<void> =>
    killContainer(options, { pod, container, podIp, grace, ...(after && { after }) })
  const ends = new Map(alive.filter((container) => !sidecars.includes(container)).map((container) => [container, kill(container)]))
  const before = [...ends].filter(([{ name }]) => served.has(name)).map(([, end]) => end)
  for (const sidecar of sidecars.toSorted((a, b) => order.indexOf(b.name) - order.indexOf(a.name))) {
    const end = kill(sidecar, Promise.allSettled([...before]))
    ends.set(sidecar, end)
    before.push(end)
  }
  const failed = (await Promise.allSettled(ends.values())).find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
  await Promise.all(
    observed.sandboxes.filter((sandbox) => sandbox.state === 'Ready').map((sandbox) => options.runtime.stopSandbox(sandbox.id)),
  )
}
