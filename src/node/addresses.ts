/** The addresses of the node: where it is reached, and the part of its networks that load balancers may use. */
import { networkInterfaces } from 'node:os'
import { run } from '../base/exec.ts'
import { addressAt, IP_FAMILIES, IPV4, IPV6, isOfFamily, offsetIn, parseIp, parseIpRange, type IpFamily } from '../base/ipFamily.ts'

export interface NodeAddress {
  /** The first of them. */
  ip: string
  /** One of each family that the cluster has. */
  ips: readonly string[]
  /** `eth0`. */
  device: string
  /** Of the networks that the addresses are in, e.g. `172.20.0.0/16`. */
  cidrs: readonly string[]
}

/** Where a server listens that is to be reached at all addresses of the node. */
export const anyAddress = ({ ips }: Pick<NodeAddress, 'ips'>): string => (ips.length > 1 ? IPV6 : IPV4).unspecified

const LINK_LOCAL = parseIpRange('fe80::/10')

/**
 * Of one device that is neither loopback nor one of ours (pod links, guards): the first address of each family. Load balancers'
 * addresses are there as well, of ranges with nothing else in them: what an earlier process announced is not the node's own.
 */
export function nodeAddress(families: readonly IpFamily[] = [IPV4], interfaces = networkInterfaces()): NodeAddress {
  for (const [device, addresses] of Object.entries(interfaces)) {
    if (!/^(eth|en|wl)/.test(device)) continue
    const found = families.flatMap(({ name, bits }) => {
      const all = addresses?.filter(({ family, internal, address }) => family === name && !internal && !isLinkLocal(address))
      const one = all?.find(({ cidr }) => !cidr?.endsWith(`/${bits}`)) ?? all?.[0]
      return one?.cidr ? [{ ip: one.address, cidr: one.cidr }] : []
    })
    const [first] = found
    if (first && found.length === families.length)
      return { ip: first.ip, ips: found.map(({ ip }) => ip), device, cidrs: found.map(({ cidr }) => cidr) }
  }
  throw new Error(`the node has no ${families.map(({ name }) => name).join(' and ')} address: is the container attached to such a network?`)
}

function isLinkLocal(address: string): boolean {
  const number = address.includes(':') ? parseIp(address) : undefined
  return number !== undefined && number >> 118n === LINK_LOCAL.first >> 118n
}

const POOL_SIZE = 50
/** How many addresses of a large network are one node's. */
const NODE_SHARE = 2 ** 16

/**
 * The upper end of an IPv4 network, without its broadcast address: engines give out addresses from the lower end. An IPv6
 * network has room for a share for each node, so that clusters in one network stay out of each other's way.
 */
export function loadBalancerPool({ cidrs }: Pick<NodeAddress, 'cidrs'>): string[] {
  return cidrs.flatMap((cidr) => {
    const range = parseIpRange(cidr)
    if (range.size < 4 * POOL_SIZE) return []
    const share = range.family === IPV4 ? undefined : shareOf(cidr)
    const first = share ?? range.size - 1 - POOL_SIZE
    return Array.from({ length: POOL_SIZE }, (_, i) => addressAt(range, first + i))
  })
}

/** Where a node's share of its network begins; undefined in a network that is too small for shares. */
function shareOf(cidr: string): number | undefined {
  const range = parseIpRange(cidr)
  const place = offsetIn(range, cidr.split('/')[0] ?? '') ?? 0
  return place > 0 && place < NODE_SHARE && range.size >= NODE_SHARE ** 2 ? place * NODE_SHARE + 1 : undefined
}

/** The kernel would take the newest address for the source of what the node and its pods send, and end that with the balancer. */
const NO_SOURCE = ' nodad preferred_lft 0'

/** Makes the node answer for exactly these addresses of the pool. */
export function createAnnouncer(
  device: string,
  pool: readonly string[],
): (addresses: readonly string[], signal: AbortSignal) => Promise<void> {
  let announced: readonly string[] | undefined
  const families = IP_FAMILIES.filter((family) => pool.some(isOfFamily(family)))
  return async (addresses, signal) => {
    announced ??= (await Promise.all(families.map((family) => presentOn(device, family, signal)))).flat()
    const added = addresses.filter((ip) => !announced?.includes(ip))
    const removed = announced.filter((ip) => !addresses.includes(ip))
    if (added.length === 0 && removed.length === 0) return
    const batch = [
      ...removed.map((ip) => `addr del ${ip}/${bitsOf(ip)} dev ${device}`),
      ...added.map((ip) => `addr replace ${ip}/${bitsOf(ip)} dev ${device}${isOfFamily(IPV4)(ip) ? '' : NO_SOURCE}`),
    ]
    await run('ip', ['-force', '-batch', '-'], { input: `${batch.join('\n')}\n`, signal })
    announced = [...addresses]
    // An address may come from another node: neighbours are told, who would find out by themselves only after some seconds.
    const told = added.filter(isOfFamily(IPV4)).map((ip) => run('busybox', ['arping', '-q', '-U', '-c', '1', '-I', device, ip], { signal }))
    await Promise.allSettled(told)
  }
}

const bitsOf = (ip: string): number => (isOfFamily(IPV4)(ip) ? 32 : 128)

/** Only ours are whole addresses. */
async function presentOn(device: string, { flag, bits }: IpFamily, signal: AbortSignal): Promise<string[]> {
  const { stdout } = await run('ip', [flag, '-o', 'addr', 'show', 'dev', device], { signal })
  return [...stdout.matchAll(/inet6? ([0-9a-f.:]+)\/(\d+)/g)].flatMap(([, ip, prefix]) => (ip && Number(prefix) === bits ? [ip] : []))
}
