/**
 * The node lifecycle controller: listens to the heartbeats (leases, and status) of the nodes, and turns what it hears into
 * conditions, taints and the readiness of pods (upstream's pkg/controller/nodelifecycle).
 */
import { leases } from '../../api/kinds/coordination/v1.ts'
import { nodes, pods, type Node, type Pod } from '../../api/kinds/core/v1.ts'
import { findCondition, timestamp } from '../../api/meta.ts'
import type { KubeObject } from '../../api/resource.ts'
import { isNotFound } from '../../api/status.ts'
import { hasFinished } from '../../api/pods.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { at } from '../ownership.ts'
import { Heartbeats, LEASE_NAMESPACE, type Graces } from './heartbeats.ts'
import { LostPods } from './lostPods.ts'
import { isEvicting, planLabels, planTaints, planUnknown, readiness, readinessTaint } from './plan.ts'
import { DEFAULT_EVICTION_RATES, EvictionZones, type EvictionRates } from './zones.ts'

export const BY_NODE = 'nodeName'

export function podsByNode(pod: Pod): string[] {
  return pod.spec.nodeName ? [pod.spec.nodeName] : []
}

export interface NodeLifecycleOptions extends EvictionRates, Graces {}

/** Upstream's defaults. */
const DEFAULT_OPTIONS: NodeLifecycleOptions = { graceMs: 50_000, startupGraceMs: 60_000, ...DEFAULT_EVICTION_RATES }

export function nodeLifecycleController(context: ControllerContext, given: Partial<NodeLifecycleOptions> = {}): Controller {
  const options = { ...DEFAULT_OPTIONS, ...given }
  const { client, informers, events, clock } = context
  const nodeInformer = informers.for(nodes)
  const podInformer = informers.for(pods)
  podInformer.addIndex(BY_NODE, podsByNode)
  const heartbeats = new Heartbeats(informers.for(leases, { namespace: LEASE_NAMESPACE }), clock, options)
  const known = new Map<string, Node>()
  const lostPods = new LostPods()
  const zones = new EvictionZones(options, clock)

  async function markPodsNotReady(node: Node, keys: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    for (const key of keys) {
      const pod = podInformer.get(key)
      const ready = findCondition(pod?.status?.conditions, 'Ready')
      if (!pod || pod.spec.nodeName !== node.metadata.name || hasFinished(pod) || ready?.status !== 'True') continue
      const changed = { ...ready, status: 'False', lastTransitionTime: timestamp(clock.now()) }
      const conditions = (pod.status?.conditions ?? []).map((condition) => (condition === ready ? changed : condition))
      try {
        await client.update(pods, { ...pod, status: { ...pod.status, conditions } }, { subresource: 'status', signal })
        events.record(pod, { type: 'Warning', reason: 'NodeNotReady', message: 'Node is not ready' })
      } catch (error) {
        if (!isNotFound(error)) throw error
      }
    }
    lostPods.told(node.metadata.name)
  }

  /** A node's events tell of the node itself, whatever state it is in. */
  function told(node: Node, reason: string, message: string): void {
    const { name, uid } = node.metadata
    const about = { apiVersion: 'v1', kind: 'Node', metadata: { name, uid } } as KubeObject
    events.record(about, { type: 'Normal', reason, message: `Node ${name} ${message}` })
  }

  async function setLabels(node: Node, signal: AbortSignal): Promise<void> {
    const labels = planLabels(node)
    if (labels) await client.patch(nodes, { ...at(node), type: 'application/strategic-merge-patch+json', signal }, { metadata: { labels } })
  }

  /** Answers how long the node has to wait before it may drive its pods away; undefined where it needs not, or not for a time known. */
  async function setTaints(node: Node, signal: AbortSignal): Promise<number | undefined> {
    const { name, resourceVersion } = node.metadata
    const needsTurn = readinessTaint(node) !== undefined && !zones.isDisrupted && !isEvicting(node)
    if (!needsTurn) zones.leave(name)
    const waitMs = needsTurn ? zones.waitMs(name) : undefined
    const taints = planTaints(node, !zones.isDisrupted && (!needsTurn || waitMs === 0), clock.now())
    if (taints) {
      const patch = { metadata: { resourceVersion }, spec: { taints: taints.length > 0 ? taints : null } }
      await client.patch(nodes, { ...at(node), type: 'application/merge-patch+json', signal }, patch)
    }
    if (waitMs === 0) zones.took(name)
    return waitMs === 0 ? undefined : waitMs
  }

  /** What becomes of a node may decide on the taints of others. */
  function concerned({ metadata: { name } }: Node): readonly string[] {
    const wasDisrupted = zones.isDisrupted
    const names = zones.observe(name, nodeInformer.get(name))
    // Whoever hears again hears others later, too.
    if (wasDisrupted && !zones.isDisrupted) heartbeats.hearAll()
    return names
  }

  return {
    name: 'node-lifecycle-controller',
    watches: [
      watch(nodes, concerned),
      watch(leases, (lease) => [lease.metadata.name], { namespace: LEASE_NAMESPACE }),
      {
        start(_, enqueue) {
          podInformer.onChange((change) => {
            const lost = lostPods.arrived(change, (name) => nodeInformer.get(name))
            if (lost) enqueue(lost)
          })
          return podInformer
        },
      },
    ],
    async reconcile(name, signal): Promise<Outcome> {
      const node = nodeInformer.get(name)
      if (!node) {
        const gone = known.get(name)
        if (gone) told(gone, 'RemovingNode', `event: Removing Node ${name} from Controller`)
        known.delete(name)
        lostPods.told(name)
        heartbeats.forget(name)
        return
      }
      if (known.get(name)?.metadata.uid !== node.metadata.uid) told(node, 'RegisteredNode', `event: Registered Node ${name} in Controller`)
      known.set(name, node)
      const leftMs = heartbeats.leftMs(node)
      const unknown = leftMs <= 0 ? planUnknown(node, clock.now()) : undefined
      if (unknown) {
        if (readiness(node) === 'True') {
          told(node, 'NodeNotReady', 'status is now: NodeNotReady')
          lostPods.add(name, podInformer.byIndex(BY_NODE, name))
        }
        await client.update(nodes, { ...node, status: { ...node.status, conditions: unknown } }, { subresource: 'status', signal })
        return
      }
      await setLabels(node, signal)
      const waitMs = await setTaints(node, signal)
      const toTell = lostPods.of(node)
      if (toTell.size > 0) await markPodsNotReady(node, toTell, signal)
      const again = [leftMs, waitMs ?? 0].filter((ms) => ms > 0)
      if (again.length > 0) return { requeueAfterMs: Math.min(...again) }
    },
  }
}
