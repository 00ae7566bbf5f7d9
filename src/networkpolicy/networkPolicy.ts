/**
 * Enforces NetworkPolicies on this node's pods, as a network plugin does elsewhere. Every packet of a pod passes the node's
 * routing (each pod has a link of its own), so one table on the forward, input and output hooks sees all of them. The node
 * itself always reaches its pods: probes must work. Connections that stand when a policy comes may go on.
 */
import { Changes, runApplyLoop } from '../base/applyLoop.ts'
import type { ComponentContext } from '../base/component.ts'
import { IPV6, type IpFamily } from '../base/ipFamily.ts'
import { applyScript, tableChange } from '../base/nftables.ts'
import type { NftTable } from '../base/nftables.ts'
import { namespaces, pods } from '../api/kinds/core/v1.ts'
import { endpointslices } from '../api/kinds/discovery/v1.ts'
import type { EndpointSlice } from '../api/kinds/discovery/v1.ts'
import { networkpolicies } from '../api/kinds/networking/v1.ts'
import type { Informers } from '../client/informer.ts'
import { EGRESS_MAP, INGRESS_MAP, pairsOf, policyTable, SELVES, verdictsOf } from './policyTable.ts'
import type { Peer } from './policyTable.ts'

export interface NetworkPolicyOptions {
  informers: Informers
  nodeName: string
  /** Of the cluster's pods. */
  families: readonly IpFamily[]
  /** Hands a script to the kernel; `nft -f -` unless given. */
  apply?: (script: string, signal: AbortSignal) => Promise<void>
}

const tableOf = ({ nft }: IpFamily): string => `${nft} minicube_policy`
const SERVICE_NAME = 'kubernetes.io/service-name'
const DNS = 'kube-dns'

/** The fixed part. Replaces whatever an earlier process left. After address translation: a service's packets carry the pod's address. */
function baseScript(family: IpFamily): string {
  const table = tableOf(family)
  const { nft } = family
  // An isolated pod must still find its neighbours.
  const always = family === IPV6 ? 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n    ' : ''
  return `table ${table} {}
delete table ${table}
table ${table} {
  set ${SELVES} { type ${pairsOf(family)} ; }
  map ${INGRESS_MAP} { type ${verdictsOf(family)} ; }
  map ${EGRESS_MAP} { type ${verdictsOf(family)} ; }
  chain forward {
    type filter hook forward priority filter + 10 ; policy accept ;
    ${always}ct state established,related accept
    ${nft} saddr . ${nft} daddr @${SELVES} accept
    ${nft} saddr vmap @${EGRESS_MAP}
    ${nft} daddr vmap @${INGRESS_MAP}
  }
  chain input {
    type filter hook input priority filter + 10 ; policy accept ;
    ${always}ct state established,related accept
    ${nft} saddr vmap @${EGRESS_MAP}
  }
}
`
}

const baseTable = (family: IpFamily): NftTable => ({
  chains: new Map(),
  sets: new Map([[SELVES, { type: pairsOf(family), elements: new Set() }]]),
  maps: new Map([INGRESS_MAP, EGRESS_MAP].map((name) => [name, { type: verdictsOf(family), elements: new Map() }])),
})

/** Of its Service; it listens on another one, where nothing else does. */
const DNS_SERVICE_PORT = 53

/**
 * Cluster DNS answers on the node's own address. Policies name it by the labels that its pods have elsewhere
 * (`k8s-app: kube-dns` in kube-system), so its endpoint counts as such a pod.
 */
function dnsPeers(slices: readonly EndpointSlice[]): Peer[] {
  return slices.flatMap(({ metadata, addressType, endpoints, ports }) => {
    if (metadata.labels?.[SERVICE_NAME] !== DNS || metadata.namespace !== 'kube-system' || addressType === 'FQDN') return []
    const listening = (ports ?? []).flatMap(({ name, port, protocol = 'TCP' }) => (name && port ? [{ name, port, protocol }] : []))
    const namedPorts = new Map(listening.map(({ name, port, protocol }) => [`${protocol}/${name}`, port]))
    const movedPorts = new Map(listening.map(({ port, protocol }) => [`${protocol}/${DNS_SERVICE_PORT}`, port]))
    const labels = { 'k8s-app': DNS }
    return (endpoints ?? [])
      .filter(({ targetRef }) => !targetRef)
      .flatMap(({ addresses }) => addresses.map((ip) => ({ ip, namespace: 'kube-system', labels, namedPorts, movedPorts })))
  })
}

export function scriptFor(family: IpFamily, before: NftTable | undefined, after: NftTable): string {
  const table = tableOf(family)
  return before ? tableChange(table, before, after) : baseScript(family) + tableChange(table, baseTable(family), after)
}

export async function runNetworkPolicy(
  { informers, nodeName, families, apply = applyScript }: NetworkPolicyOptions,
  context: ComponentContext,
): Promise<void> {
  const policyInformer = informers.for(networkpolicies)
  const podInformer = informers.for(pods)
  const namespaceInformer = informers.for(namespaces)
  const sliceInformer = informers.for(endpointslices)
  const followed = [policyInformer, podInformer, namespaceInformer, sliceInformer]
  const changes = new Changes()
  // Without a policy nothing else matters: a cluster that has none pays for no pod that comes or goes.
  let isIdle = false
  const stops = followed.map((informer) =>
    informer.onChange(() => {
      if (!isIdle || policyInformer.list().length > 0) changes.tell()
    }),
  )
  let applied: NftTable[] | undefined

  async function applyPolicies(signal: AbortSignal): Promise<void> {
    const policies = policyInformer.list()
    const input = {
      policies,
      pods: podInformer.list(),
      namespaces: namespaceInformer.list(),
      nodeName,
      others: dnsPeers(sliceInformer.list()),
    }
    const wanted = families.map((family) => policyTable({ ...input, family }))
    isIdle = policies.length === 0
    const script = families.map((family, i) => scriptFor(family, applied?.[i], wanted[i] as NftTable)).join('')
    if (script) await apply(script, signal)
    applied = wanted
  }

  const forget = (): void => {
    applied = undefined
  }
  try {
    await Promise.all(followed.map((informer) => informer.synced(context.signal)))
    await runApplyLoop({ failure: 'could not apply the network policies', apply: applyPolicies, forget }, changes, context)
  } finally {
    for (const stop of stops) stop()
  }
}
