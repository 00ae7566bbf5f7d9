/** What the server answers outside /api and /apis: health, version, metrics, OpenID discovery, the list of paths. */
import type { ServiceAccountTokens } from '../authentication/serviceAccountTokens.ts'
import { newMethodNotAllowed } from '../../api/status.ts'
import { METRICS_CONTENT_TYPE } from '../metrics/metrics.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { ObjectCodec } from './codec.ts'
import type { Exchange } from './exchange.ts'
import type { PathHandler, RequestContext } from './filters.ts'
import type { HealthChecks, HealthKind } from './health.ts'
import { send } from './responses.ts'

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

const TEXT = 'text/plain; charset=utf-8'
const HEALTH_PATH = /^\/(healthz|livez|readyz)(?:\/(.+))?$/
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
  '/version',
]

export function versionDocument({ gitVersion, gitCommit, buildDate, platform }: VersionInfo): object {
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
    switch (path) {
      case '/':
        return this.#json(exchange, { paths: this.#paths() })
      case '/version':
      case '/version/':
        return this.#json(exchange, versionDocument(version))
      case '/metrics':
        return this.#text(exchange, await metrics.text(), METRICS_CONTENT_TYPE)
      case '/metrics/slis':
        return this.#text(exchange, this.#options.health.sliText(), METRICS_CONTENT_TYPE)
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
    if (check && !health.names(kind).includes(check)) return false
    const { ok, text } = await health.report(kind, {
      verbose: query.has('verbose'),
      exclude: query.getAll('exclude'),
      ...(check && { only: check }),
    })
    exchange.respond(ok ? 200 : 500, { 'content-type': TEXT, 'x-content-type-options': 'nosniff' }, text)
    return true
  }

  async #json(exchange: Exchange, document: object, headers: Record<string, string> = {}, contentType = 'application/json'): Promise<true> {
    if (exchange.method !== 'GET') throw newMethodNotAllowed()
    await send(exchange, 200, contentType, this.#options.codec.encode(document, 'application/json', true), headers)
    return true
  }

  async #text(exchange: Exchange, text: string, contentType: string): Promise<true> {
    if (exchange.method !== 'GET') throw newMethodNotAllowed()
    await send(exchange, 200, contentType, Buffer.from(text))
    return true
  }
}
