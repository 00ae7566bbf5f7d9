/**
 * A node that joins: kubelet, kube-proxy, network policies and routes, against the API server of another node. It has the
 * rights of a kubelet and of kube-proxy there, no more; its credentials came with `minicube start --nodes`.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readComponentOptions } from '../api/componentOptions.ts'
import { subjectaccessreviews } from '../api/kinds/authorization/v1.ts'
import { nodes } from '../api/kinds/core/v1.ts'
import { isAlreadyExists, isNotFound } from '../api/status.ts'
import { orAbort } from '../base/abort.ts'
import { systemClock } from '../base/clock.ts'
import { Supervisor, type Component, type ComponentHealth } from '../base/component.ts'
import { familiesOf } from '../base/ipFamily.ts'
import { createLogger, type Logger } from '../base/logger.ts'
import { Client } from '../client/client.ts'
import { HttpsTransport } from '../client/https.ts'
import type { Informers } from '../client/informer.ts'
import { createInformers } from '../client/sharedInformer.ts'
import { loadBalancerAddresses } from '../cloud/announcers.ts'
import { hostPathReclaimer } from '../controllers/volume/hostPathReclaimer.ts'
import { runNodeRoutes } from '../kubelet/network/nodeRoutes.ts'
import type { AuthorizeCaller } from '../kubelet/server/authentication.ts'
import { runNetworkPolicy } from '../networkpolicy/networkPolicy.ts'
import { runProxy } from '../proxy/proxy.ts'
import { createAnnouncer, loadBalancerPool, nodeAddress } from './addresses.ts'
import { limitBoot, type Boot } from './boot.ts'
import { serveComponentHealth } from './componentHealth.ts'
import type { NodeConfig } from './config.ts'
import { controllerComponent } from './controllers.ts'
import { engineReady, ensureImages } from './engine.ts'
import { hostPathVolumesOf } from './kubeControllers.ts'
import { createNodeAgent } from './nodeAgent.ts'
import { ENGINE_SOCKET, HEALTH_SOCKET, IMAGES_TAR, STATE_DIR } from './paths.ts'
import type { NodeCredentials } from './pki.ts'
import type { KeyPair } from './pkiFiles.ts'
import { nodeReady } from './readiness.ts'

/** The launcher puts it there before the first start. */
const CREDENTIALS_FILE = join(STATE_DIR, 'node-credentials.json')
const REGISTER_RETRY_MS = 300

interface Access {
  client: Client
  informers: Informers
}

interface ControlPlane {
  server: string
  ca: string
  log: Logger
  signal: AbortSignal
}

function accessAs(identity: KeyPair, userAgent: string, { server, ca, log, signal }: ControlPlane): Access {
  const client = new Client(new HttpsTransport({ server, ca, ...identity, userAgent }))
  return { client, informers: createInformers({ client, signal, log, clock: systemClock }) }
}

/** Makes the node known, so that the control plane gives it its part of the pods' addresses; the kubelet fills in the rest. */
async function podCidrsOf({ client }: Access, nodeName: string, log: Logger, signal: AbortSignal): Promise<string[]> {
  for (;;) {
    try {
      const node = await client.get(nodes, { name: nodeName, signal }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error
        return client.create(nodes, { metadata: { name: nodeName }, spec: {} }, { signal })
      })
      if (node.spec.podCIDRs?.length) return node.spec.podCIDRs
    } catch (error) {
      signal.throwIfAborted()
      if (!isAlreadyExists(error)) log.warn('the control plane does not take the node yet', { error: String(error) })
    }
    await systemClock.sleep(REGISTER_RETRY_MS, signal)
  }
}

/** Delegated: the API server knows who may do what with this node. */
function delegatedAuthorizer(client: Client, nodeName: string): AuthorizeCaller {
  return async (caller, { verb, subresource }) => {
    const extra = Object.fromEntries(Object.entries(caller.extra).map(([key, values]) => [key, [...values]]))
    const resourceAttributes = { verb, group: '', version: 'v1', resource: 'nodes', subresource, name: nodeName }
    const spec = { user: caller.name, groups: [...caller.groups], extra, resourceAttributes }
    const { status } = await client.create(subjectaccessreviews, { metadata: {}, spec })
    return status?.allowed === true
  }
}

/** Resolves once the node is Ready. Whatever it has started by then is ended by `cleanup`, in reverse order. */
export async function bootWorker(config: NodeConfig, boot: Boot, cleanup: AsyncDisposableStack, stop: AbortSignal): Promise<void> {
  const log = createLogger({ level: config.logLevel })
  const supervisor = new Supervisor({ log, clock: systemClock })
  const health = (): ComponentHealth[] => supervisor.health()
  const limit = limitBoot({ signal: stop, clock: systemClock, health })
  cleanup.defer(limit.done)
  const { signal } = limit
  const engine = engineReady(ENGINE_SOCKET, systemClock, signal).then(() => boot.reached('engine'))
  const images = engine.then(() => ensureImages(ENGINE_SOCKET, IMAGES_TAR, join(STATE_DIR, 'images.loaded'), signal))
  for (const later of [engine, images]) later.catch(() => {})

  const { nodeName } = config
  const credentials = JSON.parse(readFileSync(CREDENTIALS_FILE, 'utf8')) as NodeCredentials
  const informing = new AbortController()
  cleanup.defer(() => informing.abort())
  const controlPlane = { server: config.controlPlaneUrl, ca: credentials.ca, log, signal: informing.signal }
  const kubelet = accessAs(credentials.kubeletClient, 'kubelet', controlPlane)
  const { client, informers } = accessAs(credentials.networkClient, 'kube-proxy', controlPlane)
  const podCidrs = await podCidrsOf(kubelet, nodeName, log, signal)
  boot.reached('api')

  const clusterCidrs = config.podCidr.split(',')
  const families = familiesOf(clusterCidrs)
  const address = nodeAddress(families)
  const announce = createAnnouncer(address.device, loadBalancerPool(address))
  const components: Component[] = [
    { name: 'node-routes', run: (context) => runNodeRoutes({ informers, nodeName }, context) },
    { name: 'kube-proxy', run: (context) => runProxy({ client, informers, nodeName, podCidrs: clusterCidrs }, context) },
    { name: 'network-policy', run: (context) => runNetworkPolicy({ informers, nodeName, families }, context) },
    controllerComponent({
      client,
      informers,
      name: 'load-balancer-addresses',
      factories: new Map([['service-lb-addresses', (context) => loadBalancerAddresses({ nodeName, announce }, context)]]),
      controllers: ['service-lb-addresses'],
    }),
    controllerComponent({
      ...kubelet,
      name: 'volumes',
      factories: new Map([['host-path-reclaimer', (context) => hostPathReclaimer(context, hostPathVolumesOf(nodeName))]]),
      controllers: ['host-path-reclaimer'],
    }),
  ]
  await engine
  const agent = createNodeAgent({
    ...kubelet,
    config,
    address,
    tls: { kubelet: credentials.kubelet, clientCa: credentials.ca },
    authorize: delegatedAuthorizer(kubelet.client, nodeName),
    podCidrs,
    engineSocket: ENGINE_SOCKET,
    images,
    options: readComponentOptions(config.extraConfig),
    log,
  })
  // Not when the boot has failed: pods outlive this process, and the next one finds them again.
  cleanup.defer(() => (stop.aborted ? agent.terminatePods() : undefined))
  cleanup.defer(() => supervisor.stop())
  cleanup.defer(() => (stop.aborted ? agent.shutDown() : undefined))
  const started = [...components, agent.component].map((component) => supervisor.start(component))
  const healthServer = await serveComponentHealth(HEALTH_SOCKET, health)
  cleanup.defer(() => void healthServer.close())
  await Promise.all([
    orAbort(Promise.all(started), signal),
    nodeReady(informers, nodeName, signal).then(() => boot.reached('node')),
    images,
  ])
  limit.done()
  boot.reached('ready')
}
