/** Whom the API server takes for the webhook it calls: Go's rules, by subject alternative names alone. */
import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { getCACertificates } from 'node:tls'
import type { PeerCertificate } from 'node:tls'
import { WebhookCallError } from './callErrors.ts'

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g
/** Bundles seen lately, parsed: some are the roots of a whole machine. */
const MAX_PARSED = 64

export class TrustedRoots {
  readonly #parsed = new Map<string, readonly string[]>()
  #system: readonly string[] | undefined

  /** The certificates of a base64 bundle of PEM blocks; without one, what the machine trusts (undefined: what the runtime brings). */
  of(caBundle: string | undefined): readonly string[] | undefined {
    if (!caBundle) {
      this.#system ??= getCACertificates('system')
      return this.#system.length > 0 ? this.#system : undefined
    }
    let certificates = this.#parsed.get(caBundle)
    if (certificates) return certificates
    certificates = (Buffer.from(caBundle, 'base64').toString('latin1').match(PEM_CERTIFICATE) ?? []).filter(isCertificate)
    if (certificates.length === 0) {
      const why = 'unable to load root certificates: unable to parse bytes as PEM block'
      throw new WebhookCallError('config', `could not get REST client: ${why}`)
    }
    if (this.#parsed.size >= MAX_PARSED) this.#parsed.delete(this.#parsed.keys().next().value as string)
    this.#parsed.set(caBundle, certificates)
    return certificates
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}

class IdentityError extends Error {
  override readonly name = 'IdentityError'
}

/** The error in Go's words where the certificate is not for that name or address. */
export function checkIdentity(name: string, { subjectaltname = '', raw }: PeerCertificate): Error | undefined {
  const certificate = new X509Certificate(raw)
  const names = subjectaltname.split(', ').flatMap((entry) => (entry.startsWith('DNS:') ? [entry.slice('DNS:'.length)] : []))
  const addresses = subjectaltname
    .split(', ')
    .flatMap((entry) => (entry.startsWith('IP Address:') ? [entry.slice('IP Address:'.length)] : []))
  const { CN } = certificate.toLegacyObject().subject
  // Only a certificate without any alternative name that would have been the right one in former days is told so.
  const isLegacy = subjectaltname === '' && typeof CN === 'string' && CN.toLowerCase() === name.toLowerCase()
  const legacy = 'certificate relies on legacy Common Name field, use SANs instead'
  if (isIP(name) !== 0) {
    if (certificate.checkIP(name)) return undefined
    if (isLegacy) return new IdentityError(legacy)
    if (addresses.length === 0) return new IdentityError(`cannot validate certificate for ${name} because it doesn't contain any IP SANs`)
    return new IdentityError(`certificate is valid for ${addresses.join(', ')}, not ${name}`)
  }
  if (certificate.checkHost(name, { subject: 'never' })) return undefined
  if (isLegacy) return new IdentityError(legacy)
  if (names.length === 0) return new IdentityError(`certificate is not valid for any names, but wanted to match ${name}`)
  return new IdentityError(`certificate is valid for ${names.join(', ')}, not ${name}`)
}
