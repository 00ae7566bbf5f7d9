/** The commands that make a pod's link, as input for `ip -batch`. Pure. */
import { familyOf, IPV4, parseIp, type IpFamily } from '../../base/ipFamily.ts'

/** Device names of ours on the node: this and the pod's address in hex. */
export const LINK_PREFIX = 'pod'
export const POD_DEVICE = 'eth0'
/** Every pod's next hop. It is on no device: the pods know its link address (the node's end of their pair) for good. */
const GATEWAYS: Record<IpFamily['name'], string> = { IPv4: '169.254.1.1', IPv6: 'fe80::1' }
const GATEWAY_LINK_ADDRESS = '02:6d:63:00:00:01'

/** What of an address differs among the pods of a node. */
function hexOf(ip: string): string {
  const address = parseIp(ip)
  if (address === undefined) throw new RangeError(`not an IP address: "${ip}"`)
  return (address & 0xffffffffn).toString(16).padStart(8, '0')
}

/** By the first of the pod's addresses. */
export function linkNameOf(ip: string): string {
  return `${LINK_PREFIX}${hexOf(ip)}`
}

/** As CNI's plugins do it: made from the pod's first address, so that no one has to ask for it. */
export function podLinkAddressOf(ip: string): string {
  return ['0a', '58', ...(hexOf(ip).match(/../g) ?? [])].join(':')
}

export interface PodAddresses {
  /** One of each family; the first names the link. */
  ips: readonly string[]
  /** The node's addresses: what the node's own processes talk to pods from. A family without one leaves the choice to the kernel. */
  nodeIps: readonly string[]
}

export interface LinkPlan extends PodAddresses {
  /** The file of the pod's network namespace. */
  netns: string
  mtu: number
}

export function firstOf(ips: readonly string[]): string {
  const [ip] = ips
  if (ip === undefined) throw new RangeError('a pod has an address of each family here, not none')
  return ip
}

/** In the node's namespace; fails if the link is there. */
export function nodeLinkBatch(plan: LinkPlan): string {
  const { ips, netns, mtu } = plan
  const link = linkNameOf(firstOf(ips))
  const podLinkAddress = podLinkAddressOf(firstOf(ips))
  return lines(
    `link add name ${link} address ${GATEWAY_LINK_ADDRESS} mtu ${mtu} type veth ` +
      `peer name ${POD_DEVICE} address ${podLinkAddress} mtu ${mtu} netns ${netns}`,
    `link set dev ${link} addrgenmode none`,
    `link set dev ${link} up`,
    ...nodeRouteCommands(plan),
  )
}

/** Routes to a link that is there already; harmless to repeat. */
export function nodeRouteBatch(pod: PodAddresses): string {
  return lines(`link set dev ${linkNameOf(firstOf(pod.ips))} up`, ...nodeRouteCommands(pod))
}

function nodeRouteCommands({ ips, nodeIps }: PodAddresses): string[] {
  const link = linkNameOf(firstOf(ips))
  const podLinkAddress = podLinkAddressOf(firstOf(ips))
  return ips.flatMap((ip) => {
    const family = familyOf(ip)
    const nodeIp = nodeIps.find((address) => familyOf(address) === family)
    return [
      `route replace ${ip}/${family.bits} dev ${link}${family === IPV4 ? ' scope link' : ''}${nodeIp ? ` src ${nodeIp}` : ''}`,
      `neigh replace ${ip} lladdr ${podLinkAddress} dev ${link} nud permanent`,
    ]
  })
}

/** In the pod's namespace; harmless to repeat. */
export function podLinkBatch(ips: readonly string[]): string {
  // Nobody else has the address: there is no other on this link to ask.
  const added = ips.map((ip) => `addr replace ${ip}/${familyOf(ip).bits} dev ${POD_DEVICE}${familyOf(ip) === IPV4 ? '' : ' nodad'}`)
  return lines('link set dev lo up', ...added, `link set dev ${POD_DEVICE} up`, ...ips.flatMap((ip) => podRouteCommands(familyOf(ip))))
}

function podRouteCommands(family: IpFamily): string[] {
  const gateway = GATEWAYS[family.name]
  return [
    `neigh replace ${gateway} lladdr ${GATEWAY_LINK_ADDRESS} dev ${POD_DEVICE} nud permanent`,
    // A gateway of IPv6 is on the link by its address.
    ...(family === IPV4 ? [`route replace ${gateway}/${family.bits} dev ${POD_DEVICE} scope link`] : []),
    `route replace default via ${gateway} dev ${POD_DEVICE}`,
  ]
}

function lines(...commands: string[]): string {
  return `${commands.join('\n')}\n`
}
