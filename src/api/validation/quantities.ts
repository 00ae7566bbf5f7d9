/** Quantities as validation compares them. */
import { parseQuantity, QuantityError } from '../quantity.ts'

/** Objects say the same few quantities again and again, and one rule after the other asks for them. */
const known = new Map<string, bigint>()
const KNOWN_LIMIT = 2000

function parseNanos(text: string): bigint {
  try {
    return parseQuantity(text).nanos
  } catch (error) {
    if (error instanceof QuantityError) return 0n
    throw error
  }
}

/** In billionths; 0 for what is no quantity (decoding has refused that already). */
export function nanosOf(quantity: string | number | undefined): bigint {
  if (quantity === undefined) return 0n
  const text = String(quantity)
  let nanos = known.get(text)
  if (nanos === undefined) {
    if (known.size >= KNOWN_LIMIT) known.clear()
    known.set(text, (nanos = parseNanos(text)))
  }
  return nanos
}

/** What Go counts by digits and a decimal exponent, and gives up as 0 where it grows too large. */
const DECIMAL_EXPONENT_RE = /(?:[eE]\+?\d+|[kMGTPE])$/

/** Whether Go's count of thousandths, which wraps around, says so. */
export function isWhole(quantity: string): boolean {
  const nanos = nanosOf(quantity)
  const milli = nanos / 1_000_000n
  if (nanos % 1_000_000_000n !== 0n) return false
  return BigInt.asIntN(64, milli) % 1000n === 0n || DECIMAL_EXPONENT_RE.test(quantity)
}
