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
      const worths = names.map((name) => {
        const { nodes, bytes } = view.image(name) ?? { nodes: 0, bytes: 0 }
        return Math.floor(bytes * (nodes / Math.max(1, view.nodes.length)))
      })
      if (worths.every((worth) => worth === 0)) return undefined
      const most = MAX_BYTES_PER_CONTAINER * containers.length
      return {
        of({ images }) {
          const worth = names.reduce((sum, name, i) => sum + (images.has(name) ? (worths[i] as number) : 0), 0)
          const clamped = Math.min(Math.max(worth, MIN_BYTES), most)
          return Math.floor((MAX_NODE_SCORE * (clamped - MIN_BYTES)) / (most - MIN_BYTES))
        },
      }
    },
  }
}
