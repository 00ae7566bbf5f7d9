/** How much of a device's capacity a request takes: devices that are shared give it to several, others have to have it. */
import type { CapacityRequestPolicy, Device, DeviceCapacity } from '../../api/kinds/resource/v1.ts'
import { canonicalQuantity, compareQuantity, formatQuantity, newQuantity, quantityValue } from '../../api/quantity.ts'

/** Quantities by name, each in the units in which somebody wrote it. */
export type Consumed = ReadonlyMap<string, string>

/** Undefined where the request is against the device's policy, or for something that it does not have. */
export function consumedCapacity(device: Device, requests: Readonly<Record<string, string>> = {}): Consumed | undefined {
  const capacity = device.capacity ?? {}
  if (Object.keys(requests).some((name) => capacity[name] === undefined)) return undefined
  const consumed = new Map<string, string>()
  for (const [name, item] of Object.entries(capacity)) {
    const amount = amountOf(item, requests[name])
    if (amount === undefined) return undefined
    consumed.set(name, canonicalQuantity(amount))
  }
  return consumed
}

function amountOf({ value, requestPolicy }: DeviceCapacity, request: string | undefined): string | undefined {
  if (request === undefined) return requestPolicy?.default ?? value
  if (!requestPolicy) return request
  const { validValues, validRange } = requestPolicy
  if (validValues) return validValues.find((valid) => compareQuantity(request, valid) <= 0)
  return validRange ? inRange(request, validRange) : request
}

function inRange(request: string, { min, max, step }: NonNullable<CapacityRequestPolicy['validRange']>): string | undefined {
  let amount = compareQuantity(request, min) < 0 ? min : request
  if (step !== undefined && amount !== min) {
    const [least, by] = [quantityValue(min), quantityValue(step)]
    amount = formatQuantity(newQuantity(least + Math.ceil((quantityValue(amount) - least) / by) * by, 'BinarySI'))
  }
  return max !== undefined && compareQuantity(amount, max) > 0 ? undefined : amount
}

/** Amounts by name. */
export type Used = ReadonlyMap<string, number>

export function fitsCapacity(device: Device, used: Used | undefined, more: Consumed): boolean {
  for (const [name, amount] of more) {
    const whole = quantityValue(device.capacity?.[name]?.value ?? '0')
    if ((used?.get(name) ?? 0) + quantityValue(amount) > whole) return false
  }
  return true
}
