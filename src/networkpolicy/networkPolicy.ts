/**
 * Enforces NetworkPolicies on this node's pods, as a network plugin does elsewhere. Every packet of a pod passes the node's
 * routing (each pod has a link of its own), so one table on the forward, input and output hooks sees all of them. The node
 * itself always reaches its pods: probes must work. Connections that stand when a policy comes may go on.
 */
import type { ComponentContext } from '../base/component.ts'
import { run } from '../base/exec.ts'
import { tableChange } from '../base/nftables.ts'
import type { NftTable } from '../base/nftables.ts'
import { namespaces, pods } from '../api/kinds/core/v1.ts'
import { endpointslices } from '../api/kinds/discovery/v1.ts'
import type { EndpointSlice } from '../api/kinds/discovery/v1.ts'
import { networkpolicies } from '../api/kinds/networking/v1.ts'
import type { Informers } from '../client/informer.ts'
import { EGRESS_MAP, INGRESS_MAP, policyTable } from './policyTable.ts'
import type { Peer } from './policyTable.ts'

export interface NetworkPolicyOptions {
  informers: Informers
  nodeName: string
  /** Hands a script to the kernel; `nft -f -` unless given. */
  apply?: (script: string, signal: AbortSignal) => Promise<void>
}

const TABLE = 'ip minicube_policy'
/** Changes that arrive within this become one transaction. */
const BATCH_MS = 5
const RETRY_MS = 1_000
const NFT_TIMEOUT_MS = 30_000
const SERVICE_NAME = 'kubernetes.io/service-name'
const DNS = 'kube-dns'

/** The fixed part. Replaces whatever an earlier process left. After address translation: a service's packets carry the pod's address. */
export const BASE_SCRIPT = `table ${TABLE} {}
delete table ${TABLE}
table ${TABLE} {
  map ${INGRESS_MAP} { type ipv4_addr : verdict ; }
  map ${EGRESS_MAP} { type ipv4_addr : verdict ; }
  chain forward {
    type filter hook forward priority filter + 10 ; policy accept ;
    ct state established,related accept
    ip saddr vmap @${EGRESS_MAP}
    ip daddr vmap @${INGRESS_MAP}
  }
  chain input {
    type filter hook input priority filter + 10 ; policy accept ;
    ct state established,related accept
    ip saddr vmap @${EGRESS_MAP}
  }
}
`

const BASE_TABLE: NftTable = {
  chains: new Map(),
  sets: new Map(),
  maps: new Map([INGRESS_MAP, EGRESS_MAP].map((name) => [name, { type: 'ipv4_addr : verdict', elements: new Map() }])),
}

async function applyWithNft(script: string, signal: AbortSignal): Promise<void> {
  await run('nft', ['-f', '-'], { input: script, signal, timeoutMs: NFT_TIMEOUT_MS })
}

/** Of its Service; it listens on another one, where nothing else does. */
const DNS_SERVICE_PORT = 53

/**
 * Cluster DNS answers on the node's own address. Policies name it by the labels that its pods have elsewhere
 * (`k8s-app: kube-dns` in kube-system), so its endpoint counts as such a pod.
 */
function dnsPeers(slices: readonly EndpointSlice[]): Peer[] {
  return slices.flatMap(({ metadata, addressType, endpoints, ports }) => {
    if (metadata.labels?.[SERVICE_NAME] !== DNS || metadata.namespace !== 'kube-system' || addressType !== 'IPv4') return []
    const listening = (ports ?? []).flatMap(({ name, port, protocol = 'TCP' }) => (name && port ? [{ name, port, protocol }] : []))
    const namedPorts = new Map(listening.map(({ name, port, protocol }) => [`${protocol}/${name}`, port]))
    const movedPorts = new Map(listening.map(({ port, protocol }) => [`${protocol}/${DNS_SERVICE_PORT}`, port]))
    const labels = { 'k8s-app': DNS }
    return (endpoints ?? [])
      .filter(({ targetRef }) => !targetRef)
      .flatMap(({ addresses }) => addresses.map((ip) => ({ ip, namespace: 'kube-system', labels, namedPorts, movedPorts })))
  })
}

export function scriptFor(before: NftTable | undefined, after: NftTable): string {
  return before ? tableChange(TABLE, before, after) : BASE_SCRIPT + tableChange(TABLE, BASE_TABLE, after)
}

export async function runNetworkPolicy(
  { informers, nodeName, apply = applyWithNft }: NetworkPolicyOptions,
  context: ComponentContext,
): Promise<void> {
  const { signal, clock, log, ready } = context
  const policyInformer = informers.for(networkpolicies)
  const podInformer = informers.for(pods)
  const namespaceInformer = informers.for(namespaces)
  const sliceInformer = informers.for(endpointslices)
  const followed = [policyInformer, podInformer, namespaceInformer, sliceInformer]
  let changed = Promise.withResolvers<void>()
  // Without a policy nothing else matters: a cluster that has none pays for no pod that comes or goes.
  let isIdle = false
  const stops = followed.map((informer) =>
    informer.onChange(() => {
      if (!isIdle || policyInformer.list().length > 0) changed.resolve()
    }),
  )
  signal.addEventListener('abort', () => changed.resolve(), { once: true })
  let applied: NftTable | undefined
  try {
    await Promise.all(followed.map((informer) => informer.synced(signal)))
    while (!signal.aborted) {
      changed = Promise.withResolvers<void>()
      const policies = policyInformer.list()
      const wanted = policyTable({
        policies,
        pods: podInformer.list(),
        namespaces: namespaceInformer.list(),
        nodeName,
        others: dnsPeers(sliceInformer.list()),
      })
      isIdle = policies.length === 0
      const script = scriptFor(applied, wanted)
      try {
        if (script) await apply(script, signal)
        applied = wanted
        ready()
      } catch (error) {
        if (signal.aborted) break
        // What the kernel holds is unknown now: the next try starts from nothing.
        applied = undefined
        log.error('could not apply the network policies', error)
        await clock.sleep(RETRY_MS, signal)
        continue
      }
      await changed.promise
      if (!signal.aborted) await clock.sleep(BATCH_MS, signal)
    }
  } finally {
    for (const stop of stops) stop()
  }
}
