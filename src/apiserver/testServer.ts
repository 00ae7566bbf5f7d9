/** A whole API server for tests: real TLS and HTTP on a free port of the loopback, the real registry over a store in memory. */
import 'reflect-metadata'
import { generateKeyPairSync, webcrypto } from 'node:crypto'
import { connect } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { loadCatalog } from '../api/catalog/load.ts'
import { systemClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { createMemoryStore } from '../storage/memory/memoryStore.ts'
import { admissionPlugins } from './admission/plugins.ts'
import { createRegistry } from './registry/registry.ts'
import { Services } from './registry/services/services.ts'
import type { Store } from '../storage/store.ts'
import type { UserInfo } from './request.ts'
import { createApiServer } from './server.ts'
import type { ApiServer } from './server.ts'

export interface Pem {
  cert: string
  key: string
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const DAY_MS = 86_400_000

export class TestAuthority {
  readonly cert: string
  readonly #keys: webcrypto.CryptoKeyPair
  readonly #name: string
  #serial = 1

  constructor(cert: string, keys: webcrypto.CryptoKeyPair, name: string) {
    this.cert = cert
    this.#keys = keys
    this.#name = name
  }

  static async create(name: string): Promise<TestAuthority> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + DAY_MS),
      extensions: [new BasicConstraintsExtension(true, undefined, true)],
    })
    return new TestAuthority(certificate.toString('pem'), keys, name)
  }

  /** A server's certificate is for 127.0.0.1 and `names`. */
  async issue(subject: string, options: { server?: boolean; names?: readonly string[]; notAfter?: Date } = {}): Promise<Pem> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
    const usage = options.server ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth
    const certificate = await X509CertificateGenerator.create({
      subject,
      issuer: `CN=${this.#name}`,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      serialNumber: (this.#serial++).toString(16).padStart(2, '0'),
      notBefore: new Date(Date.now() - 2 * DAY_MS),
      notAfter: options.notAfter ?? new Date(Date.now() + DAY_MS),
      extensions: [
        new ExtendedKeyUsageExtension([usage]),
        ...(options.server ? [new SubjectAlternativeNameExtension(alternativeNames(options.names))] : []),
      ],
    })
    const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
    return { cert: certificate.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n` }
  }
}

function alternativeNames(names: readonly string[] = []): { type: 'ip' | 'dns'; value: string }[] {
  return [{ type: 'ip', value: '127.0.0.1' }, ...names.map((value) => ({ type: 'dns' as const, value }))]
}

export interface TestAnswer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
}

export interface TestApiServer {
  server: ApiServer
  port: number
  ca: TestAuthority
  frontProxyCa: TestAuthority
  admin: Pem
  /** An HTTP/2 session; closed with the server. */
  session(client?: Pem): ClientHttp2Session
  stop(): Promise<void>
}

export async function startTestServer(
  options: { staticTokens?: ReadonlyMap<string, UserInfo>; store?: Store } = {},
): Promise<TestApiServer> {
  const [ca, frontProxyCa] = await Promise.all([TestAuthority.create('kubernetes'), TestAuthority.create('front-proxy-ca')])
  const [tls, admin, kubelet, proxyClient] = await Promise.all([
    ca.issue('CN=kube-apiserver', { server: true }),
    ca.issue('O=system:masters, CN=admin'),
    ca.issue('O=system:masters, CN=kubelet-client'),
    frontProxyCa.issue('CN=front-proxy-client'),
  ])
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const catalog = loadCatalog()
  const services = new Services({ serviceClusterIpRange: '10.96.0.0/16', nodePortRange: { first: 30_000, last: 32_767 } })
  const shared = { catalog, clock: systemClock, log: silentLogger }
  const server = await createApiServer({
    ...shared,
    createRegistry: ({ catalog: served, customKinds, strategies, authorizer, tokens, virtualResources }) =>
      createRegistry({
        ...shared,
        catalog: served,
        customKinds,
        strategies,
        store: options.store ?? createMemoryStore(),
        services,
        authorizer,
        tokens,
        virtualResources,
        admission: (reader) => admissionPlugins({ reader, authorizer }),
      }),
    tls: { ...tls, clientCa: ca.cert, requestHeaderCa: frontProxyCa.cert },
    requestHeaderAllowedNames: ['front-proxy-client'],
    proxyClient,
    serviceAccounts: {
      privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      publicKeysPem: [publicKey.export({ type: 'spki', format: 'pem' }) as string],
      issuers: ['https://kubernetes.default.svc'],
      audiences: ['https://kubernetes.default.svc'],
    },
    kubeletClient: { ...kubelet, ca: ca.cert },
    ...(options.staticTokens && { staticTokens: options.staticTokens }),
    version: { gitVersion: 'v1.36.2', gitCommit: '', buildDate: '', platform: 'linux/amd64' },
    kubernetesService: { clusterIp: services.firstAddress, serviceCidrs: services.cidrs, address: '192.0.2.10' },
  })
  const abort = new AbortController()
  const { port, done } = await server.listen({ host: '127.0.0.1', port: 0, signal: abort.signal })
  const sessions: ClientHttp2Session[] = []
  return {
    server,
    port,
    ca,
    frontProxyCa,
    admin,
    session(client) {
      const session = connect(`https://127.0.0.1:${port}`, { ca: ca.cert, ...client })
      session.on('error', () => {})
      sessions.push(session)
      return session
    },
    async stop() {
      for (const session of sessions) session.close()
      abort.abort()
      await done
    },
  }
}

/** One request over HTTP/2. */
export function ask(
  session: ClientHttp2Session,
  method: string,
  path: string,
  options: { headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<TestAnswer> {
  return new Promise((resolve, reject) => {
    const headersToSend = {
      ':method': method,
      ':path': path,
      ...(options.body !== undefined && { 'content-type': 'application/json' }),
      ...options.headers,
    }
    // Not every method has a body to Node.
    const stream = options.body === undefined ? session.request(headersToSend) : session.request(headersToSend, { endStream: false })
    const chunks: Buffer[] = []
    let headers: TestAnswer['headers'] = {}
    stream.on('response', (got) => (headers = got as TestAnswer['headers']))
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => resolve({ status: Number(headers[':status']), headers, body: Buffer.concat(chunks).toString('latin1') }))
    stream.on('error', reject)
    stream.end(options.body)
  })
}
