/**
 * Who is asking? The authenticators in upstream's order: front proxy headers, client certificate, bearer token (static,
 * service account, bootstrap), and anonymous only where no credential was shown. A credential that is shown and wrong is a
 * 401 everywhere, also where anonymous would do.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { X509Certificate } from 'node:crypto'
import type { Secret } from '../../api/kinds/core/v1.ts'
import { newUnauthorized } from '../../api/status.ts'
import type { Clock } from '../../base/clock.ts'
import type { UserInfo } from '../request.ts'
import { bootstrapUser } from './bootstrapTokens.ts'
import type { LegacyTokens } from './legacyTokens.ts'
import type { JwtTokens } from './jwtTokens.ts'
import { userOfHeaders } from './requestHeader.ts'
import type { RawHeaders } from './requestHeader.ts'
import { AudienceError, InvalidTokenError } from './serviceAccountTokens.ts'
import type { Authenticated, ServiceAccountTokens } from './serviceAccountTokens.ts'
import { ANONYMOUS, withAuthenticatedGroup } from './users.ts'
import type { AuthenticationMetrics } from '../metrics/authenticationMetrics.ts'
import { clientCertificate, isForClients, isSignedBy, parseCertificates, userOfCertificate } from './x509.ts'

/** Who shows no credential is `system:anonymous`, or nobody. */
export interface AnonymousAccess {
  enabled: boolean
  /** On these paths alone, where there are any. */
  paths: readonly string[]
}

export interface Credentials {
  /** As sent, with the query. */
  target: string
  headers: IncomingHttpHeaders
  rawHeaders: RawHeaders
  socket: TLSSocket
  /** The same object for all requests of one connection. */
  connection: object
}

export interface AuthenticatorOptions {
  metrics?: AuthenticationMetrics
  clientCa: string
  /** The front proxy's CA; its headers are ignored without it. */
  requestHeaderCa?: string
  /** Common names that the front proxy's certificate may have; any if empty. */
  requestHeaderAllowedNames?: readonly string[]
  serviceAccountTokens: ServiceAccountTokens
  /** Those of Secrets. */
  legacyTokens: LegacyTokens
  staticTokens?: ReadonlyMap<string, UserInfo>
  /** Tokens of others. */
  jwt?: JwtTokens
  /** Where those who show nothing are somebody; everywhere unless given. */
  anonymous?: AnonymousAccess
  getSecret: (namespace: string, name: string) => Promise<Secret | undefined>
  clock: Clock
}

/** What the certificate of a connection stands for; it cannot change while the connection lives, except by time. */
interface CertificateFacts {
  user?: UserInfo
  frontProxy: boolean
  /** A certificate was shown that stands for no user; the front proxy's own stands for those alone whom it names. */
  unknown: boolean
  expiresMs: number
}

/** A token that names no audience is for the server's own ones. */
function impliedAudiences(own: readonly string[], wanted: readonly string[] = own): string[] {
  const audiences = own.filter((audience) => wanted.includes(audience))
  if (audiences.length > 0) return audiences
  const list = (values: readonly string[]): string => `[${values.map((value) => JSON.stringify(value)).join(' ')}]`
  throw new AudienceError(`token audiences ${list(own)} is invalid for the target audiences ${list(wanted)}`)
}

/** Who has such a token is known to nobody but the server itself. */
function forOwnAudiences(user: UserInfo, own: readonly string[], wanted: readonly string[] = own): Authenticated {
  const audiences = wanted.filter((audience) => own.includes(audience))
  if (audiences.length === 0) throw new InvalidTokenError('invalid bearer token')
  return { user: withAuthenticatedGroup(user), audiences }
}

/** Stands for a token that cannot be had: it is nobody's. */
const NO_TOKEN = ' '
const WEBSOCKET_TOKEN = 'base64url.bearer.authorization.k8s.io.'

/** The bearer token, `''` included; undefined where there is none or the scheme is another. */
export function bearerToken(headers: IncomingHttpHeaders): string | undefined {
  const [scheme = '', token = ''] = (headers.authorization ?? '').trim().split(' ', 2)
  if (scheme.toLowerCase() === 'bearer' && token !== '') return token
  const protocols = String(headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((p) => p.trim())
  const carried = protocols.filter((p) => p.startsWith(WEBSOCKET_TOKEN)).map((p) => p.slice(WEBSOCKET_TOKEN.length))
  const [encoded] = carried
  if (!encoded) return undefined
  // What a page opens names a protocol besides: a link, or a form, cannot.
  const isSound = carried.length === 1 && protocols.length > 1
  return isSound ? Buffer.from(encoded, 'base64url').toString() : NO_TOKEN
}

/** A token behind more than one space is none; people find that hard to see. */
export function hasSpaceBeforeToken(headers: IncomingHttpHeaders): boolean {
  return /^bearer {2}/i.test((headers.authorization ?? '').trim())
}

export class Authenticator {
  readonly #options: AuthenticatorOptions
  readonly #clientCas: readonly X509Certificate[]
  readonly #requestHeaderCas: readonly X509Certificate[]
  readonly #byConnection = new WeakMap<object, CertificateFacts>()

  constructor(options: AuthenticatorOptions) {
    this.#options = options
    this.#clientCas = parseCertificates(options.clientCa)
    this.#requestHeaderCas = options.requestHeaderCa ? parseCertificates(options.requestHeaderCa) : []
  }

  /** Throws 401. */
  async authenticate(credentials: Credentials): Promise<UserInfo> {
    const { metrics } = this.#options
    try {
      const user = await this.#authenticate(credentials)
      metrics?.attempted('success')
      return user
    } catch (error) {
      metrics?.attempted('failure')
      throw error
    }
  }

  async #authenticate(credentials: Credentials): Promise<UserInfo> {
    const facts = this.#certificateFacts(credentials)
    if (facts.frontProxy) {
      const user = userOfHeaders(credentials.rawHeaders)
      if (user) return withAuthenticatedGroup(user)
    }
    if (facts.user) {
      const { metrics, clock } = this.#options
      metrics?.certificateShown((facts.expiresMs - clock.now()) / 1000)
      return facts.user
    }
    const token = bearerToken(credentials.headers)
    if (token !== undefined) {
      const { user } = await this.authenticateToken(token).catch((error: unknown) => {
        if (error instanceof InvalidTokenError || error instanceof AudienceError) throw newUnauthorized()
        throw error
      })
      return user
    }
    if (facts.unknown || !this.#allowsAnonymous(credentials)) throw newUnauthorized()
    return ANONYMOUS
  }

  #allowsAnonymous({ target }: Credentials): boolean {
    const { enabled, paths } = this.#options.anonymous ?? { enabled: true, paths: [] }
    return enabled && (paths.length === 0 || paths.includes(target.split('?', 1)[0] ?? ''))
  }

  /** The user of a bearer token, with `system:authenticated`. Throws InvalidTokenError or AudienceError. */
  async authenticateToken(token: string, audiences?: readonly string[]): Promise<Authenticated> {
    const { serviceAccountTokens, legacyTokens, staticTokens, jwt, getSecret, clock } = this.#options
    const ownAudiences = [...serviceAccountTokens.audiences]
    const fixed = staticTokens?.get(token)
    if (fixed) return forOwnAudiences(fixed, ownAudiences, audiences)
    if (serviceAccountTokens.isOurs(token)) {
      const found = await serviceAccountTokens.authenticate(token, audiences)
      return { ...found, user: withAuthenticatedGroup(found.user) }
    }
    if (legacyTokens.isLegacy(token)) {
      const user = await legacyTokens.authenticate(token)
      return { user: withAuthenticatedGroup(user), audiences: impliedAudiences(ownAudiences, audiences) }
    }
    const bootstrap = await bootstrapUser(token, (name) => getSecret('kube-system', name), clock.now())
    if (bootstrap) return forOwnAudiences(bootstrap, ownAudiences, audiences)
    const provider = jwt?.providerOf(token)
    if (provider) return forOwnAudiences(await provider.authenticate(token), ownAudiences, audiences)
    throw new InvalidTokenError('invalid bearer token')
  }

  #certificateFacts({ connection, socket }: Credentials): CertificateFacts {
    const nowMs = this.#options.clock.now()
    const known = this.#byConnection.get(connection)
    if (known && known.expiresMs > nowMs) return known
    const facts = this.#judgeCertificate(socket, nowMs)
    this.#byConnection.set(connection, facts)
    return facts
  }

  #judgeCertificate(socket: TLSSocket, nowMs: number): CertificateFacts {
    const certificate = clientCertificate(socket)
    if (!certificate) return { frontProxy: false, unknown: false, expiresMs: Infinity }
    const expiresMs = certificate.leaf.validToDate.getTime()
    const names = this.#options.requestHeaderAllowedNames ?? []
    if (!isForClients(certificate)) return { frontProxy: false, unknown: true, expiresMs: Infinity }
    const frontProxy =
      this.#requestHeaderCas.length > 0 &&
      isSignedBy(certificate, this.#requestHeaderCas, nowMs) &&
      (names.length === 0 || names.includes(certificate.commonName))
    const user = isSignedBy(certificate, this.#clientCas, nowMs) ? userOfCertificate(certificate) : undefined
    if (!user) return { frontProxy, unknown: true, expiresMs: frontProxy ? expiresMs : Infinity }
    return { user: withAuthenticatedGroup(user), frontProxy, unknown: false, expiresMs }
  }
}
