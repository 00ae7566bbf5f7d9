/** Resource quantities: `quantity('1Gi')`. */
import {
  QuantityError,
  addQuantity,
  compareQuantity,
  formatQuantity,
  newQuantity,
  parseQuantity,
  quantitySign,
  subQuantity,
} from '../../api/quantity.ts'
import { Fault, OpaqueValue } from '../values.ts'
import { func, member } from '../overloads.ts'
import type { Overload } from '../overloads.ts'
import type { Quantity } from '../../api/quantity.ts'

const NANO = 10n ** 9n
const INT_MAX = 2n ** 63n - 1n
const MAX_DIGITS = 18

class QuantityValue extends OpaqueValue {
  readonly typeName = 'kubernetes.Quantity'
  readonly quantity: Quantity

  constructor(quantity: Quantity) {
    super()
    this.quantity = quantity
  }

  equals(other: OpaqueValue): boolean {
    return other instanceof QuantityValue && compareQuantity(this.quantity, other.quantity) === 0
  }

  override toString(): string {
    return formatQuantity(this.quantity)
  }

  toJSON(): string {
    return this.toString()
  }
}

/** @throws Fault */
export function toQuantityValue(text: string): QuantityValue {
  try {
    return new QuantityValue(parseQuantity(text))
  } catch (error) {
    if (error instanceof QuantityError) throw new Fault(error.message)
    throw error
  }
}

function isQuantity(text: string): boolean {
  try {
    parseQuantity(text)
    return true
  } catch (error) {
    if (error instanceof QuantityError) return false
    throw error
  }
}

/** undefined for what is no whole number of 64 bits. */
function wholeOf({ quantity: { nanos } }: QuantityValue): bigint | undefined {
  if (nanos % NANO !== 0n) return undefined
  const whole = nanos / NANO
  // What takes more digits is no longer a whole number to upstream, though it would fit.
  const isLong = String(whole).replace(/^-|0+$/g, '').length > MAX_DIGITS
  return isLong || whole > INT_MAX || whole < -INT_MAX ? undefined : whole
}

const Q = 'kubernetes.Quantity'
const ofInt = (value: bigint): Quantity => newQuantity(value, 'DecimalExponent')

export const QUANTITIES: readonly Overload[] = [
  func('string_to_quantity', 'quantity', 'string', Q, toQuantityValue),
  func('is_quantity_string', 'isQuantity', 'string', 'bool', isQuantity),
  func('quantity_sign', 'sign', Q, 'int', ({ quantity }: QuantityValue) => BigInt(quantitySign(quantity))),
  member(
    'quantity_is_greater_than',
    'isGreaterThan',
    `${Q}, ${Q}`,
    'bool',
    (a: QuantityValue, b: QuantityValue) => compareQuantity(a.quantity, b.quantity) > 0,
  ),
  member(
    'quantity_is_less_than',
    'isLessThan',
    `${Q}, ${Q}`,
    'bool',
    (a: QuantityValue, b: QuantityValue) => compareQuantity(a.quantity, b.quantity) < 0,
  ),
  member('quantity_compare_to', 'compareTo', `${Q}, ${Q}`, 'int', (a: QuantityValue, b: QuantityValue) =>
    BigInt(compareQuantity(a.quantity, b.quantity)),
  ),
  member('quantity_get_float', 'asApproximateFloat', Q, 'double', ({ quantity: { nanos } }: QuantityValue) =>
    nanos % NANO === 0n ? Number(nanos / NANO) : Number(nanos) / Number(NANO),
  ),
  member('quantity_get_int', 'asInteger', Q, 'int', (value: QuantityValue) => {
    const whole = wholeOf(value)
    if (whole === undefined) throw new Fault('cannot convert value to integer')
    return whole
  }),
  member('quantity_is_integer', 'isInteger', Q, 'bool', (value: QuantityValue) => wholeOf(value) !== undefined),
  member(
    'quantity_add',
    'add',
    `${Q}, ${Q}`,
    Q,
    (a: QuantityValue, b: QuantityValue) => new QuantityValue(addQuantity(a.quantity, b.quantity)),
  ),
  member('quantity_add_int', 'add', `${Q}, int`, Q, (a: QuantityValue, b: bigint) => new QuantityValue(addQuantity(a.quantity, ofInt(b)))),
  member(
    'quantity_sub',
    'sub',
    `${Q}, ${Q}`,
    Q,
    (a: QuantityValue, b: QuantityValue) => new QuantityValue(subQuantity(a.quantity, b.quantity)),
  ),
  member('quantity_sub_int', 'sub', `${Q}, int`, Q, (a: QuantityValue, b: bigint) => new QuantityValue(subQuantity(a.quantity, ofInt(b)))),
]
