/**
 * What is to be done about a Service's load balancer: its finalizer, its addresses, and what it is told, in the words and order of
 * upstream's service controller (k8s.io/cloud-provider). No I/O.
 */
import type { Service } from '../api/kinds/core/v1.ts'

/** Keeps a Service until its address is given back. */
export const CLEANUP = 'service.kubernetes.io/load-balancer-cleanup'

export type LoadBalancerStep =
  | { kind: 'tell'; type: 'Normal' | 'Warning'; reason: string; message: string }
  | { kind: 'setFinalizers'; finalizers: readonly string[] }
  | { kind: 'setAddresses'; ips: readonly string[] }

export interface LoadBalancerFacts {
  service: Service
  /** Those that it is to have, in the order of its families. */
  ips: readonly string[]
  /** Whether one of its families gets none. */
  isShort: boolean
  pool: readonly string[]
}

/** A class says that somebody else balances the Service's load. */
export const wantsLoadBalancer = ({ spec, metadata }: Service): boolean =>
  spec.type === 'LoadBalancer' && !spec.loadBalancerClass && !metadata.deletionTimestamp

export const currentIps = ({ status }: Service): string[] => status?.loadBalancer?.ingress?.flatMap(({ ip }) => ip ?? []) ?? []

const isSame = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((ip, i) => ip === b[i])

const tell = (type: 'Normal' | 'Warning', reason: string, message: string): LoadBalancerStep => ({ kind: 'tell', type, reason, message })
const happened = (what: string, message: string): LoadBalancerStep => tell('Normal', `${what}LoadBalancer`, `${message} load balancer`)

function shortage({ spec }: Service, pool: readonly string[]): LoadBalancerStep {
  const why = spec.loadBalancerIP
    ? `the address ${spec.loadBalancerIP} is taken or not in the pool ${pool[0]}-${pool.at(-1)}`
    : `all ${pool.length} addresses are taken`
  return tell('Warning', 'SyncLoadBalancerFailed', `Error syncing load balancer: failed to ensure load balancer: ${why}`)
}

function ensured({ service, ips, isShort, pool }: LoadBalancerFacts, finalizers: readonly string[]): LoadBalancerStep[] {
  const isHeld = finalizers.includes(CLEANUP)
  const moves = !isSame(ips, currentIps(service))
  if (isHeld && !moves) return isShort ? [shortage(service, pool)] : []
  return [
    happened('Ensuring', 'Ensuring'),
    ...(isHeld ? [] : [{ kind: 'setFinalizers', finalizers: [...finalizers, CLEANUP] } as const]),
    ...(moves ? [{ kind: 'setAddresses', ips } as const] : []),
    isShort ? shortage(service, pool) : happened('Ensured', 'Ensured'),
  ]
}

/** Another provider's load balancer is not ours to clear. */
function cleared({ service, pool }: LoadBalancerFacts, finalizers: readonly string[]): LoadBalancerStep[] {
  const isHeld = finalizers.includes(CLEANUP)
  const hasOurs = !service.spec.loadBalancerClass && currentIps(service).some((ip) => pool.includes(ip))
  if (!isHeld && !hasOurs) return []
  return [
    happened('Deleting', 'Deleting'),
    ...(isHeld ? [{ kind: 'setFinalizers', finalizers: finalizers.filter((name) => name !== CLEANUP) } as const] : []),
    ...(hasOurs ? [{ kind: 'setAddresses', ips: [] } as const] : []),
    happened('Deleted', 'Deleted'),
  ]
}

export function planLoadBalancer(facts: LoadBalancerFacts): LoadBalancerStep[] {
  const finalizers = facts.service.metadata.finalizers ?? []
  return wantsLoadBalancer(facts.service) ? ensured(facts, finalizers) : cleared(facts, finalizers)
}
