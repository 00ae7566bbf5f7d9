/**
 * The node process: the control plane and the node agent of one container, put together. This is the only place where
 * components are (docs/adr/0002); everything they share passes through here.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { readComponentOptions, type ComponentOptions } from '../api/componentOptions.ts'
import { aborted, orAbort } from '../base/abort.ts'
import { systemClock } from '../base/clock.ts'
import { Supervisor, type ComponentHealth } from '../base/component.ts'
import { familiesOf } from '../base/ipFamily.ts'
import { createLogger, type Logger } from '../base/logger.ts'
import type { ApiServer } from '../apiserver/server.ts'
import { openSqliteStore } from '../storage/sqlite/sqliteStore.ts'
import { access } from './access.ts'
import { anyAddress, nodeAddress, type NodeAddress } from './addresses.ts'
import { adminKubeconfig } from './adminKubeconfig.ts'
import { assembleApiServer, componentUser, kubernetesServiceAddress, nodeUser } from './apiServer.ts'
import { webhookSettings } from './audit.ts'
import type { AuditSettings } from './audit.ts'
import { Boot, limitBoot } from './boot.ts'
import { serveComponentHealth } from './componentHealth.ts'
import { readNodeConfig, type NodeConfig } from './config.ts'
import { controlComponents } from './controlComponents.ts'
import { engineReady, ensureImages } from './engine.ts'
import { createNodeAgent, firstNodePodCidrs, type NodeAgent } from './nodeAgent.ts'
import { nodeAttributes } from './nodeAttributes.ts'
import { ENGINE_SOCKET, HEALTH_SOCKET, IMAGES_TAR, STATE_DIR } from './paths.ts'
import { ensurePki, issueNodeCredentials, type Pki } from './pki.ts'
import { defaultServiceAccount, dnsAnswers, nodeReady } from './readiness.ts'
import { bootWorker } from './worker.ts'

const DESCRIPTIONS_FILE = '/usr/lib/minicube/descriptions.json'

const LONGEST_INTERVAL_MS = 2 ** 31 - 1

/** What is known once configuration, keys and address are. */
interface Setup {
  config: NodeConfig
  address: NodeAddress
  pki: Pki
  log: Logger
  /** What was set from outside. */
  options: ComponentOptions
}

async function setUp(config: NodeConfig, log: Logger): Promise<Setup> {
  const options = readComponentOptions(config.extraConfig)
  mkdirSync(STATE_DIR, { recursive: true, mode: 0o700 })
  const address = nodeAddress(familiesOf(config.podCidr.split(',')))
  const kubernetesIp = kubernetesServiceAddress(config.serviceClusterIpRange)
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', `kubernetes.default.svc.${config.clusterDomain}`]
  const pki = await ensurePki({
    dir: join(STATE_DIR, 'pki'),
    nodeName: config.nodeName,
    apiServerNames: [
      ...new Set(['localhost', '127.0.0.1', config.nodeName, hostname(), ...address.ips, kubernetesIp, ...names, ...config.sans]),
    ],
    nodeNames: [...new Set([config.nodeName, hostname(), ...address.ips])],
    nowMs: Date.now(),
  })
  const kubeconfig = adminKubeconfig(config.clusterName, `https://127.0.0.1:${config.apiServerPort}`, pki)
  writeFileSync(join(STATE_DIR, 'admin.kubeconfig'), kubeconfig, { mode: 0o600 })
  return { config, address, pki, log, options }
}

/** Undefined where nothing is to be written down. */
function auditSettings(config: NodeConfig, flags: ComponentOptions['apiserver']): AuditSettings | undefined {
  const policyFile = flags['audit-policy-file'] ?? config.auditPolicyFile
  if (!policyFile) return undefined
  const webhook = webhookSettings(flags)
  return {
    policyFile,
    logPath: flags['audit-log-path'] ?? config.auditLogPath,
    maxSizeMegabytes: flags['audit-log-maxsize'] ?? config.auditLogMaxSizeMegabytes,
    maxBackups: flags['audit-log-maxbackup'] ?? config.auditLogMaxBackups,
    maxAgeDays: flags['audit-log-maxage'] ?? config.auditLogMaxAgeDays,
    ...(webhook && { webhook }),
  }
}

/** What is opened here is closed by `cleanup`: the store after the server that writes to it. */
async function startApiServer(
  { config, address, pki, log, options }: Setup,
  cleanup: AsyncDisposableStack,
  onDiskFull: () => void,
): Promise<ApiServer> {
  const path = join(STATE_DIR, 'state.db')
  const store = openSqliteStore({ path, clock: systemClock, log: log.child({ component: 'storage' }), onDiskFull })
  cleanup.defer(() => store.close())
  const audit = auditSettings(config, options.apiserver)
  const tokenFile = options.apiserver['token-auth-file'] ?? config.tokenAuthFile
  const server = await assembleApiServer({
    store,
    pki,
    serviceClusterIpRange: config.serviceClusterIpRange,
    advertiseAddress: address.ip,
    clusterDomain: config.clusterDomain,
    descriptionsFile: DESCRIPTIONS_FILE,
    ...(audit && { audit }),
    ...(tokenFile && { tokenFile }),
    flags: options.apiserver,
    log,
    clock: systemClock,
  })
  const serving = new AbortController()
  const { done } = await server.listen({ host: anyAddress(address), port: config.apiServerPort, signal: serving.signal })
  cleanup.defer(async () => {
    serving.abort()
    await done
  })
  return server
}

/**
 * Boots the node and resolves once all of it is ready. Whatever it has started by then is ended by `cleanup`, in reverse
 * order, at whichever step it stops: node agent, pods, control plane, API server, store.
 */
async function bootControlPlane(config: NodeConfig, boot: Boot, cleanup: AsyncDisposableStack, stop: AbortSignal): Promise<void> {
  const log = createLogger({ level: config.logLevel })
  const control = new Supervisor({ log, clock: systemClock })
  const agents = new Supervisor({ log, clock: systemClock })
  const health = (): ComponentHealth[] => [...control.health(), ...agents.health()]
  const limit = limitBoot({ signal: stop, clock: systemClock, health })
  cleanup.defer(limit.done)
  const { signal } = limit

  const engine = engineReady(ENGINE_SOCKET, systemClock, signal).then(() => boot.reached('engine'))
  const images = engine.then(() => ensureImages(ENGINE_SOCKET, IMAGES_TAR, join(STATE_DIR, 'images.loaded'), signal))
  let agent: NodeAgent | undefined
  // They are waited for further down; what fails before that is told first.
  for (const later of [engine, images]) later.catch(() => {})
  const setup = await setUp(config, log)
  const server = await startApiServer(setup, cleanup, () => agent?.diskFull())
  boot.reached('api')

  const informing = new AbortController()
  cleanup.defer(() => informing.abort())
  const via = { log, signal: informing.signal }
  const manager = access(server, componentUser('system:kube-controller-manager'), 'kube-controller-manager', via)
  cleanup.defer(() => control.stop())
  const started = controlComponents({ ...setup, server, ...manager }).map((component) => control.start(component))
  await engine
  const kubelet = access(server, nodeUser(config.nodeName), 'kubelet', via)
  agent = createNodeAgent({
    ...setup,
    ...kubelet,
    tls: { kubelet: setup.pki.kubelet, clientCa: setup.pki.ca.cert },
    authorize: async (caller, access) => (await server.authorizer.authorize(nodeAttributes(caller, access, config.nodeName))).allowed,
    podCidrs: firstNodePodCidrs(config.podCidr),
    engineSocket: ENGINE_SOCKET,
    images,
  })
  // Not when the boot has failed: pods outlive this process, and the next one finds them again.
  cleanup.defer(() => (stop.aborted ? agent?.terminatePods() : undefined))
  cleanup.defer(() => agents.stop())
  cleanup.defer(() => (stop.aborted ? agent?.shutDown() : undefined))
  const agentStarted = agents.start(agent.component)
  const healthServer = await serveComponentHealth(HEALTH_SOCKET, health)
  cleanup.defer(() => void healthServer.close())

  const all = orAbort(Promise.all([...started, agentStarted]), signal)
  const phases = async (): Promise<void> => {
    await nodeReady(manager.informers, config.nodeName, signal)
    boot.reached('node')
    await Promise.all([orAbort(Promise.all(started), signal), dnsAnswers(config.clusterDns, config.clusterDomain, systemClock, signal)])
    boot.reached('dns')
    await Promise.all([all, images, defaultServiceAccount(manager.informers, signal)])
  }
  // A component that cannot start ends the boot at whichever phase it is.
  await Promise.all([all, phases()])
  limit.done()
  boot.reached('ready')
}

/** Runs until `stop` aborts. Answers the exit code. */
async function runNode(stop: AbortSignal): Promise<number> {
  // The host follows the boot by these lines, whatever the log level of the rest.
  const nodeLog = createLogger().child({ component: 'node' })
  const boot = new Boot(nodeLog, () => performance.now())
  const cleanup = new AsyncDisposableStack()
  let exitCode = 0
  // Timers of the clock keep no process alive, and a node may have nothing but them while it waits for its control plane.
  const awake = setInterval(() => {}, LONGEST_INTERVAL_MS)
  try {
    const config = readNodeConfig(process.env)
    await (config.role === 'worker' ? bootWorker : bootControlPlane)(config, boot, cleanup, stop)
    await aborted(stop)
  } catch (error) {
    if (!stop.aborted) {
      boot.failed(error)
      exitCode = 1
    }
  }
  nodeLog.info('stopping')
  await cleanup.disposeAsync().catch((error: unknown) => {
    nodeLog.error('not everything stopped in order', error)
    exitCode = 1
  })
  clearInterval(awake)
  return exitCode
}

/** `--node-credentials NAME ADDRESS,…`, run in a node with a control plane: prints what a node that joins needs, as JSON. */
async function printNodeCredentials(nodeName: string, addresses: string): Promise<void> {
  const dir = join(STATE_DIR, 'pki')
  const credentials = await issueNodeCredentials({ dir, nodeName, addresses: addresses.split(','), nowMs: Date.now() })
  process.stdout.write(`${JSON.stringify(credentials)}\n`)
}

const [order, ...operands] = process.argv.slice(2)

if (order === '--node-credentials') await printNodeCredentials(operands[0] ?? '', operands[1] ?? '')
// `--warm-up` builds the compile cache of the image: everything is loaded, nothing is done.
else if (order !== '--warm-up') {
  const stop = new AbortController()
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => stop.abort())
  process.exit(await runNode(stop.signal))
}
