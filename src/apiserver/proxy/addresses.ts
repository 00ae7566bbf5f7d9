/** Which addresses a user may have the server connect to: none that mean the server's own machine or link (CVE-2020-8562). */
import { BlockList, isIP } from 'node:net'
import { newBadRequest } from '../../api/status.ts'

const refused = new BlockList()
refused.addSubnet('127.0.0.0', 8, 'ipv4')
refused.addSubnet('0.0.0.0', 8, 'ipv4')
refused.addSubnet('169.254.0.0', 16, 'ipv4')
refused.addSubnet('224.0.0.0', 4, 'ipv4')
refused.addAddress('255.255.255.255', 'ipv4')
refused.addAddress('::', 'ipv6')
refused.addAddress('::1', 'ipv6')
refused.addSubnet('fe80::', 10, 'ipv6')
refused.addSubnet('ff00::', 8, 'ipv6')

/** Throws 400 unless it is the address (not a name, which could be rebound) of another machine or pod. */
export function checkProxyable(address: string): void {
  const family = isIP(address)
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  const bad = family === 0 || refused.check(mapped ?? address, family === 4 || mapped ? 'ipv4' : 'ipv6')
  if (bad) throw newBadRequest('address not allowed')
}
