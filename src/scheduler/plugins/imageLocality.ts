/** ImageLocality: prefers nodes that have the pod's images already. */
import { MAX_NODE_SCORE, type Plugin } from '../framework.ts'
import { normalizedImageName } from '../nodeInfo.ts'

const MIN_BYTES = 23 * 2 ** 20
const MAX_BYTES_PER_CONTAINER = 1_000 * 2 ** 20

export function newImageLocality(): Plugin {
  return {
    name: 'ImageLocality',
    events: [],
    score({ pod }, view) {
      const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
      const references = (pod.spec.volumes ?? []).flatMap(({ image }) => image?.reference ?? [])
      const names = [...containers.map(({ image = '' }) => image), ...references].map(normalizedImageName)
      // The more nodes have an image, the more it counts: one node alone is not to draw all of its users.
      const spreads = names.map((name) => view.nodesWithImage(name) / Math.max(1, view.nodes.length))
      if (spreads.every((spread) => spread === 0)) return undefined
      const most = MAX_BYTES_PER_CONTAINER * containers.length
      return {
        of({ images }) {
          const bytes = names.reduce((sum, name, i) => sum + Math.floor((images.get(name) ?? 0) * (spreads[i] as number)), 0)
          const clamped = Math.min(Math.max(bytes, MIN_BYTES), most)
          return Math.floor((MAX_NODE_SCORE * (clamped - MIN_BYTES)) / (most - MIN_BYTES))
        },
      }
    },
  }
}
