/** The commands that make a pod's link, as input for `ip -batch`. Pure. */
import { ipv4ToNumber } from './addressPool.ts'

/** Device names of ours on the node: this and the pod's address in hex. */
export const LINK_PREFIX = 'pod'
export const POD_DEVICE = 'eth0'
/** Every pod's next hop. It is on no device: the pods know its link address (the node's end of their pair) for good. */
const GATEWAY = '169.254.1.1'
const GATEWAY_LINK_ADDRESS = '02:6d:63:00:00:01'

function hexOf(ip: string): string {
  return ipv4ToNumber(ip).toString(16).padStart(8, '0')
}

export function linkNameOf(ip: string): string {
  return `${LINK_PREFIX}${hexOf(ip)}`
}

/** As CNI's plugins do it: made from the address, so that no one has to ask for it. */
export function podLinkAddressOf(ip: string): string {
  return ['0a', '58', ...(hexOf(ip).match(/../g) ?? [])].join(':')
}

export interface LinkPlan {
  ip: string
  /** The file of the pod's network namespace. */
  netns: string
  mtu: number
  /** The node's address: what the node's own processes talk to pods from. Undefined leaves the choice to the kernel. */
  nodeIp?: string
}

/** In the node's namespace; fails if the link is there. */
export function nodeLinkBatch({ ip, netns, mtu, nodeIp }: LinkPlan): string {
  const link = linkNameOf(ip)
  const podLinkAddress = podLinkAddressOf(ip)
  return lines(
    `link add name ${link} address ${GATEWAY_LINK_ADDRESS} mtu ${mtu} type veth ` +
      `peer name ${POD_DEVICE} address ${podLinkAddress} mtu ${mtu} netns ${netns}`,
    `link set dev ${link} addrgenmode none`,
    `link set dev ${link} up`,
    ...nodeRouteCommands(ip, nodeIp),
  )
}

/** Routes to a link that is there already; harmless to repeat. */
export function nodeRouteBatch(ip: string, nodeIp?: string): string {
  return lines(`link set dev ${linkNameOf(ip)} up`, ...nodeRouteCommands(ip, nodeIp))
}

function nodeRouteCommands(ip: string, nodeIp: string | undefined): string[] {
  const link = linkNameOf(ip)
  return [
    `route replace ${ip}/32 dev ${link} scope link${nodeIp ? ` src ${nodeIp}` : ''}`,
    `neigh replace ${ip} lladdr ${podLinkAddressOf(ip)} dev ${link} nud permanent`,
  ]
}

/** In the pod's namespace; harmless to repeat. */
export function podLinkBatch(ip: string): string {
  return lines(
    'link set dev lo up',
    `addr replace ${ip}/32 dev ${POD_DEVICE}`,
    `link set dev ${POD_DEVICE} up`,
    `neigh replace ${GATEWAY} lladdr ${GATEWAY_LINK_ADDRESS} dev ${POD_DEVICE} nud permanent`,
    `route replace ${GATEWAY}/32 dev ${POD_DEVICE} scope link`,
    `route replace default via ${GATEWAY} dev ${POD_DEVICE}`,
  )
}

function lines(...commands: string[]): string {
  return `${commands.join('\n')}\n`
}
