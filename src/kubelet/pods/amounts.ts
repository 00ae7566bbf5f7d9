/** Quantities as plain numbers, for limits that go to the kernel: exact up to 2^53, rounded up as upstream does. */
import { parseQuantity } from '../../api/quantity.ts'

const NANOS_PER_UNIT = 1_000_000_000n
const NANOS_PER_MILLI = 1_000_000n

function dividedUp(amount: bigint, by: bigint): number {
  return Number(amount > 0n ? (amount + by - 1n) / by : amount / by)
}

/** Whole units, rounded up. */
export function quantityValue(quantity: string): number {
  return dividedUp(parseQuantity(quantity).nanos, NANOS_PER_UNIT)
}

/** Thousandths, rounded up. */
export function quantityMilli(quantity: string): number {
  return dividedUp(parseQuantity(quantity).nanos, NANOS_PER_MILLI)
}

/** `amount / divisor`, rounded up. */
export function quantityIn(amount: string, divisor: string): number {
  return dividedUp(parseQuantity(amount).nanos, parseQuantity(divisor).nanos || NANOS_PER_UNIT)
}

/** As nodes count it: millicores, and whole units of everything else. */
export function amountOf(resource: string, quantity: string | undefined): number {
  return resource === 'cpu' ? quantityMilli(quantity ?? '0') : quantityValue(quantity ?? '0')
}
