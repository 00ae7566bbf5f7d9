/** ImageLocality: prefers nodes that have the pod's images already. */
import { MAX_NODE_SCORE, type ScorePlugin } from '../framework.ts'

const MIN_BYTES = 23 * 1024 * 1024
const MAX_BYTES_PER_CONTAINER = 1024 * 1024 * 1024

const withTag = (name: string): string => (name.includes('@') || /:[^/]+$/.test(name) ? name : `${name}:latest`)

export const imageLocalityScore: ScorePlugin = {
  name: 'ImageLocality',
  weight: 1,
  prepare(pod, snapshot) {
    const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
    const names = containers.map((c) => withTag(c.image ?? ''))
    const sizes = snapshot.nodes.map(({ node }) => {
      const bySize = new Map(
        (node.status?.images ?? []).flatMap((image) => (image.names ?? []).map((name) => [name, image.sizeBytes ?? 0] as const)),
      )
      return [node.metadata.name, bySize] as const
    })
    const byNode = new Map(sizes)
    const spread = (name: string): number => sizes.filter(([, bySize]) => bySize.has(name)).length / Math.max(1, sizes.length)
    return ({ node }) => {
      const images = byNode.get(node.metadata.name)
      const bytes = names.reduce((sum, name) => sum + Math.floor((images?.get(name) ?? 0) * spread(name)), 0)
      const most = MAX_BYTES_PER_CONTAINER * names.length
      const clamped = Math.min(Math.max(bytes, MIN_BYTES), most)
      return Math.floor((MAX_NODE_SCORE * (clamped - MIN_BYTES)) / (most - MIN_BYTES))
    }
  },
}
