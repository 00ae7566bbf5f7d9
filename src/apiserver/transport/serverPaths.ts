/** What the server answers outside /api and /apis: health, version, metrics, OpenID discovery, the list of paths. */
import type { ServiceAccountTokens } from '../authentication/serviceAccountTokens.ts'
import { newMethodNotAllowed } from '../../api/status.ts'
import { METRICS_CONTENT_TYPE } from '../metrics/metrics.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { headerText } from './apiRequests.ts'
import type { ObjectCodec } from './codec.ts'
import type { Exchange } from './exchange.ts'
import type { PathHandler, RequestContext } from './filters.ts'
import type { HealthChecks, HealthKind } from './health.ts'
import { negotiateOnly } from './negotiation.ts'
import { send } from './responses.ts'
import { newNoSuchPath } from './routes.ts'

export interface VersionInfo {
  /** `v1.36.2`. */
  gitVersion: string
  gitCommit: string
  buildDate: string
  /** `linux/amd64`. */
  platform: string
}

export interface ServerPathsOptions {
  version: VersionInfo
  health: HealthChecks
  metrics: Metrics
  tokens: ServiceAccountTokens
  codec: ObjectCodec
  /** `https://host:port` for the address of the key set. */
  externalUrl: () => string
  /** Further paths of their own rooms, such as /openapi; asked in order. */
  more: readonly PathHandler[]
  /** Paths for the list at `/`: of the groups that are served. */
  groupPaths: () => string[]
}

const PROCESS_START_UNIX = String(Math.floor(performance.timeOrigin / 1000))
const TEXT = 'text/plain; charset=utf-8'
const HEALTH_PATH = /^\/(healthz|livez|readyz)(?:\/(.+))?$/
/** Go's router takes a path with a slash at its end for these as well. */
const WITH_SLASH = new Set(['/version/', '/.well-known/openid-configuration/', '/openid/v1/jwks/'])
const FIXED_PATHS = [
  '/.well-known/openid-configuration',
  '/healthz',
  '/livez',
  '/metrics',
  '/metrics/slis',
  '/openapi/v2',
  '/openapi/v3',
  '/openapi/v3/',
  '/openid/v1/jwks',
  '/readyz',
  '/flagz',
  '/statusz',
  '/version',
]

type VersionField =
  | 'major'
  | 'minor'
  | `${'emulation' | 'minCompatibility'}${'Major' | 'Minor'}`
  | `git${'Version' | 'Commit' | 'TreeState'}`
  | 'buildDate'
  | 'goVersion'
  | 'compiler'
  | 'platform'

export function versionDocument({ gitVersion, gitCommit, buildDate, platform }: VersionInfo): Record<VersionField, string> {
  const [major = '1', minor = '0'] = gitVersion.replace(/^v/, '').split('.')
  return {
    major,
    minor,
    emulationMajor: major,
    emulationMinor: minor,
    minCompatibilityMajor: major,
    minCompatibilityMinor: String(Number(minor) - 1),
    gitVersion,
    gitCommit,
    gitTreeState: 'clean',
    buildDate,
    goVersion: `node${process.versions.node}`,
    compiler: 'node',
    platform,
  }
}

export class ServerPaths implements PathHandler {
  readonly #options: ServerPathsOptions

  constructor(options: ServerPathsOptions) {
    this.#options = options
  }

  async handle(context: RequestContext): Promise<boolean> {
    const { exchange, path } = context
    const { metrics, version, tokens, externalUrl } = this.#options
    const health = HEALTH_PATH.exec(path)
    if (health) return this.#health(context, health[1] as HealthKind, health[2])
    if (path.startsWith('/version/') && path !== '/version/') throw newNoSuchPath()
    switch (WITH_SLASH.has(path) ? path.slice(0, -1) : path) {
      case '/':
      case '/index.html':
        return this.#send(exchange, { paths: this.#paths() })
      case '/version':
        return this.#json(exchange, versionDocument(version))
      case '/metrics':
        return this.#metrics(exchange, await metrics.text())
      case '/metrics/slis':
        return this.#metrics(exchange, await this.#options.health.slis())
      case '/.well-known/openid-configuration':
        return this.#json(
          exchange,
          {
            issuer: tokens.issuer,
            jwks_uri: `${externalUrl()}/openid/v1/jwks`,
            response_types_supported: ['id_token'],
            subject_types_supported: ['public'],
            id_token_signing_alg_values_supported: tokens.algorithms(),
          },
          { 'cache-control': 'public, max-age=3600' },
        )
      case '/openid/v1/jwks':
        return this.#json(exchange, tokens.jwks(), { 'cache-control': 'public, max-age=3600' }, 'application/jwk-set+json')
      default:
        for (const handler of this.#options.more) if (await handler.handle(context)) return true
        return false
    }
  }

  #paths(): string[] {
    const { health, groupPaths } = this.#options
    const checks = (['healthz', 'livez', 'readyz'] as const).flatMap((kind) => health.names(kind).map((name) => `/${kind}/${name}`))
    return [...FIXED_PATHS, ...groupPaths(), ...checks].sort()
  }

  async #health({ exchange, query }: RequestContext, kind: HealthKind, check: string | undefined): Promise<boolean> {
    const { health } = this.#options
    const report = check
      ? await health.reportOne(kind, check)
      : await health.report(kind, { verbose: query.has('verbose'), exclude: query.getAll('exclude') })
    if (!report) return false
    const { ok, text } = report
    // What is told of all checks goes through Go's writer of errors, a single check writes for itself when it passes.
    const sniffing: Record<string, string> = check && ok ? {} : { 'x-content-type-options': 'nosniff' }
    exchange.respond(ok ? 200 : 500, { 'content-type': TEXT, ...sniffing }, text)
    return true
  }

  async #json(exchange: Exchange, document: object, headers: Record<string, string> = {}, contentType = 'application/json'): Promise<true> {
    if (exchange.method !== 'GET') throw newMethodNotAllowed()
    // Behind the router: nothing but JSON can be asked for.
    negotiateOnly(headerText(exchange, 'accept'), contentType)
    return this.#send(exchange, document, headers, contentType)
  }

  async #send(exchange: Exchange, document: object, headers: Record<string, string> = {}, contentType = 'application/json'): Promise<true> {
    await send(exchange, 200, contentType, this.#options.codec.encode(document, 'application/json', true), headers)
    return true
  }

  /** Whatever the method, as upstream's handler does not look at it. */
  async #metrics(exchange: Exchange, text: string): Promise<true> {
    await send(exchange, 200, METRICS_CONTENT_TYPE, Buffer.from(text), { 'process-start-time-unix': PROCESS_START_UNIX })
    return true
  }
}
