/**
 * The TTL controller: tells the kubelets by an annotation of their Node for how long they may keep what they know of Secrets and
 * ConfigMaps, which is longer the more nodes ask (upstream's pkg/controller/ttl).
 */
import { nodes } from '../api/kinds/core/v1.ts'
import { isNotFound } from '../api/status.ts'
import { watch, type Controller, type ControllerContext } from '../reconcile/controller.ts'

const ANNOTATION = 'node.alpha.kubernetes.io/ttl'

/** Clusters of these sizes have this time. Neighbours overlap, so that a node more or less does not change it back and forth. */
const STEPS = [
  { least: 0, most: 100, seconds: 0 },
  { least: 90, most: 500, seconds: 15 },
  { least: 450, most: 1_000, seconds: 30 },
  { least: 900, most: 2_000, seconds: 60 },
  { least: 1_800, most: Infinity, seconds: 300 },
]

/** The step for a number of nodes, coming from the step before. */
export function ttlStep(nodeCount: number, before: number): number {
  let step = before
  while (nodeCount > (STEPS[step]?.most ?? Infinity)) step++
  while (nodeCount < (STEPS[step]?.least ?? 0)) step--
  return step
}

export const ttlSeconds = (step: number): number => STEPS[step]?.seconds ?? 0

export function ttlController({ client, informers }: ControllerContext): Controller {
  const informer = informers.for(nodes)
  let step = 0
  return {
    name: 'ttl-controller',
    watches: [watch(nodes, (node) => [node.metadata.name])],
    async reconcile(name, signal) {
      step = ttlStep(informer.list().length, step)
      const node = informer.get(name)
      const wanted = String(ttlSeconds(step))
      if (!node || node.metadata.annotations?.[ANNOTATION] === wanted) return
      const patch = { metadata: { annotations: { [ANNOTATION]: wanted } } }
      try {
        await client.patch(nodes, { name, type: 'application/merge-patch+json', signal }, patch)
      } catch (error) {
        if (!isNotFound(error)) throw error
      }
    },
  }
}
