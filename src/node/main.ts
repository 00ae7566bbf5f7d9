/**
 * The node process: the control plane and the node agent of one container, put together. This is the only place where
 * components are (docs/adr/0002); everything they share passes through here.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { Supervisor, type Component } from '../base/component.ts'
import { createLogger, type Logger } from '../base/logger.ts'
import { Client } from '../client/client.ts'
import { createEventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import { createInformers } from '../client/sharedInformer.ts'
import { cloudControllerFactories } from '../cloud/cloud.ts'
import { runDns } from '../dns/dns.ts'
import type { UserInfo } from '../apiserver/request.ts'
import type { ApiServer } from '../apiserver/server.ts'
import { runProxy } from '../proxy/proxy.ts'
import { runScheduler } from '../scheduler/scheduler.ts'
import { openSqliteStore } from '../storage/sqlite/sqliteStore.ts'
import { createAnnouncer, loadBalancerPool, nodeAddress, type NodeAddress } from './addresses.ts'
import { adminKubeconfig } from './adminKubeconfig.ts'
import { assembleApiServer, componentUser, nodeUser } from './apiServer.ts'
import { Boot } from './boot.ts'
import { readNodeConfig, type NodeConfig } from './config.ts'
import { controllerComponent } from './controllers.ts'
import { engineReady, ensureImages } from './engine.ts'
import { kubeControllers } from './kubeControllers.ts'
import { createNodeAgent } from './nodeAgent.ts'
import { ensurePki, type Pki } from './pki.ts'
import { defaultServiceAccount, dnsAnswers, nodeReady } from './readiness.ts'
import { serveComponentHealth } from './componentHealth.ts'

const STATE_DIR = '/var/lib/minicube'
const VOLUMES_DIR = '/var/lib/minicube/volumes'
const ENGINE_SOCKET = '/run/docker.sock'
const IMAGES_TAR = '/usr/lib/minicube/images.tar'

/** What is known once configuration, keys and address are. */
interface Setup {
  config: NodeConfig
  address: NodeAddress
  pki: Pki
  log: Logger
}

async function setUp(config: NodeConfig, log: Logger): Promise<Setup> {
  mkdirSync(STATE_DIR, { recursive: true, mode: 0o700 })
  const address = nodeAddress()
  const kubernetesIp = config.serviceClusterIpRange.replace(/\d+\/\d+$/, '1')
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', `kubernetes.default.svc.${config.clusterDomain}`]
  const pki = await ensurePki({
    dir: join(STATE_DIR, 'pki'),
    nodeName: config.nodeName,
    apiServerNames: [...new Set(['localhost', '127.0.0.1', config.nodeName, hostname(), address.ip, kubernetesIp, ...names, ...config.sans])],
    nodeNames: [...new Set([config.nodeName, hostname(), address.ip])],
    nowMs: Date.now(),
  })
  writeFileSync(join(STATE_DIR, 'admin.kubeconfig'), adminKubeconfig(config.clusterName, `https://127.0.0.1:${config.apiServerPort}`, pki), { mode: 0o600 })
  return { config, address, pki, log }
}

function startApiServer({ config, address, pki, log }: Setup): Promise<{ server: ApiServer; close(): Promise<void> }> {
  return (async () => {
    const store = openSqliteStore({ path: join(STATE_DIR, 'state.db'), clock: systemClock, log: log.child({ component: 'storage' }) })
    const server = await assembleApiServer({
      store,
      pki,
      serviceClusterIpRange: config.serviceClusterIpRange,
      advertiseAddress: address.ip,
      clusterDomain: config.clusterDomain,
      log,
      clock: systemClock,
    })
    const serving = new AbortController()
    const { done } = await server.listen({ host: '0.0.0.0', port: config.apiServerPort, signal: serving.signal })
    return {
      server,
      async close() {
        serving.abort()
        await done
        await store.close()
      },
    }
  })()
}

/** A client with an identity of its own, and the informers that its components share. */
function access(server: ApiServer, user: UserInfo, userAgent: string, log: Logger, signal: AbortSignal): { client: Client; informers: Informers } {
  const client = new Client(server.directTransport(user, userAgent))
  return { client, informers: createInformers({ client, signal, log, clock: systemClock }) }
}

function controlComponents({ config, address, pki, log }: Setup, server: ApiServer, signal: AbortSignal): { components: Component[]; informers: Informers } {
  const { client, informers } = access(server, componentUser('system:kube-controller-manager'), 'kube-controller-manager', log, signal)
  const scheduling = new Client(server.directTransport(componentUser('system:kube-scheduler'), 'kube-scheduler'))
  const instance = { providerId: `minicube://${config.clusterName}/${config.nodeName}`, instanceType: 'minicube', zone: config.clusterName, region: 'local' }
  const cloud = {
    clusterName: config.clusterName,
    instance: (name: string) => (name === config.nodeName ? instance : undefined),
    loadBalancers: { pool: loadBalancerPool(address), announce: createAnnouncer(address.device) },
  }
  const kube = kubeControllers({ pki, podCidr: config.podCidr, volumesDirectory: VOLUMES_DIR })
  const clouds = cloudControllerFactories(cloud)
  const components: Component[] = [
    controllerComponent({ name: 'kube-controller-manager', factories: kube, controllers: [...kube.keys()], client, informers }),
    {
      name: 'kube-scheduler',
      run: (context) => {
        const events = createEventRecorder({ client: scheduling, component: 'default-scheduler', log: context.log, clock: context.clock })
        return runScheduler({ client: scheduling, informers, events }, context)
      },
    },
    controllerComponent({ name: 'cloud-controller-manager', factories: clouds, controllers: [...clouds.keys()], client, informers }),
    { name: 'kube-proxy', run: (context) => runProxy({ informers, nodeName: config.nodeName }, context) },
    {
      name: 'kube-dns',
      run: (context) => {
        const { nodeName, clusterDns, clusterDomain } = config
        return runDns({ client, informers, nodeName, nodeIp: address.ip, clusterDns, clusterDomain, hosts: hostNames() }, context)
      },
    },
  ]
  return { components, informers }
}

/** Names of the machine outside, as minikube and Docker have them; its address is the node's gateway. */
function hostNames(): Readonly<Record<string, string>> {
  const gateway = process.env['MINICUBE_HOST_IP']
  return gateway ? { 'host.minicube.internal': gateway, 'host.minikube.internal': gateway, 'host.docker.internal': gateway } : {}
}

async function run(signal: AbortSignal): Promise<void> {
  const config = readNodeConfig(process.env)
  const log = createLogger({ level: config.logLevel })
  const nodeLog = log.child({ component: 'node' })
  const boot = new Boot(nodeLog, () => performance.now())
  const supervisor = new Supervisor({ log, clock: systemClock })
  try {
    const engine = engineReady(ENGINE_SOCKET, systemClock, signal).then(async () => {
      boot.reached('engine')
      await ensureImages(ENGINE_SOCKET, IMAGES_TAR, join(STATE_DIR, 'images.loaded'), signal)
    })
    engine.catch(() => {})
    const setup = await setUp(config, log)
    const api = await startApiServer(setup)
    boot.reached('api')

    const informing = new AbortController()
    const control = controlComponents(setup, api.server, informing.signal)
    const started = control.components.map((component) => supervisor.start(component))
    await engine
    const node = access(api.server, nodeUser(config.nodeName), 'kubelet', log, informing.signal)
    const agent = createNodeAgent({ ...setup, ...node, authorizer: api.server.authorizer, engineSocket: ENGINE_SOCKET })
    const kubelet = supervisor.start(agent.component)
    const health = await serveComponentHealth('/run/minicube/health.sock', () => supervisor.health())

    await nodeReady(control.informers, config.nodeName, signal)
    boot.reached('node')
    await Promise.all([...started, dnsAnswers(config.clusterDns, config.clusterDomain, systemClock, signal)])
    boot.reached('dns')
    await Promise.all([kubelet, defaultServiceAccount(control.informers, signal)])
    boot.reached('ready')

    await new Promise<void>((stop) => signal.addEventListener('abort', () => stop(), { once: true }))
    nodeLog.info('stopping')
    health.close()
    await agent.terminatePods()
    await supervisor.stop()
    informing.abort()
    await api.close()
  } catch (error) {
    if (signal.aborted) return
    boot.failed(error)
    throw error
  }
}

/** Builds the compile cache of the image: everything is loaded, nothing is done. */
const isWarmUp = process.argv.includes('--warm-up')

if (!isWarmUp) {
  const abort = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => abort.abort())
  try {
    await run(abort.signal)
    process.exit(0)
  } catch {
    process.exit(1)
  }
}
