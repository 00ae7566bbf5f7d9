/**
 * Client certificates: the common name is the user, each organization a group (upstream's x509 request authenticator).
 * TLS has checked that the client holds the key; whether the certificate comes from the cluster's CA is checked here, since
 * the front proxy's CA is another one and must not be able to name users.
 */
import { X509Certificate } from 'node:crypto'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import type { UserInfo } from '../request.ts'

const LONGEST_CHAIN = 5

export function parseCertificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block) => new X509Certificate(block))
}

export interface ClientCertificate {
  leaf: X509Certificate
  commonName: string
  organizations: string[]
  chain: X509Certificate[]
}

/** The subject's values of one attribute; node prints a subject as one `key=value` a line. */
function subjectValues(certificate: X509Certificate, key: string): string[] {
  return certificate.subject
    .split('\n')
    .filter((line) => line.startsWith(`${key}=`))
    .map((line) => line.slice(key.length + 1))
}

/** What the client showed on this connection, verified or not. */
export function clientCertificate(socket: TLSSocket): ClientCertificate | undefined {
  const peer = socket.getPeerCertificate(true) as DetailedPeerCertificate | undefined
  if (!peer?.raw) return undefined
  const chain: X509Certificate[] = []
  let at: DetailedPeerCertificate | undefined = peer
  while (at?.raw && chain.length < LONGEST_CHAIN) {
    chain.push(new X509Certificate(at.raw))
    if (at.issuerCertificate === at) break
    at = at.issuerCertificate
  }
  const leaf = chain[0] as X509Certificate
  return { leaf, chain, commonName: subjectValues(leaf, 'CN')[0] ?? '', organizations: subjectValues(leaf, 'O') }
}

function isValidAt(certificate: X509Certificate, nowMs: number): boolean {
  return certificate.validFromDate.getTime() <= nowMs && nowMs <= certificate.validToDate.getTime()
}

/** Whether the chain leads to one of `roots`, each link signed and in its time. */
export function isSignedBy(certificate: ClientCertificate, roots: readonly X509Certificate[], nowMs: number): boolean {
  let current = certificate.leaf
  for (let depth = 0; depth < LONGEST_CHAIN; depth++) {
    if (!isValidAt(current, nowMs)) return false
    const issued = current
    if (roots.some((root) => issued.checkIssued(root) && issued.verify(root.publicKey) && isValidAt(root, nowMs))) return true
    const next = certificate.chain.find((c) => c !== issued && c.ca && issued.checkIssued(c) && issued.verify(c.publicKey))
    if (!next) return false
    current = next
  }
  return false
}

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

/** A certificate with key usages must be one for clients. */
export function isForClients(certificate: ClientCertificate): boolean {
  const usages = certificate.leaf.keyUsage
  return usages === undefined || usages.length === 0 || usages.includes(CLIENT_AUTH) || usages.includes('2.5.29.37.0')
}

export function userOfCertificate(certificate: ClientCertificate): UserInfo {
  const credentialId = `X509SHA256=${certificate.leaf.fingerprint256.replaceAll(':', '').toLowerCase()}`
  return {
    name: certificate.commonName,
    groups: certificate.organizations,
    extra: { 'authentication.kubernetes.io/credential-id': [credentialId] },
  }
}
