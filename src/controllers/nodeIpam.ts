/** The node IPAM controller: gives every node its own part of the pods' address range. */
import { nodes, type Node } from '../api/kinds/core/v1.ts'
import { watch, type Controller, type ControllerContext } from '../reconcile/controller.ts'
import { at } from './ownership.ts'

export interface NodeIpamOptions {
  /** IPv4, `10.244.0.0/16`. */
  clusterCidr: string
  /** Prefix length of a node's part: 24. */
  nodeMaskBits: number
}

/** The first part of the range that no node has; undefined when all are taken. */
export function freeCidr({ clusterCidr, nodeMaskBits }: NodeIpamOptions, taken: ReadonlySet<string>): string | undefined {
  const [address = '', bits = ''] = clusterCidr.split('/')
  const octets = address.split('.').map(Number)
  const base = octets.reduce((sum, octet) => sum * 256 + octet, 0)
  const size = 2 ** (32 - nodeMaskBits)
  const count = 2 ** (nodeMaskBits - Number(bits))
  for (let n = 0; n < count; n++) {
    const start = base + n * size
    const cidr = `${[24, 16, 8, 0].map((shift) => Math.floor(start / 2 ** shift) % 256).join('.')}/${nodeMaskBits}`
    if (!taken.has(cidr)) return cidr
  }
  return undefined
}

export function nodeIpamController({ client, informers, events }: ControllerContext, options: NodeIpamOptions): Controller {
  const informer = informers.for(nodes)
  /** Given out, but perhaps not yet in the cache. */
  const given = new Map<string, string>()
  const cidrsOf = (node: Node): string[] => node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : [])
  return {
    name: 'node-ipam-controller',
    workers: 1,
    watches: [watch(nodes, (node) => [node.metadata.name])],
    async reconcile(name, signal) {
      const node = informer.get(name)
      if (!node) {
        given.delete(name)
        return
      }
      if (cidrsOf(node).length > 0) return
      const taken = new Set([
        ...informer.list().flatMap(cidrsOf),
        ...[...given].filter(([other]) => other !== name).map(([, cidr]) => cidr),
      ])
      const cidr = given.get(name) ?? freeCidr(options, taken)
      if (!cidr) {
        events.record(node, { type: 'Normal', reason: 'CIDRNotAvailable', message: `Node ${name} status is now: CIDRNotAvailable` })
        throw new Error(`no part of ${options.clusterCidr} is left for node ${name}`)
      }
      given.set(name, cidr)
      await client.patch(
        nodes,
        { ...at(node), type: 'application/strategic-merge-patch+json', signal },
        { spec: { podCIDR: cidr, podCIDRs: [cidr] } },
      )
    },
  }
}
