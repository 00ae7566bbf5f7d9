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
  /** As Kubernetes keeps it in a subject. */
  uids: string[]
  chain: X509Certificate[]
}

const UID_OID = '1.3.6.1.4.1.57683.2'

/** The subject's values of one attribute, in their order. */
function subjectValues(certificate: DetailedPeerCertificate, key: string): string[] {
  const value: unknown = (certificate.subject as unknown as Record<string, unknown>)[key] ?? []
  return [value].flat().map(String)
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
  const values = (key: string): string[] => subjectValues(peer, key)
  // Of several common names the last one counts, as in Go.
  return { leaf, chain, commonName: values('CN').at(-1) ?? '', organizations: values('O'), uids: values(UID_OID) }
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

/** Undefined where it names nobody, or more than one. */
export function userOfCertificate(certificate: ClientCertificate): UserInfo | undefined {
  const { uids, commonName } = certificate
  const [uid] = uids
  if (commonName === '' || uids.length > 1 || uid === '') return undefined
  const credentialId = `X509SHA256=${certificate.leaf.fingerprint256.replaceAll(':', '').toLowerCase()}`
  return {
    name: commonName,
    ...(uid && { uid }),
    groups: certificate.organizations,
    extra: { 'authentication.kubernetes.io/credential-id': [credentialId] },
  }
}
