/** The way of requests put together: the filters, and behind them what answers. */
import type { Catalog } from '../api/catalog/catalog.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { discoveredGroups } from './aggregation/groups.ts'
import { AggregationProxy } from './aggregation/proxy.ts'
import type { Audit } from './audit/audit.ts'
import type { Authentication } from './authentication/authentication.ts'
import type { ObjectCounts } from './cache/objectCounts.ts'
import type { CustomResources } from './customResources/customResources.ts'
import { Discovery } from './discovery/discovery.ts'
import type { Following } from './following.ts'
import { FlowControlMetrics } from './metrics/flowControlMetrics.ts'
import type { Metrics } from './metrics/metrics.ts'
import { Connect } from './proxy/connect.ts'
import type { KubeletClient, ObjectReader } from './proxy/kubelet.ts'
import type { Authorizer, Registry } from './request.ts'
import { ApiRequests } from './transport/apiRequests.ts'
import { Codec } from './transport/codec.ts'
import { Filters } from './transport/filters.ts'
import type { PathHandler } from './transport/filters.ts'
import { FlowControlPath } from './transport/flowControlPath.ts'
import type { HealthChecks } from './transport/health.ts'
import { OpenApiPaths } from './transport/openApiPaths.ts'
import { RequestGate } from './transport/requestGate.ts'
import { ServerPaths } from './transport/serverPaths.ts'
import type { VersionInfo } from './transport/serverPaths.ts'
import { StatusPath } from './transport/statusPath.ts'
import { FlagsPath } from './transport/zpages.ts'

interface Options {
  /** Of the built-in kinds. */
  catalog: Catalog
  kubeletClient: KubeletClient
  version: VersionInfo
  descriptionsFile?: string
  flags?: Readonly<Record<string, string>>
  audit?: Audit
  requestTimeoutMs?: number
  paths?: readonly PathHandler[]
  log: Logger
  clock: Clock
}

/** What answers requests, of the server. */
export interface Answering {
  options: Options
  /** With the custom resources. */
  catalog: Catalog
  registry: Registry
  authorization: Authorizer
  authentication: Pick<Authentication, 'authenticator' | 'serviceAccountTokens'>
  customResources: Pick<CustomResources, 'published'>
  objects: ObjectReader
  following: Pick<Following, 'aggregation' | 'flowControl'>
  metrics: Metrics
  objectCounts: ObjectCounts
  health: HealthChecks
  stop: AbortController
  address: { host: string; port: number }
}

export function createFilters(server: Answering): Filters {
  const { options, catalog, registry, metrics, following, address } = server
  const { log, clock, audit, requestTimeoutMs } = options
  const { aggregation } = following
  const codec = new Codec(catalog)
  const groups = aggregation && discoveredGroups(catalog, aggregation)
  return new Filters({
    catalog,
    authenticator: server.authentication.authenticator,
    authorizer: server.authorization,
    gate: requestGate(server),
    codec,
    metrics,
    log,
    clock,
    stopping: server.stop.signal,
    ...(audit && { audit }),
    ...(requestTimeoutMs && { requestTimeoutMs }),
    connect: new Connect({
      reader: server.objects,
      kubelet: options.kubeletClient,
      admit: async (request, wanted) => registry.connect?.(request, wanted) ?? wanted,
    }),
    discovery: new Discovery({ catalog, serverAddress: () => hostAndPort(address), ...(groups && { groups }) }),
    apiRequests: new ApiRequests({ catalog, registry, codec, metrics, now: () => clock.now() }),
    paths: serverPaths(server, codec),
    ...(aggregation && { aggregator: new AggregationProxy(aggregation) }),
  })
}

function requestGate({ options, following, metrics, objectCounts }: Answering): RequestGate {
  const { flowControl } = following
  return new RequestGate({
    flowControl,
    metrics: new FlowControlMetrics(metrics.registry, () => flowControl.levels),
    countObjects: (group, resource) => objectCounts.of(group, resource),
    clock: options.clock,
  })
}

function serverPaths(
  { options, catalog, authentication, customResources, following, metrics, health, address }: Answering,
  codec: Codec,
): ServerPaths {
  const { version, clock, descriptionsFile, flags, paths = [] } = options
  const { aggregation, flowControl } = following
  const openApi = new OpenApiPaths({
    catalog: options.catalog,
    clock,
    ...(descriptionsFile && { descriptionsFile }),
    custom: customResources.published,
    ...(aggregation && { remote: aggregation.openApi }),
  })
  const status = new StatusPath({ version, now: () => clock.now() })
  const flagsPath = new FlagsPath({ 'authorization-mode': '[Node,RBAC]', ...flags })
  return new ServerPaths({
    version,
    health,
    metrics,
    tokens: authentication.serviceAccountTokens,
    codec,
    more: [openApi, status, flagsPath, new FlowControlPath(() => flowControl.levels), ...paths],
    externalUrl: () => `https://${hostAndPort(address)}`,
    groupPaths: () => groupPaths(catalog),
  })
}

const hostAndPort = ({ host, port }: Answering['address']): string => `${host}:${port}`

function groupPaths(catalog: Catalog): string[] {
  const groups = catalog.groups.flatMap(({ name, versions }) =>
    name === '' ? ['/api', ...versions.map((v) => `/api/${v}`)] : [`/apis/${name}`, ...versions.map((v) => `/apis/${name}/${v}`)],
  )
  return ['/apis', '/apis/', ...groups]
}
