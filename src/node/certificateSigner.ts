/** Signs certificate requests (PKCS #10) with the cluster's authority, for the CSR controllers. */
import { createPublicKey } from 'node:crypto'
import type { SubjectAlternativeNameExtension } from '@peculiar/x509'
import { grantedSeconds, type CertificateSigner, type RequestedSubject } from '../controllers/certificates/signers.ts'
import { loadX509, openAuthority, randomSerial } from './pki.ts'
import type { KeyPair } from './pkiFiles.ts'

/** Upstream's cluster-signing-duration. */
const SIGNING_DURATION_MS = 365 * 86_400_000
const BACKDATE_MS = 5 * 60_000

/** Kubernetes' names of key usages that are extended ones in X.509, by their object identifiers. */
const EXTENDED: Record<string, string> = {
  any: '2.5.29.37.0',
  'server auth': '1.3.6.1.5.5.7.3.1',
  'client auth': '1.3.6.1.5.5.7.3.2',
  'code signing': '1.3.6.1.5.5.7.3.3',
  'email protection': '1.3.6.1.5.5.7.3.4',
  's/mime': '1.3.6.1.5.5.7.3.4',
  timestamping: '1.3.6.1.5.5.7.3.8',
  'ocsp signing': '1.3.6.1.5.5.7.3.9',
}

/** Bits of the key usage extension (RFC 5280). */
const USAGE_BITS: Record<string, number> = {
  'digital signature': 1,
  signing: 1,
  'content commitment': 2,
  'key encipherment': 4,
  'data encipherment': 8,
  'key agreement': 16,
  'cert sign': 32,
  'crl sign': 64,
  'encipher only': 128,
  'decipher only': 256,
}

type X509 = Awaited<ReturnType<typeof loadX509>>
type Request = InstanceType<X509['Pkcs10CertificateRequest']>

/** The subject alternative names, by their object identifier. */
const ALTERNATIVE_NAMES = '2.5.29.17'

function alternativeNames(request: Request): SubjectAlternativeNameExtension | null {
  return request.getExtension(ALTERNATIVE_NAMES) as SubjectAlternativeNameExtension | null
}

function subjectOf(x509: X509, requestPem: string): RequestedSubject {
  const request = new x509.Pkcs10CertificateRequest(requestPem)
  const names = alternativeNames(request)?.names.items ?? []
  const ofType = (type: string): string[] => names.filter((name) => name.type === type).map(({ value }) => value)
  return {
    commonName: request.subjectName.getField('CN')[0] ?? '',
    organizations: request.subjectName.getField('O'),
    dnsNames: ofType('dns'),
    ipAddresses: ofType('ip'),
    emailAddresses: ofType('email'),
    uris: ofType('url'),
  }
}

/** No certificate lives longer than `durationMs`. */
export function createCertificateSigner(ca: KeyPair, now: () => number, durationMs = SIGNING_DURATION_MS): CertificateSigner {
  return {
    async inspect(requestPem) {
      return subjectOf(await loadX509(), requestPem)
    },
    async sign({ requestPem, usages, expirationSeconds }) {
      const x509 = await loadX509()
      const authority = await openAuthority(ca)
      const request = new x509.Pkcs10CertificateRequest(requestPem)
      if (!(await request.verify())) throw new Error('the request is not signed by its own key')
      const san = alternativeNames(request)
      const bits = usages.reduce((sum, usage) => sum | (USAGE_BITS[usage] ?? 0), 0)
      const extended = usages.flatMap((usage) => EXTENDED[usage] ?? [])
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: randomSerial(),
        subject: request.subjectName,
        issuer: authority.certificate.subjectName,
        notBefore: new Date(now() - BACKDATE_MS),
        notAfter: new Date(
          Math.min(now() + grantedSeconds(expirationSeconds, durationMs / 1000) * 1000, authority.certificate.notAfter.getTime()),
        ),
        signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
        publicKey: createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' }).export({
          type: 'spki',
          format: 'der',
        }),
        signingKey: authority.signingKey,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          ...(bits ? [new x509.KeyUsagesExtension(bits, true)] : []),
          ...(extended.length > 0 ? [new x509.ExtendedKeyUsageExtension(extended)] : []),
          await x509.AuthorityKeyIdentifierExtension.create(authority.certificate.publicKey),
          ...(san ? [san] : []),
        ],
      })
      return `${certificate.toString('pem')}\n`
    },
  }
}
