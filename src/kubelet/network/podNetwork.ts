/**
 * The pods' network: a routed link for each pod instead of a bridge with all of them. The pod has one address of
 * each IP family (a /32, a /128) and the node as its gateway, so that all of its traffic, to a pod beside it too, passes the node's routing and address
 * translation: services and their replies then work without br_netfilter. Keeps the Kubernetes network model (a pod sees
 * itself under the address that others see) and the hostPort contract of the portmap plugin.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { run } from '../../base/exec.ts'
import { familiesOf, familyOf, IPV4, type IpFamily } from '../../base/ipFamily.ts'
import type { Logger } from '../../base/logger.ts'
import { quoted, Shell } from '../../base/shell.ts'
import type { PortMapping } from '../runtime/runtime.ts'
import { AddressPool } from './addressPool.ts'
import { shapePlan, type Bandwidth } from './bandwidth.ts'
import { firstOf, LINK_PREFIX, linkNameOf, nodeLinkBatch, nodeRouteBatch, podLinkBatch } from './links.ts'
import { type MappedPod, hostPortScript, tableScript } from './ruleset.ts'

export interface PodLink {
  /** The pod's addresses, as `reserve` gave them. */
  ips: readonly string[]
  /** The file of the pod's network namespace. */
  netns: string
  portMappings: readonly PortMapping[]
  bandwidth?: Bandwidth | undefined
}

export interface PodNetwork {
  /** Before anything else: takes over the pods that live (repairing their links), removes what others left behind. */
  recover(live: readonly PodLink[], signal: AbortSignal): Promise<void>
  /** Addresses for a new pod, one for each IP family; AddressesExhaustedError when there are none. */
  reserve(): readonly string[]
  /** Makes the pod's link and maps its hostPorts. */
  attach(pod: PodLink, signal: AbortSignal): Promise<void>
  /** Maps hostPorts to a pod that has its link. */
  mapPorts(ips: readonly string[], portMappings: readonly PortMapping[], signal: AbortSignal): Promise<void>
  /** Limits what goes over the link of a pod that has it. */
  shape(pod: PodLink, signal: AbortSignal): Promise<void>
  /** Removes link and mappings and gives the addresses back; fine when they are gone. */
  detach(ips: readonly string[]): Promise<void>
}

export interface RoutedPodNetworkOptions {
  /** Ranges of this node's pods, one of each IP family that they have; addresses come in this order. */
  podCidrs: readonly string[]
  /** Ranges of the whole cluster: pods of all nodes, and services. Traffic to them keeps its source address. */
  clusterCidrs: readonly string[]
  /** The addresses that the node's own processes talk to pods from. */
  nodeIps?: readonly string[]
  log: Logger
}

const COMMAND_TIMEOUT_MS = 10_000
const REPAIRS_AT_ONCE = 4
const DEFAULT_MTU = 1500

export function createRoutedPodNetwork(options: RoutedPodNetworkOptions): PodNetwork {
  const { podCidrs } = options
  if (podCidrs.length === 0 || familiesOf(podCidrs).length !== podCidrs.length)
    throw new RangeError(`not one range for pods of each IP family: ${JSON.stringify(podCidrs)}`)
  return new RoutedPodNetwork(options)
}

class RoutedPodNetwork implements PodNetwork {
  readonly #options: RoutedPodNetworkOptions
  readonly #families: readonly IpFamily[]
  readonly #pools: readonly AddressPool[]
  /** Pods with hostPorts, by their first address. */
  readonly #mapped = new Map<string, MappedPod>()
  readonly #shell = new Shell()
  #rules: Promise<void> = Promise.resolve()
  #mtu = DEFAULT_MTU

  constructor(options: RoutedPodNetworkOptions) {
    this.#options = options
    this.#families = familiesOf(options.podCidrs)
    this.#pools = options.podCidrs.map((cidr) => new AddressPool(cidr))
  }

  async recover(live: readonly PodLink[], signal: AbortSignal): Promise<void> {
    this.#mtu = await uplinkMtu(signal)
    await allowForwarding(this.#families)
    for (const { ips, portMappings } of live) {
      for (const ip of ips) for (const pool of this.#pools) pool.take(ip)
      if (portMappings.length > 0) this.#mapped.set(firstOf(ips), { ips, portMappings })
    }
    const { podCidrs, clusterCidrs } = this.#options
    await this.#writeRules(signal, (family) => tableScript({ family, podCidrs, clusterCidrs, pods: this.#mappedPods() }))
    const present = new Set(await ourLinks(signal))
    await this.#removeLeftovers(present, live, signal)
    const waiting = [...live]
    const repairNext = async (): Promise<void> => {
      for (let pod = waiting.shift(); pod; pod = waiting.shift()) await this.#repair(pod, present, signal)
    }
    await Promise.all(Array.from({ length: REPAIRS_AT_ONCE }, repairNext))
  }

  async #removeLeftovers(present: ReadonlySet<string>, live: readonly PodLink[], signal: AbortSignal): Promise<void> {
    const wanted = new Set(live.map(({ ips }) => linkNameOf(firstOf(ips))))
    const leftovers = [...present].filter((link) => !wanted.has(link))
    if (leftovers.length === 0) return
    this.#options.log.info('removing links of pods that are gone', { links: leftovers.length })
    await run('ip', ['-force', '-batch', '-'], { input: leftovers.map((link) => `link del dev ${link}\n`).join(''), signal }).catch(
      // A namespace that is being torn down takes its links along.
      (error: unknown) => this.#options.log.debug('some links were gone already', { error: String(error) }),
    )
  }

  async #repair(pod: PodLink, present: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    try {
      const { ips } = pod
      if (!present.has(linkNameOf(firstOf(ips)))) await this.#connect(pod, signal)
      else {
        await ipBatch(nodeRouteBatch({ ips, nodeIps: this.#options.nodeIps ?? [] }), signal)
        await ipBatchIn(pod.netns, podLinkBatch(ips), signal)
      }
      if (pod.portMappings.length > 0) await allowLoopback(ips)
    } catch (error) {
      // The pod may have ended meanwhile; the others still want their network.
      this.#options.log.error("a pod's link cannot be repaired", error, { ips: pod.ips })
    }
  }

  reserve(): readonly string[] {
    const ips: string[] = []
    try {
      for (const pool of this.#pools) ips.push(pool.allocate())
      return ips
    } catch (error) {
      this.#release(ips)
      throw error
    }
  }

  #release(ips: readonly string[]): void {
    for (const ip of ips) for (const pool of this.#pools) pool.release(ip)
  }

  async attach(pod: PodLink, signal: AbortSignal): Promise<void> {
    await this.#connect(pod, signal)
    await this.mapPorts(pod.ips, pod.portMappings, signal)
  }

  async mapPorts(ips: readonly string[], portMappings: readonly PortMapping[], signal: AbortSignal): Promise<void> {
    if (portMappings.length === 0) return
    await allowLoopback(ips)
    this.#mapped.set(firstOf(ips), { ips, portMappings })
    await this.#writeRules(signal, (family) => hostPortScript(family, this.#mappedPods()))
    await forgetConnections(portMappings, this.#families, signal)
  }

  async shape({ ips, netns, bandwidth }: PodLink, signal: AbortSignal): Promise<void> {
    if (!bandwidth) return
    const { node, pod } = shapePlan(linkNameOf(firstOf(ips)), bandwidth)
    if (node) await run('tc', node, { signal, timeoutMs: COMMAND_TIMEOUT_MS })
    if (pod) await run('nsenter', [`--net=${netns}`, 'tc', ...pod], { signal, timeoutMs: COMMAND_TIMEOUT_MS })
  }

  async #connect(podLink: PodLink, signal: AbortSignal): Promise<void> {
    const { ips, netns } = podLink
    const nodeBatch = nodeLinkBatch({ ips, netns, mtu: this.#mtu, nodeIps: this.#options.nodeIps ?? [] })
    await this.#shell.run(connectScript(netns, nodeBatch, podLinkBatch(ips)), { signal })
    // A pod may only send under its own address.
    await setDeviceOption(linkNameOf(firstOf(ips)), 'rp_filter', '1')
    await this.shape(podLink, signal)
  }

  async detach(ips: readonly string[]): Promise<void> {
    const [first] = ips
    if (first === undefined) return
    const signal = AbortSignal.timeout(COMMAND_TIMEOUT_MS)
    const mapped = this.#mapped.get(first)
    if (mapped) {
      this.#mapped.delete(first)
      await this.#writeRules(signal, (family) => hostPortScript(family, this.#mappedPods()))
      await forgetConnections(mapped.portMappings, this.#families, signal)
    }
    await run('ip', ['link', 'del', 'dev', linkNameOf(first)], { signal }).catch((error: unknown) => {
      if (!/Cannot find device|No such device/i.test(String(error))) throw error
    })
    this.#release(ips)
  }

  #mappedPods(): MappedPod[] {
    return [...this.#mapped.values()]
  }

  /** One after the other, each rendered when its turn comes, so that the last one written is the newest. */
  #writeRules(signal: AbortSignal, render: (family: IpFamily) => string): Promise<void> {
    const written = this.#rules.then(async () => {
      await run('nft', ['-f', '-'], { input: this.#families.map(render).join(''), signal, timeoutMs: COMMAND_TIMEOUT_MS })
    })
    this.#rules = written.catch(() => {})
    return written
  }
}

async function ipBatch(input: string, signal: AbortSignal): Promise<void> {
  await run('ip', ['-batch', '-'], { input, signal, timeoutMs: COMMAND_TIMEOUT_MS })
}

async function ipBatchIn(netns: string, input: string, signal: AbortSignal): Promise<void> {
  await run('nsenter', [`--net=${netns}`, 'ip', '-batch', '-'], { input, signal, timeoutMs: COMMAND_TIMEOUT_MS })
}

/** Batches hold no line of their own that ends them. */
function connectScript(netns: string, nodeBatch: string, podBatch: string): string {
  return `ip -batch - <<'END'\n${nodeBatch}END\nnsenter --net=${quoted(netns)} ip -batch - <<'END'\n${podBatch}END`
}

async function ourLinks(signal: AbortSignal): Promise<string[]> {
  const { stdout } = await run('ip', ['-json', 'link', 'show', 'type', 'veth'], { signal, timeoutMs: COMMAND_TIMEOUT_MS })
  const links = JSON.parse(stdout || '[]') as { ifname?: string }[]
  const ours = new RegExp(`^${LINK_PREFIX}[0-9a-f]{8}$`)
  return links.flatMap(({ ifname }) => (ifname && ours.test(ifname) ? [ifname] : []))
}

/** The pods' links may not take bigger packets than the way out of the node. */
async function uplinkMtu(signal: AbortSignal): Promise<number> {
  const { stdout } = await run('ip', ['-json', '-4', 'route', 'show', 'default'], { signal, timeoutMs: COMMAND_TIMEOUT_MS })
  const device = (JSON.parse(stdout || '[]') as { dev?: string }[])[0]?.dev
  if (!device) return DEFAULT_MTU
  const link = await run('ip', ['-json', 'link', 'show', 'dev', device], { signal, timeoutMs: COMMAND_TIMEOUT_MS })
  return (JSON.parse(link.stdout || '[]') as { mtu?: number }[])[0]?.mtu ?? DEFAULT_MTU
}

const FORWARDING: Record<IpFamily['name'], string> = {
  IPv4: '/proc/sys/net/ipv4/ip_forward',
  IPv6: '/proc/sys/net/ipv6/conf/all/forwarding',
}

/** The settings are this network namespace's own. */
async function allowForwarding(families: readonly IpFamily[]): Promise<void> {
  for (const { name } of families) if ((await readFile(FORWARDING[name], 'utf8')).trim() !== '1') await writeFile(FORWARDING[name], '1')
}

async function setDeviceOption(device: string, option: string, value: string): Promise<void> {
  await writeFile(`/proc/sys/net/ipv4/conf/${device}/${option}`, value)
}

/** For hostPorts under 127.0.0.1; the table's guard drops what pods send there themselves. */
async function allowLoopback(ips: readonly string[]): Promise<void> {
  if (ips.some((ip) => familyOf(ip) === IPV4)) await setDeviceOption(linkNameOf(firstOf(ips)), 'route_localnet', '1')
}

/** Datagrams keep following an entry of the connection table, even to a pod that is gone. */
async function forgetConnections(portMappings: readonly PortMapping[], families: readonly IpFamily[], signal: AbortSignal): Promise<void> {
  for (const { protocol, hostPort } of portMappings) {
    if (protocol !== 'UDP') continue
    for (const { name } of families) {
      const filter = ['-D', '-f', name.toLowerCase(), '-p', 'udp', '--orig-port-dst', String(hostPort)]
      await run('conntrack', filter, { signal }).catch((error: unknown) => {
        if (!/0 flow entries have been deleted/.test(String(error))) throw error
      })
    }
  }
}
