/** The node agent: kubelet, its runtime and network on the engine, and its server. */
import type { ComponentOptions } from '../api/componentOptions.ts'
import { systemClock } from '../base/clock.ts'
import { familyOf } from '../base/ipFamily.ts'
import type { Component } from '../base/component.ts'
import type { Logger } from '../base/logger.ts'
import { tokenreviews } from '../api/kinds/authentication/v1.ts'
import type { Client } from '../client/client.ts'
import { createEventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import { configurationFields, kubeletConfiguration } from '../kubelet/configuration.ts'
import type { KubeletConfiguration } from '../kubelet/configuration.ts'
import { createKubelet } from '../kubelet/kubelet.ts'
import { podsMemoryBytes, readCapacity } from '../kubelet/node/capacity.ts'
import { limitPod, limitPodsMemory } from '../kubelet/resources/podCgroup.ts'
import { createRoutedPodNetwork } from '../kubelet/network/podNetwork.ts'
import { createDockerRuntime, type DockerRuntime } from '../kubelet/runtime/docker/dockerRuntime.ts'
import type { AuthenticateToken, AuthorizeCaller } from '../kubelet/server/authentication.ts'
import { startKubeletServer } from '../kubelet/server/server.ts'
import { anyAddress, type NodeAddress } from './addresses.ts'
import type { NodeConfig } from './config.ts'
import { NODE_RANGE_BITS } from './kubeControllers.ts'
import { nodeUsage } from './nodeUsage.ts'
import type { KeyPair } from './pkiFiles.ts'

export interface NodeAgentOptions {
  config: NodeConfig
  address: NodeAddress
  /** The kubelet's serving certificate, and by whom its callers are known. */
  tls: { kubelet: KeyPair; clientCa: string }
  client: Client
  informers: Informers
  /** What somebody may do with this node. */
  authorize: AuthorizeCaller
  /** This node's part of the pods' addresses. */
  podCidrs: readonly string[]
  engineSocket: string
  /** Resolves once the engine has the images every node needs. */
  images: Promise<void>
  /** What was set from outside. */
  options: ComponentOptions
  log: Logger
}

export interface NodeAgent {
  component: Component
  /** For a shutdown, before the component stops: pods end within the time that they were given for it, if any was. */
  shutDown(): Promise<void>
  /** For a shutdown, after the component has stopped (it would start them again): ends every container within the node's own bound. */
  terminatePods(): Promise<void>
  /** The store's disk, which is that of the pods, is full. */
  diskFull(): void
}

const ROOT_DIR = '/var/lib/kubelet'
const MEMORY_DIR = '/run/minicube/volumes'
const MANIFESTS_DIR = '/etc/kubernetes/manifests'
/** Of init: the node's own one with name servers that pods can reach. */
const POD_RESOLV_CONF = '/run/minicube/pod-resolv.conf'
const SANDBOXES = { recordsDirectory: `${ROOT_DIR}/sandboxes`, namespacesDirectory: '/run/minicube/sandboxes' }
const PAUSE_IMAGE = 'minicube/pause:1'
const KUBELET_PORT = 10_250
const SHUTDOWN_GRACE_SECONDS = 10
/** An engine that does not answer is not waited for: init stops the node process some seconds later. */
const SHUTDOWN_TIMEOUT_MS = (SHUTDOWN_GRACE_SECONDS + 2) * 1_000

/** The first range of the cluster's pod addresses of each family; the node IPAM controller gives it to the first node. */
export function firstNodePodCidrs(podCidr: string): string[] {
  return podCidr.split(',').map((cidr) => `${cidr.split('/')[0] ?? ''}/${NODE_RANGE_BITS[familyOf(cidr).name]}`)
}

export function createNodeAgent(options: NodeAgentOptions): NodeAgent {
  const { config, address, tls, client, informers, authorize, podCidrs, engineSocket } = options
  const { nodeName, clusterDns, clusterDomain, podCidr, serviceClusterIpRange } = config
  const { 'node-labels': nodeLabels } = options.options.kubelet
  const settings = kubeletConfiguration(options.options.kubelet)
  const log = options.log.child({ component: 'kubelet' })
  const network = createRoutedPodNetwork({
    podCidrs,
    clusterCidrs: [...podCidr.split(','), ...serviceClusterIpRange.split(',')],
    nodeIps: address.ips,
    log,
  })
  const docker = createDockerRuntime({
    socketPath: engineSocket,
    network,
    pauseImage: PAUSE_IMAGE,
    logs: { maxSizeBytes: settings.containerLogMaxSizeBytes, maxFiles: settings.containerLogMaxFiles },
    sandboxes: SANDBOXES,
    log,
    clock: systemClock,
  })
  const runtime = withImagesFirst(docker, options.images)
  const kubelet = createKubelet({
    client,
    informers,
    events: createEventRecorder({ client, component: 'kubelet', host: nodeName, log, clock: systemClock }),
    clock: systemClock,
    runtime,
    nodeName,
    nodeIp: address.ip,
    nodeIps: address.ips,
    rootDir: ROOT_DIR,
    memoryDir: MEMORY_DIR,
    clusterDns: [clusterDns],
    clusterDomain,
    nodeResolvConfPath: POD_RESOLV_CONF,
    kubeletPort: KUBELET_PORT,
    manifestsDirectory: MANIFESTS_DIR,
    ...(nodeLabels && { nodeLabels }),
    configuration: settings,
    limitPod,
  })
  /** Delegated: the API server knows whose a token is. */
  const authenticate: AuthenticateToken = async (token) => {
    const { status } = await client.create(tokenreviews, { metadata: {}, spec: { token } })
    const { username, groups = [], extra = {} } = status?.user ?? {}
    return status?.authenticated && username ? { name: username, groups, extra } : undefined
  }
  return {
    component: {
      name: 'kubelet',
      async run(context) {
        const server = await startKubeletServer({
          address: anyAddress(address),
          port: KUBELET_PORT,
          tls: { ...tls.kubelet, clientCa: tls.clientCa },
          authorize,
          authenticate,
          configuration: () => configurationInForce(options, settings),
          rootDir: ROOT_DIR,
          nodeName,
          pods: kubelet.pods,
          runtime: kubelet.runtime,
          measures: kubelet.measures,
          nodeUsage,
          volumes: (pod, signal) => kubelet.volumeStats(pod, signal),
          log,
          clock: systemClock,
        })
        await readCapacity(ROOT_DIR)
          .then((capacity) => limitPodsMemory(podsMemoryBytes(capacity, settings)))
          .catch((error: unknown) => log.warn('pods may take all of the memory: their group cannot be limited', { error: String(error) }))
        try {
          await kubelet.run(context)
        } finally {
          await server.close()
        }
      },
    },
    diskFull: () => kubelet.diskFull(),
    shutDown: () => kubelet.shutDown(),
    async terminatePods() {
      const signal = AbortSignal.timeout(SHUTDOWN_TIMEOUT_MS)
      const ended = kubelet.terminatePods(SHUTDOWN_GRACE_SECONDS, { signal, log, clock: systemClock })
      await Promise.race([ended, systemClock.sleep(SHUTDOWN_TIMEOUT_MS)])
    },
  }
}

/** What the kubelet's /configz answers: what it was set to, and what is fixed. */
function configurationInForce({ config, address, podCidrs }: NodeAgentOptions, settings: KubeletConfiguration): object {
  return {
    kind: 'KubeletConfiguration',
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    address: anyAddress(address),
    port: KUBELET_PORT,
    readOnlyPort: 0,
    staticPodPath: MANIFESTS_DIR,
    authentication: { x509: {}, webhook: { enabled: true }, anonymous: { enabled: false } },
    authorization: { mode: 'Webhook' },
    clusterDomain: config.clusterDomain,
    clusterDNS: [config.clusterDns],
    resolvConf: POD_RESOLV_CONF,
    podCIDR: podCidrs.join(','),
    ...configurationFields(settings),
    failSwapOn: false,
    cgroupDriver: 'cgroupfs',
  }
}

/** The node registers while its images are still loaded; a pod that comes that early waits for them instead of failing. */
function withImagesFirst(runtime: DockerRuntime, images: Promise<void>): DockerRuntime {
  return {
    ...runtime,
    async createSandbox(config, signal) {
      await images
      return runtime.createSandbox(config, signal)
    },
    async imageStatus(name) {
      await images
      return runtime.imageStatus(name)
    },
  }
}
