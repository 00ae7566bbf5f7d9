/** The addresses of the node: where it is reached, and the part of its network that load balancers may use. */
import { networkInterfaces } from 'node:os'
import { run } from '../base/exec.ts'

export interface NodeAddress {
  ip: string
  /** `eth0`. */
  device: string
  /** Of the network that the address is in, e.g. `172.20.0.0/16`. */
  cidr: string
}

/** The first IPv4 address that is neither loopback nor one of ours (pod links, guards). */
export function nodeAddress(interfaces = networkInterfaces()): NodeAddress {
  for (const [device, addresses] of Object.entries(interfaces)) {
    if (!/^(eth|en|wl)/.test(device)) continue
    const found = addresses?.find(({ family, internal }) => family === 'IPv4' && !internal)
    if (found?.cidr) return { ip: found.address, device, cidr: found.cidr }
  }
  throw new Error('the node has no IPv4 address: is the container attached to a network?')
}

const toNumber = (ip: string): number => ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
const toIp = (n: number): string => [24, 16, 8, 0].map((shift) => Math.floor(n / 2 ** shift) % 256).join('.')

const POOL_SIZE = 50

/** The upper end of the network, without its broadcast address: engines give out addresses from the lower end. */
export function loadBalancerPool({ ip, cidr }: NodeAddress): string[] {
  const bits = Number(cidr.split('/')[1])
  const size = 2 ** (32 - bits)
  if (size < 4 * POOL_SIZE) return []
  const base = Math.floor(toNumber(ip) / size) * size
  const first = base + size - 1 - POOL_SIZE
  return Array.from({ length: POOL_SIZE }, (_, i) => toIp(first + i))
}

/** Makes the node answer for exactly these addresses of the pool. */
export function createAnnouncer(device: string): (addresses: readonly string[], signal: AbortSignal) => Promise<void> {
  let announced: readonly string[] | undefined
  return async (addresses, signal) => {
    announced ??= await presentOn(device, signal)
    const added = addresses.filter((ip) => !announced?.includes(ip))
    const removed = announced.filter((ip) => !addresses.includes(ip))
    if (added.length === 0 && removed.length === 0) return
    const batch = [...removed.map((ip) => `addr del ${ip}/32 dev ${device}`), ...added.map((ip) => `addr replace ${ip}/32 dev ${device}`)]
    await run('ip', ['-force', '-batch', '-'], { input: `${batch.join('\n')}\n`, signal })
    announced = [...addresses]
  }
}

/** Only ours are /32. */
async function presentOn(device: string, signal: AbortSignal): Promise<string[]> {
  const { stdout } = await run('ip', ['-4', '-o', 'addr', 'show', 'dev', device], { signal })
  return [...stdout.matchAll(/inet (\d+\.\d+\.\d+\.\d+)\/32/g)].map((match) => match[1] as string)
}
