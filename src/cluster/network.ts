/**
 * The network that node containers share. Its range is chosen by us, because only then does an engine let a container keep a
 * fixed address, and with it everything inside (certificates, rules) stays the same across restarts.
 */
import type { Engine, EngineInfo } from './engine/engine.ts'
import { addressIn, freeSubnets, hostRanges, NETWORK_SUBNETS, parseCidr } from './engine/subnet.ts'
import { MANAGED_LABEL, NETWORK_NAME, PROFILE_LABEL } from './names.ts'
import { UserError } from './userError.ts'

/** The engine's own bridge is masqueraded by this name where it is our engine. */
const BRIDGE_NAME = 'mkbr-minicube'
const FIRST_NODE = 10
const LAST_NODE = 250

export interface NodeNetwork {
  name: string
  subnet: string
}

export async function ensureNetwork(engine: Engine, info: Pick<EngineInfo, 'local'>): Promise<NodeNetwork> {
  const existing = await findNetwork(engine)
  if (existing) return existing
  const candidates = freeSubnets(NETWORK_SUBNETS, info.local ? await hostRanges() : [])
  for (const subnet of candidates) {
    try {
      await engine.docker.createNetwork({
        Name: NETWORK_NAME,
        CheckDuplicate: true,
        Driver: 'bridge',
        IPAM: { Driver: 'default', Config: [{ Subnet: subnet, Gateway: addressIn(subnet, 1) }] },
        Options: { 'com.docker.network.bridge.name': BRIDGE_NAME, 'com.docker.network.driver.mtu': '1500' },
        Labels: { [MANAGED_LABEL]: 'true' },
      })
      return { name: NETWORK_NAME, subnet }
    } catch (error) {
      const message = error instanceof Error ? error.message : ''
      // Somebody made it meanwhile.
      if (/already exists/i.test(message)) {
        const other = await findNetwork(engine)
        if (other) return other
      }
      if (!/overlap|conflicts with network/i.test(message)) throw error
    }
  }
  throw new UserError({
    area: 'IF',
    sort: 'CONFLICT',
    message: 'every address range that minicube could use for its network is taken',
    hint: 'Remove unused ones: docker network prune',
  })
}

async function findNetwork(engine: Engine): Promise<NodeNetwork | undefined> {
  const found = (await engine.docker.listNetworks({ filters: { name: [NETWORK_NAME] } })).find((network) => network.Name === NETWORK_NAME)
  const subnet = found?.IPAM?.Config?.find((config) => config.Subnet && parseCidr(config.Subnet))?.Subnet
  return found && { name: NETWORK_NAME, subnet: subnet ?? '' }
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

/** Addresses that node containers keep, running or not, also those of other users' profiles. */
export async function otherNodeIPs(engine: Engine, profile: string): Promise<string[]> {
  const containers = await engine.docker.listContainers({ all: true, filters: { label: [PROFILE_LABEL] } })
  return containers
    .filter((container) => container.Labels[PROFILE_LABEL] !== profile)
    .map((container) => {
      const endpoint = container.NetworkSettings.Networks[NETWORK_NAME] as
        | { IPAddress?: string; IPAMConfig?: { IPv4Address?: string } | null }
        | undefined
      return endpoint?.IPAMConfig?.IPv4Address || endpoint?.IPAddress || ''
    })
    .filter((address) => address !== '')
}

/** Removes the network if nothing uses it any more. */
export async function removeNetwork(engine: Engine): Promise<void> {
  const network = await findNetwork(engine)
  if (!network) return
  await engine.docker
    .getNetwork(network.name)
    .remove()
    .catch((error: unknown) => {
      if (!(error instanceof Error && /active endpoints|not found|no such network/i.test(error.message))) throw error
    })
}
