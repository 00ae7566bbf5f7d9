/**
 * The bandwidth of a pod, from its annotations (kubernetes.io/ingress-bandwidth and egress-bandwidth, as the bandwidth plugin
 * takes them), and the commands that shape its link: what goes to the pod on the node's end, what comes from it on the pod's.
 */
import { parseQuantity, quantityValue } from '../../api/quantity.ts'
import { POD_DEVICE } from './links.ts'

export interface Bandwidth {
  ingressBitsPerSecond?: number
  egressBitsPerSecond?: number
}

const INGRESS = 'kubernetes.io/ingress-bandwidth'
const EGRESS = 'kubernetes.io/egress-bandwidth'
const MIN_BITS_PER_SECOND = 1_000
const MAX_BITS_PER_SECOND = 1e15
const LATENCY_MS = 25
/** A burst as long as this at full rate, and never less than a few packets. */
const BURST_MS = 50
const MIN_BURST_BYTES = 64 * 1024
/** The kernel counts a burst in 32 bits. */
const MAX_BURST_BYTES = 256 * 1024 * 1024

function bitsPerSecond(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = quantityValue(parseQuantity(text))
  if (value < MIN_BITS_PER_SECOND) throw new RangeError('resource is unreasonably small (< 1kbit)')
  if (value > MAX_BITS_PER_SECOND) throw new RangeError('resource is unreasonably large (> 1Pbit)')
  return value
}

/** Undefined where a pod asks for no limit. Throws RangeError or QuantityError for one that is none. */
export function bandwidthOf(annotations: Readonly<Record<string, string>> | undefined): Bandwidth | undefined {
  const ingressBitsPerSecond = bitsPerSecond(annotations?.[INGRESS])
  const egressBitsPerSecond = bitsPerSecond(annotations?.[EGRESS])
  if (ingressBitsPerSecond === undefined && egressBitsPerSecond === undefined) return undefined
  return { ...(ingressBitsPerSecond && { ingressBitsPerSecond }), ...(egressBitsPerSecond && { egressBitsPerSecond }) }
}

/** Arguments of `tc`; harmless to repeat. */
export function shapeCommand(device: string, rateBitsPerSecond: number): string[] {
  const burstBytes = Math.min(MAX_BURST_BYTES, Math.max(MIN_BURST_BYTES, Math.round((rateBitsPerSecond / 8) * (BURST_MS / 1000))))
  return [
    'qdisc',
    'replace',
    'dev',
    device,
    'root',
    'tbf',
    'rate',
    `${rateBitsPerSecond}bit`,
    'burst',
    `${burstBytes}b`,
    'latency',
    `${LATENCY_MS}ms`,
  ]
}

export interface ShapePlan {
  /** In the node's namespace. */
  node?: string[]
  /** In the pod's. */
  pod?: string[]
}

export function shapePlan(link: string, { ingressBitsPerSecond, egressBitsPerSecond }: Bandwidth): ShapePlan {
  return {
    ...(ingressBitsPerSecond && { node: shapeCommand(link, ingressBitsPerSecond) }),
    ...(egressBitsPerSecond && { pod: shapeCommand(POD_DEVICE, egressBitsPerSecond) }),
  }
}
