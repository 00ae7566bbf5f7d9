/** The API server of a node or of a control plane alone: catalog, store, registry and server put together. */
import { readFileSync } from 'node:fs'
import { loadCatalog } from '../api/catalog/load.ts'
import { KUBERNETES_VERSION } from '../api/kubernetesVersion.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { AnonymousAccess } from '../apiserver/authentication/authenticator.ts'
import { admissionPlugins } from '../apiserver/admission/plugins.ts'
import { TOLERATION_SECONDS, type TolerationSeconds } from '../apiserver/admission/podDefaults.ts'
import { StoreMetrics } from '../apiserver/metrics/storeMetrics.ts'
import { createRegistry } from '../apiserver/registry/registry.ts'
import { Services } from '../apiserver/registry/services/services.ts'
import { createApiServer, type ApiServer } from '../apiserver/server.ts'
import { SnapshotPath } from '../apiserver/transport/snapshotPath.ts'
import type { UserInfo } from '../apiserver/request.ts'
import type { Store } from '../storage/store.ts'
import type { ComponentOptions } from '../api/componentOptions.ts'
import { configuredAuthorizers } from './authorization.ts'
import { createAudit } from './audit.ts'
import type { AuditSettings } from './audit.ts'
import { isContents } from './followedFile.ts'
import { openEncryption } from './encryption.ts'
import { outsideTokens } from './oidc.ts'
import type { OutsideTokens } from './oidc.ts'
import type { Pki } from './pki.ts'
import { parseTokenFile } from './staticTokens.ts'

export interface AssembledApiServerOptions {
  store: Store
  pki: Pki
  serviceClusterIpRange: string
  /** Where the `kubernetes` service leads: the address that clients inside the cluster reach. */
  advertiseAddress: string
  clusterDomain: string
  /** What `kubectl explain` says of kinds and fields (tools/catalog/descriptions.ts); nothing where the file is not there. */
  descriptionsFile?: string
  audit?: AuditSettings
  /** Static tokens (upstream's --token-auth-file). */
  tokenFile?: string
  /** What was set by upstream's flags. */
  flags?: ComponentOptions['apiserver']
  log: Logger
  clock: Clock
}

/** Upstream's defaults of the one where the other is given. */
const READS_INFLIGHT = 400
const WRITES_INFLIGHT = 200
const NODE_PORTS = { first: 30_000, last: 32_767 }

/** A component's own identity. Components of the control plane are trusted like the server that they run in. */
export const componentUser = (name: string): UserInfo => ({ name, groups: ['system:masters', 'system:authenticated'], extra: {} })

export const nodeUser = (nodeName: string): UserInfo => ({
  name: `system:node:${nodeName}`,
  groups: ['system:nodes', 'system:authenticated'],
  extra: {},
})

/** The address of the Service `kubernetes`: the first of the range. */
export function kubernetesServiceAddress(serviceClusterIpRange: string): string {
  return new Services({ serviceClusterIpRange, nodePortRange: NODE_PORTS }).firstAddress
}

/** What is in force, by upstream's flags and as those show it. */
function flagsOf({
  serviceClusterIpRange,
  advertiseAddress,
  clusterDomain,
  audit,
  tokenFile,
  flags = {},
}: AssembledApiServerOptions): Record<string, string> {
  const list = (values: readonly string[] = []): string => `[${values.join(',')}]`
  const ports = flags['service-node-port-range'] ?? NODE_PORTS
  return {
    'advertise-address': advertiseAddress,
    'allow-privileged': 'true',
    'anonymous-auth': String(flags['anonymous-auth'] ?? true),
    'disable-admission-plugins': list(flags['disable-admission-plugins']),
    'enable-bootstrap-token-auth': 'true',
    'enable-priority-and-fairness': 'true',
    'requestheader-allowed-names': list(FRONT_PROXY_NAMES),
    'requestheader-extra-headers-prefix': '[X-Remote-Extra-]',
    'requestheader-group-headers': '[X-Remote-Group]',
    'requestheader-username-headers': '[X-Remote-User]',
    'service-account-issuer': list(flags['service-account-issuer'] ?? [issuerOf(clusterDomain)]),
    'service-cluster-ip-range': serviceClusterIpRange,
    'service-node-port-range': `${ports.first}-${ports.last}`,
    'audit-policy-file': audit?.policyFile ?? '',
    'audit-log-path': audit?.logPath ?? '',
    'audit-webhook-config-file': audit?.webhook?.configFile ?? '',
    'audit-webhook-mode': 'batch',
    'token-auth-file': tokenFile ?? '',
    ...fileFlags(flags),
  }
}

/** Files by their names; one that was given by its contents has none. */
function fileFlags(flags: ComponentOptions['apiserver']): Record<string, string> {
  const nameOf = (option: string | undefined): string => (option === undefined || isContents(option) ? '' : option)
  return {
    'authorization-config': nameOf(flags['authorization-config']),
    'authentication-config': nameOf(flags['authentication-config']),
    'encryption-provider-config': nameOf(flags['encryption-provider-config']),
    'encryption-provider-config-automatic-reload': String(flags['encryption-provider-config-automatic-reload'] ?? false),
  }
}

const FRONT_PROXY_NAMES = ['front-proxy-client']
const issuerOf = (clusterDomain: string): string => `https://kubernetes.default.svc.${clusterDomain}`

function tolerationSecondsOf(flags: ComponentOptions['apiserver']): TolerationSeconds {
  return {
    notReady: flags['default-not-ready-toleration-seconds'] ?? TOLERATION_SECONDS.notReady,
    unreachable: flags['default-unreachable-toleration-seconds'] ?? TOLERATION_SECONDS.unreachable,
  }
}

/** Of requests at once there is one number here: reads and writes share the seats. */
function serverSettings(flags: ComponentOptions['apiserver']) {
  const { 'max-requests-inflight': reads, 'max-mutating-requests-inflight': writes } = flags
  const { 'request-timeout': requestTimeoutMs, 'shutdown-delay-duration': shutdownDelayMs } = flags
  const serverSeats = reads === undefined && writes === undefined ? 0 : (reads ?? READS_INFLIGHT) + (writes ?? WRITES_INFLIGHT)
  return {
    ...(serverSeats > 0 && { serverSeats }),
    ...(requestTimeoutMs && { requestTimeoutMs }),
    ...(shutdownDelayMs && { shutdownDelayMs }),
  }
}

/** The file says it, or the flag does. */
function anonymousAccess(flags: ComponentOptions['apiserver'], outside: OutsideTokens | undefined): AnonymousAccess {
  const { enabled = false, conditions = [] } = outside?.anonymous ?? { enabled: flags['anonymous-auth'] ?? true }
  return { enabled, paths: conditions.map(({ path = '' }) => path) }
}

export async function assembleApiServer(options: AssembledApiServerOptions): Promise<ApiServer> {
  const { store, pki, serviceClusterIpRange, advertiseAddress, clusterDomain, clock, flags = {} } = options
  const log = options.log.child({ component: 'kube-apiserver' })
  const audit = options.audit && createAudit(options.audit, flags, { log, clock })
  const encrypted = await openEncryption(flags, { log, clock })
  const catalog = loadCatalog()
  const services = new Services({ serviceClusterIpRange, nodePortRange: flags['service-node-port-range'] ?? NODE_PORTS })
  const issuers = flags['service-account-issuer'] ?? [issuerOf(clusterDomain)]
  const authorizers = configuredAuthorizers(flags, { log, clock })
  const outside = outsideTokens(flags, issuers, { log, clock })
  const storeMetrics = new StoreMetrics()
  const server = await createApiServer({
    catalog,
    createRegistry: ({ catalog: served, customKinds, strategies, authorizer, tokens, virtualResources }) =>
      createRegistry({
        catalog: served,
        customKinds,
        strategies,
        store: storeMetrics.timed(store),
        ...(encrypted && { transformation: encrypted.encryption }),
        clock,
        log,
        services,
        authorizer,
        tokens,
        virtualResources,
        disabledAdmission: new Set(flags['disable-admission-plugins']),
        ...(flags['event-ttl'] && { eventTtlMs: flags['event-ttl'] }),
        admission: (reader) => admissionPlugins({ reader, authorizer, tolerationSeconds: tolerationSecondsOf(flags) }),
      }),
    tls: { ...pki.apiServer, clientCa: pki.ca.cert, requestHeaderCa: pki.frontProxyCa.cert },
    requestHeaderAllowedNames: FRONT_PROXY_NAMES,
    proxyClient: pki.frontProxyClient,
    serviceAccounts: {
      privateKeyPem: pki.serviceAccount.privateKey,
      publicKeysPem: [pki.serviceAccount.publicKey],
      issuers,
      audiences: flags['api-audiences'] ?? issuers.slice(0, 1),
    },
    ...serverSettings(flags),
    ...(authorizers && { authorizers: authorizers.authorizers }),
    ...(outside && { jwt: outside.jwt }),
    anonymous: anonymousAccess(flags, outside),
    kubeletClient: { ...pki.kubeletClient, ca: pki.ca.cert },
    version: {
      gitVersion: KUBERNETES_VERSION,
      gitCommit: '',
      buildDate: '',
      platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
    },
    flags: flagsOf(options),
    ...(options.descriptionsFile && { descriptionsFile: options.descriptionsFile }),
    ...(audit && { audit }),
    beside: [encrypted, outside, authorizers].flatMap((each) => (each ? [each.follow] : [])),
    ...(options.tokenFile && { staticTokens: parseTokenFile(readFileSync(options.tokenFile, 'utf8')) }),
    paths: [new SnapshotPath(store)],
    askStore: () => store.revision(),
    kubernetesService: { clusterIp: services.firstAddress, serviceCidrs: services.cidrs, address: advertiseAddress },
    ...(store.shared && { leaseStore: store }),
    log,
    clock,
  })
  storeMetrics.register(server.metrics.registry)
  for (const each of [encrypted, outside, authorizers]) each?.register(server.metrics.registry)
  return server
}
