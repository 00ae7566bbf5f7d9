/**
 * The probes of all pods: a worker for each probe of each running container, started and stopped as containers come and
 * go. Liveness and readiness wait for the startup probe; a container that failed is left alone until it is replaced.
 */
import type { Container, Pod } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import type { EventRecorder } from '../../client/events.ts'
import { latest, readySandbox } from '../pods/podRuntimeStatus.ts'
import type { PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import { fieldPathOf, isSidecar } from '../pods/podSpec.ts'
import type { Container as RuntimeContainer } from '../runtime/runtime.ts'
import type { ProbeOutcome } from './outcome.ts'
import { ProbeWorker } from './probeWorker.ts'
import type { ProbeKind } from './probeWorker.ts'
import type { RunProbe } from './prober.ts'

export interface PodProbesOptions {
  clock: Clock
  events: EventRecorder
  run: RunProbe
  nodeIp: string
  /** A verdict of this pod changed. */
  onVerdict(podUid: string): void
}

/** How often a probe of a container ended so. */
export interface ProbeCount {
  pod: Pod
  container: string
  kind: ProbeKind
  result: ProbeOutcome['result'] | 'error'
  count: number
}

interface ProbedContainer {
  counts: Map<string, ProbeCount>
  workers: Map<ProbeKind, ProbeWorker>
  /** Of workers that are done: a startup probe that succeeded, a probe that failed for good. */
  settled: Map<ProbeKind, boolean>
}

export interface ProbeUpdate {
  pod: Pod
  observed: PodRuntimeStatus
  /** What the API said before this kubelet began: a restart of the kubelet makes no container unready. */
  wasReady(container: RuntimeContainer): boolean
  wasStarted(container: RuntimeContainer): boolean
}

const TITLES: Record<ProbeKind, string> = { livenessProbe: 'Liveness', readinessProbe: 'Readiness', startupProbe: 'Startup' }

export class PodProbes {
  readonly #options: PodProbesOptions
  readonly #pods = new Map<string, Map<string, ProbedContainer>>()
  readonly #specs = new Map<string, Pod>()

  constructor(options: PodProbesOptions) {
    this.#options = options
  }

  /** Undefined: no verdict yet. */
  result(podUid: string, containerId: string, kind: ProbeKind): boolean | undefined {
    const probed = this.#pods.get(podUid)?.get(containerId)
    return probed?.workers.get(kind)?.verdict ?? probed?.settled.get(kind)
  }

  /** Of the containers that run. */
  counts(): ProbeCount[] {
    return [...this.#pods.values()].flatMap((probed) => [...probed.values()].flatMap(({ counts }) => [...counts.values()]))
  }

  /** Brings the workers in line with what runs. */
  update({ pod, observed, wasReady, wasStarted }: ProbeUpdate): void {
    const { uid } = pod.metadata
    const running = [...(pod.spec?.initContainers ?? []).filter(isSidecar), ...(pod.spec?.containers ?? [])].flatMap((spec) => {
      const container = latest(observed, spec.name)
      return container?.state === 'Running' && hasProbes(spec) ? [{ spec, container }] : []
    })
    const probed = this.#pods.get(uid) ?? new Map<string, ProbedContainer>()
    for (const [id, { workers }] of probed) {
      if (running.some(({ container }) => container.id === id)) continue
      for (const worker of workers.values()) worker.stop()
      probed.delete(id)
    }
    if (running.length === 0) {
      this.#pods.delete(uid)
      return
    }
    this.#pods.set(uid, probed)
    this.#specs.set(uid, pod)
    const podIp = pod.spec?.hostNetwork ? this.#options.nodeIp : (readySandbox(observed)?.ips[0] ?? this.#options.nodeIp)
    for (const { spec, container } of running) {
      let own = probed.get(container.id)
      if (!own) {
        own = { workers: new Map(), settled: new Map(), counts: new Map() }
        if (spec.startupProbe && wasStarted(container)) own.settled.set('startupProbe', true)
        probed.set(container.id, own)
      }
      this.#startWorkers(pod, spec, container, podIp, own, wasReady(container))
    }
  }

  /** A pod that is being stopped is killed by nobody else; its readiness goes on being watched until it ends. */
  terminating(podUid: string): void {
    for (const { workers } of this.#pods.get(podUid)?.values() ?? []) {
      for (const kind of ['livenessProbe', 'startupProbe'] as const) {
        workers.get(kind)?.stop()
        workers.delete(kind)
      }
    }
  }

  remove(podUid: string): void {
    for (const { workers } of this.#pods.get(podUid)?.values() ?? []) for (const worker of workers.values()) worker.stop()
    this.#pods.delete(podUid)
    this.#specs.delete(podUid)
  }

  #startWorkers(pod: Pod, spec: Container, container: RuntimeContainer, podIp: string, own: ProbedContainer, ready: boolean): void {
    const started = !spec.startupProbe || this.result(pod.metadata.uid, container.id, 'startupProbe') === true
    const start = (kind: ProbeKind, initial: boolean | undefined): void => {
      if (!spec[kind] || own.workers.has(kind) || own.settled.has(kind)) return
      own.workers.set(kind, this.#worker(pod, spec, container, podIp, kind, initial, own))
    }
    if (!started) {
      start('startupProbe', undefined)
      return
    }
    start('livenessProbe', true)
    start('readinessProbe', ready)
  }

  #worker(
    pod: Pod,
    spec: Container,
    container: RuntimeContainer,
    podIp: string,
    kind: ProbeKind,
    initial: boolean | undefined,
    own: ProbedContainer,
  ): ProbeWorker {
    const { clock, run, onVerdict } = this.#options
    const { uid } = pod.metadata
    const probe = spec[kind] ?? {}
    const target = { pod, container: spec, containerId: container.id, podIp }
    return new ProbeWorker({
      kind,
      probe,
      startedAtMs: container.startedAtMs ?? clock.now(),
      initial,
      clock,
      run: async (signal) => {
        const count = (result: ProbeCount['result']): void => {
          const key = `${kind} ${result}`
          const known = own.counts.get(key) ?? { pod, container: spec.name, kind, result, count: 0 }
          own.counts.set(key, { ...known, count: known.count + 1 })
        }
        try {
          const outcome = await run(probe, target, signal)
          count(outcome.result)
          return outcome
        } catch (error) {
          if (!signal.aborted) count('error')
          throw error
        }
      },
      onVerdict: (verdict) => {
        const final = kind === 'startupProbe' || (kind === 'livenessProbe' && !verdict)
        if (final) {
          own.workers.get(kind)?.stop()
          own.workers.delete(kind)
          own.settled.set(kind, verdict)
        }
        onVerdict(uid)
      },
      onUnhealthy: (outcome) => this.#recordUnhealthy(uid, spec, kind, outcome),
    })
  }

  #recordUnhealthy(podUid: string, spec: Container, kind: ProbeKind, outcome: ProbeOutcome | Error): void {
    const pod = this.#specs.get(podUid)
    if (!pod) return
    const fieldPath = fieldPathOf(pod, spec.name)
    const title = TITLES[kind]
    if (outcome instanceof Error) {
      const message = `${title} probe errored and resulted in unknown state: ${outcome.message}`
      this.#options.events.record(pod, { type: 'Warning', reason: 'Unhealthy', message, fieldPath })
    } else if (outcome.result === 'warning') {
      this.#options.events.record(pod, {
        type: 'Warning',
        reason: 'ProbeWarning',
        message: `${title} probe warning: ${outcome.output}`,
        fieldPath,
      })
    } else {
      this.#options.events.record(pod, {
        type: 'Warning',
        reason: 'Unhealthy',
        message: `${title} probe failed: ${outcome.output}`,
        fieldPath,
      })
    }
  }
}

function hasProbes(spec: Container): boolean {
  return spec.livenessProbe !== undefined || spec.readinessProbe !== undefined || spec.startupProbe !== undefined
}
