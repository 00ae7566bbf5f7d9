/**
 * The API server put together: what it decides with, the registry, what runs beside the requests, their way through the
 * filters, and the port. It behaves as kube-apiserver v1.36 does; which file keeps which contract stands at the head of each.
 */
import { hostname } from 'node:os'
import type { Catalog } from '../api/catalog/catalog.ts'
import { aborted } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Transport } from '../client/client.ts'
import { RequestMetrics } from '../client/metrics/requestMetrics.ts'
import type { ProxyClient } from './aggregation/remoteServer.ts'
import { RemoteTransport } from './aggregation/transport.ts'
import type { Audit } from './audit/audit.ts'
import { createAuthentication, tokenIssuer } from './authentication/authentication.ts'
import type { AnonymousAccess } from './authentication/authenticator.ts'
import type { JwtTokens } from './authentication/jwtTokens.ts'
import type { Authentication } from './authentication/authentication.ts'
import { authenticationReviews } from './authentication/reviews.ts'
import type { ServiceAccountKeys } from './authentication/serviceAccountTokens.ts'
import { Authorization } from './authorization/authorization.ts'
import type { Link } from './authorization/authorization.ts'
import { accessReviews } from './authorization/reviews.ts'
import { Loopback, bootstrap, ensureSystemObjects } from './bootstrap/bootstrap.ts'
import type { BootstrapOptions } from './bootstrap/bootstrap.ts'
import { ObjectCounts } from './cache/objectCounts.ts'
import { CustomResources } from './customResources/customResources.ts'
import { DirectTransport } from './direct.ts'
import { startFollowing } from './following.ts'
import type { Following, ServedRegistry } from './following.ts'
import { componentStatuses } from './membership/componentStatuses.ts'
import { IdentityLease } from './membership/identityLease.ts'
import { MasterLeases } from './membership/masterLeases.ts'
import type { LeaseStore } from './membership/masterLeases.ts'
import { Membership } from './membership/membership.ts'
import { AuthorizationMetrics } from './metrics/authorizationMetrics.ts'
import { createAdmissionMetrics } from './metrics/admissionMetrics.ts'
import { Metrics } from './metrics/metrics.ts'
import { aggregationMetrics, auditMetrics, buildMetrics } from './metrics/serverMetrics.ts'
import { OwnObjects } from './ownObjects.ts'
import type { KubeletClient } from './proxy/kubelet.ts'
import type { CustomKinds } from './registry/kinds.ts'
import type { Strategy } from './registry/strategy.ts'
import type { Tokens } from './registry/tokens.ts'
import { createFilters } from './requestWay.ts'
import type { ApiRequest, ApiResult, Authorizer, Registry, UserInfo } from './request.ts'
import type { Filters, PathHandler } from './transport/filters.ts'
import { askInTime, HealthChecks } from './transport/health.ts'
import type { HealthCheck } from './transport/health.ts'
import { Listener } from './transport/listener.ts'
import { StartChecks } from './transport/startChecks.ts'
import { versionDocument } from './transport/serverPaths.ts'
import type { VersionInfo } from './transport/serverPaths.ts'

/** What the registry takes from the server that is built around it. */
export interface RegistryAccess {
  /** With the custom resources. */
  catalog: Catalog
  customKinds: CustomKinds
  /** Strategies that are made with the server, by `group/resource`. */
  strategies: ReadonlyMap<string, Strategy>
  authorizer: Authorizer
  tokens: Tokens
  /** Resources without storage, by `group/resource`. */
  virtualResources: ReadonlyMap<string, (request: ApiRequest) => Promise<ApiResult>>
}

export interface ApiServerOptions {
  catalog: Catalog
  createRegistry: (access: RegistryAccess) => Promise<ServedRegistry>
  /** PEM. */
  tls: { key: string; cert: string; clientCa: string; requestHeaderCa?: string }
  /** Common names that the front proxy may have. */
  requestHeaderAllowedNames?: readonly string[]
  serviceAccounts: ServiceAccountKeys
  kubeletClient: KubeletClient
  staticTokens?: ReadonlyMap<string, UserInfo>
  version: VersionInfo
  /** Tokens of others. */
  jwt?: JwtTokens
  /** Where those without a credential are somebody; everywhere unless given. */
  anonymous?: AnonymousAccess
  /** Who decides, if not the node authorizer and RBAC; `replace` is for others later on. */
  authorizers?: (metrics: AuthorizationMetrics, replace: (chain: readonly Link[]) => void) => readonly Link[]
  requestTimeoutMs?: number
  /** Units of work at once. */
  serverSeats?: number
  /** For how long it goes on, not ready, when it is to end: who balances load has seen so by then. */
  shutdownDelayMs?: number
  /** Answers when the store does. */
  askStore?: () => Promise<unknown>
  /** The `kubernetes` service: its address in the service range, and where it leads. */
  kubernetesService: { clusterIp: string; serviceCidrs: readonly string[]; address: string }
  /** Where other API servers share the store. */
  leaseStore?: LeaseStore
  /** A file of descriptions for OpenAPI (`kubectl explain`); none where it is not there. */
  descriptionsFile?: string
  /** How the server was started, by upstream's flags: what `/flagz` shows besides what is always so. */
  flags?: Readonly<Record<string, string>>
  /** What is written down of requests; closed with the server. */
  audit?: Audit
  /** What goes on as long as the server does. */
  beside?: readonly ((signal: AbortSignal) => Promise<void>)[]
  /** Further paths of their own. */
  paths?: readonly PathHandler[]
  /** PEM of the front proxy's client: with it, APIServices lead to other servers. */
  proxyClient?: ProxyClient
  log: Logger
  clock: Clock
}

export interface ApiServer {
  readonly registry: Registry
  readonly authorizer: Authorizer
  readonly metrics: Metrics
  /** Serves until the signal aborts; resolves with the port once it listens. `done` resolves when all is over. */
  listen(at: { host: string; port: number; signal: AbortSignal }): Promise<{ port: number; done: Promise<void> }>
  /** The client's transport for a component in this process. */
  directTransport(user: UserInfo, userAgent?: string): Transport
  addHealthCheck(check: HealthCheck): void
}

/** All that the server is made of, from the moment on at which it can answer. */
interface Server {
  options: ApiServerOptions
  catalog: Catalog
  registry: ServedRegistry
  authorization: Authorization
  authentication: Authentication
  customResources: CustomResources
  objects: OwnObjects
  loopback: Loopback
  following: Following
  beside: Promise<unknown>
  metrics: Metrics
  objectCounts: ObjectCounts
  health: HealthChecks
  starting: StartChecks
  /** Aborts when the server is to stop, and is not ready any more. */
  leaving: AbortController
  /** Aborts when the server stops. */
  stop: AbortController
  /** Host and port that clients are told; the port is known once it listens. */
  address: { host: string; port: number }
}

/** Builds the server, has its registry made, and brings the bootstrap objects about. It serves in process from then on. */
export async function createApiServer(given: ApiServerOptions): Promise<ApiServer> {
  const { log, clock } = given
  const options = given.askStore ? { ...given, askStore: askInTime(given.askStore, clock) } : given
  const [stop, leaving] = [new AbortController(), new AbortController()]
  const starting = new StartChecks()
  const customResources = new CustomResources({ catalog: options.catalog, clock, log })
  const { catalog } = customResources
  const objects = new OwnObjects(log)
  const authorizationMetrics = new AuthorizationMetrics()
  const { authorizers } = options
  const chain = authorizers?.(authorizationMetrics, (next) => authorization.replace(next))
  const authorization: Authorization = new Authorization({ catalog, ...(chain && { chain }), metrics: authorizationMetrics, log, clock })
  const authentication = createAuthentication(options, objects)
  const registry = await options.createRegistry(registryAccess(options, { authorization, authentication, customResources }))
  const requestMetrics = new RequestMetrics('localhost')
  const { audit } = options
  const loopback = new Loopback({ catalog, registry, ...(audit && { audit }), requestMetrics, signal: stop.signal })
  objects.attach(loopback)
  await bootstrap(bootstrapOptions(options, registry, stop.signal))
  starting.finish('bootstrapped')

  const { proxyClient } = options
  const { serverSeats } = options
  const beside = {
    catalog,
    registry,
    loopback,
    authorization,
    customResources,
    starting,
    signal: stop.signal,
    log,
    clock,
    ...(serverSeats && { serverSeats }),
  }
  const following = startFollowing({ ...beside, ...(proxyClient && { proxyClient }) })
  await following.synced
  starting.finish('synced')

  const objectCounts = new ObjectCounts(catalog, registry.cache)
  const metrics = serverMetrics({ options, authorizationMetrics, objectCounts, following, authentication, requestMetrics, registry })
  const health = healthChecks(options, starting, leaving.signal)
  const address = { host: options.kubernetesService.address, port: 0 }
  const parts = { options, catalog, registry, authorization, authentication, customResources, objects, loopback, following }
  const going = Promise.all((options.beside ?? []).map((run) => run(stop.signal)))
  const server: Server = { ...parts, beside: going, metrics, objectCounts, health, starting, leaving, stop, address }
  const filters = createFilters(server)
  starting.finish('serving')
  return {
    registry,
    authorizer: authorization,
    metrics,
    addHealthCheck: (check) => health.add(check),
    directTransport: (user, userAgent = user.name) => directTransport(server, user, userAgent),
    listen: (at) => listen(server, filters, at),
  }
}

function registryAccess(
  { askStore, clock }: ApiServerOptions,
  { authorization, authentication, customResources }: Pick<Server, 'authorization' | 'authentication' | 'customResources'>,
): RegistryAccess {
  return {
    catalog: customResources.catalog,
    customKinds: customResources.kindOf,
    strategies: customResources.strategies,
    authorizer: authorization,
    tokens: tokenIssuer(authentication.serviceAccountTokens),
    virtualResources: new Map([
      ...accessReviews(authorization, clock),
      ...authenticationReviews(() => authentication.authenticator, clock),
      ...componentStatuses(askStore),
    ]),
  }
}

function bootstrapOptions(options: ApiServerOptions, registry: Registry, signal: AbortSignal): BootstrapOptions {
  const { catalog, tls, requestHeaderAllowedNames = [], audit, clock } = options
  return {
    catalog,
    registry,
    clock,
    clientCa: tls.clientCa,
    ...(tls.requestHeaderCa && { requestHeaderCa: tls.requestHeaderCa }),
    requestHeaderAllowedNames,
    ...(audit && { audit }),
    signal,
  }
}

function serverMetrics(
  counted: Pick<Server, 'options' | 'objectCounts' | 'following' | 'authentication' | 'registry'> & {
    requestMetrics: RequestMetrics
    authorizationMetrics: AuthorizationMetrics
  },
): Metrics {
  const { options, objectCounts, following, authentication, registry, requestMetrics } = counted
  const metrics = new Metrics(objectCounts)
  following.queueMetrics.register(metrics.registry)
  requestMetrics.register(metrics.registry)
  authentication.metrics.register(metrics.registry)
  counted.authorizationMetrics.register(metrics.registry)
  buildMetrics(metrics.registry, versionDocument(options.version))
  if (following.aggregation) aggregationMetrics(metrics.registry, following.aggregation)
  if (options.audit) auditMetrics(metrics.registry, options.audit)
  registry.observeAdmission?.(createAdmissionMetrics(metrics.registry))
  return metrics
}

function healthChecks(
  { askStore, proxyClient, tls, clock, log }: ApiServerOptions,
  starting: StartChecks,
  stopping: AbortSignal,
): HealthChecks {
  const health = new HealthChecks((name, error) => log.warn('a health check failed', { check: name, error: String(error) }))
  starting.addTo(health, {
    ...(askStore && { askStore }),
    ...(proxyClient && { proxyCertificate: proxyClient.cert }),
    servingCertificate: tls.cert,
    now: () => clock.now(),
  })
  const check = (): void => {
    if (stopping.aborted) throw new Error('process is shutting down')
  }
  health.add({ name: 'shutdown', kinds: ['readyz'], check })
  return health
}

function directTransport(
  { options, catalog, registry, authorization, following, stop }: Server,
  user: UserInfo,
  userAgent: string,
): Transport {
  return new DirectTransport({
    catalog,
    registry,
    authorizer: authorization,
    user,
    userAgent,
    ...(options.audit && { audit: options.audit }),
    stopping: stop.signal,
    remote: (group, version) => {
      const remote = following.aggregation?.remote(group, version)
      return remote && new RemoteTransport(remote, user, userAgent)
    },
  })
}

async function listen(
  server: Server,
  filters: Filters,
  { host, port: wanted, signal }: { host: string; port: number; signal: AbortSignal },
): Promise<{ port: number; done: Promise<void> }> {
  const { options, address, stop, starting } = server
  const listener = new Listener({
    tls: options.tls,
    onRequest: (exchange) => void filters.serve(exchange),
    onUpgrade: (upgrade) => void filters.upgrade(upgrade),
  })
  const port = await listener.listen({ host, port: wanted })
  address.port = port
  const membership = membershipOf(server)
  await membership.start(AbortSignal.any([signal, stop.signal]))
  starting.finish('listening')
  options.log.info('serving', { host, port })
  return { port, done: aborted(signal).then(() => shutDown(server, listener, membership)) }
}

function membershipOf({ options, registry, loopback, address, stop }: Server): Membership {
  const { kubernetesService, leaseStore, log, clock } = options
  const { clusterIp, serviceCidrs } = kubernetesService
  return new Membership({
    loopback,
    service: { clusterIp, serviceCidrs, advertise: { address: address.host, port: address.port } },
    ensureSystemObjects: () => ensureSystemObjects(loopback, bootstrapOptions(options, registry, stop.signal)),
    identity: new IdentityLease({ loopback, hostname: hostname(), clock }),
    ...(leaseStore && { leases: new MasterLeases(leaseStore, clock) }),
    log,
    clock,
  })
}

/** Clients are led elsewhere first, then what runs ends, and the store is let go of last. */
async function shutDown(server: Server, listener: Listener, membership: Membership): Promise<void> {
  const { options, following, registry, leaving, stop } = server
  leaving.abort()
  if (options.shutdownDelayMs) await options.clock.sleep(options.shutdownDelayMs)
  await membership.stopped()
  await membership.leave().catch((error: unknown) => options.log.warn('the endpoints still lead here', { error: String(error) }))
  stop.abort()
  await listener.close()
  await Promise.all([following.stopped(), server.beside])
  await options.audit?.close()
  await registry.close?.()
}
