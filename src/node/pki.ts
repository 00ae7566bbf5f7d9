/**
 * The cluster's keys and certificates, made once and kept on the node's volume (kubeadm's names, under `pki/`).
 * The API server's certificate is issued again when its names change or its end is near; the authorities stay.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  webcrypto,
  X509Certificate as NodeCertificate,
  type KeyObject,
} from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { X509Certificate } from '@peculiar/x509'
import { makeCertificate } from './certificate.ts'
import {
  readAuthority,
  readReplaceable,
  readSigningKey,
  saveAuthority,
  saveReplaceable,
  saveSigningKey,
  syncFolder,
  writeWhole,
  type KeyPair,
} from './pkiFiles.ts'

const generateKeys = promisify(generateKeyPair)

export interface Pki {
  ca: KeyPair
  frontProxyCa: KeyPair
  apiServer: KeyPair
  /** By which the API server shows itself to kubelets. */
  kubeletClient: KeyPair
  /** By which the aggregation layer shows itself to API extensions. */
  frontProxyClient: KeyPair
  /** The kubelet's serving certificate. */
  kubelet: KeyPair
  /** The metrics server's serving certificate. */
  metricsServer: KeyPair
  /** system:masters, for the user's kubeconfig. */
  admin: KeyPair
  /** Signs ServiceAccount tokens. */
  serviceAccount: { privateKey: string; publicKey: string }
}

export interface PkiOptions {
  dir: string
  nodeName: string
  /** DNS names and addresses of the API server. */
  apiServerNames: readonly string[]
  /** Names and addresses of the node. */
  nodeNames: readonly string[]
  nowMs: number
}

/** By which the API server knows the metrics server behind its service. */
const METRICS_SERVER_NAME = 'metrics-server.kube-system.svc'
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const DAY_MS = 86_400_000
const CA_DAYS = 3650
const CERTIFICATE_DAYS = 3650
/** Issued again when less than this is left. */
const RENEW_DAYS = 30
/** Clocks of host and guests differ: certificates are valid a little before they were made. */
const BACKDATE_MS = 5 * 60_000

export interface Authority extends KeyPair {
  certificate: X509Certificate
  signingKey: CryptoKey
}

interface Subject {
  commonName: string
  organizations?: readonly string[]
  names?: readonly string[]
  usage: 'server' | 'client'
}

/** Loading the X.509 library takes longer than reading all files, so it waits until something must be made. */
export const loadX509 = async (): Promise<typeof import('@peculiar/x509')> => {
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  x509.cryptoProvider.set(webcrypto)
  return x509
}

const derOf = (text: string): Buffer => Buffer.from(text.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')

export function randomSerial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16))
  // Positive, and without a zero in front, which DER forbids.
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40
  return Buffer.from(bytes).toString('hex')
}

async function newKeyObjects(): Promise<{ publicKey: KeyObject; privateKey: KeyObject }> {
  return generateKeys('ec', { namedCurve: 'P-256' })
}

const privatePemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string

/** With a key of its own, or with the one that has lost its certificate. */
async function makeAuthority(commonName: string, nowMs: number, ownKey: string | undefined): Promise<KeyPair> {
  const signingKey = ownKey === undefined ? (await newKeyObjects()).privateKey : createPrivateKey(ownKey)
  const cert = makeCertificate({
    serialNumber: randomSerial(),
    subject: { commonName },
    publicKey: createPublicKey(signingKey),
    signingKey,
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs: nowMs + CA_DAYS * DAY_MS,
    usage: 'authority',
  })
  return { cert, key: ownKey ?? privatePemOf(signingKey) }
}

export async function openAuthority(pair: KeyPair): Promise<Authority> {
  const x509 = await loadX509()
  const signingKey = await webcrypto.subtle.importKey('pkcs8', Uint8Array.from(derOf(pair.key)), ALGORITHM, true, ['sign'])
  return { ...pair, certificate: new x509.X509Certificate(pair.cert), signingKey }
}

async function issue(authority: KeyPair, subject: Subject, nowMs: number): Promise<KeyPair> {
  const { publicKey, privateKey } = await newKeyObjects()
  const cert = makeCertificate({
    serialNumber: randomSerial(),
    subject,
    publicKey,
    issuer: new NodeCertificate(authority.cert),
    signingKey: createPrivateKey(authority.key),
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs: nowMs + CERTIFICATE_DAYS * DAY_MS,
    usage: subject.usage,
    names: subject.names ?? [],
  })
  return { cert, key: privatePemOf(privateKey) }
}

/** What a certificate was asked for with, kept beside it: a change means a new certificate. */
function fingerprint(subject: Subject, authority: KeyPair): string {
  const { names = [], organizations = [] } = subject
  return createHash('sha256')
    .update(JSON.stringify([subject.commonName, organizations, names.toSorted(), authority.cert]))
    .digest('hex')
}

const publicPemOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }) as string

async function ensureServiceAccountKey(dir: string): Promise<Pki['serviceAccount']> {
  const kept = readSigningKey(dir, 'sa')
  if (kept !== undefined) return { privateKey: kept, publicKey: publicPemOf(createPublicKey(kept)) }
  const made = await newKeyObjects()
  const keys = { privateKey: privatePemOf(made.privateKey), publicKey: publicPemOf(made.publicKey) }
  saveSigningKey(dir, 'sa', keys)
  return keys
}

async function ensureAuthority(dir: string, name: string, commonName: string, nowMs: number): Promise<KeyPair> {
  const kept = readAuthority(dir, name)
  if (kept?.cert !== undefined) return { key: kept.key, cert: kept.cert }
  return saveAuthority(dir, name, await makeAuthority(commonName, nowMs, kept?.key))
}

/** Reads what is there, makes what is missing. */
export async function ensurePki({ dir, nodeName, apiServerNames, nodeNames, nowMs }: PkiOptions): Promise<Pki> {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const isNew = !existsSync(join(dir, 'ca.crt'))
  const [ca, frontProxyCa, serviceAccount] = await Promise.all([
    ensureAuthority(dir, 'ca', 'minicube-ca', nowMs),
    ensureAuthority(dir, 'front-proxy-ca', 'minicube-front-proxy-ca', nowMs),
    ensureServiceAccountKey(dir),
  ])
  if (isNew) syncFolder(dir)
  const certificate = async (name: string, signer: KeyPair, subject: Subject): Promise<KeyPair> => {
    const stamp = join(dir, `${name}.issued`)
    const wanted = fingerprint(subject, signer)
    const kept = readReplaceable(dir, name)
    const [seen, untilMs] = existsSync(stamp) ? readFileSync(stamp, 'utf8').split(' ') : []
    if (kept && seen === wanted && Number(untilMs) - nowMs > RENEW_DAYS * DAY_MS) return kept
    const made = saveReplaceable(dir, name, await issue(signer, subject, nowMs))
    writeWhole(stamp, `${wanted} ${nowMs + CERTIFICATE_DAYS * DAY_MS}`, { mode: 0o644 })
    return made
  }
  const [apiServer, kubeletClient, frontProxyClient, kubelet, metricsServer, admin] = await Promise.all([
    certificate('apiserver', ca, { commonName: 'kube-apiserver', names: apiServerNames, usage: 'server' }),
    certificate('apiserver-kubelet-client', ca, {
      commonName: 'kube-apiserver-kubelet-client',
      organizations: ['system:masters'],
      usage: 'client',
    }),
    certificate('front-proxy-client', frontProxyCa, { commonName: 'front-proxy-client', usage: 'client' }),
    certificate('kubelet', ca, {
      commonName: `system:node:${nodeName}`,
      organizations: ['system:nodes'],
      names: nodeNames,
      usage: 'server',
    }),
    certificate('metrics-server', ca, { commonName: METRICS_SERVER_NAME, names: [METRICS_SERVER_NAME], usage: 'server' }),
    certificate('admin', ca, { commonName: 'kubernetes-admin', organizations: ['system:masters'], usage: 'client' }),
  ])
  return { ca, frontProxyCa, apiServer, kubeletClient, frontProxyClient, kubelet, metricsServer, admin, serviceAccount }
}

/** What a node that joins is known by and knows the others by. */
export interface NodeCredentials {
  ca: string
  /** The kubelet's serving certificate. */
  kubelet: KeyPair
  /** By which the kubelet shows itself to the API server. */
  kubeletClient: KeyPair
  /** By which kube-proxy and its neighbours on the node do. */
  networkClient: KeyPair
}

export interface NodeCredentialsOptions {
  /** Where the cluster's authority is. */
  dir: string
  nodeName: string
  addresses: readonly string[]
  nowMs: number
}

/** Certificates for a node that joins; the authority's key stays where it is. */
export async function issueNodeCredentials({ dir, nodeName, addresses, nowMs }: NodeCredentialsOptions): Promise<NodeCredentials> {
  const ca = readReplaceable(dir, 'ca')
  if (!ca) throw new Error(`there is no authority in ${dir}: this node has no control plane`)
  const commonName = `system:node:${nodeName}`
  const organizations = ['system:nodes']
  const [kubelet, kubeletClient, networkClient] = await Promise.all([
    issue(ca, { commonName, organizations, names: [nodeName, ...addresses], usage: 'server' }, nowMs),
    issue(ca, { commonName, organizations, usage: 'client' }, nowMs),
    issue(ca, { commonName: 'system:kube-proxy', usage: 'client' }, nowMs),
  ])
  return { ca: ca.cert, kubelet, kubeletClient, networkClient }
}
