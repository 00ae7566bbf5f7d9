/**
 * The network that node containers share. Its range is chosen by us, because only then does an engine let a container keep a
 * fixed address, and with it everything inside (certificates, rules) stays the same across restarts. Clusters of both IP
 * families have a network of their own beside that of the others, which stays as it is.
 */
import { existsSync } from 'node:fs'
import { addressAt, offsetIn, parseIpRange } from '../base/ipFamily.ts'
import type { Engine, EngineInfo } from './engine/engine.ts'
import { addressIn, freeSubnets, hostRanges, NETWORK_SUBNETS, parseCidr } from './engine/subnet.ts'
import { API_PORT_LABEL, MANAGED_LABEL, NETWORK_NAME, PROFILE_LABEL } from './names.ts'
import { UserError } from './userError.ts'

/** The engine's own bridge is masqueraded by this name where it is our engine. */
const BRIDGE_NAME = 'mkbr-minicube'
const FIRST_NODE = 10
const LAST_NODE = 250

/** kind's networking.ipFamily, as far as there is one: `dual` is IPv4 and IPv6. */
export type IpFamilies = 'ipv4' | 'dual'

export interface NodeNetwork {
  name: string
  subnet: string
  /** Where it has both families. */
  ipv6Subnet?: string
}

const NAMES: Record<IpFamilies, string> = { ipv4: NETWORK_NAME, dual: `${NETWORK_NAME}-dual` }
/** At most 15 characters. */
const BRIDGE_NAMES: Record<IpFamilies, string> = { ipv4: BRIDGE_NAME, dual: `${BRIDGE_NAME}6` }
/** Unique local addresses (RFC 4193), one range for each place in the list of the others. */
const ipv6SubnetFor = (subnet: string): string => `fd6d:6e63:7562:${(NETWORK_SUBNETS.indexOf(subnet) + 1).toString(16)}::/64`

export const ipFamiliesOf = ({ ipv6Subnet }: Pick<NodeNetwork, 'ipv6Subnet'>): IpFamilies => (ipv6Subnet ? 'dual' : 'ipv4')

/** A node's address of each family: the same place in both ranges. */
export function addressesIn({ subnet, ipv6Subnet }: NodeNetwork, nodeIP: string): { IPv4Address: string; IPv6Address?: string } {
  const place = ipv6Subnet && offsetIn(parseIpRange(subnet), nodeIP)
  return { IPv4Address: nodeIP, ...(ipv6Subnet && place && { IPv6Address: addressAt(parseIpRange(ipv6Subnet), place) }) }
}

function noIpv6(why: string, cause?: unknown): UserError {
  return new UserError({
    area: 'IF',
    sort: 'UNSUPPORTED',
    message: `this engine cannot give a node an IPv6 address: ${why}`,
    hint: 'Turn on IPv6 where the engine runs (sysctl net.ipv6.conf.all.disable_ipv6=0, a kernel not started with ipv6.disable=1), or start without --ip-family dual',
    cause,
  })
}

export async function ensureNetwork(
  engine: Engine,
  info: Pick<EngineInfo, 'local'>,
  ipFamily: IpFamilies,
  procfs = '/proc',
): Promise<NodeNetwork> {
  const existing = await findNetwork(engine, ipFamily)
  if (existing) return existing
  if (ipFamily === 'dual' && info.local && !existsSync(`${procfs}/sys/net/ipv6`)) throw noIpv6('its kernel has no IPv6')
  const name = NAMES[ipFamily]
  const candidates = freeSubnets(NETWORK_SUBNETS, info.local ? await hostRanges() : [])
  for (const subnet of candidates) {
    const ipv6Subnet = ipFamily === 'dual' ? ipv6SubnetFor(subnet) : undefined
    try {
      await engine.docker.createNetwork({
        Name: name,
        CheckDuplicate: true,
        Driver: 'bridge',
        ...(ipv6Subnet && { EnableIPv6: true }),
        IPAM: {
          Driver: 'default',
          Config: [{ Subnet: subnet, Gateway: addressIn(subnet, 1) }, ...(ipv6Subnet ? [{ Subnet: ipv6Subnet }] : [])],
        },
        Options: { 'com.docker.network.bridge.name': BRIDGE_NAMES[ipFamily], 'com.docker.network.driver.mtu': '1500' },
        Labels: { [MANAGED_LABEL]: 'true' },
      })
      return { name, subnet, ...(ipv6Subnet && { ipv6Subnet }) }
    } catch (error) {
      const message = error instanceof Error ? error.message : ''
      // Somebody made it meanwhile.
      if (/already exists/i.test(message)) {
        const other = await findNetwork(engine, ipFamily)
        if (other) return other
      }
      if (/overlap|conflicts with network/i.test(message)) continue
      throw ipFamily === 'dual' && /ipv6|inet6/i.test(message) ? noIpv6(message, error) : error
    }
  }
  throw new UserError({
    area: 'IF',
    sort: 'CONFLICT',
    message: 'every address range that minicube could use for its network is taken',
    hint: 'Remove unused ones: docker network prune',
  })
}

async function findNetwork(engine: Engine, ipFamily: IpFamilies): Promise<NodeNetwork | undefined> {
  const name = NAMES[ipFamily]
  const found = (await engine.docker.listNetworks({ filters: { name: [name] } })).find((network) => network.Name === name)
  if (!found) return undefined
  const subnets = found.IPAM?.Config?.flatMap((config) => config.Subnet ?? []) ?? []
  const subnet = subnets.find((one) => parseCidr(one)) ?? ''
  if (ipFamily === 'ipv4') return { name, subnet }
  const ipv6Subnet = subnets.find((one) => one.includes(':'))
  if (!ipv6Subnet) throw noIpv6(`the network ${name} is there without IPv6; remove it (docker network rm ${name})`)
  return { name, subnet, ipv6Subnet }
}

/** The first address of the network that no other profile has; empty where the engine must choose. */
export function chooseNodeIP(subnet: string, taken: ReadonlySet<string>): string {
  if (!subnet) return ''
  for (let index = FIRST_NODE; index <= LAST_NODE; index++) {
    const address = addressIn(subnet, index)
    if (!taken.has(address)) return address
  }
  throw new UserError({ area: 'IF', sort: 'UNAVAILABLE', message: `the network ${subnet} has no address left for a node` })
}

export interface KeptByOthers {
  nodeIPs: readonly string[]
  /** The host's ports of their API servers. */
  apiPorts: readonly number[]
}

/** What containers of other clusters keep, running or not, also those of other users' profiles. */
export async function keptByOthers(engine: Engine, profile: string): Promise<KeptByOthers> {
  const containers = (await engine.docker.listContainers({ all: true, filters: { label: [PROFILE_LABEL] } })).filter(
    ({ Labels }) => Labels[PROFILE_LABEL] !== profile,
  )
  type Endpoint = { IPAddress?: string; IPAMConfig?: { IPv4Address?: string } | null } | undefined
  const nodeIPs = containers.flatMap(({ NetworkSettings }) =>
    Object.values(NAMES).map((name) => {
      const endpoint = NetworkSettings.Networks[name] as Endpoint
      return endpoint?.IPAMConfig?.IPv4Address || endpoint?.IPAddress || ''
    }),
  )
  return {
    nodeIPs: nodeIPs.filter((address) => address !== ''),
    apiPorts: containers.map(({ Labels }) => Number(Labels[API_PORT_LABEL])).filter((port) => port > 0),
  }
}

/** Removes the networks, each if nothing uses it any more. */
export async function removeNetwork(engine: Engine): Promise<void> {
  const names: readonly string[] = Object.values(NAMES)
  const found = (await engine.docker.listNetworks({ filters: { name: [NETWORK_NAME] } })).filter(({ Name }) => names.includes(Name))
  for (const { Name } of found) {
    await engine.docker
      .getNetwork(Name)
      .remove()
      .catch((error: unknown) => {
        if (!(error instanceof Error && /active endpoints|not found|no such network/i.test(error.message))) throw error
      })
  }
}
