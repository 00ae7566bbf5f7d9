/**
 * NetworkPolicies as an nftables table, computed purely. A pod that a policy selects is isolated in that direction: what no
 * rule of its policies lets through is dropped. Pods under the same policies share one chain, to which a map leads from the
 * pod's address, so that a packet's cost does not grow with the number of pods. (networking.k8s.io/v1 NetworkPolicy.) Each
 * IP family has a table of its own, with the addresses of that family.
 */
import { createHash } from 'node:crypto'
import { BlockList } from 'node:net'
import { isOfFamily, type IpFamily } from '../base/ipFamily.ts'
import type { NftSet, NftTable } from '../base/nftables.ts'
import type { Namespace, Pod } from '../api/kinds/core/v1.ts'
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../api/kinds/networking/v1.ts'
import { hasFinished } from '../api/pods.ts'
import { labelMatcher } from '../api/selectors.ts'

/** An address that is to be treated as a pod's: cluster DNS answers from the node itself. */
export interface Peer {
  ip: string
  namespace: string
  labels: Readonly<Record<string, string>>
  /** `protocol/name` → port number. */
  namedPorts: ReadonlyMap<string, number>
  /** Where it listens elsewhere than policies say: `protocol/port` → the port that packets arrive at. */
  movedPorts?: ReadonlyMap<string, number>
}

export interface PolicyInput {
  family: IpFamily
  policies: readonly NetworkPolicy[]
  pods: readonly Pod[]
  namespaces: readonly Namespace[]
  nodeName: string
  /** Beside the pods. */
  others?: readonly Peer[]
}

export const INGRESS_MAP = 'ingress_pods'
export const EGRESS_MAP = 'egress_pods'

/** Pairs of a pod's address with itself: through a service it reaches itself by way of the node, and no policy is against that. */
export const SELVES = 'selves'
export const pairsOf = ({ nftAddress }: IpFamily): string => `${nftAddress} . ${nftAddress}`

/** Of the maps from a pod's address to its policies. */
export const verdictsOf = ({ nftAddress }: IpFamily): string => `${nftAddress} : verdict`

type Direction = 'Ingress' | 'Egress'

interface Selected extends Peer {
  /** Its policies apply here. */
  isLocal: boolean
}

const hash = (...parts: readonly string[]): string => createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16)

function peerOf(pod: Pod, { nodeName, family }: PolicyInput): Selected | undefined {
  const { spec, status, metadata } = pod
  const ip = [...(status?.podIPs?.map((address) => address.ip) ?? []), status?.podIP ?? ''].filter(Boolean).find(isOfFamily(family))
  if (!ip || spec.hostNetwork || hasFinished(pod)) return undefined
  const namedPorts = new Map<string, number>()
  for (const container of [...(spec.initContainers ?? []), ...spec.containers])
    for (const { name, protocol = 'TCP', containerPort } of container.ports ?? [])
      if (name) namedPorts.set(`${protocol}/${name}`, containerPort)
  return { ip, namespace: metadata.namespace, labels: metadata.labels ?? {}, namedPorts, isLocal: spec.nodeName === nodeName }
}

/** A policy without types is for ingress, and for egress too where it has such rules. */
function typesOf({ spec }: NetworkPolicy): readonly string[] {
  return spec.policyTypes ?? (spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'])
}

class PolicyTableBuilder {
  readonly #family: IpFamily
  readonly #peers: readonly Selected[]
  readonly #namespaceLabels: ReadonlyMap<string, Readonly<Record<string, string>>>
  readonly #chains = new Map<string, readonly string[]>()
  readonly #sets = new Map<string, NftSet>()

  constructor(input: PolicyInput) {
    const { pods, namespaces, others = [], family } = input
    const isOurs = isOfFamily(family)
    this.#family = family
    const ofPods = pods.map((pod) => peerOf(pod, input)).filter((peer) => peer !== undefined)
    this.#peers = [...ofPods, ...others.filter(({ ip }) => isOurs(ip)).map((peer) => ({ ...peer, isLocal: false }))]
    this.#namespaceLabels = new Map(namespaces.map(({ metadata }) => [metadata.name, metadata.labels ?? {}]))
  }

  build(policies: readonly NetworkPolicy[]): NftTable {
    const type = verdictsOf(this.#family)
    const ingress = this.#verdicts('Ingress', policies)
    const egress = this.#verdicts('Egress', policies)
    const isolated = [...ingress.keys(), ...egress.keys()]
    this.#sets.set(SELVES, { type: pairsOf(this.#family), elements: new Set(isolated.map((ip) => `${ip} . ${ip}`)) })
    return {
      maps: new Map([
        [INGRESS_MAP, { type, elements: ingress }],
        [EGRESS_MAP, { type, elements: egress }],
      ]),
      chains: this.#chains,
      sets: this.#sets,
    }
  }

  /** Address of an isolated pod of this node → the chain of its policies. */
  #verdicts(direction: Direction, policies: readonly NetworkPolicy[]): Map<string, string> {
    const byPod = new Map<Selected, NetworkPolicy[]>()
    for (const policy of policies) {
      if (!typesOf(policy).includes(direction)) continue
      const matches = labelMatcher(policy.spec.podSelector ?? {})
      for (const peer of this.#peers) {
        if (!peer.isLocal || peer.namespace !== policy.metadata.namespace || !matches(peer.labels)) continue
        byPod.set(peer, [...(byPod.get(peer) ?? []), policy])
      }
    }
    const verdicts = new Map<string, string>()
    for (const [{ ip }, own] of byPod) verdicts.set(ip, `jump ${this.#chain(direction, own)}`)
    return verdicts
  }

  #chain(direction: Direction, policies: readonly NetworkPolicy[]): string {
    const keys = policies.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort()
    const chain = `${direction.toLowerCase()}_${hash(...keys)}`
    if (!this.#chains.has(chain)) {
      const rules = policies.flatMap((policy) => this.#rulesOf(direction, policy))
      this.#chains.set(chain, [...new Set(rules), 'counter drop'])
    }
    return chain
  }

  #rulesOf(direction: Direction, { spec, metadata: { namespace } }: NetworkPolicy): string[] {
    const rules =
      direction === 'Ingress'
        ? (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
        : (spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }))
    return rules.flatMap(({ peers, ports }) => {
      const selected = peers?.length
        ? peers.flatMap((peer) => this.#peerMatches(direction, peer, namespace))
        : [{ match: '', pods: this.#peers }]
      // The named ports of an ingress rule are those of the pods that the policy is for.
      const local = this.#peers.filter((peer) => peer.namespace === namespace)
      return selected.flatMap(({ match, pods }) => [
        ...this.#portMatches(ports, direction === 'Ingress' ? local : pods).map((port) =>
          [match, port, 'return'].filter(Boolean).join(' '),
        ),
        ...(direction === 'Egress' ? this.#movedPortRules(ports, pods) : []),
      ])
    })
  }

  #peerMatches(direction: Direction, { ipBlock, namespaceSelector, podSelector }: NetworkPolicyPeer, namespace: string) {
    const side = direction === 'Ingress' ? 'saddr' : 'daddr'
    const { nft } = this.#family
    const name = this.#family.bits === 32 ? 'ipv4' : 'ipv6'
    if (ipBlock) {
      if (!isOfFamily(this.#family)(ipBlock.cidr)) return []
      const except = ipBlock.except?.length ? ` ${nft} ${side} != { ${ipBlock.except.join(', ')} }` : ''
      // To nft the range of everything is no match at all.
      const match = ipBlock.cidr.endsWith('/0') ? except.trim() : `${nft} ${side} ${ipBlock.cidr}${except}`
      const block = new BlockList()
      block.addSubnet(...subnetOf(ipBlock.cidr), name)
      return [{ match, pods: this.#peers.filter(({ ip, movedPorts }) => movedPorts && block.check(ip, name)) }]
    }
    const inNamespace = labelMatcher(namespaceSelector ?? {})
    const isPeer = labelMatcher(podSelector ?? {})
    const pods = this.#peers.filter(
      (peer) =>
        (namespaceSelector ? inNamespace(this.#namespaceLabels.get(peer.namespace)) : peer.namespace === namespace) && isPeer(peer.labels),
    )
    const set = `pods_${hash(namespaceSelector ? JSON.stringify(namespaceSelector) : namespace, JSON.stringify(podSelector ?? {}))}`
    this.#sets.set(set, { type: this.#family.nftAddress, elements: new Set(pods.map(({ ip }) => ip)) })
    return [{ match: `${nft} ${side} @${set}`, pods }]
  }

  /** One match for each kind of port; no ports at all are every port of every protocol. */
  #portMatches(ports: readonly NetworkPolicyPort[] | undefined, pods: readonly Peer[]): string[] {
    if (!ports?.length) return ['']
    return ports.map(({ protocol = 'TCP', port, endPort }) => {
      const name = protocol.toLowerCase()
      if (port === undefined) return `meta l4proto ${name}`
      if (typeof port === 'number') return `${name} dport ${endPort ? `${port}-${endPort}` : port}`
      const elements = pods.flatMap(({ ip, namedPorts }) => {
        const number = namedPorts.get(`${protocol}/${port}`)
        return number === undefined ? [] : [`${ip} . ${name} . ${number}`]
      })
      const set = `ports_${hash(protocol, port, ...elements.toSorted())}`
      this.#sets.set(set, { type: `${this.#family.nftAddress} . inet_proto . inet_service`, elements: new Set(elements) })
      return `${this.#family.nft} daddr . meta l4proto . th dport @${set}`
    })
  }

  #movedPortRules(ports: readonly NetworkPolicyPort[] | undefined, peers: readonly Peer[]): string[] {
    return peers.flatMap(({ ip, movedPorts = new Map<string, number>() }) =>
      [...movedPorts].flatMap(([from, to]) => {
        const [protocol = '', number] = from.split('/')
        const isAllowed = ports?.some(
          (port) =>
            (port.protocol ?? 'TCP') === protocol &&
            typeof port.port === 'number' &&
            port.port <= Number(number) &&
            Number(number) <= (port.endPort ?? port.port),
        )
        return isAllowed ? [`${this.#family.nft} daddr ${ip} ${protocol.toLowerCase()} dport ${to} return`] : []
      }),
    )
  }
}

function subnetOf(cidr: string): [address: string, bits: number] {
  const [address = '', bits] = cidr.split('/')
  return [address, Number(bits)]
}

export function policyTable(input: PolicyInput): NftTable {
  return new PolicyTableBuilder(input).build(input.policies)
}
