/** The node IPAM controller: gives every node its own part of the pods' address ranges, one of each IP family. */
import { formatIp, parseIpRange } from '../base/ipFamily.ts'
import { nodes, type Node } from '../api/kinds/core/v1.ts'
import { watch, type Controller, type ControllerContext } from '../reconcile/controller.ts'
import { at } from './ownership.ts'

export interface PodRange {
  /** `10.244.0.0/16`. */
  clusterCidr: string
  /** Prefix length of a node's part: 24. */
  nodeMaskBits: number
}

export interface NodeIpamOptions {
  /** One, or one of each family; the first one's part becomes the node's podCIDR. */
  ranges: readonly PodRange[]
}

/** The first part of the range that no node has; undefined when all are taken. */
export function freeCidr({ clusterCidr, nodeMaskBits }: PodRange, taken: ReadonlySet<string>): string | undefined {
  const range = parseIpRange(clusterCidr)
  const step = 1n << BigInt(range.family.bits - nodeMaskBits)
  const count = 2 ** (nodeMaskBits - range.prefix)
  for (let n = 0; n < count; n++) {
    const cidr = `${formatIp(range.family, range.first + BigInt(n) * step)}/${nodeMaskBits}`
    if (!taken.has(cidr)) return cidr
  }
  return undefined
}

export function nodeIpamController({ client, informers, events }: ControllerContext, options: NodeIpamOptions): Controller {
  const informer = informers.for(nodes)
  /** Given out, but perhaps not yet in the cache. */
  const given = new Map<string, string[]>()
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
        ...[...given].filter(([other]) => other !== name).flatMap(([, cidrs]) => cidrs),
      ])
      const cidrs = given.get(name) ?? options.ranges.flatMap((range) => freeCidr(range, taken) ?? [])
      const [podCIDR] = cidrs
      if (podCIDR === undefined || cidrs.length < options.ranges.length) {
        events.record(node, { type: 'Normal', reason: 'CIDRNotAvailable', message: `Node ${name} status is now: CIDRNotAvailable` })
        throw new Error(`no part of ${options.ranges.map(({ clusterCidr }) => clusterCidr).join(' or ')} is left for node ${name}`)
      }
      given.set(name, cidrs)
      await client.patch(
        nodes,
        { ...at(node), type: 'application/strategic-merge-patch+json', signal },
        { spec: { podCIDR, podCIDRs: cidrs } },
      )
    },
  }
}
