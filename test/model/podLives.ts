/**
 * What scheduler and kubelets do, as far as controllers see it: pods are bound, become ready or finish after random times,
 * and go when they are told to. What becomes of a pod is said by its image: `never-ready`, `fails`, `any` (ends either way).
 */
import { nodes, pods, type Pod } from '../../src/api/kinds/core/v1.ts'
import { timestamp, withoutCondition } from '../../src/api/meta.ts'
import { hasFinished } from '../../src/api/pods.ts'
import { keyOf } from '../../src/api/resource.ts'
import { nodeOf } from '../../src/controllers/daemonset/placement.ts'
import type { World } from './world.ts'

export interface PodLivesOptions {
  /** How long each step of a life takes at most. */
  stepMs: number
  /** How long a pod that ends by itself runs at most. */
  runMs: number
}

type PodStatus = NonNullable<Pod['status']>

export const isLive = (pod: Pod): boolean => !hasFinished(pod) && pod.metadata.deletionTimestamp === undefined
export const isReadyNow = (pod: Pod): boolean =>
  pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false

export class PodLives {
  readonly #world: World
  readonly #options: PodLivesOptions
  readonly #pending = new Set<string>()

  constructor(world: World, options: PodLivesOptions) {
    this.#world = world
    this.#options = options
  }

  async start(nodeNames: readonly string[]): Promise<void> {
    for (const name of nodeNames) await this.addNode(name)
    await this.#world.onChange(nodes, () => {})
    await this.#world.onChange(pods, ({ after }) => after && this.#soon(after))
  }

  /** It is ready at once: the taint that new nodes are born with goes. */
  async addNode(name: string, labels: Record<string, string> = {}): Promise<void> {
    const { client, clock } = this.#world
    const status = { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: timestamp(clock.now()) }] }
    await client.create(nodes, { metadata: { name, labels }, spec: {}, status })
    await client.patch(nodes, { name, type: 'application/merge-patch+json' }, { spec: { taints: null } })
  }

  /** Changes the status as a kubelet would; what is gone or changed meanwhile is left alone. */
  async report(pod: Pod, change: (status: PodStatus) => PodStatus): Promise<void> {
    const { client } = this.#world
    try {
      const live = await client.get(pods, { namespace: pod.metadata.namespace, name: pod.metadata.name })
      if (live.metadata.uid !== pod.metadata.uid) return
      await client.update(pods, { ...live, status: change(live.status ?? {}) }, { subresource: 'status' })
    } catch {
      // Somebody was faster.
    }
  }

  setReady(pod: Pod, ready: boolean): Promise<void> {
    const at = timestamp(this.#world.clock.now())
    const condition = { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: at }
    return this.report(pod, (status) =>
      hasEnded(status)
        ? status
        : { startTime: at, ...status, phase: 'Running', conditions: [...withoutCondition(status.conditions, 'Ready'), condition] },
    )
  }

  finish(pod: Pod, phase: 'Succeeded' | 'Failed', exitCode = phase === 'Failed' ? 1 : 0): Promise<void> {
    const finishedAt = timestamp(this.#world.clock.now())
    const containerStatuses = [
      {
        name: 'c',
        image: 'i',
        imageID: '',
        ready: false,
        restartCount: 0,
        state: { terminated: { exitCode, finishedAt, reason: phase === 'Failed' ? 'Error' : 'Completed' } },
      },
    ]
    const condition = { type: 'Ready', status: 'False', reason: 'PodCompleted', lastTransitionTime: finishedAt }
    return this.report(pod, (status) =>
      hasEnded(status)
        ? status
        : { ...status, phase, containerStatuses, conditions: [...withoutCondition(status.conditions, 'Ready'), condition] },
    )
  }

  #soon(pod: Pod): void {
    const { uid } = pod.metadata
    if (this.#pending.has(uid) || !this.#hasNext(pod)) return
    this.#pending.add(uid)
    const { stepMs, runMs } = this.#options
    const limitMs = isLive(pod) && isReadyNow(pod) ? runMs : stepMs
    this.#world.clock.after(1 + this.#world.random.below(limitMs), () => {
      this.#pending.delete(uid)
      void this.#step(keyOf(pod), uid)
    })
  }

  #hasNext(pod: Pod): boolean {
    if (pod.metadata.deletionTimestamp !== undefined) return !hasFinished(pod) || (pod.metadata.deletionGracePeriodSeconds ?? 0) > 0
    if (hasFinished(pod)) return false
    if (!pod.spec.nodeName) return true
    if (!isReadyNow(pod)) return imageOf(pod) !== 'never-ready'
    return pod.spec.restartPolicy !== 'Always'
  }

  async #step(key: string, uid: string): Promise<void> {
    const { client, random, truth } = this.#world
    const pod = truth.for(pods).get(key)
    if (pod?.metadata.uid !== uid || !this.#hasNext(pod)) return
    const { namespace, name } = pod.metadata
    if (pod.metadata.deletionTimestamp !== undefined) {
      if (!hasFinished(pod) && random.chance(0.7)) await this.finish(pod, random.chance(0.5) ? 'Failed' : 'Succeeded', 137)
      const preconditions = { uid }
      await client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0, preconditions }).catch(() => {})
    } else if (!pod.spec.nodeName) await this.#bind(pod)
    else if (!isReadyNow(pod)) await this.setReady(pod, true)
    else if (imageOf(pod) === 'fails' || (imageOf(pod) === 'any' && random.chance(0.4)))
      await this.finish(pod, 'Failed', 1 + random.below(3))
    else await this.finish(pod, 'Succeeded')
    const next = truth.for(pods).get(key)
    if (next) this.#soon(next)
  }

  async #bind(pod: Pod): Promise<void> {
    const { client, random, truth } = this.#world
    const names = truth
      .for(nodes)
      .list()
      .map((node) => node.metadata.name)
      .sort()
    const target = nodeOf(pod) ?? (names.length > 0 ? random.of(names) : undefined)
    if (!target || !names.includes(target)) return
    const { namespace, name } = pod.metadata
    const body = { metadata: { name, namespace }, target: { apiVersion: 'v1', kind: 'Node', name: target } }
    await client.create(pods, body as never, { namespace, name, subresource: 'binding' }).catch(() => {})
  }
}

function hasEnded(status: PodStatus): boolean {
  return status.phase === 'Succeeded' || status.phase === 'Failed'
}

function imageOf(pod: Pod): string {
  return (pod.spec.containers[0]?.image ?? '').split(':')[0] ?? ''
}
