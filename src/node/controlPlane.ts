/**
 * The control plane alone, in the foreground and without a container engine: API server, store and the named controllers.
 * For tests of operators, for benchmarks, and for work on the control plane itself.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ExtraConfigError } from '../api/componentOptions.ts'
import { StatusError } from '../api/status.ts'
import { aborted, orAbort } from '../base/abort.ts'
import { systemClock } from '../base/clock.ts'
import { Supervisor, type Component } from '../base/component.ts'
import { createLogger, type Logger } from '../base/logger.ts'
import { ConfigurationFileError } from '../apiserver/configuration/configurationFile.ts'
import { Client } from '../client/client.ts'
import { selectControllers, UnknownControllerError } from '../controllers/registry.ts'
import { runFakeNodes } from '../fakenodes/fakeNodes.ts'
import type { LeaderElectionConfiguration } from '../scheduler/configuration/configuration.ts'
import { ConfigurationError } from '../scheduler/pluginPoints.ts'
import { createMemoryStore } from '../storage/memory/memoryStore.ts'
import { openSqliteStore } from '../storage/sqlite/sqliteStore.ts'
import { StoreUnavailableError, type Store } from '../storage/store.ts'
import { access as accessTo } from './access.ts'
import { adminKubeconfig } from './adminKubeconfig.ts'
import { assembleApiServer, componentUser } from './apiServer.ts'
import { controllerComponent } from './controllers.ts'
import { parseSettings, USAGE, UsageError, type Settings } from './controlPlaneSettings.ts'
import { openDatastore } from './datastore.ts'
import { candidacyOf, electedComponent, electionSettings, flagsOfGuest, type Flags, type MakeComponent } from './electedComponent.ts'
import { boundHeapGrowth } from './heap.ts'
import { kubeControllers } from './kubeControllers.ts'
import { ensurePki } from './pki.ts'
import { PkiError } from './pkiFiles.ts'
import { schedulerComponent, schedulerConfigurationOf } from './schedulerComponent.ts'

/** minikube's code for a wrong command line. */
const USAGE_EXIT_CODE = 14
/** Nobody gives these addresses to pods here: they only make nodes' parts of the range look as they do in a cluster. */
const POD_CIDR = '10.244.0.0/16'

/** Where clients reach the server: not at the address that stands for all. */
const reachable = (host: string): string => (host === '0.0.0.0' ? '127.0.0.1' : host)

async function openStore({ data, datastore, quotaBytes }: Settings, folder: string, log: Logger): Promise<Store> {
  if (datastore) return openDatastore(datastore, { log, clock: systemClock })
  if (data === 'memory') return createMemoryStore({ clock: systemClock })
  return openSqliteStore({ path: join(folder, 'state.db'), clock: systemClock, log, ...(quotaBytes && { maxSizeBytes: quotaBytes }) })
}

type Running = Awaited<ReturnType<typeof startApiServer>>

/** What is opened here is closed by `cleanup`: the store after the server that writes to it. */
async function startApiServer(settings: Settings, log: Logger, cleanup: AsyncDisposableStack) {
  const { host, data, serviceClusterIpRange } = settings
  const inMemory = data === 'memory'
  const folder = inMemory ? mkdtempSync(join(tmpdir(), 'minicube-control-plane-')) : resolve(data)
  if (inMemory) cleanup.defer(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const keys = ensurePki({
    dir: join(folder, 'pki'),
    nodeName: 'control-plane',
    apiServerNames: [
      ...new Set([
        'localhost',
        'kubernetes',
        'kubernetes.default',
        'kubernetes.default.svc',
        '127.0.0.1',
        '::1',
        reachable(host),
        ...(settings.advertiseAddress ? [settings.advertiseAddress] : []),
      ]),
    ],
    nodeNames: ['control-plane'],
    nowMs: Date.now(),
  })
  // It is waited for below; what the store has to say comes first.
  keys.catch(() => {})
  const store = await openStore(settings, folder, log)
  cleanup.defer(() => store.close())
  const pki = await keys
  const server = await assembleApiServer({
    store,
    pki,
    serviceClusterIpRange,
    advertiseAddress: settings.advertiseAddress ?? reachable(host),
    clusterDomain: 'cluster.local',
    ...(settings.descriptionsFile && { descriptionsFile: settings.descriptionsFile }),
    ...(settings.audit && { audit: settings.audit }),
    ...(settings.tokenFile && { tokenFile: settings.tokenFile }),
    flags: settings.options.apiserver,
    log,
    clock: systemClock,
  })
  const serving = new AbortController()
  const { port, done } = await server.listen({ host, port: settings.port, signal: serving.signal })
  cleanup.defer(async () => {
    serving.abort()
    await done
  })
  return { server, store, pki, url: `https://${reachable(host)}:${port}` }
}

/** The scheduler and the controllers, each by its lease where several control planes share a datastore. */
function componentsOf(settings: Settings, { server, store, pki }: Running, log: Logger, informing: AbortSignal): Component[] {
  const managerName = 'kube-controller-manager'
  const access = accessTo(server, componentUser('system:kube-controller-manager'), managerName, { log, signal: informing })
  const { informers, metrics } = access
  const candidacy = candidacyOf(log, store.shared === true)
  const forced = settings.leaderElect === undefined ? {} : { 'leader-elect': settings.leaderElect }
  const { scheduler: schedulerFlags, 'controller-manager': managerFlags } = settings.options
  const elected = (name: string, flags: Flags, own: Client, make: MakeComponent, file?: LeaderElectionConfiguration): Component =>
    electedComponent(electionSettings(name, { ...flags, ...forced }, file), own, candidacy, make)
  const factories = kubeControllers({ pki, podCidr: POD_CIDR, flags: settings.options['controller-manager'] })
  const controllers = selectControllers(factories.keys(), settings.controllers)
  const manage = (client: Client): Component =>
    controllerComponent({ name: managerName, factories, controllers, client, informers, metrics })
  const components = [elected(managerName, managerFlags, access.client, manage)]
  if (settings.scheduler) {
    const own = new Client(server.directTransport(componentUser('system:kube-scheduler'), 'kube-scheduler'))
    const file = settings.schedulerConfigFile ?? settings.options.scheduler.config
    const configuration = file ? schedulerConfigurationOf(file) : undefined
    const schedule = (client: Client): Component => schedulerComponent({ client, informers, ...(configuration && { configuration }) })
    components.push(elected('kube-scheduler', schedulerFlags, own, schedule, configuration?.leaderElection))
  }
  if (settings.fakeNodes > 0) {
    const fake = (client: Client): Component => ({
      name: 'fake-nodes',
      run: (context) => runFakeNodes({ client, informers, count: settings.fakeNodes, isTainted: false }, context),
    })
    components.push(elected('fake-nodes', flagsOfGuest(managerFlags), access.client, fake))
  }
  return components
}

async function start(settings: Settings, cleanup: AsyncDisposableStack, signal: AbortSignal): Promise<void> {
  const log = createLogger({ level: settings.logLevel, write: (line) => process.stderr.write(line) })
  const running = await startApiServer(settings, log, cleanup)
  const { url, pki } = running
  const informing = new AbortController()
  cleanup.defer(() => informing.abort())
  const components = componentsOf(settings, running, log, informing.signal)
  const supervisor = new Supervisor({ log, clock: systemClock })
  cleanup.defer(() => supervisor.stop())
  await orAbort(Promise.all(components.map((component) => supervisor.start(component))), signal)
  if (settings.kubeconfig) {
    writeFileSync(settings.kubeconfig, adminKubeconfig('minicube', url, pki), { mode: 0o600 })
    // A file that was there before keeps its mode otherwise.
    chmodSync(settings.kubeconfig, 0o600)
  }
  process.stdout.write(`ready: ${url} after ${Math.round(performance.now())} ms\n`)
}

/** Runs until the signal aborts. Whatever it has started by then is ended in reverse order. */
async function run(settings: Settings, signal: AbortSignal): Promise<void> {
  const cleanup = new AsyncDisposableStack()
  try {
    await start(settings, cleanup, signal)
    await aborted(signal)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await cleanup.disposeAsync()
  }
}

/** What the user can do something about needs no stack. */
function explain(error: unknown): string {
  const isUnderstood = [StoreUnavailableError, StatusError, PkiError, ConfigurationError, ConfigurationFileError].some(
    (type) => error instanceof type,
  )
  if (!(error instanceof Error)) return String(error)
  // What the system has refused: no such file, no permission, no room, an address in use.
  if (isUnderstood || 'syscall' in error) return error.message
  return error.stack ?? error.message
}

const isUsageError = (error: unknown): error is Error =>
  error instanceof ExtraConfigError ||
  error instanceof UsageError ||
  error instanceof UnknownControllerError ||
  (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))

/** Answers the exit code. */
async function main(args: readonly string[], signal: AbortSignal): Promise<number> {
  try {
    const settings = parseSettings(args)
    if (settings === 'help') process.stdout.write(USAGE)
    else await run(settings, signal)
    return 0
  } catch (error) {
    if (isUsageError(error)) {
      process.stderr.write(`${error.message}\n\nTo see its flags: minicube control-plane --help\n`)
      return USAGE_EXIT_CODE
    }
    process.stderr.write(`The control plane cannot run: ${explain(error)}\n`)
    return 1
  }
}

boundHeapGrowth()
const abort = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => (abort.signal.aborted ? process.exit(130) : abort.abort()))
process.exit(await main(process.argv.slice(2), abort.signal))
