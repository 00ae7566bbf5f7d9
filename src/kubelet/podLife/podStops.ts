/** Stops what a plan says must go while the pod lives on, and all of it when the pod ends. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { orAbort } from '../../base/abort.ts'
import { allContainers, readySandbox, type PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import { describePod } from '../pods/podSpec.ts'
import type { Container } from '../runtime/runtime.ts'
import { Grace, graceSecondsOf, killContainer, killPod, type KillOptions } from './killPod.ts'
import type { ContainerKill, PodActions } from './podActions.ts'
import type { PodObserver } from './podObserver.ts'

export interface PodStopsOptions {
  kills: KillOptions
  observer: PodObserver
}

export class PodStops {
  readonly #kills: KillOptions
  readonly #observer: PodObserver

  constructor({ kills, observer }: PodStopsOptions) {
    this.#kills = kills
    this.#observer = observer
  }

  async stopWhatMustGo(pod: Pod, plan: PodActions, observed: PodRuntimeStatus, signal: AbortSignal): Promise<void> {
    const { clock, events } = this.#kills
    if (plan.killPod) {
      if (plan.createSandbox)
        events.record(pod, { type: 'Normal', reason: 'SandboxChanged', message: 'Pod sandbox changed, it will be killed and re-created.' })
      await orAbort(killPod(this.#kills, { pod, observed, grace: new Grace(graceSecondsOf(pod), clock) }), signal)
      return
    }
    const podIp = this.#podIp(observed)
    await orAbort(Promise.all(plan.kill.map((kill) => this.#killOne(pod, kill, podIp))), signal)
  }

  /** No grace: whoever asked for this has lost what the others worked with. */
  async reset(pod: Pod, containers: readonly Container[], observed: PodRuntimeStatus, signal: AbortSignal): Promise<void> {
    const { runtime, clock } = this.#kills
    const podIp = this.#podIp(observed)
    try {
      for (const container of containers) {
        signal.throwIfAborted()
        const grace = new Grace(0, clock)
        if (container.state === 'Running')
          await orAbort(killContainer(this.#kills, { pod, container, podIp, grace, message: 'killing' }), signal)
        await runtime.removeContainer(container.id)
      }
    } finally {
      this.#observer.invalidate(pod.metadata.uid)
    }
  }

  /** Throws when something still runs. */
  async stopAll(pod: Pod, observed: PodRuntimeStatus, grace: Grace): Promise<void> {
    const { uid } = pod.metadata
    try {
      await killPod(this.#kills, { pod, observed, grace })
    } catch (error) {
      const message = `error killing pod: ${error instanceof Error ? error.message : String(error)}`
      this.#kills.events.record(pod, { type: 'Warning', reason: 'FailedKillPod', message })
      throw error
    }
    this.#observer.invalidate(uid)
    const after = await this.#observer.observe(uid)
    const alive = allContainers(after).find((container) => container.state === 'Running')
    if (alive) throw new Error(`container ${alive.name} of ${describePod(pod)} is still running`)
  }

  #killOne(pod: Pod, { container, spec, message, probe }: ContainerKill, podIp: string): Promise<void> {
    const seconds = (probe && spec[probe]?.terminationGracePeriodSeconds) ?? graceSecondsOf(pod)
    return killContainer(this.#kills, { pod, container, podIp, grace: new Grace(seconds, this.#kills.clock), message })
  }

  #podIp(observed: PodRuntimeStatus): string {
    return readySandbox(observed)?.ips[0] ?? this.#kills.nodeIp
  }
}
