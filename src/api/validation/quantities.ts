/** Quantities as validation compares them. */
import { parseQuantity, QuantityError } from '../quantity.ts'

/** In billionths; 0 for what is no quantity (decoding has refused that already). */
export function nanosOf(quantity: string | number | undefined): bigint {
  if (quantity === undefined) return 0n
  try {
    return parseQuantity(String(quantity)).nanos
  } catch (error) {
    if (error instanceof QuantityError) return 0n
    throw error
  }
}

export function isWhole(quantity: string): boolean {
  return nanosOf(quantity) % 1_000_000_000n === 0n
}
