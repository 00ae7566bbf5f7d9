/**
 * Writes X.509 v3 certificates for ECDSA keys (RFC 5280, in DER). The cluster's own certificates are all of a few shapes, and
 * a cold start makes nine of them: through a general library that is 0.15 s, which is half of a control plane's start.
 */
import { createHash, createPublicKey, sign, type KeyObject, type X509Certificate } from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'

const TAG = {
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
}
const OID = {
  ecdsaWithSha256: '2a8648ce3d040302',
  commonName: '550403',
  organization: '55040a',
  subjectKeyIdentifier: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  authorityKeyIdentifier: '551d23',
  extendedKeyUsage: '551d25',
  serverAuth: '2b06010505070301',
  clientAuth: '2b06010505070302',
}
const TRUE = Buffer.from('0101ff', 'hex')
/** An uncompressed point of P-256, at the end of its SubjectPublicKeyInfo. */
const POINT_BYTES = 65
const LAST_UTC_YEAR = 2049
const PEM_LINE = 64

function tlv(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  if (content.length < 0x80) return Buffer.concat([Buffer.of(tag, content.length), content])
  const size = content.length < 0x100 ? [0x81, content.length] : [0x82, content.length >> 8, content.length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}

const sequence = (...contents: readonly Uint8Array[]): Buffer => tlv(TAG.sequence, ...contents)
const oid = (hex: string): Buffer => tlv(TAG.oid, Buffer.from(hex, 'hex'))
const bits = (bytes: Uint8Array, unused = 0): Buffer => tlv(TAG.bits, Buffer.of(unused), bytes)

export interface DistinguishedName {
  organizations?: readonly string[]
  commonName: string
}

function encodeName({ organizations = [], commonName }: DistinguishedName): Buffer {
  const part = (type: string, text: string): Buffer => tlv(TAG.set, sequence(oid(type), tlv(TAG.utf8, Buffer.from(text))))
  return sequence(...organizations.map((text) => part(OID.organization, text)), part(OID.commonName, commonName))
}

function encodeTime(epochMs: number): Buffer {
  const text = `${new Date(epochMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '')}`
  const utc = Number(text.slice(0, 4)) <= LAST_UTC_YEAR
  return tlv(utc ? TAG.utcTime : TAG.generalizedTime, Buffer.from(utc ? text.slice(2) : text))
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail] = address.split('::')
  const words = (text: string): number[] => (text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16)))
  const [first, last] = [words(head), words(tail ?? '')]
  const all = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last]
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 0xff]))
}

const altName = (name: string): Buffer =>
  isIPv4(name) || isIPv6(name) ? tlv(0x87, addressBytes(name)) : tlv(0x82, Buffer.from(name, 'ascii'))

const keyIdentifier = (publicKey: KeyObject): Buffer =>
  createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }).subarray(-POINT_BYTES))
    .digest()

const extension = (type: string, critical: boolean, value: Uint8Array): Buffer =>
  sequence(oid(type), ...(critical ? [TRUE] : []), tlv(TAG.octets, value))

/** The bytes of a certificate's subject: who compares names compares those. */
function subjectOf(certificate: X509Certificate): Buffer {
  const der = certificate.raw
  const enter = (at: number): { content: number; end: number } => {
    const length = der[at + 1] as number
    if (length < 0x80) return { content: at + 2, end: at + 2 + length }
    const count = length & 0x7f
    const content = at + 2 + count
    return { content, end: content + der.readUIntBE(at + 2, count) }
  }
  let at = enter(enter(0).content).content
  // Version, serial number, algorithm, issuer and validity stand before it.
  for (let field = 0; field < 5; field++) at = enter(at).end
  return der.subarray(at, enter(at).end)
}

export interface CertificateOptions {
  /** Hexadecimal, positive. */
  serialNumber: string
  subject: DistinguishedName
  publicKey: KeyObject
  /** Undefined for one that signs itself. */
  issuer?: X509Certificate
  signingKey: KeyObject
  notBeforeMs: number
  notAfterMs: number
  usage: 'authority' | 'server' | 'client'
  /** DNS names and addresses. */
  names?: readonly string[]
}

function extensions({ usage, names = [], publicKey, issuer }: CertificateOptions): Buffer {
  if (usage === 'authority') {
    return sequence(
      extension(OID.basicConstraints, true, sequence(TRUE)),
      // Digital signatures, certificates and revocation lists.
      extension(OID.keyUsage, true, bits(Buffer.of(0x86), 1)),
      extension(OID.subjectKeyIdentifier, false, tlv(TAG.octets, keyIdentifier(publicKey))),
    )
  }
  const authority = issuer ? createPublicKey(issuer.publicKey.export({ type: 'spki', format: 'pem' })) : publicKey
  return sequence(
    extension(OID.basicConstraints, true, sequence()),
    // Digital signatures and encryption of keys.
    extension(OID.keyUsage, true, bits(Buffer.of(0xa0), 5)),
    extension(OID.extendedKeyUsage, false, sequence(oid(usage === 'server' ? OID.serverAuth : OID.clientAuth))),
    extension(OID.authorityKeyIdentifier, false, sequence(tlv(0x80, keyIdentifier(authority)))),
    ...(names.length > 0 ? [extension(OID.subjectAltName, false, sequence(...names.map(altName)))] : []),
  )
}

/** PEM. */
export function makeCertificate(options: CertificateOptions): string {
  const { serialNumber, subject, publicKey, issuer, signingKey, notBeforeMs, notAfterMs } = options
  const algorithm = sequence(oid(OID.ecdsaWithSha256))
  const name = encodeName(subject)
  const content = sequence(
    tlv(0xa0, tlv(TAG.integer, Buffer.of(2))),
    tlv(TAG.integer, Buffer.from(serialNumber, 'hex')),
    algorithm,
    issuer ? subjectOf(issuer) : name,
    sequence(encodeTime(notBeforeMs), encodeTime(notAfterMs)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, extensions(options)),
  )
  const certificate = sequence(content, algorithm, bits(sign('sha256', content, signingKey)))
  const lines = certificate.toString('base64').match(new RegExp(`.{1,${PEM_LINE}}`, 'g')) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
