/** Addresses that no endpoint may have. */
import { isIPv4 } from 'node:net'
import { invalid } from './fieldErrors.ts'
import type { FieldError } from '../status.ts'

export function validateNonSpecialIp(address: string, path: string): FieldError[] {
  const v4 = isIPv4(address) ? address.split('.').map(Number) : undefined
  const is = (test4: (parts: number[]) => boolean, test6: RegExp): boolean => (v4 ? test4(v4) : test6.test(address.toLowerCase()))
  const errors: FieldError[] = []
  if (is((p) => p.every((part) => part === 0), /^[0:]+$/)) errors.push(invalid(path, address, `may not be unspecified (${address})`))
  if (is((p) => p[0] === 127, /^::1$/)) errors.push(invalid(path, address, 'may not be in the loopback range (127.0.0.0/8, ::1/128)'))
  if (is((p) => p[0] === 169 && p[1] === 254, /^fe[89ab]/)) errors.push(invalid(path, address, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'))
  if (is((p) => p[0] === 224 && p[1] === 0 && p[2] === 0, /^ff02/)) {
    errors.push(invalid(path, address, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'))
  }
  return errors
}
