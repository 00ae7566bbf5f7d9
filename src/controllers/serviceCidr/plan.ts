/** What is to be done with a ServiceCIDR, from all of them and the IPAddresses that are taken. No I/O. */
import { BlockList } from 'node:net'
import type { IPAddress, ServiceCIDR } from '../../api/kinds/networking/v1.ts'

export const FINALIZER = 'networking.k8s.io/service-cidr-finalizer'
/** For this time a range that is being deleted may still be unknown as such to an API server, which then allocates from it. */
const DELETION_GRACE_MS = 10_000
const MANAGED_BY = 'ipaddress.kubernetes.io/managed-by'
const ALLOCATOR = 'ipallocator.k8s.io'

interface Prefix {
  address: string
  bits: number
  family: 'ipv4' | 'ipv6'
}

export function parsePrefix(cidr: string): Prefix {
  const slash = cidr.lastIndexOf('/')
  const address = cidr.slice(0, slash)
  return { address, bits: Number(cidr.slice(slash + 1)), family: address.includes(':') ? 'ipv6' : 'ipv4' }
}

function containsAddress(cidr: string, address: string): boolean {
  const { address: base, bits, family } = parsePrefix(cidr)
  if (address.includes(':') !== (family === 'ipv6')) return false
  const list = new BlockList()
  list.addSubnet(base, bits, family)
  return list.check(address, family)
}

function containsPrefix(outer: string, inner: string): boolean {
  return parsePrefix(outer).bits <= parsePrefix(inner).bits && containsAddress(outer, parsePrefix(inner).address)
}

const cidrsOf = ({ spec }: ServiceCIDR): readonly string[] => spec?.cidrs ?? []
const isLeaving = ({ metadata }: ServiceCIDR): boolean => metadata.deletionTimestamp !== undefined

/** Addresses that the API server gave to Services. */
function isAllocated({ metadata }: IPAddress): boolean {
  return metadata.labels?.[MANAGED_BY] === ALLOCATOR
}

/** Names of the ranges that hold an address. */
export function rangesOfAddress(ranges: readonly ServiceCIDR[], address: IPAddress): string[] {
  if (!isAllocated(address)) return []
  return ranges
    .filter((range) => cidrsOf(range).some((cidr) => containsAddress(cidr, address.metadata.name)))
    .map(({ metadata }) => metadata.name)
}

/** Names of the ranges of which one holds the other. */
export function overlappingRanges(ranges: readonly ServiceCIDR[], range: ServiceCIDR): string[] {
  const overlaps = (other: ServiceCIDR): boolean =>
    cidrsOf(other).some((theirs) => cidrsOf(range).some((ours) => containsPrefix(theirs, ours) || containsPrefix(ours, theirs)))
  return ranges.filter(overlaps).map(({ metadata }) => metadata.name)
}

/** Whether no address would be left without a range. Ranges that go as well still count: each of them is asked in its turn. */
export function mayGo(range: ServiceCIDR, all: readonly ServiceCIDR[], addresses: readonly IPAddress[]): boolean {
  const others = all.filter(({ metadata }) => metadata.name !== range.metadata.name)
  const elsewhere = others.filter((other) => !isLeaving(other)).flatMap(cidrsOf)
  const covered = cidrsOf(range).every((cidr) => elsewhere.some((other) => containsPrefix(other, cidr)))
  if (covered) return true
  const ours = addresses.filter(
    (address) => isAllocated(address) && cidrsOf(range).some((cidr) => containsAddress(cidr, address.metadata.name)),
  )
  return ours.every(({ metadata }) => elsewhere.some((cidr) => containsAddress(cidr, metadata.name)))
}

export type ServiceCidrPlan =
  | { do: 'keep'; addFinalizer: boolean; status: 'True'; reason: ''; message: string }
  | { do: 'block'; status: 'False'; reason: 'Terminating'; message: string }
  | { do: 'wait'; leftMs: number }
  | { do: 'release' }

export function planServiceCidr(
  range: ServiceCIDR,
  all: readonly ServiceCIDR[],
  addresses: readonly IPAddress[],
  nowMs: number,
): ServiceCidrPlan {
  const hasFinalizer = range.metadata.finalizers?.includes(FINALIZER) ?? false
  if (!isLeaving(range))
    return { do: 'keep', addFinalizer: !hasFinalizer, status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' }
  if (!mayGo(range, all, addresses)) {
    const message = 'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR'
    return { do: 'block', status: 'False', reason: 'Terminating', message }
  }
  const leftMs = Date.parse(range.metadata.deletionTimestamp ?? '') + DELETION_GRACE_MS - nowMs
  return leftMs > 0 ? { do: 'wait', leftMs } : { do: 'release' }
}
