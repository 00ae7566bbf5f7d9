/**
 * The API server put together: transport → authentication → authorization → registry, with discovery, tables, streams and
 * the bootstrap objects. It behaves as kube-apiserver v1.36 does; which file keeps which contract stands at the head of each.
 */
import { hostname } from 'node:os'
import type { Catalog } from '../api/catalog/catalog.ts'
import { pods as podResource, secrets as secretResource } from '../api/kinds/core/v1.ts'
import type { Secret, ServiceAccount } from '../api/kinds/core/v1.ts'
import type { KubeObject, Resource } from '../api/resource.ts'
import { timestamp } from '../api/meta.ts'
import { isConflict, isNotFound } from '../api/status.ts'
import { aborted } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Transport } from '../client/client.ts'
import { QueueMetrics } from '../client/metrics/queueMetrics.ts'
import { RequestMetrics } from '../client/metrics/requestMetrics.ts'
import { Aggregation } from './aggregation/aggregator.ts'
import { discoveredGroups } from './aggregation/groups.ts'
import { AggregationProxy } from './aggregation/proxy.ts'
import { Registration } from './aggregation/registration.ts'
import type { ProxyClient } from './aggregation/remoteServer.ts'
import { RemoteTransport } from './aggregation/transport.ts'
import type { Audit } from './audit/audit.ts'
import { Authenticator } from './authentication/authenticator.ts'
import { authenticationReviews } from './authentication/reviews.ts'
import { LAST_USED_LABEL, LegacyTokens } from './authentication/legacyTokens.ts'
import { ServiceAccountTokens } from './authentication/serviceAccountTokens.ts'
import type { LookUp, ServiceAccountKeys } from './authentication/serviceAccountTokens.ts'
import { Authorization } from './authorization/authorization.ts'
import { accessReviews } from './authorization/reviews.ts'
import { Loopback, bootstrap, ensureSystemObjects } from './bootstrap/bootstrap.ts'
import type { BootstrapOptions } from './bootstrap/bootstrap.ts'
import { ObjectCounts } from './cache/objectCounts.ts'
import type { WatchCache } from './cache/watchCache.ts'
import { CustomResources } from './customResources/customResources.ts'
import { DirectTransport } from './direct.ts'
import { Discovery } from './discovery/discovery.ts'
import { FlowControl } from './flowcontrol/flowControl.ts'
import { Maintenance } from './flowcontrol/maintenance.ts'
import { componentStatuses } from './membership/componentStatuses.ts'
import { IdentityLease } from './membership/identityLease.ts'
import { MasterLeases } from './membership/masterLeases.ts'
import type { LeaseStore } from './membership/masterLeases.ts'
import { Membership } from './membership/membership.ts'
import { FlowControlMetrics } from './metrics/flowControlMetrics.ts'
import { AuthenticationMetrics } from './metrics/authenticationMetrics.ts'
import { createAdmissionMetrics } from './metrics/admissionMetrics.ts'
import { Metrics } from './metrics/metrics.ts'
import { aggregationMetrics, auditMetrics } from './metrics/serverMetrics.ts'
import { Connect } from './proxy/connect.ts'
import type { KubeletClient, ObjectReader } from './proxy/kubelet.ts'
import type { CustomKinds } from './registry/kinds.ts'
import type { ObjectReader as CacheReader } from './registry/reader.ts'
import type { Strategy } from './registry/strategy.ts'
import type { ApiRequest, ApiResult, Authorizer, Registry, UserInfo } from './request.ts'
import { ApiRequests } from './transport/apiRequests.ts'
import { Codec } from './transport/codec.ts'
import { Filters } from './transport/filters.ts'
import type { PathHandler } from './transport/filters.ts'
import { FlowControlPath } from './transport/flowControlPath.ts'
import { HealthChecks } from './transport/health.ts'
import type { HealthCheck } from './transport/health.ts'
import { Listener } from './transport/listener.ts'
import { OpenApiPaths } from './transport/openApiPaths.ts'
import { RequestGate } from './transport/requestGate.ts'
import { ServerPaths } from './transport/serverPaths.ts'
import { StartChecks } from './transport/startChecks.ts'
import { StatusPath } from './transport/statusPath.ts'
import type { VersionInfo } from './transport/serverPaths.ts'
import { FlagsPath } from './transport/zpages.ts'
import { WebhookClient } from './webhooks/client.ts'
import { createServiceResolver } from './webhooks/serviceResolver.ts'

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

/** Issues the token of a TokenRequest that the registry has checked. */
export interface Tokens {
  issue(
    subject: {
      namespace: string
      serviceAccount: { name: string; uid: string }
      pod?: { name: string; uid: string }
      node?: { name: string; uid: string }
      secret?: { name: string; uid: string }
    },
    options: { audiences: readonly string[]; expirationSeconds: number },
  ): Promise<{ token: string; expirationTimestamp: string }>
  readonly defaultAudiences: readonly string[]
}

/** A registry with what its server looks up in its caches. */
export interface ServedRegistry extends Registry {
  readonly reader: CacheReader
  readonly cache: WatchCache
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

function tokensOf(tokens: ServiceAccountTokens): Tokens {
  return {
    defaultAudiences: tokens.audiences,
    async issue({ namespace, serviceAccount, pod, node, secret }, { audiences, expirationSeconds }) {
      const claims = { namespace, serviceaccount: serviceAccount, ...(pod && { pod }), ...(node && { node }), ...(secret && { secret }) }
      const issued = await tokens.issue(claims, audiences.length > 0 ? audiences : tokens.audiences, expirationSeconds)
      return { token: issued.token, expirationTimestamp: timestamp(issued.expiresMs) }
    },
  }
}

/** Reads objects as the server itself. */
class Reader implements ObjectReader {
  readonly #loopback: Loopback

  constructor(loopback: Loopback) {
    this.#loopback = loopback
  }

  async get<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string): Promise<T | undefined> {
    try {
      const found = this.#loopback.resource(resource.group, resource.version, resource.resource)
      return (await this.#loopback.send('get', found, { namespace, name })) as T
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  async list<T extends KubeObject>(resource: Resource<T>, namespace: string, labelSelector: string): Promise<T[]> {
    const found = this.#loopback.resource(resource.group, resource.version, resource.resource)
    return [...(await this.#loopback.list(found, { namespace, labelSelector })).values()] as T[]
  }
}

/** Builds the server, has its registry made, and brings the bootstrap objects about. It serves in process from then on. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { log, clock } = options
  const builtIn = options.catalog
  const customResources = new CustomResources({ catalog: builtIn, clock, log })
  const { catalog } = customResources
  const stop = new AbortController()
  const stopping = stop.signal
  const authorization = new Authorization({ catalog, log, clock })
  let reader: Reader | undefined
  const lookUp: LookUp = async (kind, namespace, name) => {
    const resource: Resource = {
      ...(kind === 'pods' ? podResource : secretResource),
      resource: kind,
      group: '',
      version: 'v1',
      kind: '',
      namespaced: kind !== 'nodes',
    }
    return reader?.get(resource, namespace, name)
  }
  const tokens = new ServiceAccountTokens({ keys: options.serviceAccounts, lookUp, clock })
  let noteUse: (secret: Secret, day: string) => void = () => {}
  const legacyTokens = new LegacyTokens({
    publicKeysPem: [...options.serviceAccounts.publicKeysPem, options.serviceAccounts.privateKeyPem],
    getSecret: async (namespace, name) => reader?.get(secretResource, namespace, name),
    getAccount: async (namespace, name) => (await lookUp('serviceaccounts', namespace, name)) as ServiceAccount | undefined,
    noteUse: (secret, day) => noteUse(secret, day),
    clock,
  })
  const authenticationMetrics = new AuthenticationMetrics()
  const authenticator = new Authenticator({
    metrics: authenticationMetrics,
    ...options.tls,
    legacyTokens,
    requestHeaderAllowedNames: options.requestHeaderAllowedNames ?? [],
    serviceAccountTokens: tokens,
    ...(options.staticTokens && { staticTokens: options.staticTokens }),
    getSecret: async (namespace, name): Promise<Secret | undefined> => reader?.get(secretResource, namespace, name),
    clock,
  })
  const registry = await options.createRegistry({
    catalog,
    customKinds: customResources.kindOf,
    strategies: customResources.strategies,
    authorizer: authorization,
    tokens: tokensOf(tokens),
    virtualResources: new Map([
      ...accessReviews(authorization, clock),
      ...authenticationReviews(() => authenticator, clock),
      ...componentStatuses(options.askStore),
    ]),
  })
  const requestMetrics = new RequestMetrics('localhost')
  const loopback = new Loopback({ catalog, registry, ...(options.audit && { audit: options.audit }), requestMetrics, signal: stopping })
  reader = new Reader(loopback)
  noteUse = (secret, day) => void noteTokenUse(loopback, secret, day, log)

  const bootstrapping: BootstrapOptions = {
    catalog: builtIn,
    registry,
    clock,
    clientCa: options.tls.clientCa,
    ...(options.tls.requestHeaderCa && { requestHeaderCa: options.tls.requestHeaderCa }),
    requestHeaderAllowedNames: options.requestHeaderAllowedNames ?? [],
    ...(options.audit && { audit: options.audit }),
    signal: stopping,
  }
  await bootstrap(bootstrapping)
  const starting = new StartChecks()
  starting.finish('bootstrapped')
  const following = authorization.run(registry, stopping)
  const { proxyClient } = options
  const queueMetrics = new QueueMetrics()
  const resolve = createServiceResolver(registry.reader)
  const aggregation = proxyClient && new Aggregation({ catalog, registry, loopback, resolve, proxyClient, queueMetrics, log, clock })
  const aggregating = aggregation?.run(stopping)
  const webhooks = new WebhookClient({ resolver: resolve })
  const serving = customResources.run({ registry, cache: registry.cache, webhooks, signal: stopping })
  const registration = aggregation && new Registration({ registry, loopback, queueMetrics, log, clock })
  const registering = registration?.run(stopping)
  void registration?.registered.then(() => starting.finish('registered'))
  const flowControl: FlowControl = new FlowControl({ registry, loopback, onChange: () => maintenance.wake(), log, clock })
  const maintenance = new Maintenance({ flowControl, loopback, signal: stopping, log, clock })
  const controlling = flowControl.run(stopping)
  await Promise.all([following.synced, aggregating?.synced, controlling.synced])
  starting.finish('synced')

  const objectCounts = new ObjectCounts(catalog, registry.cache)
  const metrics = new Metrics(objectCounts)
  queueMetrics.register(metrics.registry)
  requestMetrics.register(metrics.registry)
  authenticationMetrics.register(metrics.registry)
  if (aggregation) aggregationMetrics(metrics.registry, aggregation)
  const { audit } = options
  if (audit) auditMetrics(metrics.registry, audit)
  registry.observeAdmission?.(createAdmissionMetrics(metrics.registry))
  const codec = new Codec(catalog)
  const health = new HealthChecks((name, error) => log.warn('a health check failed', { check: name, error: String(error) }))
  const { askStore } = options
  starting.addTo(health, {
    ...(askStore && { askStore }),
    ...(proxyClient && { proxyCertificate: proxyClient.cert }),
    servingCertificate: options.tls.cert,
    now: () => clock.now(),
  })
  health.add({ name: 'shutdown', kinds: ['readyz'], check: () => stopping.throwIfAborted() })

  const now = (): number => clock.now()
  let port = 0
  const address = (): string => `${options.kubernetesService.address}:${port}`
  const connect = new Connect({
    reader,
    kubelet: options.kubeletClient,
    admit: async (request, wanted) => registry.connect?.(request, wanted) ?? wanted,
  })
  const openApi = new OpenApiPaths({
    catalog: builtIn,
    clock,
    ...(options.descriptionsFile && { descriptionsFile: options.descriptionsFile }),
    custom: customResources.published,
    ...(aggregation && { remote: aggregation.openApi }),
  })
  const filters = new Filters({
    catalog,
    authenticator,
    authorizer: authorization,
    gate: new RequestGate({
      flowControl,
      metrics: new FlowControlMetrics(metrics.registry, () => flowControl.levels),
      countObjects: (group, resource) => objectCounts.of(group, resource),
      clock,
    }),
    codec,
    metrics,
    log,
    clock,
    stopping,
    ...(options.audit && { audit: options.audit }),
    connect,
    discovery: new Discovery({ catalog, serverAddress: address, ...(aggregation && { groups: discoveredGroups(catalog, aggregation) }) }),
    apiRequests: new ApiRequests({ catalog, registry, codec, metrics, now }),
    paths: new ServerPaths({
      version: options.version,
      health,
      metrics,
      tokens,
      codec,
      more: [
        openApi,
        new StatusPath({ version: options.version, now }),
        new FlowControlPath(() => flowControl.levels),
        new FlagsPath({ 'authorization-mode': '[Node,RBAC]', ...options.flags }),
        ...(options.paths ?? []),
      ],
      externalUrl: () => `https://${address()}`,
      groupPaths: () => groupPaths(catalog),
    }),
    ...(aggregation && { aggregator: new AggregationProxy(aggregation) }),
  })

  starting.finish('serving')
  return {
    registry,
    authorizer: authorization,
    metrics,
    addHealthCheck: (check) => health.add(check),
    directTransport: (user, userAgent = user.name) =>
      new DirectTransport({
        catalog,
        registry,
        authorizer: authorization,
        user,
        userAgent,
        ...(options.audit && { audit: options.audit }),
        stopping,
        remote: (group, version) => {
          const remote = aggregation?.remote(group, version)
          return remote && new RemoteTransport(remote, user, userAgent)
        },
      }),
    async listen({ host, port: wanted, signal }) {
      const listener = new Listener({
        tls: options.tls,
        onRequest: (exchange) => void filters.serve(exchange),
        onUpgrade: (upgrade) => void filters.upgrade(upgrade),
      })
      port = await listener.listen({ host, port: wanted })
      const { clusterIp, serviceCidrs, address: advertised } = options.kubernetesService
      const membership = new Membership({
        loopback,
        service: { clusterIp, serviceCidrs, advertise: { address: advertised, port } },
        ensureSystemObjects: () => ensureSystemObjects(loopback, bootstrapping),
        identity: new IdentityLease({ loopback, hostname: hostname(), clock }),
        ...(options.leaseStore && { leases: new MasterLeases(options.leaseStore, clock) }),
        log,
        clock,
      })
      await membership.start(AbortSignal.any([signal, stopping]))
      starting.finish('listening')
      log.info('serving', { host, port })
      const done = aborted(signal).then(async () => {
        await membership.stopped()
        await membership.leave().catch((error: unknown) => log.warn('the endpoints still lead here', { error: String(error) }))
        stop.abort()
        await listener.close()
        await Promise.all([following.done, serving.done, aggregating?.done, registering, controlling.done, maintenance.stop()])
        await options.audit?.close()
        await registry.close?.()
      })
      return { port, done }
    },
  }
}

/** One that another server notes at the same time, or that is gone by now, needs no note of ours. */
async function noteTokenUse(loopback: Loopback, secret: Secret, day: string, log: Logger): Promise<void> {
  const { name, namespace, labels } = secret.metadata
  const body = { ...secret, metadata: { ...secret.metadata, labels: { ...labels, [LAST_USED_LABEL]: day } } }
  try {
    await loopback.send('update', loopback.resource('', 'v1', 'secrets'), { namespace, name, body })
  } catch (error) {
    if (!isConflict(error) && !isNotFound(error))
      log.warn('the use of a token could not be noted', { namespace, name, error: String(error) })
  }
}

function groupPaths(catalog: Catalog): string[] {
  const groups = catalog.groups.flatMap(({ name, versions }) =>
    name === '' ? ['/api', ...versions.map((v) => `/api/${v}`)] : [`/apis/${name}`, ...versions.map((v) => `/apis/${name}/${v}`)],
  )
  return ['/apis', '/apis/', ...groups]
}
