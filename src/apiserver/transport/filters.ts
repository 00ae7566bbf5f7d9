/**
 * The way of every request, top to bottom in `serve`: what stands above sees a request earlier and its answer later.
 * The order is upstream's (DefaultBuildHandlerChain): nobody unauthenticated costs more than a look at credentials, and
 * nobody unauthorized learns whether something exists.
 */
import { randomUUID } from 'node:crypto'
import { isIP } from 'node:net'
import { isCustomGroup } from '../../api/catalog/catalog.ts'
import type { Catalog } from '../../api/catalog/catalog.ts'
import { parseDuration } from '../../api/codec/goTime.ts'
import { quote } from '../../api/quote.ts'
import { StatusError, newBadRequest, newServiceUnavailable, newStatusError } from '../../api/status.ts'
import { isAbort } from '../../base/abort.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { StoreUnavailableError } from '../../storage/store.ts'
import type { Audit } from '../audit/audit.ts'
import type { Authenticator } from '../authentication/authenticator.ts'
import { hasSpaceBeforeToken } from '../authentication/authenticator.ts'
import type { Impersonation } from '../authentication/impersonation.ts'
import { Impersonator } from '../authentication/impersonation.ts'
import { newForbiddenFor } from '../authorization/forbidden.ts'
import type { Discovery } from '../discovery/discovery.ts'
import { RejectedError } from '../flowcontrol/priorityLevel.ts'
import type { Metrics, RequestLabels } from '../metrics/metrics.ts'
import type { Authorizer, RequestAttributes, UserInfo } from '../request.ts'
import type { ApiRequests } from './apiRequests.ts'
import { headerText } from './apiRequests.ts'
import type { ObjectCodec } from './codec.ts'
import type { Exchange } from './exchange.ts'
import type { UpgradeRequest } from './listener.ts'
import { UpgradeExchange } from './upgradeExchange.ts'
import { kindOfVerb } from './requestGate.ts'
import type { Pass, RequestGate } from './requestGate.ts'
import { negotiateError, wantsPretty } from './negotiation.ts'
import { isWellEscaped, parseQuery } from './query.ts'
import { attributesOf, isLongRunning, parseRequestInfo } from './requestInfo.ts'
import type { RequestInfo } from './requestInfo.ts'
import { send } from './responses.ts'
import { checkName, customRouteOf, isConnect, newNoSuchPath, routeOf } from './routes.ts'
import type { Route } from './routes.ts'

/** A request outside /api and /apis. Answers false where the path is none of its own. */
export interface PathHandler {
  handle(context: RequestContext): Promise<boolean>
}

/** Streams and proxied requests on subresources. */
export interface ConnectHandler {
  serve(context: RequestContext, route: Route): Promise<void>
}

/** Group versions that another server answers for (aggregation); undefined where none does. */
export interface Aggregator {
  serve(context: RequestContext): Promise<void> | undefined
}

export interface RequestContext {
  exchange: Exchange
  path: string
  query: URLSearchParams
  info: RequestInfo
  user: UserInfo
  signal: AbortSignal
  /** To be called when a watch has sent what was there: from then on it costs little. */
  begun?: (() => void) | undefined
}

export interface FiltersOptions {
  catalog: Catalog
  authenticator: Authenticator
  authorizer: Authorizer
  gate: RequestGate
  audit?: Audit
  discovery: Discovery
  apiRequests: ApiRequests
  connect: ConnectHandler
  paths: PathHandler
  aggregator?: Aggregator
  codec: ObjectCodec
  /** Upstream's --request-timeout. */
  requestTimeoutMs?: number
  metrics: Metrics
  log: Logger
  clock: Clock
  /** Aborts when the server stops: long-running requests end then. */
  stopping: AbortSignal
}

const REQUEST_TIMEOUT_MS = 60_000
const RETRY_AFTER_SECONDS = 1
const SPACE_BEFORE_TOKEN = 'the provided Authorization header contains extra space before the bearer token, and is ignored'
/** Whose credential was wrong. */
const NOBODY: UserInfo = { name: '', groups: [], extra: {} }
const TEXT = 'text/plain; charset=utf-8'
const NOT_FOUND_TEXT = '404 page not found\n'

interface Deadline {
  signal: AbortSignal
  clear: () => void
}

/** What the client asks for, up to what the server grants; nothing and 0 ask for nothing. */
function timeoutOf(text: string, grantedMs: number): number {
  if (text === '') return grantedMs
  try {
    const wantedMs = Number(parseDuration(text)) / 1e6
    return wantedMs > 0 ? Math.min(wantedMs, grantedMs) : grantedMs
  } catch (error) {
    throw newBadRequest(`invalid timeout specified in the request URL - ${(error as Error).message}`)
  }
}

export class Filters {
  readonly #options: FiltersOptions
  readonly #impersonator: Impersonator

  constructor(options: FiltersOptions) {
    this.#options = options
    this.#impersonator = new Impersonator(options.authorizer)
  }

  async serve(exchange: Exchange): Promise<void> {
    const { clock, gate, authorizer, metrics } = this.#options
    const startMs = clock.now()
    const { path, query } = splitTarget(exchange.target)
    if (path === '*' && exchange.method === 'OPTIONS') return exchange.respond(200, {})
    if (!isWellEscaped(path)) return exchange.respond(400, { 'content-type': TEXT }, '400 Bad Request')
    const info = parseRequestInfo(exchange.method, path, query)
    const longRunning = isLongRunning(info)
    let deadline: Deadline | undefined
    const kind = kindOfVerb(info.verb)
    let pass: Pass | undefined
    let waitedMs = 0
    if (!longRunning) metrics.inFlight(kind, 1)
    try {
      const auditId = this.#setHeaders(exchange)
      if (info.isUndetermined) return this.#undetermined(exchange, info)
      if (!longRunning) deadline = this.#deadline(exchange, query)
      if (exchange.answered) return
      const requestor = await this.#authenticate(exchange, (user) =>
        this.#audit(exchange, attributesOf(info, user, query), auditId, startMs, longRunning),
      )
      if (hasSpaceBeforeToken(exchange.headers)) exchange.setHeader('warning', `299 - "${SPACE_BEFORE_TOKEN}"`)
      const requested = attributesOf(info, requestor, query)
      const { user, constraint } = await this.#impersonated(exchange, requested)
      if (user !== requestor) exchange.audit?.impersonated(user, constraint)
      const entered = gate.enter(exchange, user, info, query)
      if (entered instanceof Promise) {
        const waitingMs = clock.now()
        pass = await entered
        waitedMs = clock.now() - waitingMs
      } else pass = entered
      const attributes = user === requestor ? requested : { ...requested, user }
      const decided = authorizer.authorize(attributes)
      const { allowed, reason, error: undecided } = decided instanceof Promise ? await decided : decided
      exchange.audit?.decided(allowed, reason)
      if (!allowed && undecided !== undefined) return this.#broken(exchange, undecided)
      if (!allowed) throw forbidden(exchange, newForbiddenFor(attributes, reason))
      const signal = deadline?.signal ?? AbortSignal.any([exchange.signal, this.#options.stopping])
      await this.#dispatch({ exchange, path: info.isResourceRequest ? path : info.path, query, info, user, signal, begun: pass?.release })
    } catch (error) {
      if (error instanceof RejectedError) metrics.terminated(labelsOf(info, this.#options.catalog), 429)
      await this.#fail(exchange, query, error)
    } finally {
      deadline?.clear()
      pass?.release()
      exchange.audit?.completed()
      if (!longRunning) metrics.inFlight(kind, -1)
      const seconds = (clock.now() - startMs) / 1000
      metrics.finished(labelsOf(info, this.#options.catalog), exchange.status, seconds, waitedMs / 1000, exchange.sentBytes)
    }
  }

  async #impersonated(exchange: Exchange, requested: RequestAttributes): Promise<Impersonation> {
    try {
      return await this.#impersonator.impersonate(exchange.rawHeaders, requested)
    } catch (error) {
      throw error instanceof StatusError ? forbidden(exchange, error) : error
    }
  }

  /** Who asks; from then on the request is written down, and one that shows a wrong credential is too. */
  async #authenticate(exchange: Exchange, audit: (user: UserInfo) => void): Promise<UserInfo> {
    if (!this.#options.audit) return this.#options.authenticator.authenticate(exchange)
    try {
      const user = await this.#options.authenticator.authenticate(exchange)
      audit(user)
      return user
    } catch (error) {
      audit(NOBODY)
      throw error
    }
  }

  #audit(exchange: Exchange, attributes: RequestAttributes, id: string, receivedMs: number, longRunning: boolean): void {
    const isRefused = attributes.user === NOBODY
    exchange.audit = this.#options.audit?.begin(
      {
        id,
        uri: exchange.target,
        sourceIps: sourceIpsOf(exchange),
        userAgent: headerText(exchange, 'user-agent'),
        receivedMs,
        longRunning,
      },
      attributes,
      isRefused,
    )
  }

  /** Upgrades pass the same gates as requests; what answers them is the other server's connection, or a refusal. */
  async upgrade(upgrade: UpgradeRequest): Promise<void> {
    return this.serve(new UpgradeExchange(upgrade))
  }

  async #dispatch(context: RequestContext): Promise<void> {
    const { discovery, paths, catalog, apiRequests, connect, aggregator, metrics } = this.#options
    const { exchange, path, info } = context
    const { method } = exchange
    if (info.rest === '' && hasEmptyPart(path, info)) {
      if (path.startsWith('/api/')) throw newNoSuchPath()
      return this.#notFound(exchange)
    }
    const aggregated = aggregator?.serve(context)
    if (aggregated) return aggregated
    if (!info.isResourceRequest) {
      const found = discovery.answer(path, method, headerText(exchange, 'accept'))
      if (found) return this.#sendDiscovery(exchange, context.query, found)
      if (await paths.handle(context)) return
      return this.#notFound(exchange)
    }
    const group = catalog.groups.find((g) => g.name === info.group)
    if (!group) return this.#notFound(exchange)
    const route = this.#route(info, method)
    if (!route) return this.#notFound(exchange)
    checkName(route)
    const end = isLongRunning(info) ? metrics.longRunning(labelsOf(info, catalog)) : undefined
    try {
      if (isConnect(route.subresource)) await connect.serve(context, route)
      else await apiRequests.serve({ ...context, route })
    } finally {
      end?.()
    }
  }

  /** Undefined under the groups of custom resources, where an unknown path gets no Status: their server is another one upstream. */
  #route(info: RequestInfo, method: string): Route | undefined {
    const { catalog } = this.#options
    const resource = catalog.resource(info.group, info.version, info.resource)
    if (resource?.custom) return customRouteOf(info, resource)
    try {
      return routeOf(catalog, info, method)
    } catch (error) {
      if (isCustomGroup(catalog, info.group) && error instanceof StatusError && error.code === 404) return undefined
      throw error
    }
  }

  /** Answers the request's audit ID. */
  #setHeaders(exchange: Exchange): string {
    const given = headerText(exchange, 'audit-id')
    const auditId = given && given.length <= 64 ? given : randomUUID()
    exchange.setHeader('audit-id', auditId)
    exchange.setHeader('cache-control', 'no-cache, private')
    return auditId
  }

  /** Ends what takes longer than the client or the server wants to wait. Throws 400 for a time that is none. */
  #deadline(exchange: Exchange, query: URLSearchParams): Deadline {
    const abort = new AbortController()
    let over = false
    const end = (): void => {
      abort.abort()
      this.#timedOut(exchange, newStatusError(504, 'Timeout', 'Timeout: request did not complete within the allotted timeout', {}))
    }
    const timeoutMs = timeoutOf(query.get('timeout') ?? '', this.#options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS)
    // Over before it has begun.
    if (timeoutMs < 1) end()
    const cancel = this.#options.clock.after(Math.ceil(timeoutMs), end)
    // Every exchange is gone at last; one that was answered in full has nothing left to abort.
    exchange.onGone(() => {
      if (!over) abort.abort()
    })
    const clear = (): void => {
      over = true
      cancel()
    }
    return { signal: abort.signal, clear }
  }

  /** Written from outside of what writes the other answers: without a kind, and nobody says that it is JSON. */
  #timedOut(exchange: Exchange, error: StatusError): void {
    if (exchange.answered) return exchange.destroy()
    exchange.audit?.failed(error)
    const { kind: _kind, apiVersion: _apiVersion, ...status } = error.status
    exchange.respond(504, { 'content-type': TEXT }, JSON.stringify(status))
  }

  #undetermined(exchange: Exchange, { path }: RequestInfo): void {
    this.#broken(exchange, `failed to create RequestInfo: unable to determine kind and namespace from url, ${path}`)
  }

  /** Before anybody knows how to put it. */
  #broken(exchange: Exchange, why: string): void {
    const headers = { 'content-type': TEXT, 'x-content-type-options': 'nosniff' }
    exchange.respond(500, headers, `Internal Server Error: ${quote(exchange.target)}: ${why}\n`)
  }

  async #sendDiscovery(exchange: Exchange, query: URLSearchParams, found: NonNullable<ReturnType<Discovery['answer']>>): Promise<void> {
    const { document, mediaType, contentType, etag, pretty } = found
    const headers: Record<string, string> = etag ? { etag, vary: 'Accept', 'cache-control': 'public' } : {}
    if (etag && headerText(exchange, 'if-none-match') === etag) return exchange.respond(304, headers)
    await this.#options.codec.prepare(mediaType)
    const body = this.#options.codec.encode(document, mediaType, pretty || wantsPretty(query, headerText(exchange, 'user-agent')))
    await send(exchange, 200, contentType, body, headers)
  }

  #notFound(exchange: Exchange): void {
    exchange.respond(404, { 'content-type': TEXT, 'x-content-type-options': 'nosniff' }, NOT_FOUND_TEXT)
  }

  /** Whatever went wrong becomes a Status; what nobody foresaw becomes a 500 and a line in the log. */
  async #fail(exchange: Exchange, query: URLSearchParams, error: unknown): Promise<void> {
    if (exchange.answered) {
      if (!(error instanceof StatusError) && !isAbort(error))
        this.#options.log.error('a request failed after its answer had begun', error, { target: exchange.target })
      return exchange.destroy()
    }
    if (isAbort(error) && exchange.signal.aborted) return
    if (error instanceof RejectedError) return this.#tooManyRequests(exchange)
    const status = this.#statusOf(exchange, error)
    exchange.audit?.failed(status)
    const negotiated = negotiateError(headerText(exchange, 'accept'), wantsPretty(query, headerText(exchange, 'user-agent')))
    const retryAfter = status.status.details?.retryAfterSeconds
    const headers: Record<string, string> = retryAfter ? { 'retry-after': String(retryAfter) } : {}
    if (status.code === 413) headers['connection'] = 'close'
    try {
      await this.#options.codec.prepare(negotiated.mediaType)
      await send(
        exchange,
        status.code,
        negotiated.mediaType,
        this.#options.codec.encode(status.status, negotiated.mediaType, negotiated.pretty),
        exchange.httpVersion === '2.0' ? without(headers, 'connection') : headers,
      )
    } catch (cause) {
      this.#options.log.error('an error could not be written', cause, { target: exchange.target })
      exchange.destroy()
    }
  }

  #tooManyRequests(exchange: Exchange): void {
    const headers = { 'content-type': TEXT, 'x-content-type-options': 'nosniff', 'retry-after': String(RETRY_AFTER_SECONDS) }
    exchange.respond(429, headers, 'Too many requests, please try again later.\n')
  }

  #statusOf(exchange: Exchange, error: unknown): StatusError {
    if (error instanceof StatusError) return error
    // The store has said why to whoever keeps it.
    if (error instanceof StoreUnavailableError) return newServiceUnavailable(`the store cannot be read: ${error.message}`)
    return this.#unforeseen(exchange, error)
  }

  #unforeseen(exchange: Exchange, error: unknown): StatusError {
    const { pathname } = new URL(exchange.target, 'https://server')
    this.#options.log.error('a request failed', error, { method: exchange.method, path: pathname })
    const message = error instanceof Error ? error.message : String(error)
    return newStatusError(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] })
  }
}

/** What a refusal says must not be taken for a page. */
function forbidden(exchange: Exchange, error: StatusError): StatusError {
  exchange.setHeader('x-content-type-options', 'nosniff')
  return error
}

/** Where the request says that it comes from, and where it does come from. */
function sourceIpsOf(exchange: Exchange): string[] {
  const ips = headerText(exchange, 'x-forwarded-for')
    .split(',')
    .map((ip) => ip.trim())
    .filter((ip) => isIP(ip) !== 0)
  const realIp = headerText(exchange, 'x-real-ip').trim()
  if (isIP(realIp) !== 0 && !ips.includes(realIp)) ips.push(realIp)
  if (isIP(exchange.remoteAddress) !== 0 && ips.at(-1) !== exchange.remoteAddress) ips.push(exchange.remoteAddress)
  return ips
}

function without(headers: Record<string, string>, name: string): Record<string, string> {
  const { [name]: _dropped, ...rest } = headers
  return rest
}

function splitTarget(target: string): { path: string; query: URLSearchParams } {
  const mark = target.indexOf('?')
  return mark < 0
    ? { path: target, query: new URLSearchParams() }
    : { path: target.slice(0, mark), query: parseQuery(target.slice(mark + 1)) }
}

/** Nothing is served there, but what a namespace or the end of a path leave out. */
function hasEmptyPart(path: string, info: RequestInfo): boolean {
  if (!path.includes('//')) return false
  if (!info.isResourceRequest) return true
  const named = info.emptyNamespace ? path.replace('/namespaces//', '/namespaces/-/') : path
  return /\/\/+[^/]/.test(named)
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Names that clients make up must not become labels: there would be no end of them. */
export function labelsOf(info: RequestInfo, catalog: Catalog): RequestLabels {
  const { verb, group, version, resource, subresource } = info
  const known = info.isResourceRequest ? catalog.resource(group, version, resource) : undefined
  if (!known || (subresource && !known.subresources.some((s) => s.name === subresource))) {
    const method = verb.toUpperCase()
    return { verb: METHODS.has(method) ? method : 'OTHER', group: '', version: '', resource: '', subresource: '', scope: '' }
  }
  const scope = info.name ? 'resource' : info.namespace ? 'namespace' : 'cluster'
  return { verb: VERB_LABELS[verb] ?? verb.toUpperCase(), group, version, resource, subresource, scope }
}

const VERB_LABELS: Readonly<Record<string, string>> = { create: 'POST', update: 'PUT' }
