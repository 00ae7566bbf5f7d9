/** Devices that several claims share: how much of a device's capacity a request takes. */
import type { Device, DeviceCapacity } from '../../api/kinds/resource/v1.ts'
import { formatQuantity, newQuantity, quantityValue } from '../../api/quantity.ts'

/** In whole units by name; undefined where the request is against the device's policy. */
export function consumedCapacity(device: Device, requests: Readonly<Record<string, string>> = {}): Map<string, number> | undefined {
  const capacity = device.capacity ?? {}
  if (Object.keys(requests).some((name) => capacity[name] === undefined)) return undefined
  const consumed = new Map<string, number>()
  for (const [name, item] of Object.entries(capacity)) {
    const amount = amountOf(item, requests[name])
    if (amount === undefined) return undefined
    consumed.set(name, amount)
  }
  return consumed
}

function amountOf({ value, requestPolicy }: DeviceCapacity, request: string | undefined): number | undefined {
  const whole = quantityValue(value)
  const fallback = requestPolicy?.default === undefined ? whole : quantityValue(requestPolicy.default)
  const asked = request === undefined ? fallback : quantityValue(request)
  if (asked > whole) return undefined
  if (requestPolicy?.validValues) {
    const fitting = requestPolicy.validValues.map((v) => quantityValue(v)).filter((v) => v >= asked)
    return fitting.length > 0 ? Math.min(...fitting) : undefined
  }
  const range = requestPolicy?.validRange
  if (!range) return asked
  const min = quantityValue(range.min)
  const step = range.step === undefined ? undefined : quantityValue(range.step)
  const raised = Math.max(min, asked)
  const amount = step === undefined ? raised : min + Math.ceil((raised - min) / step) * step
  return range.max !== undefined && amount > quantityValue(range.max) ? undefined : amount
}

export function fitsCapacity(device: Device, used: ReadonlyMap<string, number> | undefined, more: ReadonlyMap<string, number>): boolean {
  for (const [name, amount] of more) {
    const whole = quantityValue(device.capacity?.[name]?.value ?? '0')
    if ((used?.get(name) ?? 0) + amount > whole) return false
  }
  return true
}

/** In powers of two where the device counts so. */
export const capacityTexts = (device: Device, consumed: ReadonlyMap<string, number>): Record<string, string> =>
  Object.fromEntries(
    [...consumed].map(([name, amount]) => {
      const format = device.capacity?.[name]?.value.endsWith('i') ? 'BinarySI' : 'DecimalSI'
      return [name, formatQuantity(newQuantity(amount, format))]
    }),
  )
