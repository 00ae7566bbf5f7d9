/** Addresses that no endpoint may have: they would lead somewhere on each node itself. */
import { canonicalIp } from './names.ts'

interface Range {
  matches: RegExp
  text(address: string): string
}

const RANGES: readonly Range[] = [
  { matches: /^(0\.0\.0\.0|::)$/, text: (address) => `may not be unspecified (${address})` },
  { matches: /^(127\.|::1$)/, text: () => 'may not be in the loopback range (127.0.0.0/8, ::1/128)' },
  { matches: /^(169\.254\.|fe[89ab][0-9a-f]:)/, text: () => 'may not be in the link-local range (169.254.0.0/16, fe80::/10)' },
  { matches: /^(224\.0\.0\.|ff[0-9a-f]2:)/, text: () => 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)' },
]

export function endpointIpErrors(address: string): string[] {
  const ip = canonicalIp(address)
  if (ip === undefined) return ['must be a valid IP address']
  return RANGES.filter(({ matches }) => matches.test(ip)).map(({ text }) => text(address))
}
