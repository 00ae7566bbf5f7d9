/** A certificate and the private key to it, as Go's crypto/tls takes them from a Secret: what it says of a pair that does not fit. */
import { quote } from '../quote.ts'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

interface PemBlock {
  type: string
  hasHeaders: boolean
  der: Buffer
}

const PEM_RE = /-----BEGIN ([^\n-]*)-----\r?\n([\s\S]*?)-----END \1-----/g

function pemBlocks(text: string): PemBlock[] {
  return [...text.matchAll(PEM_RE)].map(([, type = '', body = '']) => {
    // Headers stand before an empty line.
    const data = body.includes(':') ? body.slice(body.search(/\r?\n\r?\n/)) : body
    return { type, hasHeaders: data !== body, der: Buffer.from(data, 'base64') }
  })
}

const isKey = (type: string): boolean => type === 'PRIVATE KEY' || type.endsWith(' PRIVATE KEY')

function certificateError(blocks: readonly PemBlock[]): string {
  const types = blocks.map(({ type }) => type)
  if (types.length === 0) return 'tls: failed to find any PEM data in certificate input'
  if (types.length === 1 && types[0]?.endsWith('PRIVATE KEY')) {
    return 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched'
  }
  return `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${types.join(' ')}]`
}

function keyError(blocks: readonly PemBlock[]): string {
  const types = blocks.map(({ type }) => type)
  if (types.length === 0) return 'tls: failed to find any PEM data in key input'
  if (types.length === 1 && types[0] === 'CERTIFICATE') return 'tls: found a certificate rather than a key in the PEM for the private key'
  return `tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [${types.join(' ')}]`
}

function parseKey(der: Buffer): KeyObject | undefined {
  for (const type of ['pkcs1', 'pkcs8', 'sec1'] as const) {
    try {
      return createPrivateKey({ key: der, format: 'der', type })
    } catch {
      continue
    }
  }
  return undefined
}

function parseCertificate(der: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(der)
  } catch {
    return undefined
  }
}

/** Why the two (PEM) are no pair, or undefined for a good one. */
export function keyPairError(certificatePem: string, keyPem: string): string | undefined {
  const certificates = pemBlocks(certificatePem)
  const leaf = certificates.find(({ type }) => type === 'CERTIFICATE')
  if (!leaf) return certificateError(certificates)
  const keys = pemBlocks(keyPem)
  const keyBlock = keys.find(({ type }) => isKey(type))
  if (!keyBlock) return keyError(keys)
  const certificate = parseCertificate(leaf.der)
  if (!certificate) return 'x509: malformed certificate'
  const key = parseKey(keyBlock.der)
  if (!key) return 'tls: failed to parse private key'
  if (certificate.publicKey.asymmetricKeyType !== key.asymmetricKeyType) return 'tls: private key type does not match public key type'
  return certificate.checkPrivateKey(key) ? undefined : 'tls: private key does not match public key'
}

/** Why the text is no list of certificates in PEM, and nothing else. */
export function certificatesError(pem: string): string | undefined {
  const blocks = pemBlocks(pem)
  for (const { type, hasHeaders, der } of blocks) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${quote(type)}`
    if (hasHeaders) return 'no PEM block headers are permitted'
    if (!parseCertificate(der)) return 'x509: malformed certificate'
  }
  return blocks.length === 0 ? 'must contain at least one CERTIFICATE PEM block' : undefined
}
